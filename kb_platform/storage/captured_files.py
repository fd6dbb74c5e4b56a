"""Which files the captures of a source lie in, which documents' last known state came with each, and what releases show of it: what a repair goes by."""

from collections import defaultdict
from dataclasses import dataclass

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class CapturedFile:
    """A capture and its file. `last` has the digests of the documents that no later capture brought again, `deleted` those that it deleted so."""

    capture_id: int
    file: str
    documents: int
    last: dict[str, bytes]
    deleted: tuple[str, ...]


def captured_files(database: Database, source: str) -> list[CapturedFile]:
    """Return the captures of a source, oldest first."""
    with database.transaction("writer") as c:
        made = c.execute("select capture_id, file, upserts + deletes from capture where source = %s order by capture_id", (source,)).fetchall()
        known = c.execute("select capture_id, doc_id, raw_digest, deleted from known_document where source = %s order by doc_id", (source,)).fetchall()
    return [CapturedFile(number, file, count, {d: bytes(digest) for n, d, digest, gone in known if n == number and not gone},
                         tuple(d for n, d, _, gone in known if n == number and gone)) for number, file, count in made]


def overtaken_and_shown(database: Database, source: str, capture_id: int) -> dict[str, set[bytes]]:
    """Return the version hashes of a capture's documents that a later capture brought or deleted, and the live release, or another kept one, shows.

    A candidate does not count: the next refresh brings it the later ones.
    """
    found = defaultdict[str, set[bytes]](set)
    with database.transaction("writer") as c:
        rows = c.execute(
            """select v.doc_id, v.version_hash from document_version v join known_document n using (source, doc_id)
               where v.source = %s and v.capture_id = %s and n.capture_id <> v.capture_id and exists (
                 select 1 from release r where r.status in ('promoted', 'retired') and r.release_id >= v.valid_from and r.release_id < v.valid_to
                   and r.release_id >= (select h.release_id from gc_horizon h))""", (source, capture_id))
        for doc_id, version in rows:
            found[doc_id].add(bytes(version))
    return dict(found)
