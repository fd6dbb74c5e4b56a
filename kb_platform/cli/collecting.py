"""`kb gc`: garbage collection and index maintenance now, or what they would do."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import Json, Name, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, settings, store
from kb_platform.knowledge.errors import StateError

if TYPE_CHECKING:
    from kb_platform.cli.runs import StepRun

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gc)


def gc(name: Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Delete what no kept release shows, and build worn indexes anew.

    `retention` in defs.yaml says what is kept. A refresh that is writing is left alone: then nothing is done, with exit code 1.
    """
    from kb_platform.release.maintenance import plan_maintenance

    kb = knowledge_base(name)
    with database_running(quiet=as_json):
        if dry_run:
            report = asdict(plan_maintenance(store(kb.name), kb)) | {"dry_run": True}
        else:
            from kb_platform.cli.runs import run_assets

            report = _report(kb.name, run_assets(settings(), kb, ["maintenance"]))
    show_json({"knowledge_base": name, **report}) if as_json else _show(report)


def _report(name: str, run: "StepRun") -> dict[str, Any]:
    from kb_platform.components.knowledge_base.upkeep_metadata import REPORT

    if not run.success:
        raise StateError("; ".join(run.failures.values()), where=f"run {run.run_id}", action="its log is in Dagster's pages")
    said = run.metadata[name, "maintenance"]
    if REPORT not in said:
        raise StateError(said["skipped"], where=name)
    return {**said[REPORT], "run": run.run_id, "dry_run": False}


def _show(report: dict[str, Any]) -> None:
    would = " (would be)" if report["dry_run"] else ""
    before, now = report["horizon_before"], report["horizon"]
    console.print(f"horizon     release {now}" + (f", before {before}" if now != before else ", unmoved") + would)
    if report["kept"]:
        oldest = report["kept"][0]
        console.print(f"held by     release {oldest['release']}: {oldest['why']}; {len(report['kept'])} releases are asked for")
    show_table(("what goes" if report["dry_run"] else "what went", "number"), [
        *((kind.replace("_", " "), count) for kind, count in report["rows"].items()), ("files", report["files"]),
        ("embedding spaces", len(report["spaces"])), ("indexes built anew", len(report["indexes"]))])
    console.print(f"dead share  {report['dead_share']:.1%} of the most worn index's entries")
    for note in report.get("postponed", ()):
        console.print(f"[yellow]postponed[/yellow]   {escape(note)}", soft_wrap=True, markup=True)
    if "bytes" in report:
        console.print(f"on disk     {report['bytes']['tables'] / 1e6:.1f} MB of tables, {report['bytes']['indexes'] / 1e6:.1f} MB of indexes")
