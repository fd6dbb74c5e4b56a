"""The texts of a release's documents, put together from their chunks, one document at a time: a release need not fit in memory."""

from collections.abc import Collection, Iterator
from itertools import groupby

from kb_platform.storage.database import Database

_STATEMENT = """select d.source, d.doc_id, p.start_char, k.content from document_version d join passage p on p.version_id = d.id
  join chunk k on k.source = d.source and k.doc_id = d.doc_id and k.content_hash = p.content_hash and k.dup_no = p.dup_no
    and k.valid_from <= %(r)s and k.valid_to > %(r)s
  where d.valid_from <= %(r)s and d.valid_to > %(r)s{only} order by d.source collate "C", d.doc_id collate "C", p.start_char"""
_ROWS = 2000  # fetched at a time


def missing_documents(database: Database, release_id: int, ids: Collection[str]) -> list[str]:
    """Return those of some document ids that no source has in a release, in order."""
    with database.transaction("gate") as c:
        rows = c.execute("select distinct doc_id from document_version where doc_id = any(%s) and valid_from <= %s and valid_to > %s",
                         (list(ids), release_id, release_id)).fetchall()
    return sorted(set(ids) - {doc_id for (doc_id,) in rows})


def copies(database: Database, release_id: int) -> dict[str, str]:
    """Return for each document id whose text is also another's the first id, in order, of those with this text."""
    statement = """with texts as (
        select d.doc_id, array_agg(p.content_hash order by p.ordinal) as text from document_version d join passage p on p.version_id = d.id
        where d.valid_from <= %(r)s and d.valid_to > %(r)s group by d.id, d.doc_id)
      select distinct on (doc_id) doc_id, first from (
        select doc_id, min(doc_id collate "C") over (partition by text) as first, count(*) over (partition by text) as documents from texts
      ) t where documents > 1 order by doc_id, first collate "C" """
    with database.transaction("gate") as c:
        return dict(c.execute(statement, {"r": release_id}).fetchall())


def document_texts(
    database: Database, release_id: int, doc_ids: Collection[str] | None = None
) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ((source, doc_id), text) for the documents of a release, in their order; `text[start:end]` is a chunk's content.

    With `doc_ids` only for documents of these ids, whatever their source. What lies between chunks is blank.
    """
    statement = _STATEMENT.format(only="" if doc_ids is None else " and d.doc_id = any(%(ids)s)")
    with database.transaction("gate") as c, c.cursor(name="document_texts") as cursor:
        cursor.itersize = _ROWS
        cursor.execute(statement, {"r": release_id, "ids": list(doc_ids or ())})
        for (source, doc_id), rows in groupby(cursor, key=lambda row: (row[0], row[1])):
            yield (source, doc_id), _joined((start, content) for _, _, start, content in rows)


def _joined(chunks: Iterator[tuple[int, str]]) -> str:
    pieces: list[str] = []
    end = 0
    for start, content in chunks:
        pieces += (" " * (start - end), content)
        end = start + len(content)
    return "".join(pieces)
