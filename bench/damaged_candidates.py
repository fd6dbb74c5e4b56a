"""Damage candidates in eight ways, and show what each did to the measures and which gate stopped it.

    python bench/damaged_candidates.py [--data FOLDER] [--rebuilds 20] [--only TEXT] [--json]

A knowledge base of the 368 pages of medquad_small, with 400 goldens made from its questions (200 imported questions, 100 imported
synonym questions, both judged by documents, and 100 with a quote), is promoted with default gates. Undamaged rebuilds follow: pages
delivered in another order, every row written again, the vector index built anew with other random levels. Then, for each damage of
damages.py, a candidate goes the way of a refresh with the damage in it, is judged, refused or promoted, and discarded.
All in a home of its own that is removed. FOLDER is that of the corpora: KB_TEST_DATA, or else ../shared/data beside the checkout.
"""

import argparse
import csv
import datetime as dt
import io
import json
import os
import random
import re
import sys
import uuid
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from damages import DAMAGES, SEARCHABLE, Damage, Row, build_indexes_anew
from refresh_overhead import own_home
from rich.console import Console
from rich.progress import Progress

from kb_platform.cli import session
from kb_platform.cli.golden_exchange import import_goldens
from kb_platform.index.chunk_deliveries import chunk_deliveries
from kb_platform.index.chunk_files import SCHEMA, chunk_file
from kb_platform.index.embed_deliveries import embed_deliveries
from kb_platform.index.pipeline import pipeline_of
from kb_platform.ingest.capture import capture_source
from kb_platform.knowledge.errors import GateRefusal
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.quality.golden import ExpectedPassage, Golden
from kb_platform.quality.golden_writing import write_goldens
from kb_platform.release.candidate import apply_deliveries, seal_candidate
from kb_platform.release.gates import GATES
from kb_platform.release.judge import judge
from kb_platform.release.promote import promote_candidate
from kb_platform.resources import load_embedder
from kb_platform.storage.captures import pending_captures
from kb_platform.storage.gates import GateResult, gate_results
from kb_platform.storage.releases import candidate, discard, promote
from kb_platform.storage.stores import Store

