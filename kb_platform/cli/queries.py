"""`kb search`, `kb evaluate`, `kb trace`: reading what is promoted, and measuring it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import (
    ROWS,
    Json,
    Name,
    WrongUsage,
    console,
    count_of,
    show_fields,
    show_json,
    show_table,
    show_text,
    writing,
)
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.releasing import ReleaseOption
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.cli.worse_queries import show_worse, worse_queries
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.progress import counted

if TYPE_CHECKING:
    from kb_platform.storage.database import Database

PLACES = 5  # documents with the same text that a terminal names
LENGTH = 400  # characters of a chunk that a terminal shows
MEASURES = ("nDCG@10", "R@10", "RR@10", "Success@1", "Success@5")
Out = tuple[Path | None, Path | None]  # a file for the run, one for the judgments


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (search, evaluate, trace):
        app.command()(command)


def search(
    name: Name,
    text: Annotated[str, typer.Argument(help="The question.", metavar="TEXT")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many chunks.")] = 5,
    release: ReleaseOption = None,
    filters: Annotated[list[str] | None, typer.Option("--filter", help="Metadata that a document must have, KEY=VALUE; a list has each of its items. May be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Search the live release, or a kept one: chunks with document, offsets, scores."""
    kb = knowledge_base(name)
    where = _where(filters or [])
    if not text.strip():
        raise WrongUsage("the question is empty", expected="words to search for")
    with database_running():
        retriever, readable = make_retriever(kb, "reader", release)
        hits, unread = retriever.search(text, readable, k=k, where=where), retriever.unread(text, readable)
    if as_json:
        show_json({"knowledge_base": name, "release": readable, "query": text, "unread": unread, "hits": [_hit(h) for h in hits]})
        return
    show_hits(hits)
    if unread:
        console.print(f"the embedding model cannot read {shorten(', '.join(unread), LENGTH, placeholder=' ...')}: only words were compared there",
                      highlight=False, markup=False)
    console.print(f"release {readable}, {count_of(len(hits), 'chunk')}")


def show_hits(hits: Sequence[Any]) -> None:
    """Print what was found: title, citation, scores and the beginning of each chunk."""
    for rank, hit in enumerate(hits, 1):
        console.print(f"[bold]{rank}. {escape(hit.title)}[/bold]", highlight=False, markup=True)
        cited = f"{hit.source}/{hit.doc_id}:{hit.start}-{hit.end}"
        console.print(f"   [cyan]{escape(cited)}[/cyan]  chunk {hit.chunk_id}", highlight=False, soft_wrap=True, markup=True)
        if hit.also_in:
            places = ", ".join(f"{at.source}/{at.doc_id}:{at.start}-{at.end}" for at in hit.also_in[:PLACES])
            more = f" and {len(hit.also_in) - PLACES} more" if len(hit.also_in) > PLACES else ""
            console.print(f"   also in {places}{more}", highlight=False, soft_wrap=True, markup=False)
        console.print(f"   score {hit.score:.3f} (dense {hit.dense:.3f}, lexical {hit.lexical:.3f})", highlight=False)
        show_text(shorten(hit.content, LENGTH, placeholder=" ..."), 3)
        console.print()


def _where(filters: list[str]) -> dict[str, str]:
    pairs = [f.partition("=") for f in filters]
    bad = next((f for f, pair in zip(filters, pairs, strict=True) if not pair[0] or not pair[1]), None)
    if bad is not None:
        raise WrongUsage(f"--filter {bad!r}", expected="KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _hit(hit: Any) -> dict[str, Any]:
    return {"chunk": hit.chunk_id, "source": hit.source, "doc_id": hit.doc_id, "title": hit.title, "start": hit.start, "end": hit.end,
            "score": hit.score, "dense": hit.dense, "lexical": hit.lexical, "content": hit.content,
            "also_in": [{"chunk": at.chunk_id, "source": at.source, "doc_id": at.doc_id, "title": at.title, "start": at.start, "end": at.end}
                        for at in hit.also_in]}


def make_retriever(kb: KnowledgeBase, role: Any, release: int | None) -> tuple[Any, int]:
    """Return a retriever, and the release that it may read: the live one unless another is named."""
    from kb_platform.index.fusion import FusionParameters
    from kb_platform.index.retrieve import Retriever
    from kb_platform.resources import load_embedder
    from kb_platform.storage.search import readable_release

    database = store(kb.name).database
    readable = readable_release(database, release, role)
    return Retriever(database, load_embedder, FusionParameters.from_settings(kb.search), role=role), readable


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
    as_json: Json = False,
) -> None:
    """Measure a release: on its golden queries (passages), or on a BEIR-style query set (documents)."""
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
    if as_json:
        show_json(report)
        return
    console.print(f"{name}, release {report['release']}, {count_of(report['queries'], 'query', 'queries')}")
    show_table(("measure", "value"), ((m, f"{v:.4f}") for m, v in report["metrics"].items()))
    if report.get("stale"):
        console.print(f"stale, not counted: {', '.join(report['stale'])}")
    if (missing := report.get("missing_documents")) and missing["count"]:
        named = ", ".join(missing["first"]) + (" ..." if missing["count"] > len(missing["first"]) else "")
        console.print(f"judged, but not in the release: {count_of(missing['count'], 'document')}: {named}", highlight=False, markup=False, soft_wrap=True)
    if said := report.get("gate"):
        console.print(f"the golden gate said {said['verdict']}" + (f"; {said['note']}" if said["note"] else ""))
        if said["verdict"] != "pass":
            show_worse(said)


