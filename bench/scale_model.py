"""Compute what a large knowledge base takes: GPU hours, bytes, memory, hours of loading, and what reaches its limit first.

    python bench/scale_model.py [--documents 10000000] [--chunks-per-document 10] [--texts-per-second 5000] [...] [--json]
    python bench/scale_model.py --measure 200000          measures a row's costs on this machine first (ten minutes), and computes with them

Without --measure the costs are those of MEASURED below: this program's own measures of 200,000 rows on two busy cores. What a row costs is
taken to be the same at any number of rows, but for what the model says grows with it: building HNSW takes its logarithm longer for each
row, an exact search is as long as the table. docs/scale.md says which inputs were measured, and which are assumed.
"""

import argparse
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

GB, HOUR = 1e9, 3600
LONGEST_RUN = 6  # hours: run_monitoring.max_runtime_seconds of dagster.yaml
BUILD_MEMORY = 1.07  # GB: what build_index() gives itself unless told otherwise
GRAPH_ROW = 1475  # bytes of a row while HNSW is built in memory, at 384 dimensions: a build in 64 MB told that it left memory after 43,373 rows
SEARCHES = 50  # that scale_measures times
SAMPLE = 64  # vectors that the gate index_recall searches exactly

# bench/scale_model.py --measure 200000, two cores shared with other work, Postgres 18.6, pgvector 0.8.6.
MEASURED: dict[str, Any] = {
    "rows": 200_000, "characters": 500,
    "bytes": {"chunk": 2731.0, "chunk_hnsw": 1170.0, "vector": 910.7, "documents": 277.3, "chunk_terms": 151.4, "documents_keys": 213.5,
              "vector_keys": 77.54, "chunk_keys": 99.61},
    "cpu_ms": {"store_vector": 0.0168, "write_row": 0.1151, "build_index": 0.3702, "seal": 0.0154, "change_row": 3.3},
    "seconds": {"store_vector": 6.022, "write_row": 47.91, "build_index": 116.2, "seal": 6.106, "searches": 1.752, "exact_searches": 2.797},
}


@dataclass(frozen=True)
class Inputs:
    """What is asked about. Every field is an option of the command.

    Attributes:
        documents: documents in the knowledge base.
        chunks_per_document: chunks of one, as the chunker makes them (256 tokens at most).
        chunk_characters: characters of a chunk.
        dimension: of the embedding model.
        daily_change: share of the chunks that is new or other text each day.
        keep_releases: `retention.keep_releases`.
        texts_per_second: chunks that one GPU embeds in a second (bench/gpu_embed.py measures it).
        gpus: GPUs at a time.
        window_hours: hours of a day in which they may be used.
        shard_texts: texts of a shard, `compute.shard_texts`.
        build_processes: processes that build an HNSW index together, the leader among them.
        disk_gb_per_second: what storage reads in a second.
        chunk_megabytes: text that a process parses and chunks in a second.
        chunk_processes: processes that do.
        search_growth: how a search grows with rows: time ~ rows ** growth. Measured between 50,000 and 200,000 rows.
    """

    documents: int = 10_000_000
    chunks_per_document: float = 10
    chunk_characters: int = 1000
    dimension: int = 384
    daily_change: float = 0.01
    keep_releases: int = 7
    texts_per_second: float = 5000
    gpus: int = 4
    window_hours: float = 12
    shard_texts: int = 50_000
    build_processes: int = 8
    disk_gb_per_second: float = 1.0
    chunk_megabytes: float = 1.0
    chunk_processes: int = 8
    search_growth: float = 0.44

    @property
    def chunks(self) -> float:
        """Return the chunks of a release."""
        return self.documents * self.chunks_per_document

    @property
    def rows(self) -> float:
        """Return the rows of the chunk table with what closed rows and dead ones add at most (docs/operate.md)."""
        return self.chunks * (1 + self.daily_change * self.keep_releases) / (1 - 0.15)


def embedding(asked: Inputs) -> dict[str, float]:
    """Return GPU hours of the first load and of a day, and the days that the window makes of them."""
    first, daily = (count / asked.texts_per_second / HOUR for count in (asked.chunks, asked.chunks * asked.daily_change))
    return {"gpu_hours_first": first, "gpu_hours_daily": daily, "windows_first": first / asked.gpus / asked.window_hours,
            "minutes_daily": daily / asked.gpus * 60, "shards_first": math.ceil(asked.chunks / asked.shard_texts),
            "minutes_a_shard": asked.shard_texts / asked.texts_per_second / 60}


def row_bytes(asked: Inputs, measured: dict[str, Any]) -> dict[str, float]:
    """Return bytes a row by part, for another dimension and length of text than was measured: halfvec takes two bytes a dimension."""
    found = dict(measured["bytes"])
    wider, longer = 2 * (asked.dimension - 384), asked.chunk_characters - measured["characters"]
    for part in ("chunk", "chunk_hnsw", "vector"):
        found[part] += wider
    found["chunk"] += longer
    return found


def disk(asked: Inputs, measured: dict[str, Any]) -> dict[str, float]:
    """Return gigabytes by part, of the table at its largest, and what is written in a day."""
    each = row_bytes(asked, measured)
    parts = {f"{part}_gb": size * asked.rows / GB for part, size in each.items()}
    bits = (asked.dimension / 8 + each["chunk_hnsw"] - 2 * asked.dimension) * asked.rows / GB
    wal = 2 * sum(each.values()) * asked.chunks * asked.daily_change / GB  # rows and full pages; measured 84 MB for 1,000 rows with cold pages
    return {**parts, "total_gb": sum(parts.values()), "rebuild_extra_gb": parts["chunk_hnsw_gb"], "binary_hnsw_gb": bits, "wal_daily_gb": wal,
            "object_store_gb": asked.documents * asked.chunks_per_document * asked.chunk_characters * 1.5 / GB}


