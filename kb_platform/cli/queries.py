"""`kb search`, `kb evaluate`, `kb trace`: reading what is promoted, and measuring it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from kb_platform.cli.output import Json, Name, console, errors, show_json, show_table
from kb_platform.cli.releasing import ReleaseOption
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

MEASURES = ("nDCG@10", "R@10", "RR@10", "Success@1", "Success@5")


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
    with database_running():
        retriever, readable = make_retriever(kb, "reader", release)
        hits = retriever.search(text, readable, k=k, where=where)
    if as_json:
        show_json({"knowledge_base": name, "release": readable, "query": text, "hits": [_hit(h) for h in hits]})
        return
    for rank, hit in enumerate(hits, 1):
        console.print(f"[bold]{rank}. {hit.title}[/bold]  {hit.source}/{hit.doc_id}:{hit.start}-{hit.end}  score {hit.score:.3f} "
                      f"(dense {hit.dense:.3f}, lexical {hit.lexical:.2f})  chunk {hit.chunk_id}", soft_wrap=True, highlight=False)
        console.print(" ".join(hit.content.split())[:400] + "\n", markup=False, highlight=False, soft_wrap=True)
    console.print(f"release {readable}, {len(hits)} chunks")


def _where(filters: list[str]) -> dict[str, str]:
    pairs = [f.partition("=") for f in filters]
    bad = next((f for f, pair in zip(filters, pairs, strict=True) if not pair[0] or not pair[1]), None)
    if bad is not None:
        raise ConfigError(f"--filter {bad}", expected="KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _hit(hit: Any) -> dict[str, Any]:
    return {"chunk": hit.chunk_id, "source": hit.source, "doc_id": hit.doc_id, "title": hit.title, "start": hit.start, "end": hit.end,
            "score": hit.score, "dense": hit.dense, "lexical": hit.lexical, "content": hit.content}


def make_retriever(kb: KnowledgeBase, role: Any, release: int | None) -> tuple[Any, int]:
    """Return a retriever, and the release that it may read: the live one unless another is named."""
    from kb_platform.index.fusion import FusionParameters
    from kb_platform.index.retrieve import Retriever
    from kb_platform.resources import load_embedder
    from kb_platform.storage.search import readable_release

    database = store(kb.name).database
    readable = readable_release(database, release, role)
    return Retriever(database, load_embedder(), FusionParameters.from_settings(kb.search), role=role), readable


def evaluate(
    name: Name,
    release: ReleaseOption = None,
    queries: Annotated[Path | None, typer.Option("--queries", help="queries.jsonl (query_id or _id, text).")] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="qrels.tsv (query_id, doc_id, grade).")] = None,
    run_out: Annotated[Path | None, typer.Option("--run-out", help="Write the ranking as a TREC run.")] = None,
    dense_weight: Annotated[
        float | None, typer.Option("--dense-weight", min=0, max=1, help="Try another weight: 0 words alone, 1 vectors alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a release: on its golden queries (passages), or on a BEIR-style query set (documents)."""
    kb = knowledge_base(name)
    if (queries is None) != (qrels is None):
        raise ConfigError("--queries and --qrels go together", action="give both, or neither to use the golden queries")
    if dense_weight is not None:
        kb = replace(kb, search={**kb.search, "dense_weight": dense_weight})
    with database_running():
        if queries and qrels:
            report = _evaluate_documents(kb, release, queries, qrels, run_out, quiet=as_json)
        else:
            report = _evaluate_goldens(kb, release)
    if as_json:
        show_json(report)
        return
    console.print(f"{name}, release {report['release']}, {report['queries']} queries")
    show_table(("measure", "value"), ((m, f"{v:.4f}") for m, v in report["metrics"].items()))
    if report.get("stale"):
        console.print(f"stale, not counted: {', '.join(report['stale'])}")


def _evaluate_documents(kb: KnowledgeBase, release: int | None, queries: Path, qrels: Path, run_out: Path | None, *, quiet: bool) -> dict:
    from rich.progress import track

    from kb_platform.quality.metrics import evaluate_run
    from kb_platform.quality.trec_files import read_query_set, write_run

    query_set = read_query_set(queries, qrels)
    retriever, readable = make_retriever(kb, "gate" if release else "reader", release)
    run = {query: retriever.documents(text, readable)
           for query, text in track(query_set.queries.items(), "searching", console=errors, disable=quiet)}
    if run_out:
        write_run(run_out, run)
    found = evaluate_run(query_set.qrels, run, MEASURES)
    return {"knowledge_base": kb.name, "release": readable, "queries": found.queries, "metrics": found.mean, "level": "document"}


def _evaluate_goldens(kb: KnowledgeBase, release: int | None) -> dict:
    from kb_platform.quality.golden import load_golden_set
    from kb_platform.release.judge import score_goldens
    from kb_platform.resources import load_embedder
    from kb_platform.storage.search import readable_release

    goldens = load_golden_set(kb.folder / "golden")
    if goldens is None:
        raise StateError("there are no golden queries", where=str(kb.folder / "golden"),
                         action="add some, or give --queries and --qrels; until then promotion rests on the integrity gates alone")
    opened = store(kb.name)
    readable = readable_release(opened.database, release, "gate" if release else "reader")
    scores = score_goldens(opened, kb, goldens, readable, load_embedder())
    return {"knowledge_base": kb.name, "release": readable, "queries": scores.metrics.queries, "metrics": scores.metrics.mean,
            "level": "passage", "golden_hash": goldens.content_hash, "stale": {k: v.value for k, v in scores.stale.items()}}


def trace(
    name: Name, chunk: Annotated[int, typer.Argument(help="A chunk id, as `kb search` shows it.", metavar="CHUNK")], as_json: Json = False,
) -> None:
    """Show where a chunk came from: document, day, source object, space, release, run, gates."""
    from kb_platform.storage.inspect_release import trace_chunk

    kb = knowledge_base(name)
    with database_running():
        found = trace_chunk(store(kb.name).database, chunk)
    if found is None:
        raise StateError(f"no chunk {chunk}", where=name, action="chunk ids are what `kb search` prints")
    if as_json:
        show_json(found)
    else:
        show_table(("", ""), found.items())
