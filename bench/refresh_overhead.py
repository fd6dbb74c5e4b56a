"""Measure what a refresh adds to computing the vectors: seconds of a first load over seconds of embedding the same texts.

    python bench/refresh_overhead.py [--chunks 5000] [--json]

The texts are prose made from a seed, every chunk different, so that no vector is reused; the documents are Markdown of 2 to 12
sections. One process does everything, in a home of its own that it removes: it starts Postgres, loads the model and refreshes a
knowledge base of one document, so that nothing is started within the measured time. Then it alternates: the product's embedder
alone on the chunks' texts, a refresh of a new knowledge base (capture, parse, chunk, embed, write, seal, judge, promote, each as
Dagster runs it), the embedder again. The better of the embedder's two times counts, the stricter choice.

`cpu` is processor time of this process, of those that read and chunk, and of all of Postgres; other work on the machine disturbs it less than the clock.
"""

import argparse
import json
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.index.bundled_model import bundled_space, bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.embed import Embedder
from kb_platform.knowledge.documents import Document
from kb_platform.local.postgres import running_postgres
from kb_platform.local.supervisor import down
from kb_platform.resources import load_embedder
from kb_platform.settings import Settings

TARGET = 1.25
PROSE = """patient ward nurse doctor dose infusion fever pressure kidney liver heart blood sample result chart record visit morning
evening hour day week month adult child elderly acute chronic severe mild common rare early late first second daily before after
during without within above below low high normal raised stable critical oral topical injection tablet capsule vaccine antibiotic
infection wound fracture pain nausea allergy reaction history examination diagnosis treatment therapy surgery discharge admission
transfer handover checklist alarm refrigerator storage pharmacy laboratory radiology theatre recovery consent guardian interpreter
monitor measure record report notify call ask wait repeat stop continue begin increase reduce avoid prefer require allow confirm
document verify review sign prepare label discard replace clean protect isolate observe temperature oxygen glucose sodium potassium
haemoglobin creatinine platelet insulin heparin morphine paracetamol saline dressing catheter cannula syringe needle glove mask"""
WORDS = PROSE.split()


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processor."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Corpus:
    """Documents, and the texts of their chunks as the embedder reads them."""

    documents: list[Document]
    texts: list[str]


def make_corpus(chunks: int, seed: int = 1) -> Corpus:
    """Return documents that make at least so many chunks."""
    rng = random.Random(seed)  # noqa: S311  prose, no secret
    documents, texts, tokenizer = list[Document](), list[str](), bundled_tokenizer()
    while len(texts) < chunks:
        sections = [f"## {_sentence(rng, 4)}\n\n" + "\n\n".join(_paragraph(rng) for _ in range(rng.randint(1, 4)))
                    for _ in range(rng.randint(2, 12))]
        document = Document(f"d{len(documents):05}", f"Guideline {len(documents)}", "\n\n".join(sections))
        documents.append(document)
        texts += [c.embedded_text for c in chunk_document(document, tokenizer=tokenizer, params=ChunkParameters())]
    return Corpus(documents, texts)


def _paragraph(rng: random.Random) -> str:
    return " ".join(_sentence(rng, rng.randint(6, 22)) + "." for _ in range(rng.randint(2, 7)))


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join([*rng.choices(WORDS, k=words), str(rng.randint(1, 9999))]).capitalize()


def measure(call: Callable[[], Any], home: Path) -> tuple[Any, Cost]:
    """Return a call's result and cost."""
    wall, cpu = time.perf_counter(), processor_seconds(home)
    result = call()
    return result, Cost(time.perf_counter() - wall, processor_seconds(home) - cpu)


def processor_seconds(home: Path) -> float:
    """Return the processor time of this process and of Postgres, with what their ended and living children used."""
    server = running_postgres(home)
    roots = [psutil.Process(), *([psutil.Process(server.pid)] if server else [])]
    everyone = {process.pid: process for root in roots for process in [root, *root.children(recursive=True)]}
    return sum(_seconds_of(process) for process in everyone.values())


def _seconds_of(process: psutil.Process) -> float:
    try:
        t = process.cpu_times()
    except psutil.NoSuchProcess:  # a backend that has ended meanwhile: its parent has counted it
        return 0.0
    return t.user + t.system + t.children_user + t.children_system


@contextmanager
def own_home() -> Iterator[Path]:
    """Yield a folder with a running Postgres, and remove both."""
    folder = Path(tempfile.mkdtemp(prefix="kb-bench-"))
    folder.chmod(0o755)
    (folder / "defs").mkdir()
    chosen = Settings(home=folder / "home", defs=folder / "defs", database_url=None, object_store=str(folder / "objects"),
                      review_temporal_address=None)
    try:
        with session.use(chosen), session.database_running():
            yield folder
    finally:
        down(chosen, wipe=True)
        shutil.rmtree(folder, ignore_errors=True)


def refresh(folder: Path, name: str, documents: list[Document]) -> dict[str, Any]:
    """Refresh a new knowledge base over some documents."""
    report = refresh_once(session.knowledge_base(name), None, None, quiet=True)
    if not report["promoted"] or report["documents"]["new"] != len(documents):
        raise SystemExit(f"the refresh did not succeed: {report}")
    return report


def define(folder: Path, name: str, documents: list[Document]) -> None:
    """Write a knowledge base and its documents."""
    home = folder / "defs" / name
    home.mkdir()
    rows = (json.dumps({"doc_id": d.doc_id, "title": d.title, "text": d.text}) for d in documents)
    (home / "documents.jsonl").write_text("\n".join(rows))
    body = {"name": name, "start_date": "2026-01-01", "sources": [{"name": "made", "kind": "jsonl", "path": "documents.jsonl"}]}
    (home / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))


def run(chunks: int) -> dict[str, Any]:
    """Measure, and return the figures."""
    corpus, warm_up = make_corpus(chunks), make_corpus(1, seed=2)
    with own_home() as folder:
        embedder: Embedder = load_embedder(bundled_space())
        define(folder, "warm_up", warm_up.documents)
        refresh(folder, "warm_up", warm_up.documents)
        define(folder, "measured", corpus.documents)
        home = folder / "home"
        _, before = measure(lambda: embedder.embed(corpus.texts), home)
        report, refreshed = measure(lambda: refresh(folder, "measured", corpus.documents), home)
        _, after = measure(lambda: embedder.embed(corpus.texts), home)
    embedded = Cost(min(before.wall, after.wall), min(before.cpu, after.cpu))
    return {
        "documents": len(corpus.documents), "chunks": len(corpus.texts), "vectors_computed": report["vectors"]["computed"],
        "tokens_mean": round(sum(map(len, bundled_tokenizer().ids(corpus.texts))) / len(corpus.texts), 1),
        "embed_before": asdict(before), "embed_after": asdict(after), "refresh": asdict(refreshed), "refresh_steps": report["seconds"],
        "ratio_wall": refreshed.wall / embedded.wall, "ratio_cpu": refreshed.cpu / embedded.cpu, "target": TARGET,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=5000, help="how many chunks the documents make at least")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")
    found = run(asked.chunks)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{found['chunks']} chunks of {found['documents']} documents, {found['tokens_mean']:.0f} tokens each; steps: {found['refresh_steps']}")
    for name in ("embed_before", "refresh", "embed_after"):
        print(f"{name:13} {found[name]['wall']:7.1f} s by the clock {found[name]['cpu']:7.1f} s of the processor")
    print(f"refresh / embed {found['ratio_wall']:.3f} by the clock, {found['ratio_cpu']:.3f} by processor time; target {TARGET}")


if __name__ == "__main__":
    main()
