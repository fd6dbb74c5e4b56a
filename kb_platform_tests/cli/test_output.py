"""What people see on a terminal of 80 columns: nothing is cut off, nothing of a document is taken for markup."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kb_platform.cli import app, auditing, lost_queries, output, refreshing, tracing
from kb_platform.cli.runs import _sentence
from kb_platform.knowledge.errors import in_a_word
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.serving.hits_text import hits_text

PASSED = ("coverage", "churn", "duplicates", "embedding_health", "freshness", "index_recall", "latency")
HITS = [{"doc_id": f"wards/page[{n}].md", "start": 0, "end": 9, "score": 0.5, "words": "word " * 20} for n in range(5)]
CHANGE = {"query": "hb-072", "live": {"Success@5": 1.0}, "candidate": {"Success@5": 0.0}, "severity": "critical", "slices": ["acronym"], "question": "Who is called at night? " * 5,
          "results": {"live": HITS, "candidate": []}}
GATES = {
    **{gate: {"verdict": "pass", "required": True, "reasons": []} for gate in PASSED},
    "golden_retrieval": {"verdict": "regression", "required": True, "reasons": ["a slice [numbers] lost " + "many points " * 10],
                         "worse_count": 30, "worse": [CHANGE] * 20, "unanswered_count": 4, "unanswered": [],
                         "slices": [{"slice": name, "goldens": 30, "answered": 0.5, "live": 0.75, "worse": [f"hb-{n:03}" for n in range(40)], "unanswered": []}
                                    for name in ("all", "acronym")]},
}
REPORT: dict[str, Any] = {
    "knowledge_base": "handbook",
    "release": 3, "verdict": "regression", "promoted": False, "live_release": 2, "golden_gate": True, "gates": GATES,
    "documents": {"new": 1, "changed": 0, "unchanged": 7, "deleted": 0, "failed": 1, "unreadable": 20}, "chunks": {"total": 40},
    "vectors": {"computed": 5, "reused": 0, "left": 0}, "rows": {"inserted": 5, "closed": 0}, "seconds": {"ingest": 0.5, "total": 2.0},
    "failures": [{"source_object": "scan[1].pdf", "reason": "is encrypted"}], "errors": {},
    "left_out": [{"source_object": "page[1].html", "reason": "hidden: 1"}],
    "warnings": [{"source_object": "old[2].txt", "reason": "its encoding was guessed: cp1250"}],
    "skipped": [{"reason": "no reader for .csv", "count": "4", "example": "beds[2].csv"}, {"reason": "hidden", "count": "1", "example": ".env"}],
    "unread": [{"document": f"docs/old[{n}].pdf", "reason": "no text in it"} for n in range(19)], "unreadable_sources": {"scans": 2}, "moved": False,
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(width=80, record=True, force_terminal=False)
    for module in (output, refreshing, lost_queries, tracing, auditing):
        monkeypatch.setattr(module, "console", console)
    return console


def test_a_list_of_releases_fits_and_shows_whole_values(narrow: Console) -> None:
    at = dt.datetime(2026, 11, 24, 23, 41, 59, 123456, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    names = ("release", "status", "verdict", "documents", "chunks", "digest", "promoted, UTC")
    output.show_table(names, [(12, "discarded", "inconclusive", 123456, 1234567, "75d3866a", at), (11, "live", None, 1, 2, "", None)])
    shown = narrow.export_text().splitlines()
    assert len(shown) == 5
    assert all(name in shown[0] for name in names)
    assert shown[2].split() == ["12", "discarded", "inconclusive", "123456", "1234567", "75d3866a", "2026-11-24"]
    assert shown[3].split() == ["22:41:59"], "the longest values there are; a time goes to the next line, whole"


@pytest.mark.parametrize("width", [*range(40, 80)])
def test_on_a_narrow_terminal_no_word_is_broken(narrow: Console, width: int) -> None:
    narrow.width = width
    at = dt.datetime(2026, 11, 24, 23, 41, tzinfo=dt.UTC)
    names = ("release", "status", "verdict", "documents", "chunks", "digest", "promoted, UTC")
    output.show_table(names, [(12, "discarded", "inconclusive", 123456, 1234567, "75d3866a", at), (11, "live", None, 1, 2, "", None)])
    output.show_table(("gate", "verdict", "measured"), [("golden_retrieval", "inconclusive", "0.939"), ("answer_quality", "pass", "12 ms")])
    shown = narrow.export_text()
    assert max(map(len, shown.splitlines())) <= width
    assert {*" ".join(names).split(), "discarded", "inconclusive", "1234567", "75d3866a", "2026-11-24", "golden_retrieval"} <= set(shown.split())
    assert ("promoted, UTC  2026-11-24 23:41:00" in shown) == (width < 74)
    assert "golden_retrieval  inconclusive" in shown


@pytest.mark.parametrize("wrong", ["\x1b]0;a window's name\x07", "\x9b31m", "\u202etxet", "\ud800"])
def test_nobodys_text_commands_the_terminal(narrow: Console, wrong: str) -> None:
    output.show_table(("for", "when"), [(f"a {wrong}", 1)])
    output.show_text(f"b {wrong}", 2)
    output.show_fields([("by", f"c {wrong}")])
    said = narrow.export_text()
    assert wrong[0] not in said
    assert said.count(ascii(wrong[0])[1:-1]) == 3


def test_letters_and_spaces_of_all_scripts_are_shown_as_they_are(narrow: Console) -> None:
    output.show_text("5\xa0mg, 2\u2009°C, क्\u200dष, e\u0301", 0)
    assert narrow.export_text() == "5\xa0mg, 2\u2009°C, क्\u200dष, e\u0301\n"


def test_numbers_stand_on_the_right(narrow: Console) -> None:
    output.show_table(("count",), [(7,), (1234567,)])
    assert [line.rstrip() for line in narrow.export_text().splitlines()[2:]] == ["      7", "1234567"]


def test_a_refresh_that_is_stopped_says_why_in_lines_that_fit(narrow: Console) -> None:
    refreshing.show_report(REPORT)
    shown = narrow.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "documents  1 new, 0 changed, 7 unchanged, 0 deleted, 1 failed\n" in shown
    assert "           19 failed earlier, still unreadable: kb review list handbook\n" in shown
    assert "gates      coverage, churn, duplicates, embedding_health, freshness,\n           index_recall, latency: pass\n" in shown
    assert "left alone 4: no reader for .csv, such as beds[2].csv" in shown
    assert "left alone 1: hidden, as their names begin with a dot, such as .env" in shown
    assert shown.count("still not  docs/old[") == refreshing.STILL, "every day, whatever was delivered"
    assert "nothing    of source scans can be read: not one of 2 documents\n" in shown
    assert "- a slice [numbers] lost" in shown
    assert "scan[1].pdf: is encrypted" in shown
    assert "left out   text of 1 document, such as page[1].html (hidden: 1)" in shown
    assert "read, but  old[2].txt: its encoding was guessed: cp1250" in shown
    assert shown.strip().endswith("release 3: verdict regression, is not promoted; readers still see release 2")


def test_the_worst_queries_are_few_and_show_where_both_releases_look(narrow: Console) -> None:
    refreshing.show_report(REPORT)
    shown = narrow.export_text()
    assert shown.count("hb-072 (critical, acronym)") == lost_queries.PRINTED
    assert "  live       1. wards/page[0].md:0-9 (0.500)\n             2. wards/page[1].md:0-9 (0.500)\n" in shown
    assert "page[3]" not in shown
    assert "  candidate  nothing" in shown
    assert "  Success@5 1.00 to 0.00\n" in shown
    assert "30 queries got worse, 4 are not answered" in shown
    assert "acronym: got worse: hb-000, hb-001," in shown
    assert "and 28 more" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_title_in_brackets_is_a_title() -> None:
    hit = {"title": "[red] cards", "source": "s", "doc_id": "a[b].md", "start": 0, "end": 9, "chunk": 4, "score": 0.5, "dense": 0.5, "lexical": 0.5,
           "content": "word " * 200, "also_in": [{"source": "s", "doc_id": f"copy[{n}].md", "start": 0, "end": 9} for n in range(7)]}
    shown = hits_text([hit], 80)
    first, cited, also, score = shown.splitlines()[:4]
    assert (first, cited, score) == ("1. [red] cards", "   s/a[b].md:0-9  chunk 4", "   score 0.500 (dense 0.500, lexical 0.500)")
    assert also.startswith("   also in s/copy[0].md:0-9, s/copy[1].md:0-9, ") and also.endswith("s/copy[4].md:0-9 and 2 more")
    assert max(len(line) for line in shown.splitlines() if line != also) <= 80


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("kb 0.")


def test_times_are_to_the_second_in_the_zone_that_is_named(narrow: Console) -> None:
    at = dt.datetime(2026, 11, 24, 23, 41, 59, tzinfo=dt.UTC)
    output.show_table(("promoted, Europe/Berlin",), [(at,)], "Europe/Berlin")
    assert narrow.export_text().splitlines()[2].strip() == "2026-11-25 00:41:59"


STEPS = {"kb__docs__raw_documents": "no such folder", "kb__docs__embeddings": "the model is gone", "kb__release_candidate_churn": "inconclusive"}


def test_a_failed_refresh_ends_with_what_failed_in_words_and_never_with_a_release_that_is_live(narrow: Console) -> None:
    before = REPORT | {"knowledge_base": "kb", "release": 2, "verdict": "pass", "promoted": True, "errors": STEPS, "gates": {}}
    refreshing.show_report(before)
    shown = narrow.export_text().rstrip()
    assert "reading source docs: no such folder\n" in shown
    assert "kb__" not in shown
    last = shown[shown.index("the refresh failed"):]
    assert " ".join(last.split()) == ("the refresh failed (reading source docs, computing the vectors of docs, gate churn): nothing new is live, readers still see "
                                      "release 2")
    refreshing.show_report(before | {"moved": True})
    assert " ".join(narrow.export_text().split()).endswith("release 2 is live without what failed")


@pytest.mark.parametrize(("message", "said"), [
    ("kb_platform.knowledge.errors.SourceError: /a: no such folder\n\nStack", "/a: no such folder"),
    ("documents.jsonl:4: not JSON", "documents.jsonl:4: not JSON"),
    ("psycopg.errors.DiskFull: could not extend file", "could not extend file (nobody foresaw this: the run's page in Dagster has the whole error)"),
])
def test_an_error_is_said_without_its_class(message: str, said: str) -> None:
    assert _sentence(message) == said


def test_a_lost_connection_is_said_without_a_class() -> None:
    assert in_a_word(OSError('connection to server at "127.0.0.1", port 1 failed: Connection refused\n\tIs it running?')) == "Connection refused"
    assert in_a_word(TimeoutError()) == "it said no more"


def test_a_day_that_has_not_begun_is_called_that() -> None:
    kb = KnowledgeBase("kb", Path("/kb"), (), dt.date(2026, 1, 1), timezone="Asia/Tokyo")
    tomorrow = kb.today() + dt.timedelta(2)
    with pytest.raises(output.WrongUsage, match=f"today in Asia/Tokyo; {tomorrow} has not begun"):
        refreshing._days(kb, tomorrow.isoformat())


TRACED = {"title": "Cold chain", "source": "docs", "doc_id": "a[1].md", "start": 4, "end": 90, "content": "Keep it cold. " * 30, "source_object": "/data/" + "x" * 90,
          "day": "2026-11-24", "capture": 3, "capture_run": "0b33", "raw_file": "/objects/" + "y" * 90, "warnings": [], "left_out": [], "model": "m", "space": "s",
          "first_release": 2, "last_release": None, "release_status": "live", "run": "99aa", "gates": {"churn": "pass"}}


def test_a_trace_says_what_stands_there_and_then_its_way_in_the_order_it_took(narrow: Console) -> None:
    tracing.show_trace(TRACED)
    shown = narrow.export_text()
    parts = ("Cold chain", "docs/a[1].md:4-90", "Keep it cold.", "found at", "delivered", "raw file", "vector", "written in", "judged", "shown by")
    assert [shown.index(part) for part in parts] == sorted(shown.index(part) for part in parts)
    paths = [line for line in shown.splitlines() if "/" in line and len(line) > 80]
    assert [line.split()[-1] for line in paths] == [TRACED["source_object"], TRACED["raw_file"]], "a path stays whole, to be copied"
    assert all(len(line) <= 80 for line in shown.splitlines() if line not in paths)


def test_an_audit_trail_fits(narrow: Console) -> None:
    entry = {"number": 12, "at": "2026-11-24T23:41:59.123456+00:00", "event": "decision_received", "who": {"id": "second.reviewer"}, "meaning": "a sentence that is long " * 6}
    verdict = SimpleNamespace(status="intact", first=1, last=12, rows=12, sealed_through=12, head="ab" * 32, broken=None, doubts=())
    auditing.show_trail(SimpleNamespace(entries=[entry], verdict=verdict))  # pyright: ignore[reportArgumentType]
    shown = narrow.export_text()
    assert "    12  2026-11-24 23:41:59 UTC  decision_received  second.reviewer" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("width", [*range(60, 100)])
def test_no_character_of_a_table_is_cut_off(narrow: Console, width: int) -> None:
    narrow.width = width
    output.show_table(("when", "by", "let pass"), [("2026-11-30 09:19:06", "kb_handbook_promoter", "golden_retrieval by second.reviewer of the ward")] * 2)
    shown = narrow.export_text()
    assert max(map(len, shown.splitlines())) <= width
    assert shown.split().count("by") == 3 and shown.split().count("ward") == 2
