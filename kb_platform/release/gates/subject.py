"""What a gate is given: the sealed candidate with everything that it may be measured by."""

from dataclasses import dataclass

from kb_platform.index.embed import LoadEmbedder
from kb_platform.knowledge.churn import AcceptedChurn
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.quality.decision import Decision
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult
from kb_platform.storage.releases import Release
from kb_platform.storage.stores import Store


@dataclass(frozen=True)
class Subject:
    """A release under judgment, and the live one's id (None before the first promotion); who accepts its churn, if anybody does."""

    store: Store
    kb: KnowledgeBase
    release: Release
    live: int | None
    load_embedder: LoadEmbedder
    progress: Progress = silent
    accept_churn: AcceptedChurn | None = None

    @property
    def database(self) -> Database:
        """Return the knowledge base's database."""
        return self.store.database


def as_result(decision: Decision) -> GateResult:
    """Return a decision as it is stored."""
    return GateResult(decision.name, decision.passed, decision.verdict.value, decision.metric, decision.threshold, decision.to_dict())
