"""Which files the captures of a source lie in, and which documents' last known state came with each: what a repair goes by."""

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
