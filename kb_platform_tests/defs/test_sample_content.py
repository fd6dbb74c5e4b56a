"""The shipped sample knowledge base: its documents, its deliveries and its golden queries fit together.

The texts are read here with the format libraries themselves and not with kb_platform.ingest: a quote must stand in what the
author wrote, whatever the platform's readers make of it.
"""

import functools
import io
import re
from collections import Counter
from pathlib import Path

import docx
import pypdfium2
import pytest
import trafilatura
import yaml

import kb_platform
from kb_platform.quality.golden import Golden, Severity, load_golden_set
from kb_platform.quality.passages import DocumentKey, PassageState, resolve_goldens, stale_goldens
from kb_platform_tests.quality.builders import reading

HANDBOOK = Path(kb_platform.__file__).parent / "defs" / "handbook"
DAY1 = HANDBOOK / "documents"
DAY2, DAY3, DAY4 = (HANDBOOK / "deliveries" / name for name in ("day2", "day3", "day4"))
FORMATS = {".md", ".txt", ".html", ".docx", ".pdf"}
SLICES = {"lookup", "paraphrase", "acronym", "numbers"}
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
CHANGED_ON_DAY2 = "hb-097"


def _text(path: Path) -> str:
    match path.suffix:
        case ".html":
            return trafilatura.extract(path.read_text(encoding="utf-8"), include_tables=True, favor_recall=True) or ""
        case ".docx":
            return "\n".join(p.text for p in docx.Document(io.BytesIO(path.read_bytes())).paragraphs)
        case ".pdf":
            with pypdfium2.PdfDocument(path) as pdf:
                return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)
        case _:
            return FRONT_MATTER.sub("", path.read_text(encoding="utf-8"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


@functools.cache
def _delivered(folder: Path) -> dict[str, str]:
    """Return the text of each document of a delivery by its id."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "deleted.txt")
    return {path.relative_to(folder).as_posix(): _one_line(_text(path)) for path in paths}


def _deleted() -> list[str]:
    return (DAY2 / "deleted.txt").read_text(encoding="utf-8").split()


def _after_day2() -> dict[str, str]:
    return {doc_id: text for doc_id, text in (_delivered(DAY1) | _delivered(DAY2)).items() if doc_id not in _deleted()}


def _goldens() -> tuple[Golden, ...]:
    goldens = load_golden_set(HANDBOOK / "golden")
    assert goldens is not None
    return goldens.goldens


def _formats_expected() -> Counter[str]:
    return Counter(suffix for golden in _goldens() for suffix in {Path(p.document).suffix for p in golden.expected})


def _stale(documents: dict[str, str]) -> dict[str, PassageState]:
    texts = {DocumentKey("documents", doc_id): text for doc_id, text in documents.items()}
    return stale_goldens(resolve_goldens(_goldens(), reading(texts)))


def test_the_first_delivery_has_enough_documents_of_every_format() -> None:
    formats = Counter(Path(doc_id).suffix for doc_id in _delivered(DAY1))
    assert set(formats) == FORMATS
    assert formats.total() >= 62
    assert formats[".txt"] >= 5
    assert formats[".html"] >= 5
    assert formats[".docx"] == formats[".pdf"] == 2


def test_every_document_has_the_length_of_a_page() -> None:
    words = {doc_id: len(text.split()) for doc_id, text in _delivered(DAY1).items()}
    assert {doc_id: n for doc_id, n in words.items() if not 150 <= n <= 600} == {}


def test_binary_documents_stay_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DAY1.rglob("*") if path.suffix in {".docx", ".pdf"}}
    assert max(sizes.values()) < 40_000


def test_front_matter_gives_title_department_and_other_names() -> None:
    for path in [*DAY1.rglob("*.md"), *DAY2.rglob("*.md")]:
        front = FRONT_MATTER.match(path.read_text(encoding="utf-8"))
        assert front is not None, path
        found = yaml.safe_load(front[1])
        assert set(found) == {"title", "department", "aliases"}, path
        assert all(isinstance(alias, str) for alias in found["aliases"]), path


def test_no_two_documents_share_a_title() -> None:
    titles = Counter(re.findall(r"(?m)^title: (.+)$", path.read_text(encoding="utf-8"))[0] for path in DAY1.rglob("*.md"))
    assert titles.most_common(1)[0][1] == 1


def test_pages_carry_navigation_that_a_reader_must_leave_out() -> None:
    for path in DAY1.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert "<nav>" in page, path
        assert "<footer>" in page, path
        assert "Cookies" not in _delivered(DAY1)[path.relative_to(DAY1).as_posix()]


def test_ids_are_unique_and_every_golden_has_one_known_slice() -> None:
    written = yaml.safe_load((HANDBOOK / "golden" / "golden.yaml").read_text(encoding="utf-8"))["goldens"]
    ids = [golden["id"] for golden in written]
    assert len(set(ids)) == len(ids) == len(_goldens())
    assert {tuple(golden["slices"]) for golden in written} == {(name,) for name in SLICES}


def test_questions_are_not_asked_twice() -> None:
    assert Counter(golden.question.casefold() for golden in _goldens()).most_common(1)[0][1] == 1


@pytest.mark.parametrize("name", sorted(SLICES))
def test_every_slice_is_large_enough_to_be_judged(name: str) -> None:
    assert sum(name in golden.slices for golden in _goldens()) >= 20


def test_the_set_has_enough_goldens_of_every_kind() -> None:
    goldens = _goldens()
    assert len(goldens) >= 84
    assert sum(golden.severity is Severity.CRITICAL for golden in goldens) >= 12
    assert sum(len({p.document for p in golden.expected}) == 2 for golden in goldens) >= 6
    formats = _formats_expected()
    assert formats[".html"] >= 4
    assert formats[".docx"] >= 2
    assert formats[".pdf"] >= 2


def test_every_quote_stands_word_for_word_in_its_document() -> None:
    texts = _delivered(DAY1)
    missing = [(g.id, p.document, p.quote) for g in _goldens() for p in g.expected if p.quote not in texts.get(p.document, "")]
    assert missing == []


def test_every_quote_stands_in_one_document_only() -> None:
    quotes = {p.quote for golden in _goldens() for p in golden.expected}
    assert {q for q in quotes if sum(q in text for text in _delivered(DAY1).values()) > 1} == set()


def test_day_2_edits_some_documents_and_adds_some() -> None:
    day1, day2 = _delivered(DAY1), _delivered(DAY2)
    edited = set(day1) & set(day2)
    assert len(edited) >= 6
    assert len(set(day2) - set(day1)) == 3
    assert all(day1[doc_id] != day2[doc_id] for doc_id in edited)


def test_day_2_edits_are_small() -> None:
    day1, day2 = _delivered(DAY1), _delivered(DAY2)
    for doc_id in set(day1) & set(day2):
        before, after = Counter(day1[doc_id].split()), Counter(day2[doc_id].split())
        assert ((before - after) | (after - before)).total() <= 30, doc_id


def test_day_2_deletes_documents_that_were_there_and_that_no_golden_expects() -> None:
    deleted = set(_deleted())
    assert len(deleted) == 2
    assert deleted <= set(_delivered(DAY1))
    assert not deleted & set(_delivered(DAY2))
    assert not deleted & {p.document for golden in _goldens() for p in golden.expected}


def test_exactly_one_quoted_sentence_changes_on_day_2() -> None:
    texts = _after_day2()
    gone = [golden.id for golden in _goldens() for p in golden.expected if p.quote not in texts[p.document]]
    assert gone == [CHANGED_ON_DAY2]
    assert _stale(texts) == {CHANGED_ON_DAY2: PassageState.CHANGED}


def test_day_3_takes_the_answers_out_of_at_least_20_documents() -> None:
    day3 = _delivered(DAY3)
    assert set(day3) <= set(_after_day2())
    expected = {p.document for golden in _goldens() for p in golden.expected}
    assert len(set(day3) & expected) >= 20
    assert all(len(text.split()) < 80 for text in day3.values())
    goldens = {golden.id: golden for golden in _goldens()}
    lost = _stale(_after_day2() | day3)
    assert len(lost) > 0.2 * len(goldens)
    assert sum(goldens[golden].severity is Severity.CRITICAL for golden in lost) >= 3


def test_day_4_mends_what_day_3_broke_and_deletes_what_goldens_still_ask_for() -> None:
    day4, texts, deleted = _delivered(DAY4), _after_day2(), set((DAY4 / "deleted.txt").read_text(encoding="utf-8").split())
    assert deleted <= set(texts)
    assert not set(day4) & set(texts)
    assert len(deleted) < 0.15 * len(texts)  # a tenth of the documents is no churn
    lost = _stale({doc_id: text for doc_id, text in (texts | day4).items() if doc_id not in deleted})
    assert len(lost) - len(_stale(texts)) >= 6
    assert sum(golden.severity is Severity.CRITICAL for golden in _goldens() if golden.id in lost) < 3
