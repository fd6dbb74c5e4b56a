"""Measure chunking and embedding on this machine's processor.

    python bench/embed_cpu.py documents.jsonl [--precision auto|bf16|f32] [--chunks 512]

`documents.jsonl` has one object a line with `text` and, if it likes, `title`. The chunker's peer is LlamaIndex's SentenceSplitter
at 256 tokens (20 overlapping), its default tokenizer. Compare figures of one run only, and per processor-second rather than by
the clock: other work on the machine disturbs that one least.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.chunk import ChunkParameters, chunk_document
from kb_platform.index.embed import load_bundled_embedder
from kb_platform.knowledge.documents import Document

T = TypeVar("T")
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """What one call took, in seconds."""

    wall: float
    processor: float


def measure(call: Callable[[], T], rounds: int = ROUNDS) -> tuple[T, Cost]:
    """Return the result and the best time of some rounds."""
    results, costs = [], []
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        results = [call()]
        costs.append(Cost(time.perf_counter() - wall, time.process_time() - processor))
    return results[0], Cost(min(c.wall for c in costs), min(c.processor for c in costs))


def peak_memory() -> int:
    """Return the peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def read(path: Path) -> list[Document]:
    """Read the documents."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Document(str(i), row.get("title", ""), row["text"]) for i, row in enumerate(rows)]


def bench_chunking(documents: list[Document]) -> list[str]:
    """Print the chunker's and its peer's throughput; return the texts to embed."""
    tokenizer, params = bundled_tokenizer(), ChunkParameters()
    tokenizer.count("load it")
    megabytes = sum(len(document.text.encode()) for document in documents) / 1e6
    chunks, ours = measure(lambda: [c for d in documents for c in chunk_document(d, tokenizer=tokenizer, params=params)])
    print(f"chunk_document     {megabytes / ours.processor:7.2f} MB per CPU-s   {len(chunks)} chunks of {megabytes:.1f} MB")

    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=20)
    pieces, theirs = measure(lambda: [p for d in documents for p in splitter.split_text(d.text)])
    lost = sum(tokenizer.count(piece) > params.max_tokens - tokenizer.special_tokens for piece in pieces)
    print(f"SentenceSplitter   {megabytes / theirs.processor:7.2f} MB per CPU-s   {len(pieces)} chunks, {lost} beyond the model's limit")
    return [chunk.embedded_text for chunk in chunks]


def bench_embedding(texts: list[str], precision: str) -> None:
    """Print the embedder's throughput."""
    embedder, load = measure(lambda: load_bundled_embedder(precision), rounds=1)  # type: ignore[arg-type]
    embedder.embed(texts[:64])
    vectors, cost = measure(lambda: embedder.embed(texts))
    tokens = sum(map(len, embedder.inputs.tokenizer.ids(texts))) / len(texts)
    print(
        f"embed {embedder.precision:5}        {len(vectors) / cost.processor:7.1f} chunks per CPU-s   {len(vectors) / cost.wall:.1f} per s by "
        f"the clock, {tokens:.0f} tokens each; loaded in {load.wall:.2f} s; peak memory {peak_memory()} MB"
    )


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", type=Path)
    parser.add_argument("--precision", choices=["auto", "bf16", "f32"], default="auto")
    parser.add_argument("--chunks", type=int, default=512, help="how many texts to embed")
    asked = parser.parse_args()
    texts = bench_chunking(read(asked.documents))
    bench_embedding(texts[: asked.chunks], asked.precision)


if __name__ == "__main__":
    main()
