"""`kb report`, `kb compare`: what was found when a release was judged, and what two releases answer today."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.lost_queries import Worst, lost_queries, show_lost
from kb_platform.cli.output import (
    EXIT_OF_VERDICT,
    RELEASES,
    Json,
    Name,
    console,
    count_of,
    show_json,
    show_table,
    show_text,
    writing,
)
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.releasing import ReleaseOption
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import StateError

if TYPE_CHECKING:
    from kb_platform.quality.slice_scores import SliceScore
    from kb_platform.release.reports.evaluation_report import ChangedQuery, EvaluationReport
    from kb_platform.storage.reports import PastRelease

BETTER = 5  # queries that a terminal shows

Html = Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML file, with plots; it opens offline.", metavar="FILE")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (report, compare):
        app.command()(command)


def report(name: Name, release: ReleaseOption = None, html: Html = None, worst: Worst = 5, as_json: Json = False) -> None:
    """Show what was found when a release was judged: the candidate, else the live one.

    Exit codes: 0 shown, whatever the verdict; 1 error, such as a release that was never judged.
    """
    from kb_platform.release.reports.history import history, read_report

    kb = knowledge_base(name)
    with database_running(quiet=as_json):
        database = store(kb.name).database
        found, past = read_report(database, kb.name, release), history(database)
        _write(html, found, past)
    if as_json:
        show_json({**found.to_dict(), "history": [_past(r, found.golden_hash) for r in past]})
        return
    console.print(f"{name}, release {found.release}: verdict {found.verdict or 'not decided'}", highlight=False)
    show_table(("gate", "required", "verdict", "measured", "limit"),
               ((g.gate, "yes" if g.required else "no", g.verdict, g.measured, g.limit) for g in found.gates))
    accepted = next((r.accepted for r in past if r.release == found.release), None)
    if accepted:
        console.print(f"let pass by reviewers: {accepted}", markup=False, highlight=False, soft_wrap=True)
    for line in found.gates:
        _show_reasons(f"{line.gate}:", line.reasons)
    _show_golden(found, "live", worst)
    _show_written(html)


def compare(
    name: Name,
    before: Annotated[int, typer.Argument(help="The release to compare with.", metavar="A", min=1, max=RELEASES)],
    after: Annotated[int, typer.Argument(help="The release that is compared with it.", metavar="B", min=1, max=RELEASES)],
    html: Html = None,
    worst: Worst = 5,
    as_json: Json = False,
) -> None:
    """Ask two kept releases today's golden queries, and say what B answers better or worse than A.

    Exit codes: what the golden gate says of B with A as the live release. 0 pass, 3 regression, 4 inconclusive; 1 error, such as a
    release that was never sealed or whose rows were collected.
    """
    from kb_platform.quality.golden import load_golden_set
    from kb_platform.release.compare import compare_releases
    from kb_platform.release.reports.history import history
    from kb_platform.resources import load_embedder

    kb = knowledge_base(name)
    goldens = load_golden_set(kb.folder / "golden")
    if goldens is None:
        raise StateError("there are no golden queries", where=str(kb.folder / "golden"), action="add some: releases are compared by them")
    with database_running(quiet=as_json), progress_bars("loading the model", quiet=as_json) as progress:
        opened = store(kb.name)
        found = compare_releases(opened, kb, goldens, before, after, load_embedder, progress)
        past = history(opened.database)
        _write(html, found, past)
    stored = [_past(r, found.golden_hash) for r in past if r.release in (before, after)]
    if as_json:
        show_json({**found.to_dict(), "stored": stored})
    else:
        _show_compared(found, before, after, worst)
        _show_stored(stored)
        _show_written(html)
    raise typer.Exit(EXIT_OF_VERDICT[found.verdict or "inconclusive"])


def _past(release: "PastRelease", golden_hash: str | None) -> dict[str, Any]:
    """Return a release of the history; its figures only where they are of the same golden set."""
    from kb_platform.release.reports.history import why_apart

    why = why_apart(release, golden_hash)
    return {**asdict(release), "not_comparable": why, "metrics": None if why else release.metrics}


def _write(html: Path | None, found: "EvaluationReport", past: "Sequence[PastRelease]") -> None:
    if html is None:
        return
    from kb_platform.release.reports.page import render_page

    with writing(html) as part, part.open("w", encoding="utf-8") as file:
        file.write(render_page(found, past))


def _show_written(html: Path | None) -> None:
    if html is not None:
        console.print(f"written: {html}", soft_wrap=True, highlight=False)


def _show_compared(found: "EvaluationReport", before: int, after: int, worst: int) -> None:
    golden = found.golden
    assert golden is not None
    console.print(f"{found.knowledge_base}: release {after} against {before}, {count_of(golden.compared, 'golden query', 'golden queries')} asked now: {found.verdict}", highlight=False)
    _show_golden(found, str(before), worst)
    _show_reasons(f"as the golden gate would say it, with release {before} as the live one:", found.gates[0].reasons)


def _show_reasons(heading: str, reasons: Sequence[str]) -> None:
    if reasons:
        console.print(heading, highlight=False)
    for reason in reasons:
        show_text(reason, 2, bullet="- ")


def _show_stored(stored: Iterable[dict[str, Any]]) -> None:
    for release in stored:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in (release["metrics"] or {}).items())
        said = release["not_comparable"] or figures
        console.print(f"stored when release {release['release']} was judged: {said}", highlight=False, soft_wrap=True)


def _show_golden(found: "EvaluationReport", other: str, worst: int) -> None:
    golden = found.golden
    if golden is None:
        console.print("no golden query judged it: the verdict rests on the other gates alone")
        return
    ours = f"release {found.release}"
    show_table(("measure", ours, "interval", other, "interval"),
               ((s.measure, *_figures(s)) for m in golden.measures for s in golden.of_measure(m)[:1]))
    show_table((golden.primary, "goldens", ours, "interval", other, "interval", "better", "worse"),
               ((s.slice, s.queries, *_figures(s), *((s.wins, s.losses) if s.live is not None else (None, None))) for s in golden.of_measure(golden.primary)))
    if golden.comparisons:
        show_table(("measure", "slice", "difference", "interval", "p", "sign test p"),
                   ((c.measure, c.slice, f"{c.difference:+.3f}", f"{c.interval[0]:+.3f} to {c.interval[1]:+.3f}", f"{c.adjusted_p:.2g}",
                     f"{c.sign_p:.2g}") for c in golden.comparisons))
    show_lost(lost_queries(asdict(golden)), worst, (golden.names[1], golden.names[0]))
    if golden.better_count:
        console.print(f"[bold]{golden.better_count} answered better[/bold]", highlight=False, markup=True)
        _show_queries(golden.better[:BETTER], found)
    if golden.stale:
        show_text(f"{len(golden.stale)} stale, not counted: {', '.join(golden.stale)}", 0)


def _figures(score: "SliceScore") -> tuple[str, ...]:
    return (_number(score.candidate), _interval(score.interval), _number(score.live), _interval(score.live_interval))


def _show_queries(changed: "Sequence[ChangedQuery]", found: "EvaluationReport") -> None:
    for change in changed:
        moved = ", ".join(f"{m} {change.live[m]:.2f} to {v:.2f}" for m, v in change.candidate.items() if v != change.live[m])
        show_text(f"{change.query}: {change.question} ({moved})", 0)
        lists = change.results
        for release, chunks in ((found.compared_with, lists.live), (found.release, lists.candidate)) if lists else ():
            places = "; ".join(f"{c.doc_id}:{c.start}-{c.end}" for c in chunks)
            show_text(f"{places or 'nothing'}", 4, bullet=f"release {release}: ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.2f} to {value[1]:.2f}"
