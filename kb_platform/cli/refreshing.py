"""`kb refresh`: one day of one knowledge base, from its sources to a judged release."""

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.lost_queries import lost_queries, show_lost
from kb_platform.cli.output import EXIT_OF_VERDICT, LEFT, Json, Name, WrongUsage, console, count_of, errors, show_json, show_text
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.session import database_running, knowledge_base, settings, store, who
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from kb_platform.cli.runs import StepRun

Day = Annotated[str | None, typer.Option("--day", help="YYYY-MM-DD, or a range FROM..TO as one run; today if left out.")]
AcceptChurn = Annotated[
    str | None, typer.Option("--accept-churn", metavar="REASON",
                             help="Let this candidate remove and change more than gate.max_churn_share. On record: who, when, why, and the digest.")
]
By = Annotated[str | None, typer.Option("--by", help="Who accepts the churn; left out: this account.", metavar="NAME")]
OnlySource = Annotated[str | None, typer.Option("--source", help="Refresh this source only.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(refresh)


def refresh(name: Name, day: Day = None, source: OnlySource = None, accept_churn: AcceptChurn = None, by: By = None, as_json: Json = False) -> None:
    """Capture, chunk, embed, index, judge and promote what changed.

    Exit codes: 0 promoted (or nothing changed), 3 the gate says regression, 4 it is inconclusive, 6 texts wait for their vectors as the
    GPU window is closed or the run's time is over, 1 error.
    """
    kb, tags = knowledge_base(name), _accepting(accept_churn, by)
    try:
        with database_running(quiet=as_json):
            report = refresh_once(kb, day, source, quiet=as_json, tags=tags)
            show_json(report) if as_json else show_report(report)
            if tags and not as_json and not _has_accepted(report):
                console.print("churn is within its limit: nothing had to be accepted")
    except KeyboardInterrupt:
        errors.print("interrupted: what is done stays done, the next refresh continues there", soft_wrap=True)
        raise
    raise typer.Exit(exit_code(report))


def _accepting(reason: str | None, by: str | None) -> dict[str, str]:
    """Return the tags of runs that accept churn; none where nobody does."""
    from kb_platform.components.knowledge_base.churn_tags import churn_tags

    if reason is None:
        if by is not None:
            raise WrongUsage("--by without --accept-churn", expected="--accept-churn REASON: it says who accepts")
        return {}
    if not reason.strip():
        raise WrongUsage("--accept-churn without a reason", expected="why so much may be removed or changed at once: it goes on record")
    if by is not None and not by.strip():
        raise WrongUsage(f"--by {by!r}", expected="a person's name")
    return churn_tags(who(by), reason)


def _has_accepted(report: dict[str, Any]) -> bool:
    """Tell whether churn was accepted of a candidate of this refresh; where nothing changed, what the gates say is of an earlier one."""
    accepted = report["gates"].get("churn", {}).get("accepted_by") is not None
    return accepted and (report["moved"] or not report["promoted"])


def refresh_once(kb: KnowledgeBase, day: str | None, source: str | None, *, quiet: bool, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a refresh and return its report: the object that --json prints. `tags` are put on its runs."""
    from kb_platform.cli.runs import run_refresh
    from kb_platform.components.knowledge_base.validate import check_embedding

    began = time.perf_counter()
    sources = [source] if source is not None else [s.name for s in kb.sources]
    if source is not None and source not in {s.name for s in kb.sources}:
        raise WrongUsage(f"no source {source!r}", where=kb.name, expected=f"one of {', '.join(s.name for s in kb.sources)}")
    days = _days(kb, day)
    check_embedding(kb)
    with progress_bars("loading", quiet=quiet) as progress:
        runs = run_refresh(settings(), kb, days, sources, progress, tags or {})
    return make_report(kb, sources, runs, time.perf_counter() - began)


def _days(kb: KnowledgeBase, day: str | None) -> list[str]:
    try:
        ends = [dt.date.fromisoformat(part) for part in (kb.today().isoformat() if day is None else day).split("..")]
    except ValueError as error:
        raise WrongUsage(f"--day {day!r}", expected="YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD") from error
    first, last = ends[0], ends[-1]
    if last > kb.today():
        raise WrongUsage(f"--day {day}", where=kb.name, expected=f"days up to {kb.today()}, which is today in {kb.timezone}",
                         action=f"{last} has not begun: what a source will deliver then cannot be known")
    if len(ends) > 2 or not kb.start_date <= first <= last <= kb.today():
        action = "change start_date in defs.yaml to go further back" if first < kb.start_date else ""
        raise WrongUsage(f"--day {day}", where=kb.name, expected=f"days from {kb.start_date} to {kb.today()}, the earlier first", action=action)
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
    from kb_platform.storage.captures import unreadable_sources
    from kb_platform.storage.gates import gate_results
    from kb_platform.storage.releases import candidate, get_release, live_release

    database, sums = store(kb.name).database, _Sums(kb.name, sources, runs)
    live, waiting = live_release(database), candidate(database)
    release = waiting.release_id if waiting else live
    judged = get_release(database, release) if release else None
    gates = gate_results(database, release) if release else []
    required = [g for g in gates if judged and g.gate in judged.required_gates]
    verdict = _verdict(judged.verdict if judged else None, [g.verdict for g in required])
    refusing = [g.gate for g in required if not g.passed]
    failures = {step: message for run in runs.values() for step, message in run.failures.items()}
    errors = {step: message for step, message in failures.items() if not any(step.endswith(gate) for gate in refusing)}
    moved = bool(runs["release"].metadata.get((kb.name, "promoted_release"), {}).get("moved"))
    if errors and release == live and not moved:  # what live was judged to be, some other day, is no verdict of this refresh
        gates, verdict = [], None
    failed = _told(kb.name, sources, runs, "raw_documents", "failures") + _told(kb.name, sources, runs, "chunks", "failures")
    chunks = (judged.chunk_count or 0) if judged else 0
    uncaptured = sums.of("ingest", "raw_documents", "failed")  # asked for again every time
    inserted, closed = sums.of("release", "vector_index", "rows_inserted"), sums.of("release", "vector_index", "rows_closed")
    return {
        "knowledge_base": kb.name,
        "release": release,
        "verdict": verdict,
        "promoted": release is not None and release == live,
        "live_release": live,
        "moved": moved,
        "documents": {
            kind: sums.of("release", "vector_index", f"documents_{kind}") for kind in ("new", "changed", "unchanged", "deleted")
        } | {
            "failed": sums.of("release", "vector_index", "documents_failed") + uncaptured,
            "unreadable": sums.of("release", "vector_index", "documents_unreadable") + uncaptured,
        },
        "chunks": {"new": inserted, "unchanged": max(chunks - inserted, 0), "deleted": closed, "total": chunks},
        "vectors": {kind: sums.of("embed", "embeddings", f"vectors_{kind}") for kind in ("computed", "reused", "left")},
        "left_because": next((said for s in sources if (said := runs["embed"].metadata.get((kb.name, s, "embeddings"), {}).get("left_because"))), None),
        "rows": {"inserted": inserted, "closed": closed},
        "seconds": _seconds(runs, seconds),
        "gates": {g.gate: {"verdict": g.verdict, "metric": g.metric, "required": g in required, "reasons": list(g.reasons), "accepted_by": g.accepted_by,
                          **lost_queries(g.evidence)} for g in gates},
        "golden_gate": "golden_retrieval" in {g.gate for g in gates},
        "failures": failed,
        "unread": _unread(kb.name, failed),
        "unreadable_sources": unreadable_sources(database),
        "warnings": _told(kb.name, sources, runs, "chunks", "warnings"),
        "left_out": _told(kb.name, sources, runs, "chunks", "left_out"),
        "skipped": _told(kb.name, sources, runs, "raw_documents", "skipped"),
        "errors": errors,
        "runs": {step: run.run_id for step, run in runs.items()},
    }


def _verdict(stored: str | None, said: list[str]) -> str | None:
    if stored:
        return stored
    return next((v for v in ("regression", "inconclusive", "pass") if v in said), None)


def _seconds(runs: "dict[str, StepRun]", total: float) -> dict[str, float]:
    by_asset: dict[str, float] = {"ingest": 0.0, "embed": 0.0, "index": 0.0, "evaluate": 0.0}
    for step_key, seconds in (item for run in runs.values() for item in run.seconds.items()):
        kind = "evaluate" if _is_gate(step_key) else next((k for k, ends in ENDS.items() if step_key.endswith(ends)), "index")
        by_asset[kind] += seconds
    return {kind: round(value, 3) for kind, value in (by_asset | {"total": total}).items()}


STILL = 10  # documents that failed on an earlier day, which a refresh names
REASONS = {"hidden": "hidden, as their names begin with a dot"}
IN_WORDS = {
    "raw_documents": "reading source {}", "chunks": "cutting the documents of {}", "embeddings": "computing the vectors of {}",
    "vector_index": "writing the index of {}", "release_candidate": "sealing the candidate", "promoted_release": "promoting the candidate",
}


def in_words(name: str, step: str) -> str:
    """Return what a step of a run does, for people: `<kb>__<source>__<asset>`, or `<kb>__release_candidate_<gate>`."""
    rest = step.removeprefix(f"{name}__")
    source, _, asset = rest.rpartition("__")
    if asset.startswith("release_candidate_"):
        return f"gate {asset.removeprefix('release_candidate_')}"
    return IN_WORDS.get(asset, rest).format(source)


ENDS = {"ingest": ("raw_documents", "chunks"), "embed": ("embeddings",), "index": ("vector_index", "release_candidate", "promoted_release")}


def _is_gate(step_key: str) -> bool:
    from kb_platform.release.gates import GATES

    return any(step_key.endswith(gate) for gate in GATES)


def _told(name: str, sources: list[str], runs: "dict[str, StepRun]", asset: str, field: str) -> list[dict[str, str]]:
    """Return the rows of a table that an ingest step has in its metadata, each with its source."""
    found = []
    for source in sources:
        table = runs["ingest"].metadata.get((name, source, asset), {}).get(field)
        records = getattr(table, "records", table) or ()
        found += [{"source": source, **getattr(record, "data", {})} for record in records]
    return found


def _unread(name: str, failed: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the documents that failed on an earlier day, and have not been delivered in a state that can be used since."""
    from kb_platform.storage.captures import unreadable_documents

    now = {f"{failure['source']}/{failure.get('doc_id')}" for failure in failed}
    return [{"document": document, "reason": reason} for document, reason in unreadable_documents(store(name).database).items() if document not in now]


def exit_code(report: dict[str, Any]) -> int:
    """Return 1 if something broke, else what the verdict says, and that texts wait for their vectors."""
    left = report["vectors"]["left"] > 0
    if report["errors"] or report["release"] is None and not left:
        return 1
    judged = 0 if report["promoted"] else EXIT_OF_VERDICT.get(report["verdict"] or "", 1)
    return LEFT if left and (report["promoted"] or report["release"] is None) else judged


def show_report(report: dict[str, Any]) -> None:
    """Print a refresh for people."""
    documents, vectors, rows = report["documents"], report["vectors"], report["rows"]
    earlier = documents["unreadable"] - documents["failed"]
    console.print(f"documents  {', '.join(f'{count} {kind}' for kind, count in documents.items() if kind != 'unreadable')}")
    if earlier > 0:
        console.print(f"           {earlier} failed earlier, still unreadable: kb review list {report['knowledge_base']}", soft_wrap=True)
    console.print(f"chunks     {rows['inserted']} written, {rows['closed']} closed, {report['chunks']['total']} in all")
    console.print(f"vectors    {vectors['computed']} computed, {vectors['reused']} reused")
    if vectors["left"]:
        console.print(f"[yellow]left[/yellow]       {vectors['left']} texts wait for their vectors, and their deliveries with them: "
                      f"{escape(str(report['left_because']))} (kb gpu-window status). The next refresh continues there", highlight=False, soft_wrap=True, markup=True)
    parts = ", ".join(f"{step} {seconds:.1f}" for step, seconds in report["seconds"].items() if step != "total")
    console.print(f"seconds    {report['seconds']['total']:.1f} in all: {parts}")
    _show_unread(report)
    for warning in report["warnings"]:
        console.print(f"[yellow]read, but[/yellow]  {escape(str(warning.get('source_object')))}: {escape(str(warning.get('reason')))}",
                      highlight=False, soft_wrap=True, markup=True)
    if left_out := report["left_out"]:
        first = left_out[0]
        console.print(f"left out   text of {count_of(len(left_out), 'document')}, such as {first['source_object']} ({first['reason']});\n"
                      "           --json names all, kb trace NAME CHUNK --left-out shows it", highlight=False, soft_wrap=True, markup=False)
    for entry in report["skipped"]:
        console.print(f"left alone {entry['count']}: {escape(REASONS.get(entry['reason']) or entry['reason'])}, such as {escape(entry['example'])}", highlight=False, soft_wrap=True, markup=True)
    _show_gates(report["knowledge_base"], report["gates"])
    if not report["golden_gate"] and report["release"] and not report["errors"]:
        console.print("gate       golden_retrieval: [yellow]nothing was judged[/yellow]", highlight=False, markup=True)
        show_text("there are no golden queries yet: promotion rests on the integrity gates alone", 11, bullet="- ")
    for step, message in report["errors"].items():
        console.print(f"[red]{escape(in_words(report['knowledge_base'], step))}:[/red] {escape(message)}", highlight=False, soft_wrap=True, markup=True)
    _show_outcome(report)


def _show_unread(report: dict[str, Any]) -> None:
    """Print what was delivered and cannot be used."""
    for source, count in report["unreadable_sources"].items():
        console.print(f"[red]nothing[/red]    of source {escape(source)} can be read: not one of {count_of(count, 'document')}", highlight=False, soft_wrap=True, markup=True)
    for failure in report["failures"]:
        console.print(f"[yellow]not used[/yellow]   {escape(str(failure.get('source_object')))}: {escape(str(failure.get('reason')))}",
                      highlight=False, soft_wrap=True, markup=True)
    for still in report["unread"][:STILL]:
        console.print(f"[yellow]still not[/yellow]  {escape(still['document'])}: {escape(still['reason'])}", highlight=False, soft_wrap=True, markup=True)


def _show_outcome(report: dict[str, Any]) -> None:
    """Print the last line: what readers see now; where something failed, that comes last, for the last line is what is read."""
    readers = f"readers still see release {report['live_release']}" if report["live_release"] else "readers see nothing yet"
    state = "is live" if report["promoted"] else f"is not promoted; {readers}"
    unjudged = "" if report["golden_gate"] else " (no golden query judged it)"
    if not report["errors"]:
        console.print(f"release {report['release']}: verdict {report['verdict']}{unjudged}, {state}" if report["release"] else f"no release; {readers}")
        return
    failed = ", ".join(dict.fromkeys(in_words(report["knowledge_base"], step) for step in report["errors"]))
    but = f"release {report['release']} is live without what failed" if report["promoted"] and report["moved"] else f"nothing new is live, {readers}"
    console.print(f"[red]the refresh failed[/red] ({escape(failed)}): {but}", highlight=False, soft_wrap=True, markup=True)


def _show_gates(name: str, gates: dict[str, Any]) -> None:
    silent = [gate for gate, said in gates.items() if said["verdict"] == "pass" and not said["reasons"]]
    if silent:
        text = fill(f"gates      {', '.join(silent)}: pass", console.width, subsequent_indent=" " * 11, break_on_hyphens=False)
        console.print(f"{text.removesuffix('pass')}[green]pass[/green]", highlight=False, soft_wrap=True, markup=True)
    for gate, said in ((gate, said) for gate, said in gates.items() if gate not in silent):
        colour = "green" if said["verdict"] == "pass" else "red" if said["required"] else "yellow"
        advisory = "" if said["required"] else " (advisory)"
        accepted = f", accepted by {escape(said['accepted_by'])}" if said.get("accepted_by") else ""
        console.print(f"gate       {gate}{advisory}: [{colour}]{said['verdict']}[/{colour}]{accepted}", highlight=False, markup=True)
        for reason in said["reasons"]:
            show_text(reason, 11, bullet="- ")
        if said["verdict"] != "pass":
            show_lost(said)
        if gate == "churn" and said["verdict"] == "inconclusive" and said["required"]:
            show_text(f"if that is meant: kb refresh {name} --accept-churn REASON, or a reviewer decides: kb review list {name}", 11)
