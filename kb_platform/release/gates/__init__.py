"""The gates, in one place: what each is called, says and stops. How each measures is in the module of its name.

A gate's module has `measure(subject) -> GateResult | None` (None: there is nothing to judge), and may have `lacking(kb) -> str`, which
names what the gate has nothing to go by without, and `settle(database, kb)`, which closes the cases that have lost their reason.
Modules are imported when a gate runs: Dagster loads this table without the database's and the model's libraries. Measuring goes
through storage/, deciding is pure and lies in quality/.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind

if TYPE_CHECKING:
    from kb_platform.release.gates.subject import Subject
    from kb_platform.storage.gates import GateResult
    from kb_platform.storage.stores import Store


class Rank(StrEnum):
    """How much a gate's verdict weighs."""

    INTEGRITY = "integrity"
    """The index is broken, not merely worse: always required, never waived."""
    QUALITY = "quality"
    """Required unless required_gates leaves it out; a person may waive it."""
    ADVISORY = "advisory"
    """Warns; stops a release only where required_gates names it."""


@dataclass(frozen=True)
class Gate:
    """One gate. `name` is that of its asset check, of its rows in `gate_result`, and of its module."""

    name: str
    description: str
    rank: Rank = Rank.QUALITY
    unit: str = ""
    """Of what is measured (d: days); shares and scores have none."""
    case_kind: CaseKind = CaseKind.INCONCLUSIVE_VERDICT
    """What a person is asked when the verdict is inconclusive."""
    without_candidate: bool = False
    """Also looked at when nothing changed: then about the live release, and nothing is stored."""

    @property
    def waivable(self) -> bool:
        """Return whether a person may let a release pass that this gate has stopped."""
        return self.rank is not Rank.INTEGRITY

    def lacking(self, kb: KnowledgeBase) -> str:
        """Return what the gate would need here and is not there (goldens, a judge), or "" where it applies."""
        lacking = getattr(self._module(), "lacking", None)
        return "" if lacking is None else lacking(kb)

    def measure(self, subject: "Subject") -> "GateResult | None":
        """Measure and decide; None where there is nothing to judge."""
        return self._module().measure(subject)

    def settle(self, store: "Store", kb: KnowledgeBase) -> None:
        """Close the gate's review cases that have lost their reason without any release being judged."""
        settle = getattr(self._module(), "settle", None)
        if settle is not None:
            settle(store.database, kb)

    def _module(self) -> Any:
        return import_module(f"{__name__}.{self.name}")


GOLDEN_GATE = "golden_retrieval"
JUDGED_GATE = "answer_quality"
GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate("coverage", "The release holds every delivered document, every chunk of it, in full; few failed to parse.", Rank.INTEGRITY),
        Gate("index_recall", "The HNSW index finds what exact search finds.", Rank.INTEGRITY),
        Gate("embedding_health", "Vectors are sound, and are what the model computes from their texts.", Rank.INTEGRITY),
        Gate("churn", "No source lost and changed more of its documents, chunks and metadata at once than allowed.",
             case_kind=CaseKind.CHURN_OVER_LIMIT),
        Gate("duplicates", "Text that stands in several documents has not grown against the live release."),
        Gate(GOLDEN_GATE, "Golden queries: floors by slice, and paired against the live release."),
        Gate(JUDGED_GATE, "What a model answers from the passages, as a judge sees it: floors, and paired against the live release."),
        Gate("freshness", "Every source has delivered something lately.", Rank.ADVISORY, "d", without_candidate=True),
        Gate("latency", "Of 100 searches 95 answer within the limit.", Rank.ADVISORY, "ms"),
    )
}
ALWAYS_REQUIRED = (*(gate.name for gate in GATES.values() if gate.rank is Rank.INTEGRITY), GOLDEN_GATE)


def check_required(names: tuple[str, ...] | None) -> None:
    """Refuse a list of required gates with an unknown name, or without an integrity gate; ConfigError says which."""
    if names is None:
        return
    unknown = sorted(set(names) - set(GATES))
    if unknown:
        raise ConfigError(f"unknown gate {', '.join(unknown)}", where="gate.required_gates", expected=f"one of {', '.join(GATES)}")
    left_out = [gate.name for gate in GATES.values() if gate.rank is Rank.INTEGRITY and gate.name not in names]
    if left_out:
        raise ConfigError(f"{', '.join(left_out)} left out", where="gate.required_gates",
                          expected="the integrity gates: without them an index may be broken and nobody knows")


def may_block(gate: Gate, kb: KnowledgeBase) -> bool:
    """Return whether the gate can stop a release of this knowledge base: by its rank, or because the YAML says so."""
    if kb.required_gates is None:
        return gate.rank is not Rank.ADVISORY
    return gate.name in kb.required_gates or gate.name in ALWAYS_REQUIRED


def is_asked_for(gate: Gate, kb: KnowledgeBase) -> bool:
    """Return whether the YAML wants the gate at all: judging answers costs money, and is done only where it says so."""
    return gate.name != JUDGED_GATE or kb.judge is not None or gate.name in (kb.required_gates or ())


def required_gates(kb: KnowledgeBase, live: Collection[str] = ()) -> tuple[str, ...]:
    """Return the gates that a release must pass: what the YAML names, else all but the advisory ones, as far as they apply.

    The golden gate is required as soon as there are goldens, whatever the YAML says, and stays so when they are gone: files that were
    emptied or lost must not let a release pass that nobody judged. `live` are the gates that the live release had to pass. A gate
    that the YAML names is required even where it has nothing to go by: the release is not promoted.
    """
    named = {*(kb.required_gates or ()), *(() if kb.allow_no_goldens else {GOLDEN_GATE} & set(live))}
    return tuple(name for name, gate in GATES.items() if may_block(gate, kb) and (name in named or not gate.lacking(kb)))
