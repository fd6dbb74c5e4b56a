"""`kb evaluate`: measuring a release, on its golden queries or on a query set, and naming what it does not answer."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.lost_queries import Worst, lost_queries, show_lost
from kb_platform.cli.output import Json, Name, WrongUsage, console, count_of, show_json, show_table, show_text, writing
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.releasing import ReleaseOption
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import counted

if TYPE_CHECKING:
    from kb_platform.storage.database import Database

MEASURES = ("nDCG@10", "R@10", "RR@10", "Success@1", "Success@5")
NAMED = 5  # judged documents that are not there
Out = tuple[Path | None, Path | None]  # a file for the run, one for the judgments


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    name: Name,
    release: ReleaseOption = None,
    queries: Annotated[Path | None, typer.Option("--queries", help="queries.jsonl (query_id or _id, text).")] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="qrels.tsv (query_id, doc_id, grade).")] = None,
    run_out: Annotated[Path | None, typer.Option("--run-out", help="Write the ranking as a TREC run.")] = None,
    qrels_out: Annotated[Path | None, typer.Option("--qrels-out", help="Write the judgments as TREC qrels: any trec_eval finds our figures.")] = None,
    dense_weight: Annotated[
        float | None, typer.Option("--dense-weight", min=0, max=1, help="Try another weight: 0 words alone, 1 vectors alone.")
    ] = None,
    worst: Worst = 3,
    as_json: Json = False,
) -> None:
    """Measure a release: on its golden queries (passages), or on a BEIR-style query set (documents).

    Golden queries that were lost against the live release, or are not answered, are named by slice; the worst with both result lists.
    """
    kb = knowledge_base(name)
    if (queries is None) != (qrels is None):
        raise WrongUsage("--queries and --qrels go together", action="give both, or neither to use the golden queries")
    if dense_weight is not None:
        kb = replace(kb, search={**kb.search, "dense_weight": dense_weight})
    with database_running():
        if queries and qrels:
            report = _evaluate_documents(kb, release, queries, qrels, (run_out, qrels_out), quiet=as_json)
        else:
            report = _evaluate_goldens(kb, release, (run_out, qrels_out), quiet=as_json)
    show_json(report) if as_json else _show(report, worst)


def _show(report: dict[str, Any], worst: int) -> None:
    number, against = report["release"], report.get("compared_with")
    compared = f", against release {against}, which is live" if against else ""
    console.print(f"{report['knowledge_base']}, release {number}, {count_of(report['queries'], 'query', 'queries')}{compared}", highlight=False)
    show_table(("measure", "value"), ((m, f"{v:.4f}") for m, v in report["metrics"].items()))
    if report.get("stale"):
        show_text(f"stale, not counted: {', '.join(report['stale'])}", 0)
    if (missing := report.get("missing_documents")) and missing["count"]:
        named = ", ".join(missing["first"]) + (" ..." if missing["count"] > len(missing["first"]) else "")
        show_text(f"judged, but not in the release: {count_of(missing['count'], 'document')}: {named}", 0)
    if report["level"] == "passage":
        show_lost(report, worst, (f"release {against}", f"release {number}"))
    if said := report.get("gate"):
        console.print(f"the golden gate said {said['verdict']}" + (f"; {said['note']}" if said["note"] else ""), soft_wrap=True)


def _evaluate_documents(kb: KnowledgeBase, release: int | None, queries: Path, qrels: Path, out: Out, *, quiet: bool) -> dict:
    from kb_platform.quality.equal_documents import one_place_each
    from kb_platform.quality.metrics import evaluate_run
    from kb_platform.quality.trec_files import read_query_set
    from kb_platform.storage.document_texts import copies, missing_documents

    query_set = read_query_set(queries, qrels)
    retriever, readable = make_retriever(kb, "gate" if release else "reader", release)
    with progress_bars("searching", quiet=quiet) as progress:
        asked = counted(query_set.queries.items(), progress, "queries", len(query_set.queries))
        ranked = {query: retriever.documents(text, readable) for query, text in asked}
    run, judgments = one_place_each(ranked, query_set.qrels, copies(store(kb.name).database, readable))
    _write_trec(out, judgments, run)
    found = evaluate_run(judgments, run, MEASURES)
    judged = {document for grades in query_set.qrels.values() for document, grade in grades.items() if grade > 0}
    missing = missing_documents(store(kb.name).database, readable, judged)
    return {"knowledge_base": kb.name, "release": readable, "queries": found.queries, "metrics": found.mean, "level": "document",
            "missing_documents": {"count": len(missing), "first": missing[:NAMED]}}


def _write_trec(out: Out, qrels: Any, run: Any) -> None:
    from kb_platform.quality.trec_files import write_qrels, write_run

    for file, write, content in zip(out, (write_run, write_qrels), (run, qrels), strict=True):
        if file:
            with writing(file) as part:
                write(part, content)


def _evaluate_goldens(kb: KnowledgeBase, release: int | None, out: Out, *, quiet: bool) -> dict:
    from kb_platform.quality.golden import load_golden_set
    from kb_platform.release.golden_comparison import ask_both
    from kb_platform.resources import load_embedder
    from kb_platform.storage.releases import live_release
    from kb_platform.storage.search import readable_release

    goldens = load_golden_set(kb.folder / "golden")
    if goldens is None:
        raise StateError("nothing can be judged: there are no golden queries", where=str(kb.folder / "golden"),
                         action="add some, or give --queries and --qrels; until then promotion rests on the integrity gates alone")
    opened = store(kb.name)
    readable = readable_release(opened.database, release, "gate" if release else "reader")
    live = live_release(opened.database)
    other = None if live == readable else live
    with progress_bars("loading the model", quiet=quiet) as progress:
        asked = ask_both(opened, kb, goldens, readable, other, load_embedder, progress)
    _write_trec(out, *asked.candidate.as_trec())
    scores, evidence = asked.candidate, asked.judged(kb).evidence
    return {"knowledge_base": kb.name, "release": readable, "compared_with": other, "queries": scores.metrics.queries, "metrics": scores.metrics.mean,
            "level": "passage", "golden_hash": goldens.content_hash, "stale": {k: v.value for k, v in scores.stale.items()},
            **lost_queries(evidence), "gate": _stored_verdict(opened.database, readable, goldens.content_hash)}


def _stored_verdict(database: "Database", release: int, golden_hash: str) -> dict[str, Any] | None:
    """Return what the golden gate said of the release, and a note where that was about other goldens."""
    from kb_platform.quality.comparability import why_not_comparable
    from kb_platform.storage.gates import gate_results

    stored = next((g for g in gate_results(database, release) if g.gate == "golden_retrieval"), None)
    if stored is None:
        return None
    note = why_not_comparable(stored.evidence, stored.evidence | {"golden_hash": golden_hash})
    return {"verdict": stored.verdict, "metric": stored.metric, "note": note, **lost_queries(stored.evidence)}
