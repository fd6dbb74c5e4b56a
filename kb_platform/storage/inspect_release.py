"""What gates look at: a release's documents, a sample of its vectors, and exact search beside the index."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kb_platform.storage.database import Database

VALID = "valid_from <= %(r)s and valid_to > %(r)s"


@dataclass(frozen=True)
class Coverage:
    """Documents of a release, those without a chunk, and how many delivered documents could not be parsed."""

    documents: int
    without_chunks: tuple[str, ...]
    failed: int


def coverage(database: Database, release_id: int) -> Coverage:
    """Return how completely a release represents what was delivered."""
    with database.transaction("gate") as c:
        empty = c.execute(
            f"""select d.source || '/' || d.doc_id from document_version d where {VALID} and not exists (
                  select 1 from chunk k where k.source = d.source and k.doc_id = d.doc_id and k.valid_from <= %(r)s and k.valid_to > %(r)s)
                order by 1""", {"r": release_id}).fetchall()
        total = c.execute(f"select count(*) from document_version where {VALID}", {"r": release_id}).fetchone()
        failed = c.execute(
            """select count(distinct (k.source, f.doc_id)) from capture_failure f join capture k using (capture_id)
               join known_document n on n.source = k.source and n.doc_id = f.doc_id and n.capture_id = f.capture_id
               where not n.deleted""").fetchone()
    return Coverage(total[0] if total else 0, tuple(row[0] for row in empty), failed[0] if failed else 0)


def sample_vectors(database: Database, release_id: int, size: int) -> np.ndarray:
    """Return up to `size` vectors of distinct texts, float32 [n, dimension]; the same sample for the same content."""
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select embedding from (select distinct on (text_hash) text_hash, embedding from chunk where {VALID}
                order by text_hash) x order by text_hash limit %(n)s""", {"r": release_id, "n": size}).fetchall()
    return np.array([row[0].to_numpy() for row in rows], np.float32).reshape(len(rows), -1)


def neighbour_distances(database: Database, release_id: int, vectors: np.ndarray, k: int) -> list[tuple[list[float], list[float]]]:
    """Return, for each vector, the k nearest distances by the index and by exact search."""
    statement = f"select embedding <=> %(v)s::halfvec from chunk where {VALID} order by embedding <=> %(v)s::halfvec limit %(k)s"
    found: list[tuple[list[float], list[float]]] = []
    with database.transaction("gate") as c:
        c.execute("set local hnsw.iterative_scan = relaxed_order; set local hnsw.ef_search = 100")
        for vector in vectors:
            values = {"v": str([float(x) for x in vector]), "r": release_id, "k": k}
            c.execute("set local enable_indexscan = on")
            near = sorted(row[0] for row in c.execute(statement, values))
            c.execute("set local enable_indexscan = off")
            found.append((near, [row[0] for row in c.execute(statement, values)]))
    return found


def document_texts(database: Database, release_id: int) -> dict[tuple[str, str], str]:
    """Return the text of each document of a release, put together from its chunks: `text[start:end]` is a chunk's content."""
    with database.transaction("gate") as c:
        rows = c.execute(
            """select d.source, d.doc_id, p.start_char, k.content from document_version d join passage p on p.version_id = d.id
               join chunk k on k.source = d.source and k.doc_id = d.doc_id and k.content_hash = p.content_hash and k.dup_no = p.dup_no
                 and k.valid_from <= %(r)s and k.valid_to > %(r)s
               where d.valid_from <= %(r)s and d.valid_to > %(r)s order by 1, 2, 3""", {"r": release_id})
        texts: dict[tuple[str, str], str] = {}
        for source, doc_id, start, content in rows:
            before = texts.get((source, doc_id), "")
            texts[source, doc_id] = before + " " * (start - len(before)) + content
    return texts


def trace_chunk(database: Database, chunk_id: int) -> dict[str, Any] | None:
    """Return where a chunk came from: document, day, source object, space, releases, run and gates; None if there is no such chunk."""
    with database.transaction("gate") as c:
        row = c.execute(
            """select jsonb_build_object(
                 'chunk', k.id, 'content', k.content, 'source', k.source, 'doc_id', k.doc_id, 'title', d.title, 'day', d.day,
                 'source_object', d.source_object, 'raw_file', t.file, 'capture', t.capture_id, 'capture_run', t.run_id,
                 'start', p.start_char, 'end', p.end_char, 'space', r.space_id, 'model', s.spec ->> 'model',
                 'first_release', k.valid_from, 'last_release', nullif(k.valid_to, 2147483647) - 1, 'release_status', r.status,
                 'run', r.run_id, 'gates', (select jsonb_object_agg(g.gate, g.verdict) from gate_result g
                                            where g.release_id = r.release_id and g.content_digest = r.content_digest))
               from chunk k
               join release r on r.release_id = k.valid_from join embedding_space s using (space_id)
               join document_version d on d.source = k.source and d.doc_id = k.doc_id and d.valid_from < k.valid_to
                 and d.valid_to > k.valid_from
               join passage p on p.version_id = d.id and p.content_hash = k.content_hash and p.dup_no = k.dup_no
               join capture t on t.capture_id = d.capture_id
               where k.id = %s order by d.valid_from desc limit 1""", (chunk_id,)).fetchone()
    return row[0] if row else None


