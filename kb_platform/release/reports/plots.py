"""The report's plots. Each has a caption and a text that says the same in words; what it shows is in a table beside it as well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kb_platform.quality.slice_scores import SliceScore
from kb_platform.release.reports.drawing import BETTER, CANDIDATE, GRID, INK, LIVE, MUTED, WORSE, as_png, as_svg, new_figure
from kb_platform.release.reports.evaluation_report import GoldenResults
from kb_platform.release.reports.history import runs_of_one_golden_set
from kb_platform.storage.reports import PastRelease

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLICES = 24  # rows of a plot; the table has them all
POINTS = 400  # of a curve over queries
LEAST_RANGE = 0.1  # of a measure's axis over releases


@dataclass(frozen=True)
class Plot:
    """A drawn figure: an `<svg>` element, and what it shows in words."""

    title: str
    words: str
    svg: str


def slice_plots(golden: GoldenResults) -> list[Plot]:
    """Return one plot a measure: means by slice with their intervals, candidate against live."""
    return [_slice_plot(golden, measure) for measure in golden.measures if golden.of_measure(measure)]


def history_plots(releases: Sequence[PastRelease], measures: Iterable[str], shown: int) -> list[Plot]:
    """Return one plot a measure: its mean over the releases, with the line broken where the golden set changed."""
    return [_history_plot(releases, measure, shown) for measure in measures if any(measure in r.metrics for r in releases)]


def flip_plots(golden: GoldenResults) -> list[Plot]:
    """Return the goldens that changed: how many by slice, and by how much; none where nothing did."""
    flips = [score for score in golden.of_measure(golden.primary)[:SLICES] if score.wins or score.losses]
    plots = [_flips(golden.primary, flips)] if flips else []
    scores = golden.query_scores
    for measure in dict.fromkeys((golden.primary, "nDCG@10")):
        changed = sorted(d for d in scores.differences(measure) if abs(d) > 1e-12) if scores else []
        if changed and (measure != golden.primary or len(set(changed)) > 2):
            plots.append(_changes(measure, changed))
    return plots


def cost_plots(releases: Sequence[PastRelease]) -> list[Plot]:
    """Return what each release cost: rows written and closed, seconds in gates, and tokens of judges where there were any."""
    changed = [(str(r.release), r.changes["rows_inserted"], -r.changes["rows_closed"]) for r in releases if r.changes]
    seconds = [(str(r.release), sum(r.seconds.values()), 0.0) for r in releases if r.seconds]
    tokens = [(str(r.release), (r.usage.get("input_tokens") or 0) + (r.usage.get("output_tokens") or 0), 0) for r in releases if r.usage]
    return [
        _bars(title, rows, what) for title, rows, what in (
            ("Rows written and closed", changed, ("written", "closed")), ("Seconds in gates", seconds, ("seconds", "")),
            ("Tokens of judge and answers", tokens, ("tokens", "")),
        ) if rows
    ]


def summary_picture(golden: GoldenResults) -> bytes | None:
    """Return the first plot as a small PNG for Dagster's pages; None where no golden was judged."""
    rows = golden.of_measure(golden.primary)[:SLICES]
    if not rows:
        return None
    with new_figure(_height(rows)) as figure:
        _draw_slices(figure.subplots(), golden, golden.primary, rows)
        return as_png(figure)


def _slice_plot(golden: GoldenResults, measure: str) -> Plot:
    rows = golden.of_measure(measure)[:SLICES]
    said = "; ".join(f"{s.slice} {s.candidate:.3f}" + ("" if s.live is None else f" against {s.live:.3f}") for s in rows)
    with new_figure(_height(rows)) as figure:
        _draw_slices(figure.subplots(), golden, measure, rows)
        return Plot(f"{measure} by slice", f"{measure} by slice, {' against '.join(golden.names)}: {said}.", as_svg(figure, f"slices {measure}"))


def _height(rows: Sequence[object]) -> float:
    return 1.25 + 0.34 * len(rows)