def memory(asked: Inputs, measured: dict[str, Any]) -> dict[str, float]:
    """Return gigabytes that a search and a build want in memory."""
    hnsw, graph = row_bytes(asked, measured)["chunk_hnsw"], GRAPH_ROW + 2 * (asked.dimension - 384)
    return {"hnsw_gb": hnsw * asked.rows / GB, "build_gb": graph * asked.chunks / GB, "chunks_of_1gb_build": BUILD_MEMORY * GB / graph}


def hours(asked: Inputs, measured: dict[str, Any]) -> dict[str, float]:
    """Return hours of what the database does, by its processor: one process but for the build; and of what must read the whole table."""
    cpu, growth = measured["cpu_ms"], math.log(asked.chunks) / math.log(measured["rows"])
    scale = asked.chunks / measured["rows"]

    def of(milliseconds: float) -> float:
        return milliseconds / 1000 / HOUR

    heap = row_bytes(asked, measured)["chunk"] * asked.rows / GB
    return {"write_first": of(cpu["write_row"] + cpu["store_vector"]) * asked.chunks, "build": of(cpu["build_index"]) * growth * asked.chunks / asked.build_processes,
            "seal": measured["seconds"]["seal"] / HOUR * scale, "write_daily": of(cpu["change_row"]) * asked.chunks * asked.daily_change,
            "index_recall_gate": measured["seconds"]["exact_searches"] / 8 / HOUR * scale * SAMPLE, "one_scan": heap / asked.disk_gb_per_second / HOUR,
            "chunk_first": asked.chunks * asked.chunk_characters / 1e6 / asked.chunk_megabytes / asked.chunk_processes / HOUR}


def search_seconds(asked: Inputs, measured: dict[str, Any]) -> float:
    """Return seconds of a search, extrapolated: the leg by words reads the postings of each word, which grow with the rows."""
    return measured["seconds"]["searches"] / SEARCHES * (asked.chunks / measured["rows"]) ** asked.search_growth


def limits(asked: Inputs, computed: dict[str, dict[str, float]]) -> list[str]:
    """Return what is reached, in the order in which a growing knowledge base reaches it."""
    told = [
        (computed["memory"]["chunks_of_1gb_build"], "an HNSW build outgrows the 1 GB that build_index() gives itself: give it more (below)"),
        (LONGEST_RUN / computed["hours"]["index_recall_gate"] * asked.chunks, "the gate index_recall takes longer than a run may (6 h)"),
        (LONGEST_RUN / computed["hours"]["build"] * asked.chunks, "the build takes longer than a run may (6 h)"),
        (LONGEST_RUN / computed["hours"]["write_first"] * asked.chunks, "the first load takes longer than a run may (6 h), unless it comes in several days' deliveries"),
        (LONGEST_RUN / computed["hours"]["seal"] * asked.chunks, "sealing takes longer than a run may (6 h)"),
        (asked.chunks * (1 / computed["search"]["seconds"]) ** (1 / asked.search_growth), "a search takes longer than a second, by its words"),
        (LONGEST_RUN / computed["hours"]["chunk_first"] * asked.chunks, "chunking a first load takes longer than a run may (6 h), unless it comes in several days' deliveries"),
        (256 / computed["memory"]["hnsw_gb"] * asked.chunks, "the HNSW index outgrows a server of 256 GB"),
        (asked.window_hours / max(computed["hours"]["write_daily"], 1e-9) * asked.chunks, "a day's change takes longer to write than the window is long"),
    ]
    return [f"{float(f'{chunks:.2g}'):,.0f} chunks: {what}" for chunks, what in sorted(told)]


def compute(asked: Inputs, measured: dict[str, Any]) -> dict[str, Any]:
    """Return everything."""
    parts = {"embedding": embedding(asked), "disk": disk(asked, measured), "memory": memory(asked, measured), "hours": hours(asked, measured),
             "search": {"seconds": search_seconds(asked, measured)}}
    return {"inputs": asdict(asked), "measured": measured, **parts, "limits": limits(asked, parts)}


def main() -> None:
    """Read the options, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore[reportOptionalMemberAccess]
    for field in fields(Inputs):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float if isinstance(field.default, float) else int, default=field.default)
    parser.add_argument("--measure", type=int, metavar="ROWS", help="measure a row's costs here first")
    parser.add_argument("--json", action="store_true")
    wanted = vars(parser.parse_args())
    rows, as_json = wanted.pop("measure"), wanted.pop("json")
    measured = MEASURED
    if rows:
        from scale_measures import as_json as rounded
        from scale_measures import measured as measure

        measured = rounded(measure(rows))
    found = compute(Inputs(**wanted), measured)
    print(json.dumps(found) if as_json else _table(found))


def _table(found: dict[str, Any]) -> str:
    lines = []
    for part in ("inputs", "embedding", "disk", "memory", "hours", "search"):
        lines += [f"\n{part}", *(f"  {name:<24}{value:>16,.6g}" for name, value in found[part].items())]
    return "\n".join([*lines, "\nlimits, the first first", *(f"  {text}" for text in found["limits"])])[1:]


if __name__ == "__main__":
    main()
