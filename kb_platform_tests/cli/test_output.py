"""What people see on a terminal of 80 columns: nothing is cut off, nothing of a document is taken for markup."""

import datetime as dt
from typing import Any

import pytest
from rich.console import Console

from kb_platform.cli import app, output, refreshing, worse_queries
from kb_platform.serving.hits_text import hits_text

PASSED = ("coverage", "deletions", "duplicates", "embedding_health", "freshness", "index_recall", "latency")
HITS = [{"doc_id": f"wards/page[{n}].md", "start": 0, "end": 9, "score": 0.5, "words": "word " * 20} for n in range(5)]
CHANGE = {"query": "hb-072", "severity": "critical", "slices": ["acronym"], "question": "Who is called at night? " * 5,
          "results": {"live": HITS, "candidate": []}}
GATES = {
    **{gate: {"verdict": "pass", "required": True, "reasons": []} for gate in PASSED},
    "golden_retrieval": {"verdict": "regression", "required": True, "reasons": ["a slice [numbers] lost " + "many points " * 10],
                         "worse_count": 30, "worse": [CHANGE] * 20},
}
REPORT: dict[str, Any] = {
    "knowledge_base": "handbook",
    "release": 3, "verdict": "regression", "promoted": False, "live_release": 2, "golden_gate": True, "gates": GATES,
    "documents": {"new": 1, "changed": 0, "unchanged": 7, "deleted": 0, "failed": 1, "unreadable": 20}, "chunks": {"total": 40},
    "vectors": {"computed": 5, "reused": 0, "left": 0}, "rows": {"inserted": 5, "closed": 0}, "seconds": {"ingest": 0.5, "total": 2.0},
    "failures": [{"source_object": "scan[1].pdf", "reason": "is encrypted"}], "errors": {},
    "skipped": [{"reason": "no reader for .csv", "count": "4", "example": "beds[2].csv"}],
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(width=80, record=True, force_terminal=False)
    for module in (output, refreshing, worse_queries):
        monkeypatch.setattr(module, "console", console)
    return console


def test_a_list_of_releases_fits_and_shows_whole_values(narrow: Console) -> None:
    at = dt.datetime(2026, 11, 24, 23, 41, 59, 123456, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    names = ("release", "status", "verdict", "documents", "chunks", "digest", "promoted, UTC")
    output.show_table(names, [(12, "discarded", "inconclusive", 123456, 1234567, "75d3866a", at), (11, "live", None, 1, 2, "", None)])
    shown = narrow.export_text().splitlines()
    assert len(shown) == 4
    assert all(name in shown[0] for name in names)
    assert shown[2].split() == ["12", "discarded", "inconclusive", "123456", "1234567", "75d3866a", "2026-11-24", "22:41"]


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
    assert ("promoted, UTC  2026-11-24 23:41" in shown) == (width < 74)
    assert "golden_retrieval  inconclusive" in shown


def test_numbers_stand_on_the_right(narrow: Console) -> None:
    output.show_table(("count",), [(7,), (1234567,)])
    assert [line.rstrip() for line in narrow.export_text().splitlines()[2:]] == ["      7", "1234567"]


def test_a_refresh_that_is_stopped_says_why_in_lines_that_fit(narrow: Console) -> None:
    refreshing.show_report(REPORT)
    shown = narrow.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "documents  1 new, 0 changed, 7 unchanged, 0 deleted, 1 failed\n" in shown
    assert "           19 failed earlier, still unreadable: kb review list handbook\n" in shown
    assert "gates      coverage, deletions, duplicates, embedding_health, freshness,\n           index_recall, latency: pass\n" in shown
    assert "left alone 4: no reader for .csv, such as beds[2].csv" in shown
    assert "- a slice [numbers] lost" in shown
    assert "scan[1].pdf: is encrypted" in shown
    assert shown.strip().endswith("release 3: verdict regression, is not promoted; readers still see release 2")


def test_the_worst_queries_are_few_and_show_where_both_releases_look(narrow: Console) -> None:
    refreshing.show_report(REPORT)
    shown = narrow.export_text()
    assert shown.count("hb-072 (critical, acronym)") == worse_queries.PRINTED
    assert "  live       1. wards/page[0].md:0-9 (0.500)\n             2. wards/page[1].md:0-9 (0.500)\n" in shown
    assert "page[3]" not in shown
    assert "  candidate  nothing" in shown
    assert "30 queries got worse" in shown


def test_a_title_in_brackets_is_a_title() -> None:
    hit = {"title": "[red] cards", "source": "s", "doc_id": "a[b].md", "start": 0, "end": 9, "chunk": 4, "score": 0.5, "dense": 0.5, "lexical": 0.5,
           "content": "word " * 200}
    shown = hits_text([hit], 80)
    assert shown.splitlines()[:3] == ["1. [red] cards", "   s/a[b].md:0-9  chunk 4", "   score 0.500 (dense 0.500, lexical 0.500)"]
    assert max(map(len, shown.splitlines())) <= 80


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("kb 0.")
