"""Gates about what a delivery did to a knowledge base: did it lose or change too much at once, did it bring too much boilerplate?

A sync that would delete more than 15 % of a source's documents is more often a broken export than a decision; Amazon Bedrock's
deletion protection draws the line there too. None of this proves harm, so what is over a limit is inconclusive: a person looks,
and may let it pass.
"""

from collections.abc import Sequence

from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.quality.decision import Decision
from kb_platform.quality.verdict import Verdict
from kb_platform.storage.inspect_changes import Loss, Repetition

DELETIONS, DUPLICATES = "deletions", "duplicates"


def decide_deletions(lost: Sequence[Loss], changed: Sequence[Loss], limits: GateLimits) -> Decision:
    """Return whether any source lost, or changed, more than allowed against the live release.

    A loss counts from `min_deleted` documents on, a change from `min_changed`: in a source of five, one is 20 %.

    Args:
        lost: documents, characters of text and metadata fields that the live release has and the candidate has not.
        changed: documents that are other than in the live release.
        limits: shares and least numbers.

    Returns:
        A verdict whose metric is the largest share that was lost, among those that count.
    """
    losses = [loss for loss in lost if loss.documents >= limits.min_deleted]
    churn = [change for change in changed if change.documents >= limits.min_changed]
    reasons = [f"{loss.source}: {loss.lost} of {loss.held} {loss.what} are gone ({loss.share:.0%}), more than {limits.max_deleted_share:.0%}"
               for loss in losses if loss.share > limits.max_deleted_share]
    reasons += [f"{change.source}: {change.lost} of {change.held} documents changed ({change.share:.0%}), more than {limits.max_changed_share:.0%}"
                for change in churn if change.share > limits.max_changed_share]
    sources = [{"source": x.source, "what": what, "held": x.held, "lost": x.lost} for rows, what in ((lost, "lost"), (changed, "changed"))
               for x in rows if x.lost]
    return Decision.of(DELETIONS, max((loss.share for loss in losses), default=0.0), limits.max_deleted_share, reasons,
                       otherwise=Verdict.INCONCLUSIVE, facts={"sources": sources})


def decide_duplicates(found: Repetition, live: Repetition | None, limits: GateLimits) -> Decision:
    """Return whether too much of the text stands in several documents.

    Args:
        found: repeated text of the candidate; in fewer than `min_duplicates` documents it never counts.
        live: the same of the live release; None where there is none, and then an absolute limit holds.
        limits: `max_duplicate_share` without a live release, `max_duplicate_growth` above it.

    Returns:
        A verdict whose metric is the share of repeated text; 0 where that is in too few documents to count.
    """
    limit = limits.max_duplicate_share if live is None else live.share + limits.max_duplicate_growth
    reasons: list[str] = []
    counted = found.share if found.documents >= limits.min_duplicates else 0.0
    if counted > limit:
        against = "" if live is None else f" against {live.share:.0%} in the live release"
        reasons.append(f"{found.share:.0%} of the text stands in several of {found.documents} documents{against}, more than {limit:.0%}")
    facts = {"documents": found.documents, "share": found.share}
    return Decision.of(DUPLICATES, counted, limit, reasons, otherwise=Verdict.INCONCLUSIVE, facts=facts)
