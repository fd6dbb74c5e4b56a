"""Changes of the golden set that reviewers approved, for as long as the team has neither made nor overtaken them.

An approval changes no file: the golden set is the team's. What is proposed follows from the decision and from the newest content;
it is gone as soon as the golden is another one, or its passage stands again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.reviews import Effect
from kb_platform.quality.golden import Golden, load_golden_set
from kb_platform.review.golden_material import GoldenChange, golden_of, passages_now, proposed_change
from kb_platform.storage.database import Database
from kb_platform.storage.review_outcomes import Outcome, outcomes_with


@dataclass(frozen=True)
class Proposal:
    """A change, and the review that proposes it."""

    change: GoldenChange
    review: Outcome


def golden_proposals(database: Database, kb: KnowledgeBase) -> Iterator[Proposal]:
    """Yield what is proposed, oldest decision first, each golden once."""
    goldens, approved = load_golden_set(kb.folder / "golden"), dict[str, tuple[Golden, Outcome]]()
    for outcome in outcomes_with(database, Effect.GOLDEN_CHANGE_PROPOSED):
        if golden := golden_of(goldens, outcome.subject, str(outcome.facts["golden_hash"])):
            approved.setdefault(golden.id, (golden, outcome))
    passages = passages_now(database, [golden for golden, _ in approved.values()])
    for golden, outcome in approved.values():
        if change := proposed_change(database, golden, passages[golden.id]):
            yield Proposal(change, outcome)