def _draw_slices(axes: "Axes", golden: GoldenResults, measure: str, rows: Sequence[SliceScore]) -> None:
    both, names = any(score.live is not None for score in rows), golden.names
    for place, score in enumerate(rows):
        ours = place - 0.14 if both else place
        _point(axes, ours, score.candidate, score.interval, CANDIDATE, "o", names[0] if place == 0 else None)
        if score.live is not None:
            _point(axes, place + 0.14, score.live, score.live_interval, LIVE, "D", names[1] if place == 0 else None)
    marked = {score.slice: place for place, score in enumerate(rows)}
    floors = [(floor.floor, marked[floor.slice]) for floor in golden.floors if floor.measure == measure and floor.slice in marked]
    if floors:
        values, places = zip(*floors, strict=True)
        axes.plot(values, places, "|", color=INK, markersize=13, markeredgewidth=1.6, label="floor")
    axes.set_yticks(range(len(rows)), [f"{s.slice}" + ("" if s.queries is None else f"  ({s.queries})") for s in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.set_title(measure)
    axes.figure.legend(loc="outside lower right", ncols=3)


def _point(axes: "Axes", place: float, value: float, interval: tuple[float, float] | None, colour: str, marker: str, label: str | None) -> None:
    if interval:
        axes.plot(interval, (place, place), color=colour, linewidth=2, alpha=0.55, solid_capstyle="butt")
    axes.plot(value, place, marker, color=colour, markersize=5.5, label=label)


def _history_plot(releases: Sequence[PastRelease], measure: str, shown: int) -> Plot:
    runs = runs_of_one_golden_set(r for r in releases if measure in r.metrics)
    ordered = [r for run in runs for r in run]
    place = {r.release: n for n, r in enumerate(ordered)}
    with new_figure(2.5) as figure:
        axes = figure.subplots()
        for run in runs:
            axes.plot([place[r.release] for r in run], [r.metrics[measure] for r in run], color=CANDIDATE, linewidth=1.4, zorder=2)
        for r in ordered:
            stopped = r.promoted_at is None
            colour = WORSE if stopped else CANDIDATE
            axes.plot(place[r.release], r.metrics[measure], "X" if stopped else "o", color=colour, markersize=9 if r.release == shown else 6, zorder=3)
        for run in runs[1:]:
            axes.axvline(place[run[0].release] - 0.5, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        step = max(1, len(ordered) // 12)
        axes.set_xticks(range(0, len(ordered), step), [str(r.release) for r in ordered[::step]])
        axes.set_xlim(-0.6, len(ordered) - 0.4)
        axes.set_ylim(*_range([r.metrics[measure] for r in ordered]))
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.set_xlabel("release")
        axes.set_title(measure)
        svg = as_svg(figure, f"history {measure}")
    parts = [", ".join(f"release {r.release} {r.metrics[measure]:.3f}" for r in run) for run in runs]
    words = f"{measure} over releases: " + "; then, with another golden set and not comparable: ".join(parts) + "."
    return Plot(f"{measure} over releases", words, svg)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that lets a change of one hundredth look like one."""
    low, high = min(values), max(values)
    room = max(0.15 * (high - low), (LEAST_RANGE - (high - low)) / 2)
    return low - room, high + room


def _flips(measure: str, rows: Sequence[SliceScore]) -> Plot:
    said = "; ".join(f"{s.slice} {s.wins} better, {s.losses} worse" for s in rows)
    with new_figure(_height(rows)) as figure:
        axes = figure.subplots()
        places = range(len(rows))
        _labelled(axes, axes.barh(places, [s.wins for s in rows], color=BETTER, height=0.62, label="better"), [s.wins for s in rows])
        _labelled(axes, axes.barh(places, [-s.losses for s in rows], color=WORSE, height=0.62, label="worse"), [s.losses for s in rows])
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_yticks(places, [s.slice for s in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        widest = 1.2 * max(max(s.wins, s.losses) for s in rows)
        axes.set_xlim(-widest, widest)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.set_title(f"{measure}: goldens better and worse")
        figure.legend(loc="outside lower right", ncols=2)
        return Plot("Better and worse by slice", f"Goldens whose {measure} changed: {said}.", as_svg(figure, "flips"))


def _labelled(axes: "Axes", bars: Any, counts: Sequence[int]) -> None:
    axes.bar_label(bars, [str(count) if count else "" for count in counts], padding=3, fontsize=8)


def _changes(measure: str, changed: Sequence[float]) -> Plot:
    thinned = changed if len(changed) <= POINTS else [changed[n * (len(changed) - 1) // (POINTS - 1)] for n in range(POINTS)]
    lost, won = sum(d < 0 for d in changed), sum(d > 0 for d in changed)
    with new_figure(2.3) as figure:
        axes = figure.subplots()
        at = [(n + 0.5) * len(changed) / len(thinned) for n in range(len(thinned))]
        for colour, side in ((WORSE, [min(d, 0.0) for d in thinned]), (BETTER, [max(d, 0.0) for d in thinned])):
            axes.bar(at, side, width=len(changed) / len(thinned), color=colour, linewidth=0)
        axes.axhline(0, color=MUTED, linewidth=1)
        axes.set_xlabel(f"{len(changed)} goldens that changed, the largest loss first")
        axes.set_xticks([])
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.set_title(f"{measure}: change by golden")
        words = f"{measure} by golden: {lost} lost up to {-min(changed[0], 0):.3f}, {won} gained up to {max(changed[-1], 0):.3f}."
        return Plot(f"{measure}, change by golden", words, as_svg(figure, f"changes {measure}"))


def _bars(title: str, rows: Sequence[tuple[str, float, float]], what: tuple[str, str]) -> Plot:
    names, up, down = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    with new_figure(2.3) as figure:
        axes = figure.subplots()
        places = range(len(rows))
        axes.bar(places, up, color=CANDIDATE, width=0.62, label=what[0])
        if any(down):
            axes.bar(places, down, color=LIVE, width=0.62, label=what[1])
            figure.legend(loc="outside lower right", ncols=2)
        axes.axhline(0, color=GRID, linewidth=1)
        step = max(1, len(rows) // 12)
        axes.set_xticks(list(places)[::step], names[::step])
        axes.set_xlim(-0.8, max(len(rows), 4) - 0.2)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.set_xlabel("release")
        axes.set_title(title)
        said = "; ".join(f"release {n}: {u:,.1f}".replace(".0", "") + (f" {what[0]}, {-d:,.0f} {what[1]}" if what[1] else f" {what[0]}") for n, u, d in rows)
        return Plot(title, f"{title}. {said}.", as_svg(figure, title))
