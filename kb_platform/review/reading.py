"""What the cases of one hand-off are read from, each thing once: a corpus and a delivery are large, and many cases are about the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kb_platform.ingest.raw_files import read_capture
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.quality.golden import Golden, GoldenSet, load_golden_set
from kb_platform.quality.passages import ResolvedPassage
from kb_platform.review.golden_material import golden_of, passages_now
from kb_platform.storage.review_cases import StoredCase
from kb_platform.storage.stores import Store

PREVIEW = 4_000


@dataclass(frozen=True)
class Preview:
    """A document as it was delivered: its size, what it is said to be, and how it begins where it is text."""

    size: int
    media_type: str
    title: str
    beginning: str


@dataclass(frozen=True)
class Reading:
    """The stores and the golden set behind some cases; what is read of them is kept for the next case."""

    store: Store
    kb: KnowledgeBase
    cases: Sequence[StoredCase]

    def golden(self, case: StoredCase) -> Golden | None:
        """Return the golden of a case, as `golden_of` does."""
        return golden_of(self._goldens, case.subject, case.facts["golden_hash"])

    @cached_property
    def _goldens(self) -> GoldenSet | None:
        return load_golden_set(self.kb.folder / "golden")

    @cached_property
    def passages(self) -> Mapping[str, tuple[ResolvedPassage, ...]]:
        """Return, by golden id, what became of the passages of all stale goldens among the cases."""
        stale = {golden.id: golden for case in self._of(CaseKind.STALE_GOLDEN) if (golden := self.golden(case))}
        return passages_now(self.store.database, stale.values())

    def delivered(self, file: str, doc_id: str) -> Preview | None:
        """Return a document of a delivery, as it came; None where the file does not have it.

        Raises:
            StateError: the file is gone.
        """
        if file not in self._deliveries:
            self._deliveries[file] = self._read(file)
        return self._deliveries[file].get(doc_id)

    @cached_property
    def _deliveries(self) -> dict[str, Mapping[str, Preview]]:
        return {}

    def _read(self, file: str) -> Mapping[str, Preview]:
        wanted = {case.facts["doc_id"] for case in self._of(CaseKind.QUARANTINED_DOCUMENT)}
        return {d.doc_id: _preview(d) for d in read_capture(self.store.objects, file) if isinstance(d, RawDocument) and d.doc_id in wanted}

    def _of(self, kind: CaseKind) -> Sequence[StoredCase]:
        return [case for case in self.cases if case.kind == kind]


def _preview(document: RawDocument) -> Preview:
    try:
        text = document.content.decode()
    except UnicodeDecodeError:
        text = ""
    shown = text[:PREVIEW] if text.strip() and "\0" not in text else ""
    return Preview(len(document.content), document.media_type, document.title, shown)
