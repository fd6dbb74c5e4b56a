"""What gates look at: a release's documents, a sample of its vectors, and exact search beside the index."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from pgvector import HalfVector
from psycopg import sql

from kb_platform.knowledge.documents import Chunk
from kb_platform.storage.database import Database

VALID = "valid_from <= %(r)s and valid_to > %(r)s"


def sample_vectors(database: Database, release_id: int, size: int) -> np.ndarray:
    """Return up to `size` vectors of distinct texts, float32 [n, dimension]; the same sample for the same content."""
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select embedding from (select distinct on (text_hash) text_hash, embedding from chunk where {VALID}
                order by text_hash) x order by text_hash limit %(n)s""", {"r": release_id, "n": size}).fetchall()
    return _matrix([row[0] for row in rows])


def sample_texts(database: Database, release_id: int, size: int) -> tuple[list[str], np.ndarray]:
    """Return up to `size` texts as the model reads them, and their stored vectors: half from what the release added.

    Which ones depends on the release's content digest: other content gets another sample, the same content the same.
    """
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""with ranked as (
                  select k.id, row_number() over (order by k.valid_from <> %(r)s, md5(k.text_hash || r.content_digest)) as fresh,
                         row_number() over (order by md5(k.text_hash || r.content_digest)) as place
                  from chunk k join release r on r.release_id = %(r)s where {VALID})
                select context, content, embedding from chunk join ranked using (id)
                where fresh <= %(n)s / 2 or place <= %(n)s - %(n)s / 2 order by id""", {"r": release_id, "n": size}).fetchall()
    return [Chunk(0, 0, 0, content, context).embedded_text for context, content, _ in rows], _matrix([row[2] for row in rows])


def _matrix(vectors: Sequence[HalfVector]) -> np.ndarray:
    return np.array([vector.to_numpy() for vector in vectors], np.float32).reshape(len(vectors), -1)


def neighbour_distances(database: Database, release_id: int, vectors: np.ndarray, k: int) -> list[tuple[list[float], list[float]]]:
    """Return, for each vector, the k nearest distances by the index and by exact search."""
    with database.transaction("gate") as c:
        c.execute("set local hnsw.iterative_scan = relaxed_order; set local hnsw.ef_search = 100")
        space_id, dimension, index_no = _place(c, release_id)
        # The index is on the cast to the space's dimension: an order by anything else is exact.
        by_index, exact = (_nearest(space_id, index_no, key) for key in (f"embedding::halfvec({dimension})", "embedding"))
        values = [{"v": str([float(x) for x in vector]), "r": release_id, "k": k} for vector in vectors]
        return [(sorted(row[0] for row in c.execute(by_index, v)), [row[0] for row in c.execute(exact, v)]) for v in values]


def _place(connection: psycopg.Connection, release_id: int) -> tuple[str, int, int]:
    row = connection.execute("select space_id, dimension, index_no from release join embedding_space using (space_id) where release_id = %s",
                             (release_id,)).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _nearest(space_id: str, index_no: int, key: str) -> sql.Composed:
    """Return the statement over one partition and the index that holds its rows; both are literals, so that planning sees no other."""
    return sql.SQL(
        "select {key} <=> %(v)s::halfvec as distance from chunk where space_id = {space} and valid_from <= %(r)s and valid_to > %(r)s "
        "and index_no <= {index_no} order by {key} <=> %(v)s::halfvec limit %(k)s"
    ).format(key=sql.SQL(key), space=sql.Literal(space_id), index_no=sql.Literal(index_no))  # pyright: ignore[reportArgumentType]


def trace_chunk(database: Database, chunk_id: int) -> dict[str, Any] | None:
    """Return where a chunk came from: document, day, source object, space, releases, run and gates; None if there is no such chunk."""
    with database.transaction("gate") as c:
        row = c.execute(
            """select jsonb_build_object(
                 'chunk', k.id, 'content', k.content, 'source', k.source, 'doc_id', k.doc_id, 'title', d.title, 'day', d.day,
                 'source_object', d.source_object, 'warnings', coalesce(d.metadata -> 'parse_warnings', '[]'),
                 'left_out', coalesce(d.metadata -> 'parse_left_out', '[]'), 'raw_file', t.file, 'capture', t.capture_id, 'capture_run', t.run_id,
                 'start', p.start_char, 'end', p.end_char, 'space', k.space_id, 'model', s.spec ->> 'model',
                 'first_release', k.valid_from, 'last_release', nullif(k.valid_to, 2147483647) - 1, 'release_status', r.status,
                 'run', r.run_id, 'gates', (select jsonb_object_agg(g.gate, g.verdict) from gate_result g
                                            where g.release_id = r.release_id and g.content_digest = r.content_digest))
               from chunk k
               join release r on r.release_id = k.valid_from join embedding_space s on s.space_id = k.space_id
               join document_version d on d.source = k.source and d.doc_id = k.doc_id and d.valid_from < k.valid_to
                 and d.valid_to > k.valid_from
               join passage p on p.version_id = d.id and p.content_hash = k.content_hash and p.dup_no = k.dup_no
               join capture t on t.capture_id = d.capture_id
               where k.id = %s order by d.valid_from desc limit 1""", (chunk_id,)).fetchone()
    return row[0] if row else None


