"""A stale golden beside what became of its passages: what its reviewer sees, and the change that an approval proposes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import yaml

from kb_platform.quality.golden import Golden, GoldenSet
from kb_platform.quality.golden_writing import golden_row
from kb_platform.quality.passages import DocumentKey, PassageState, ResolvedPassage, resolve_goldens
from kb_platform.review.case_material import CaseMaterial
from kb_platform.storage.database import Database
from kb_platform.storage.document_texts import document_texts
from kb_platform.storage.releases import newest_release
from kb_platform.storage.review_cases import StoredCase

AROUND = 300  # characters on both sides of a passage


@dataclass(frozen=True)
class GoldenChange:
    """What an approval proposes: the golden as it should be, or None to retire it."""

    golden: Golden
    becomes: Golden | None

    @property
    def action(self) -> str:
        """Return the change as one word."""
        return "update" if self.becomes else "retire"


def golden_of(goldens: GoldenSet | None, golden_id: str, content_hash: str) -> Golden | None:
    """Return a golden as long as it is the one that was reviewed; None where the team has changed or removed it since."""
    found = next((g for g in goldens.goldens if g.id == golden_id), None) if goldens else None
    return found if found and GoldenSet.of([found]).content_hash == content_hash else None


def passages_now(database: Database, goldens: Collection[Golden]) -> dict[str, tuple[ResolvedPassage, ...]]:
    """Return, by golden id, what became of the passages in the newest content. It may read all documents: ask for many at once."""
    return resolve_goldens(goldens, lambda ids: _texts(database, ids))


def proposed_change(database: Database, golden: Golden, passages: Collection[ResolvedPassage]) -> GoldenChange | None:
    """Return the change that fits the newest content; None where the golden is no longer stale.

    A passage that stands there in other words is quoted anew; where no passage has a successor the golden is retired.
    """
    if any(p.fresh for p in passages):
        return None
    kept = [replace(p.expected, quote=_text_of(database, p)) for p in passages if p.state is PassageState.CHANGED]
    return GoldenChange(golden, replace(golden, expected=tuple(kept)) if kept else None)


def stale_golden(
    database: Database, case: StoredCase, golden: Golden | None, resolved: Mapping[str, tuple[ResolvedPassage, ...]]
) -> CaseMaterial:
    """Return the golden as it stands and as an approval proposes it, and what became of its passages."""
    stale = f"golden query {case.subject} is stale: {case.facts['state']}"
    if golden is None:
        return CaseMaterial("The golden has been changed or removed since it was found stale.", reasons=(stale,))
    passages = resolved[golden.id]
    change = proposed_change(database, golden, passages)
    if change is None:
        return CaseMaterial(_written(golden), reasons=(stale, "its passages stand again: nothing needs to change"))
    text = _written(change.becomes) if change.becomes else "(retired: nothing like its passages is left)\n"
    found = [reason for passage in passages for reason in _became(database, passage)]
    return CaseMaterial(text, _written(golden), (stale, *found), tuple(dict.fromkeys(str(p.expected.document) for p in passages)))


def _written(golden: Golden) -> str:
    return yaml.safe_dump(golden_row(golden), sort_keys=False, allow_unicode=True, width=100)


def _became(database: Database, passage: ResolvedPassage) -> Iterator[str]:
    yield f"{passage.expected.document}: {passage.state}, {passage.similarity:.0%} of the quoted words found"
    for text in _now(database, passage):
        yield f"{passage.expected.document} now: {text}"


def _now(database: Database, passage: ResolvedPassage) -> Iterator[str]:
    for location in passage.locations:
        text = _text(database, location.document)
        yield " ".join(text[max(location.start - AROUND, 0) : location.end + AROUND].split())


def _text_of(database: Database, passage: ResolvedPassage) -> str:
    location = passage.locations[0]
    return _text(database, location.document)[location.start : location.end].strip()


def _text(database: Database, document: DocumentKey) -> str:
    return next((text for key, text in _texts(database, [document.doc_id]) if key == document), "")


def _texts(database: Database, ids: Collection[str] | None) -> Iterator[tuple[DocumentKey, str]]:
    newest = newest_release(database)
    found = document_texts(database, newest, ids) if newest else ()
    return ((DocumentKey(*key), text) for key, text in found)
