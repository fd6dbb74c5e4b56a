"""`kb refresh`: one day of one knowledge base, from its sources to a judged release."""

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.output import EXIT_OF_VERDICT, Json, Name, console, show_json, show_table, working
from kb_platform.cli.session import database_running, knowledge_base, settings, store
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from kb_platform.cli.runs import StepRun

Day = Annotated[str | None, typer.Option("--day", help="YYYY-MM-DD, or a range FROM..TO as one run; today if left out.")]
OnlySource = Annotated[str | None, typer.Option("--source", help="Refresh this source only.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(refresh)


def refresh(name: Name, day: Day = None, source: OnlySource = None, as_json: Json = False) -> None:
    """Capture, chunk, embed, index, judge and promote what changed.

    Exit codes: 0 promoted (or nothing changed), 3 the gate says regression, 4 it is inconclusive, 1 error.
    """
    kb = knowledge_base(name)
    with database_running(quiet=as_json):
        report = refresh_once(kb, day, source, quiet=as_json)
        show_json(report) if as_json else show_report(report)
    raise typer.Exit(exit_code(report))


def refresh_once(kb: KnowledgeBase, day: str | None, source: str | None, *, quiet: bool) -> dict[str, Any]:
    """Run a refresh and return its report: the object that --json prints."""
    from kb_platform.cli.runs import run_refresh

    began = time.perf_counter()
    sources = [source] if source else [s.name for s in kb.sources]
    if source and source not in {s.name for s in kb.sources}:
        raise ConfigError(f"no source {source!r}", where=kb.name, expected=f"one of {', '.join(s.name for s in kb.sources)}")
    with working("loading", quiet=quiet) as tell:
        runs = run_refresh(settings(), kb, _days(kb, day), sources, tell)
    return make_report(kb, sources, runs, time.perf_counter() - began)


def _days(kb: KnowledgeBase, day: str | None) -> list[str]:
    try:
        ends = [dt.date.fromisoformat(part) for part in (day or kb.today().isoformat()).split("..")]
    except ValueError as error:
        raise ConfigError(f"--day {day}", expected="YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD") from error
    first, last = ends[0], ends[-1]
    if len(ends) > 2 or not kb.start_date <= first <= last <= kb.today():
        raise ConfigError(f"--day {day}", where=kb.name, expected=f"days from {kb.start_date} to {kb.today()}",
                          action="change start_date in defs.yaml to go further back")
    return [(first + dt.timedelta(n)).isoformat() for n in range((last - first).days + 1)]


@dataclass(frozen=True)
class _Sums:
    """Adds up the metadata of one kind of asset over the sources."""

    kb: str
    sources: list[str]
    runs: "dict[str, StepRun]"

    def of(self, step: str, asset: str, field: str) -> int:
        metadata = self.runs[step].metadata
        return sum(int(metadata.get((self.kb, s, asset), {}).get(field) or 0) for s in self.sources)


def make_report(kb: KnowledgeBase, sources: list[str], runs: "dict[str, StepRun]", seconds: float) -> dict[str, Any]:
    """Return release, verdict, counts and seconds of a refresh. Its keys are an interface: programs rely on them."""
    from kb_platform.storage.gates import gate_results
    from kb_platform.storage.releases import candidate, live_release

    database, sums = store(kb.name).database, _Sums(kb.name, sources, runs)
    live, waiting = live_release(database), candidate(database)
    release = waiting.release_id if waiting else live
    gates = gate_results(database, release) if release else []
    verdict = _verdict(waiting.verdict if waiting else None, [g.verdict for g in gates])
    refusing = [g.gate for g in gates if not g.passed]
    failures = {step: message for run in runs.values() for step, message in run.failures.items()}
    inserted, closed = sums.of("release", "vector_index", "rows_inserted"), sums.of("release", "vector_index", "rows_closed")
    return {
        "knowledge_base": kb.name,
        "release": release,
        "verdict": verdict,
        "promoted": release is not None and release == live,
        "live_release": live,
        "documents": {
            kind: sums.of("release", "vector_index", f"documents_{kind}") for kind in ("new", "changed", "unchanged", "deleted")
        } | {"failed": sums.of("release", "vector_index", "documents_failed") + sums.of("ingest", "raw_documents", "failed")},
        "chunks": {"new": inserted, "deleted": closed, "total": _chunks(database, release)},
        "vectors": {"computed": sums.of("embed", "embeddings", "vectors_computed"), "reused": sums.of("embed", "embeddings", "vectors_reused")},
        "rows": {"inserted": inserted, "closed": closed},
        "seconds": _seconds(runs, seconds),
        "gates": {g.gate: {"verdict": g.verdict, "metric": g.metric, "reasons": _reasons(g.evidence)} for g in gates},
        "golden_gate": "golden_retrieval" in {g.gate for g in gates},
        "failures": _failed_documents(kb.name, sources, runs),
        "errors": {step: message for step, message in failures.items() if not any(step.endswith(gate) for gate in refusing)},
        "runs": {step: run.run_id for step, run in runs.items()},
    }


def _verdict(stored: str | None, said: list[str]) -> str | None:
    if stored:
        return stored
    return next((v for v in ("regression", "inconclusive", "pass") if v in said), None)


def _chunks(database: Any, release: int | None) -> int:
    from kb_platform.storage.releases import get_release

    return (get_release(database, release).chunk_count or 0) if release else 0


def _seconds(runs: "dict[str, StepRun]", total: float) -> dict[str, float]:
    by_asset: dict[str, float] = {"ingest": 0.0, "embed": 0.0, "index": 0.0, "evaluate": 0.0}
    for step_key, seconds in (item for run in runs.values() for item in run.seconds.items()):
        kind = "evaluate" if _is_gate(step_key) else next((k for k, ends in ENDS.items() if step_key.endswith(ends)), "index")
        by_asset[kind] += seconds
    return {kind: round(value, 3) for kind, value in (by_asset | {"total": total}).items()}


ENDS = {"ingest": ("raw_documents", "chunks"), "embed": ("embeddings",), "index": ("vector_index", "release_candidate", "promoted_release")}


def _is_gate(step_key: str) -> bool:
    from kb_platform.release.judge import GATES

    return any(step_key.endswith(gate) for gate in GATES)


def _reasons(evidence: dict[str, Any]) -> list[str]:
    return [r if isinstance(r, str) else r["message"] for r in evidence.get("reasons", ())]


def _failed_documents(name: str, sources: list[str], runs: "dict[str, StepRun]") -> list[dict[str, str]]:
    found = []
    for source in sources:
        for step, asset in (("ingest", "raw_documents"), ("ingest", "chunks")):
            table = runs[step].metadata.get((name, source, asset), {}).get("failures")
            records = getattr(table, "records", table) or ()
            found += [{"source": source, **getattr(record, "data", {})} for record in records]
    return found


def exit_code(report: dict[str, Any]) -> int:
    """Return 1 if something broke, else what the verdict says."""
    if report["errors"] or report["release"] is None:
        return 1
    return 0 if report["promoted"] else EXIT_OF_VERDICT.get(report["verdict"] or "", 1)


def show_report(report: dict[str, Any]) -> None:
    """Print a refresh for people."""
    documents, vectors, rows = report["documents"], report["vectors"], report["rows"]
    show_table(("", "new", "changed", "unchanged", "deleted", "failed"), [("documents", *documents.values())])
    console.print(f"vectors: {vectors['computed']} computed, {vectors['reused']} reused; rows: {rows['inserted']} inserted, "
                  f"{rows['closed']} closed; {report['seconds']['total']:.1f} s")
    for failure in report["failures"]:
        console.print(f"[yellow]not used:[/yellow] {failure.get('source_object')}: {failure.get('reason')}", soft_wrap=True)
    for gate, said in report["gates"].items():
        console.print(f"gate {gate}: {said['verdict']}" + (f" ({'; '.join(said['reasons'])})" if said["reasons"] else ""), soft_wrap=True)
    if not report["golden_gate"]:
        console.print("no golden queries yet: promotion rests on the integrity gates alone")
    for step, message in report["errors"].items():
        console.print(f"[red]{step}:[/red] {message}", soft_wrap=True)
    state = "is live" if report["promoted"] else f"is not promoted; readers still see {report['live_release']}"
    console.print(f"release {report['release']}: verdict {report['verdict']}, {state}")