NAME, SOURCE, MEASURES = "medquad", "pages", ("nDCG@10", "R@10", "Success@5")
QUESTIONS, SYNONYMS, QUOTES, SEED = 200, 100, 100, 7
QUOTE = re.compile(r"[A-Z][^.!?\n]{50,300}[.!?]")


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate: verdicts by gate, the gates that stopped it, and what the goldens said of live and candidate."""

    name: str
    promoted: bool
    stopped_by: dict[str, str]
    reasons: dict[str, list[str]]
    live: dict[str, float]
    now: dict[str, float]
    stale: int


def read_rows(path: Path) -> list[Row]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def define(folder: Path, settings: dict[str, Any] | None = None, mark: str = "") -> KnowledgeBase:
    """Write defs.yaml. `mark` is a searchable field that no page has: another pipeline, so that every row is written again."""
    source = {"name": SOURCE, "kind": "jsonl", "path": "documents.jsonl", "searchable": [*SEARCHABLE, *([mark] if mark else [])]}
    body = {"name": NAME, "start_date": "2026-01-01", "sources": [source], "embedding": settings or {}}
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    return session.knowledge_base(NAME)


def write_golden_sets(folder: Path, corpus: Path) -> int:
    """Write the goldens, drawn with a fixed seed; return their number."""
    rng = random.Random(SEED)  # noqa: S311  no secret
    questions, synonyms = read_rows(corpus / "queries.jsonl"), read_rows(corpus / "queries.synonym.jsonl")
    rng.shuffle(questions)
    _import(folder, "questions", questions[:QUESTIONS], corpus / "qrels.tsv")
    _import(folder, "synonyms", rng.sample(synonyms, SYNONYMS), corpus / "qrels.synonym.tsv")
    quoted = list(_quoted(questions[QUESTIONS:], corpus))[:QUOTES]
    write_goldens(folder / "golden", folder / "golden" / "quotes.jsonl", quoted)
    return QUESTIONS + SYNONYMS + len(quoted)


def _import(folder: Path, name: str, queries: list[Row], qrels: Path) -> None:
    wanted = {query["query_id"] for query in queries}
    with qrels.open() as file:
        header, *judged = csv.reader(file, delimiter="\t")
    write_rows(folder / f"{name}.queries", queries)
    (folder / f"{name}.qrels").write_text("".join("\t".join(row) + "\n" for row in [header, *judged] if row == header or row[0] in wanted))
    with redirect_stdout(io.StringIO()):
        import_goldens(NAME, folder / f"{name}.queries", folder / f"{name}.qrels", None, 2, [name], f"{name}.jsonl")


def _quoted(questions: list[Row], corpus: Path) -> Iterable[Golden]:
    """Yield goldens that expect the first long sentence of the answer that was judged right."""
    texts = {row["doc_id"]: row["text"] for row in read_rows(corpus / "documents.jsonl")}
    spans = {row["query_id"]: row for row in read_rows(corpus / "answer_spans.jsonl")}
    for question in questions:
        span = spans.get(question["query_id"])
        found = QUOTE.search(texts[span["doc_id"]][span["start"] : span["end"]]) if span else None
        if span and found:
            yield Golden(f"quote-{question['query_id']}", question["text"], (ExpectedPassage(span["doc_id"], found[0]),), ("quotes",))


def build(kb: KnowledgeBase, store: Store, damage: Damage) -> None:
    """Bring what is delivered into a sealed candidate, with the damage in it, and judge it."""
    days, run, pipeline = [kb.today()], uuid.uuid4().hex, pipeline_of(kb, SOURCE)
    capture_source(store, kb.source(SOURCE), days, run)
    chunk_deliveries(store, kb, SOURCE, days)
    if damage.chunks:
        damage_chunks(store, damage, pipeline.fingerprint, pipeline.space, days[0])
    embed_deliveries(store, kb, SOURCE, days, damage.embedder)
    with damage.writing(store, pipeline.space.space_id):
        apply_deliveries(store, kb, SOURCE, days, run)
    seal_candidate(store, kb)
    for gate in GATES:
        judge(store, kb, gate, load_embedder, run)


def damage_chunks(store: Store, damage: Damage, fingerprint: str, space: Any, day: dt.date) -> None:
    """Rewrite the chunk files that wait."""
    for capture in pending_captures(store.database, SOURCE, fingerprint, day):
        name = chunk_file(capture, fingerprint)
        rows = [damage.chunks(row, space) for row in store.objects.read(name)] if damage.chunks else []
        store.objects.write(name, SCHEMA, rows)


def outcome(name: str, results: list[GateResult], required: list[str], promoted: bool) -> Outcome:
    """Sum up a judged candidate."""
    golden = next(r.evidence for r in results if r.gate == "golden_retrieval")
    stopped = {r.gate: r.verdict for r in results if r.gate in required and not r.passed}
    reasons = {r.gate: [x if isinstance(x, str) else x["message"] for x in r.evidence["reasons"]
                        if isinstance(x, str) or x["verdict"] != "pass"] for r in results if not r.passed}
    live, now = ({m: golden[side].get(m, float("nan")) for m in MEASURES} for side in ("live_metrics", "compared_metrics"))
    return Outcome(name, promoted, stopped, reasons, live, now, len(golden["stale"]))


def tried(folder: Path, store: Store, live: int, documents: list[Row], damage: Damage, mark: str) -> Outcome:
    """Build one candidate, try to promote it, and leave everything as it was."""
    write_rows(folder / "documents.jsonl", damage.documents(documents))
    build(define(folder, damage.embedding, mark if damage.anew else ""), store, damage)
    release = candidate(store.database)
    assert release is not None, damage.name
    found, required = gate_results(store.database, release.release_id), release.required_gates
    try:
        promoted = promote_candidate(store).moved
    except GateRefusal:
        promoted = False
    if promoted:
        promote(store.database, live)
    discard(store.database, release.release_id)
    build_indexes_anew(store)
    return outcome(damage.name, found, required, promoted)


def rebuild(number: int) -> Damage:
    """Return the damage that is none. As every row is new, the seal builds another index, with other random levels."""
    def shuffled(rows: list[Row]) -> list[Row]:
        return random.Random(number).sample(rows, len(rows))  # noqa: S311  no secret

    return Damage(f"rebuild {number}", documents=shuffled, anew=True)


def run(corpus: Path, rebuilds: int, only: str, bar: Progress) -> dict[str, Any]:
    """Measure, and return the outcomes."""
    documents = read_rows(corpus / "documents.jsonl")
    trials = [*(rebuild(n) for n in range(rebuilds)), *(d for d in DAMAGES if only in d.name)]  # a damaged delivery is part of all that follow it
    task = bar.add_task("first release", total=len(trials))
    with own_home() as home:
        folder = home / "defs" / NAME
        folder.mkdir()
        write_rows(folder / "documents.jsonl", documents)
        kb = define(folder)
        goldens = write_golden_sets(folder, corpus)
        store = session.store(NAME)
        build(kb, store, Damage("none"))
        live = promote_candidate(store).release
        assert live is not None
        outcomes: list[Outcome] = []
        for number, damage in enumerate(trials):
            bar.update(task, description=damage.name, completed=number)
            outcomes.append(tried(folder, store, live, documents, damage, f"mark_{number}"))
        bar.update(task, completed=len(trials))
    return {"documents": len(documents), "goldens": goldens, "damaged": [asdict(o) for o in outcomes if not o.name.startswith("rebuild")],
            "rebuilt": [asdict(o) for o in outcomes if o.name.startswith("rebuild")]}


def table(found: dict[str, Any]) -> Iterable[str]:
    """Yield the outcomes as Markdown: the damage, live's measures beside the candidate's, goldens left out, and what stopped it."""
    yield f"| damage | {' | '.join(MEASURES)} | stale | stopped by |"
    yield "|---|" + "---|" * (len(MEASURES) + 2)
    for row in found["damaged"]:
        measures = " | ".join(f"{row['live'][m]:.3f} → {row['now'][m]:.3f}" for m in MEASURES)
        gates = ", ".join(f"`{gate}` ({verdict})" for gate, verdict in row["stopped_by"].items())
        yield f"| {row['name']} | {measures} | {row['stale']} | {gates or 'nothing: **promoted**'} |"
    rebuilt = found["rebuilt"]
    if rebuilt:
        spread = [row["now"][MEASURES[0]] - row["live"][MEASURES[0]] for row in rebuilt]
        yield ""
        yield (f"Undamaged rebuilds promoted: {sum(row['promoted'] for row in rebuilt)} of {len(rebuilt)}; "
               f"{MEASURES[0]} moved by {min(spread):+.4f} to {max(spread):+.4f}")


def main() -> None:
    """Print the outcomes; exit with 1 where more than one damage was promoted, or a rebuild was not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("KB_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(shared), help="folder of the corpora")
    parser.add_argument("--rebuilds", type=int, default=20, help="how many undamaged rebuilds")
    parser.add_argument("--only", default="", help="only damages whose name holds this")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    corpus = asked.data / "medquad_small"
    if not corpus.is_dir():
        raise SystemExit(f"no corpus at {corpus}: name its folder with --data, or set KB_TEST_DATA")
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")
    with Progress(console=Console(stderr=True)) as bar:
        found = run(corpus, asked.rebuilds, asked.only, bar)
    print(json.dumps(found) if asked.json else "\n".join(table(found)))
    missed = sum(row["promoted"] for row in found["damaged"])
    sys.exit(missed > 1 or not all(row["promoted"] for row in found["rebuilt"]))


if __name__ == "__main__":
    main()
