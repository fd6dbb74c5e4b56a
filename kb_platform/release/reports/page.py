"""The report as one HTML file: no script, no address outside itself, so that it can be mailed, archived and opened offline.

Questions, documents and reasons are other people's text: the template escapes all of it; only our own SVG goes in as it is.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kb_platform.quality.found_chunks import FoundChunk
from kb_platform.quality.lost_queries import lost_by_slice
from kb_platform.release.reports.evaluation_report import EvaluationReport
from kb_platform.release.reports.history import why_apart
from kb_platform.release.reports.plots import Plot, cost_plots, flip_plots, history_plots, slice_plots
from kb_platform.storage.reports import PastRelease

LISTED = 50  # changed queries; the JSON has as many as the gate stores
FOLDER = "release/reports"


def render_page(report: EvaluationReport, past: Sequence[PastRelease]) -> str:
    """Return the page of a report, with the releases up to now."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kb_platform", FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": _number, "signed": _signed, "interval": _interval, "place": _place, "svg": Markup, "day": _day}
    return environment.get_template("page.html.j2").render(
        report=report, golden=report.golden, judged=report.judged, measures=report.golden.measures if report.golden else (), past=past, listed=LISTED, plots=_plots(report, past),
        lost=lost_by_slice(asdict(report.golden)) if report.golden else [],
        comparable=lambda release: why_apart(release, report.golden_hash) is None,
    )


def _plots(report: EvaluationReport, past: Sequence[PastRelease]) -> dict[str, list[Plot]]:
    golden = report.golden
    return {
        "slices": slice_plots(golden) if golden else [],
        "flips": flip_plots(golden) if golden else [],
        "history": history_plots(past, golden.measures, report.release) if golden else [],
        "cost": cost_plots(past),
    }


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _interval(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{_number(value[0])} to {_number(value[1])}"


def _place(chunk: FoundChunk) -> str:
    return f"{chunk.source}/{chunk.doc_id}:{chunk.start}-{chunk.end}"


def _day(value: Any) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"