def _evaluate_documents(kb: KnowledgeBase, release: int | None, queries: Path, qrels: Path, out: Out, *, quiet: bool) -> dict:
    from kb_platform.quality.metrics import evaluate_run
    from kb_platform.quality.trec_files import read_query_set
    from kb_platform.storage.document_texts import missing_documents

    query_set = read_query_set(queries, qrels)
    retriever, readable = make_retriever(kb, "gate" if release else "reader", release)
    with progress_bars("searching", quiet=quiet) as progress:
        asked = counted(query_set.queries.items(), progress, "queries", len(query_set.queries))
        run = {query: retriever.documents(text, readable) for query, text in asked}
    _write_trec(out, query_set.qrels, run)
    found = evaluate_run(query_set.qrels, run, MEASURES)
    judged = {document for grades in query_set.qrels.values() for document, grade in grades.items() if grade > 0}
    missing = missing_documents(store(kb.name).database, readable, judged)
    return {"knowledge_base": kb.name, "release": readable, "queries": found.queries, "metrics": found.mean, "level": "document",
            "missing_documents": {"count": len(missing), "first": missing[:PLACES]}}


def _write_trec(out: Out, qrels: Any, run: Any) -> None:
    from kb_platform.quality.trec_files import write_qrels, write_run

    for file, write, content in zip(out, (write_run, write_qrels), (run, qrels), strict=True):
        if file:
            with writing(file) as part:
                write(part, content)


def _evaluate_goldens(kb: KnowledgeBase, release: int | None, out: Out, *, quiet: bool) -> dict:
    from kb_platform.quality.golden import load_golden_set
    from kb_platform.release.golden_scores import Questions, score_goldens
    from kb_platform.resources import load_embedder
    from kb_platform.storage.search import readable_release

    goldens = load_golden_set(kb.folder / "golden")
    if goldens is None:
        raise StateError("there are no golden queries", where=str(kb.folder / "golden"),
                         action="add some, or give --queries and --qrels; until then promotion rests on the integrity gates alone")
    opened = store(kb.name)
    readable = readable_release(opened.database, release, "gate" if release else "reader")
    with progress_bars("loading the model", quiet=quiet) as progress:
        scores = score_goldens(opened, kb, Questions(goldens), readable, load_embedder, progress)
    _write_trec(out, *scores.as_trec())
    return {"knowledge_base": kb.name, "release": readable, "queries": scores.metrics.queries, "metrics": scores.metrics.mean,
            "level": "passage", "golden_hash": goldens.content_hash, "stale": {k: v.value for k, v in scores.stale.items()},
            "gate": _stored_verdict(opened.database, readable, goldens.content_hash)}


def _stored_verdict(database: "Database", release: int, golden_hash: str) -> dict[str, Any] | None:
    """Return what the golden gate said of the release, and a note where that was about other goldens."""
    from kb_platform.quality.comparability import why_not_comparable
    from kb_platform.storage.gates import gate_results

    stored = next((g for g in gate_results(database, release) if g.gate == "golden_retrieval"), None)
    if stored is None:
        return None
    note = why_not_comparable(stored.evidence, stored.evidence | {"golden_hash": golden_hash})
    return {"verdict": stored.verdict, "metric": stored.metric, "note": note, **worse_queries(stored.evidence)}


def trace(
    name: Name, chunk: Annotated[int, typer.Argument(help="A chunk id, as `kb search` shows it.", metavar="CHUNK", min=1, max=ROWS)],
    left_out: Annotated[bool, typer.Option("--left-out", help="Read the document once more, and show what of it is not in the index, and why.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a chunk came from: document, day, source object, space, release, run, gates."""
    from kb_platform.ingest.left_out_texts import left_out_texts
    from kb_platform.storage.inspect_release import trace_chunk

    kb = knowledge_base(name)
    with database_running():
        opened = store(kb.name)
        found = trace_chunk(opened.database, chunk)
        if found and left_out:
            found["left_out_texts"] = [entry._asdict() for entry in left_out_texts(opened.objects, found["raw_file"], found["doc_id"])]
    if found is None:
        raise StateError(f"no chunk {chunk}", where=name, action="chunk ids are what `kb search` prints")
    if as_json:
        show_json(found)
    else:
        show_trace(found)


def show_trace(found: dict[str, Any]) -> None:
    """Print a chunk's way, from its source to its release, and its text."""
    last, gates = found["last_release"], found["gates"] or {}
    console.print(f"[bold]{escape(found['title'])}[/bold]", highlight=False, markup=True)
    show_text(found["content"], 3)
    console.print()
    show_fields((
        ("document", f"{found['source']}/{found['doc_id']}, characters {found['start']} to {found['end']}"),
        ("found at", found["source_object"]),
        *((("read with", "; ".join(found["warnings"])),) if found["warnings"] else ()),
        *((("left out", "; ".join(found["left_out"])),) if found["left_out"] else ()),
        ("delivered", f"{found['day']}, capture {found['capture']}, run {found['capture_run']}"),
        ("raw file", found["raw_file"]),
        ("vector", f"{found['model']}, space {found['space']}"),
        ("releases", f"from {found['first_release']} " + (f"to {last}" if last else "on")),
        ("first release", f"{found['release_status']}, run {found['run']}"),
        ("its gates", ", ".join(f"{gate} {verdict}" for gate, verdict in sorted(gates.items())) or "none"),
    ))
    for entry in found.get("left_out_texts", ()):
        console.print(f"\nleft out, {entry['kind']}: {entry['number']}", highlight=False, markup=False)
        for piece in entry["pieces"]:
            show_text(piece, 3, bullet="- ")
