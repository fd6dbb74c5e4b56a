"""The page is one file that needs nothing else, shows what the report holds, and lets no document write HTML into it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kb_platform.release.reports.evaluation_report import EvaluationReport, assemble_report, golden_results
from kb_platform.release.reports.history import runs_of_one_golden_set
from kb_platform.release.reports.page import render_page
from kb_platform.release.reports.plots import history_plots, summary_picture
from kb_platform.storage.gates import GateResult
from kb_platform_tests.release.conftest import coverage_result, golden_result, past, sealed

ATTACK = "</td></details><script>alert(1)</script><img src=x onerror=alert(2)>"
VOID = {"meta", "br", "link", "img", "hr", "input", "use", "path"}


class Elements(HTMLParser):
    """Collects elements, and stops at one that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag, f"{tag} is closed at {self.getpos()}"


def report(words: str = "Answer", **more: bool) -> EvaluationReport:
    return assemble_report("kb", sealed(), "pass", [coverage_result(), golden_result(words=words, **more)])


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(report(), [past(1), past(2, live=True)])


def test_the_page_is_well_formed(page: str) -> None:
    assert Elements(page).open == []


def test_the_page_refers_to_nothing_outside_itself(page: str) -> None:
    found = Elements(page).seen
    assert not {tag for tag, _ in found} & {"script", "link", "iframe", "object", "base"}
    targets = [value or "" for _, attributes in found for name, value in attributes.items() if name in ("src", "href", "xlink:href", "action")]
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_the_same_report_makes_the_same_page(page: str) -> None:
    assert render_page(report(), [past(1), past(2, live=True)]) == page


def test_ids_on_the_page_are_unique(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).seen if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_figure_says_in_words_what_it_shows(page: str) -> None:
    figures = [attributes for tag, attributes in Elements(page).seen if tag == "figure"]
    assert len(figures) >= 5 + 1 + 2
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)
    assert any("Success@5 by slice" in (figure["aria-label"] or "") for figure in figures)


def test_the_page_shows_gates_slices_flips_with_both_lists_and_releases(page: str) -> None:
    for shown in ("coverage", "golden_retrieval", "dose", "Question 0?", "wiki/doc:0-40", "churn by dr.reviewer"):
        assert shown in page
    assert re.search(r"<strong>release 2</strong>.*<strong>release 1</strong>", page, re.DOTALL)


def test_text_of_documents_is_text(page: str) -> None:
    attacked = render_page(report(ATTACK), [past(2, promoted_by=ATTACK)])
    assert ATTACK not in attacked
    assert attacked.count("&lt;script&gt;alert(1)") > 1
    assert {tag for tag, _ in Elements(attacked).seen} == {tag for tag, _ in Elements(page).seen}


def test_figures_of_another_golden_set_are_marked_and_not_joined_by_a_line() -> None:
    releases = [past(1, "hash-0"), past(2), past(3), past(4, None), past(5)]
    assert [[r.release for r in run] for run in runs_of_one_golden_set(releases)] == [[1], [2, 3, 5]]
    (plot,) = history_plots(releases, ["Success@5"], 2)
    assert "then, with another golden set and not comparable: release 2 0.920" in plot.words
    page = render_page(report(), releases)
    assert page.count("not comparable</td>") == 1


def test_a_report_of_the_first_shape_still_makes_a_page() -> None:
    result = golden_result()
    kept = ("verdict", "summary", "primary", "reasons", "metrics", "slice_metrics", "goldens", "queries", "compared", "stale", "worse_count")
    older = GateResult("golden_retrieval", True, "pass", 0.9, None, {key: result.evidence[key] for key in kept}, "hash-1")
    page = render_page(assemble_report("kb", sealed(), None, [older]), [past(2, changes={}, seconds={})])
    assert Elements(page).open == []
    assert "not decided" in page


def test_a_first_release_has_no_section_about_changes() -> None:
    assert 'id="flips"' not in render_page(report(live=False), [])


def test_a_release_without_goldens_makes_a_page() -> None:
    assert "There were no golden queries" in render_page(assemble_report("kb", sealed(), "pass", [coverage_result()]), [past(2, None)])


def test_the_picture_for_dagster_is_small_and_the_same_each_time() -> None:
    golden = golden_results(golden_result().evidence)
    picture = summary_picture(golden)
    assert picture is not None and picture.startswith(b"\x89PNG")
    assert len(picture) * 4 / 3 < 60_000
    assert summary_picture(golden) == picture
    import matplotlib  # by now the product has said where it may write

    assert not Path(matplotlib.get_configdir()).is_relative_to(Path.home()), "nothing is written into the user's folders"
