"""Gates about what a delivery did to a knowledge base: did it lose or change too much at once, did it bring too much boilerplate?

A sync that would delete more than 15 % of a source's documents is more often a broken export than a decision; Amazon Bedrock's
deletion protection draws the line there too. What was deleted and what was changed add up: an export that lost half of every page
deletes nothing. None of this proves harm, so what is over a limit is inconclusive: a person looks, and may let it pass.
"""

from collections.abc import Sequence

from kb_platform.knowledge.gate_limits import GateLimits
from kb_platform.quality.decision import Decision
from kb_platform.quality.verdict import Verdict
from kb_platform.storage.inspect_changes import Churn, Repetition

CHURN, DUPLICATES = "churn", "duplicates"


def decide_churn(found: Sequence[Churn], limits: GateLimits) -> Decision:
    """Return whether any source lost and changed, together, more than allowed against the live release.

    Documents and metadata count from `min_churn_documents` on, chunks from `min_churn_chunks`: in a source of five documents, one is 20 %.
    Chunks see what documents do not: one handbook of 500 pages that arrives with 30.

    Args:
        found: documents, chunks and values of metadata fields that the live release has, and the candidate has not as they were.
        limits: share and least numbers.

    Returns:
        A verdict whose metric is the largest share among those that count.
    """
    counted = [churn for churn in found if churn.gone >= (limits.min_churn_chunks if churn.what == "chunks" else limits.min_churn_documents)]
    reasons = [f"{_sentence(churn)}, more than {limits.max_churn_share:.0%}" for churn in counted if churn.share > limits.max_churn_share]
    sources = [{"source": c.source, "what": c.what, "held": c.held, "removed": c.removed, "changed": c.changed} for c in found if c.gone]
    return Decision.of(CHURN, max((churn.share for churn in counted), default=0.0), limits.max_churn_share, reasons,
                       otherwise=Verdict.INCONCLUSIVE, facts={"sources": sources})


def _sentence(churn: Churn) -> str:
    parts = [f"{count} {what}" for count, what in ((churn.removed, "removed"), (churn.changed, "changed")) if count]
    examples = f", such as {', '.join(churn.examples)}" if churn.examples else ""
    return f"{churn.source}: of {churn.held} {churn.what} {' and '.join(parts)} ({churn.share:.0%}{examples})"


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
