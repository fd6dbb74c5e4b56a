"""Vectors that were computed in a space, by the hash of their text; storage/collect.py says how long they stay."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import psycopg
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.knowledge.spaces import EmbeddingSpace
from kb_platform.storage.database import Database, Role
from kb_platform.storage.derived_files import read_derived
from kb_platform.storage.objects import ObjectStore
from kb_platform.storage.stores import Store


def register_space(database: Database, space: EmbeddingSpace) -> None:
    """Enter the space, make its partitions, and note where its model lies now; doing it again changes nothing."""
    with database.transaction("writer") as c:
        c.execute("insert into embedding_space (space_id, spec, location) values (%s, %s, %s) on conflict do nothing",
                  (space.space_id, Jsonb(space.describe()), space.location))
        c.execute("update embedding_space set location = %s where space_id = %s and location <> %s",
                  (space.location, space.space_id, space.location))
        c.execute("select open_space(%s)", (space.space_id,))


def space_of_release(database: Database, release_id: int, role: Role = "gate") -> EmbeddingSpace:
    """Return the space that a release is in, which is the one to ask questions in.

    Raises:
        StateError: there is no such release, or the role may not see it.
    """
    with database.transaction(role) as c:
        row = c.execute("select spec, location from release join embedding_space using (space_id) where release_id = %s",
                        (release_id,)).fetchone()
    if row is None:
        raise StateError(f"release {release_id} does not exist", where=database.name, action=f"see `kb releases {database.name}`")
    return EmbeddingSpace.from_description(row[0], row[1])


def space_of(database: Database, space_id: str) -> EmbeddingSpace:
    """Return a space as it was entered."""
    with database.transaction("gate") as c:
        row = c.execute("select spec, location from embedding_space where space_id = %s", (space_id,)).fetchone()
    assert row is not None  # releases reference it
    return EmbeddingSpace.from_description(row[0], row[1])


def drop_space(database: Database, space_id: str) -> None:
    """Remove a space's rows and vectors for good, at once. For garbage collection: a discarded or collected release needs them no more.

    Raises:
        StateError: a kept release is in the space.
        TransientError: a search or a refresh was in the way for five seconds.
    """
    try:
        with database.transaction("collector") as c:
            c.execute("select drop_space(%s)", (space_id,))
    except psycopg.errors.CheckViolation as error:
        raise StateError(error.diag.message_primary or str(error), where=database.name) from error
    except psycopg.errors.LockNotAvailable as error:
        raise TransientError(f"embedding space {space_id} is in use", where=database.name, action="the next run drops it") from error


def missing_vectors(database: Database, space_id: str, text_hashes: Iterable[bytes]) -> set[bytes]:
    """Return those hashes for which no vector was ever computed in the space."""
    wanted = list(dict.fromkeys(text_hashes))
    with database.transaction("writer") as c:
        rows = c.execute("select h from unnest(%s::bytea[]) h where not exists "
                         "(select 1 from vector v where v.space_id = %s and v.text_hash = h)", (wanted, space_id))
        return {bytes(row[0]) for row in rows}


def store_vectors(database: Database, space_id: str, text_hashes: Sequence[bytes], vectors: np.ndarray) -> None:
    """Keep vectors, float32 [n, dimension], as half precision. A vector that is there already stays as it is.

    Rows go in by their hash, so that two writers of the same texts wait for each other in one order, and never both for the other.
    """
    with database.transaction("writer") as c:
        c.execute("create temp table fresh (text_hash bytea, embedding halfvec) on commit drop")
        with c.cursor().copy("copy fresh from stdin with (format binary)") as copy:
            copy.set_types(["bytea", "halfvec"])
            for text_hash, vector in zip(text_hashes, vectors.astype(np.float16), strict=True):
                copy.write_row((text_hash, HalfVector(vector)))
        c.execute("insert into vector select %s, text_hash, embedding from fresh order by text_hash on conflict do nothing", (space_id,))


def text_hashes(objects: ObjectStore, file: str) -> Iterator[bytes]:
    """Yield the hash of each chunk's text in a chunk file; nothing else of it is read."""
    for row in read_derived(objects, file, ["chunks.list.element.text_hash"]):
        yield from (chunk["text_hash"] for chunk in row["chunks"] or ())


def capture_is_embedded(store: Store, file: str, space_id: str) -> bool:
    """Tell whether every text of a chunk file has its vector."""
    return not missing_vectors(store.database, space_id, text_hashes(store.objects, file))
