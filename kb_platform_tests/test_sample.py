"""The sample knowledge base is what its description says."""

from collections import Counter
from pathlib import Path

from kb_platform.ingest.parse import parse_document
from kb_platform.ingest.sources.files import Source
from kb_platform.quality.golden import load_golden_set
from kb_platform.quality.passages import DocumentKey, PassageState, resolve_goldens
from kb_platform.settings import SHIPPED_DEFS

SAMPLE = SHIPPED_DEFS / "handbook"


def texts_of(folder: Path) -> dict[DocumentKey, str]:
    parsed = [parse_document(item.document) for item in Source(str(folder)).scan({})]  # pyright: ignore[reportAttributeAccessIssue]
    return {DocumentKey("documents", d.doc_id): d.text for d in parsed}


def test_documents_come_in_several_formats() -> None:
    formats = Counter(Path(key.doc_id).suffix for key in texts_of(SAMPLE / "documents"))
    assert sum(formats.values()) >= 60
    assert set(formats) == {".md", ".txt", ".html", ".docx", ".pdf"}


def test_every_golden_finds_its_passages_in_the_parsed_documents() -> None:
    goldens = load_golden_set(SAMPLE / "golden")
    assert goldens is not None
    assert len(goldens.goldens) >= 80
    assert len(goldens.slices) >= 3
    resolved = resolve_goldens(goldens.goldens, texts_of(SAMPLE / "documents"))
    stale = {golden: p.expected.quote for golden, passages in resolved.items() for p in passages if p.state is not PassageState.PRESENT}
    assert stale == {}


def test_the_second_day_keeps_every_golden_and_the_third_does_not() -> None:
    goldens = load_golden_set(SAMPLE / "golden")
    assert goldens is not None
    second = {Path(p).relative_to(SAMPLE / "deliveries/day2").as_posix() for p in (SAMPLE / "deliveries/day2").rglob("*.*") if p.is_file()}
    gone = (SAMPLE / "deliveries/day2/deleted.txt").read_text().split()
    expected = {passage.document for golden in goldens.goldens for passage in golden.expected}
    assert expected.isdisjoint(gone)
    assert second - {"deleted.txt"} - {p.doc_id for p in texts_of(SAMPLE / "documents")} != set()
    third = {p.doc_id for p in texts_of(SAMPLE / "deliveries/day3")}
    assert len(third & expected) >= 20
