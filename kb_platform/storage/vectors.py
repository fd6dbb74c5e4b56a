"""Every vector ever computed in a space, by the hash of its text."""

from collections.abc import Iterable, Sequence

import numpy as np
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.storage.database import Database
from kb_platform.storage.stores import Store


def register_space(database: Database, space: EmbeddingSpace) -> None:
    """Enter the space; entering it again changes nothing."""
    with database.transaction("writer") as c:
        c.execute("insert into embedding_space (space_id, spec) values (%s, %s) on conflict do nothing",
                  (space.space_id, Jsonb(space.describe())))


def missing_vectors(database: Database, space_id: str, text_hashes: Iterable[bytes]) -> set[bytes]:
    """Return those hashes for which no vector was ever computed in the space."""
    wanted = list(dict.fromkeys(text_hashes))
    with database.transaction("writer") as c:
        rows = c.execute("select h from unnest(%s::bytea[]) h where not exists "
                         "(select 1 from vector v where v.space_id = %s and v.text_hash = h)", (wanted, space_id))
        return {bytes(row[0]) for row in rows}


def store_vectors(database: Database, space_id: str, text_hashes: Sequence[bytes], vectors: np.ndarray) -> None:
    """Keep vectors, float32 [n, dimension], as half precision. A vector that is there already stays as it is."""
    with database.transaction("writer") as c:
        c.execute("create temp table fresh (text_hash bytea, embedding halfvec) on commit drop")
        with c.cursor().copy("copy fresh from stdin with (format binary)") as copy:
            copy.set_types(["bytea", "halfvec"])
            for text_hash, vector in zip(text_hashes, vectors.astype(np.float16), strict=True):
                copy.write_row((text_hash, HalfVector(vector)))
        c.execute("insert into vector select %s, text_hash, embedding from fresh on conflict do nothing", (space_id,))


def capture_is_embedded(store: Store, file: str, space_id: str) -> bool:
    """Tell whether every text of a chunk file has its vector."""
    rows = store.objects.read(file, columns=["chunks"])
    return not missing_vectors(store.database, space_id, (c["text_hash"] for row in rows for c in row["chunks"] or ()))
