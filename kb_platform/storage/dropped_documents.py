"""Documents that a reviewer had dropped: what cannot be read any more, and whose earlier version shall not be searchable either.

A decision is about one delivery: it holds as long as the source has delivered nothing newer of the document. Every refresh takes
out what has come back meanwhile (a discarded candidate, another embedding space).
"""

import psycopg

from kb_platform.storage.apply import OPEN, Applied
from kb_platform.storage.releases import open_candidate

_DROPPED = """
create temp table st_dropped on commit drop as
select distinct n.source, n.doc_id from review_outcome o join review_ledger l using (review_id) join review_case c using (case_id)
join known_document n on n.source = c.facts ->> 'source' and n.doc_id = c.facts ->> 'doc_id' and n.raw_digest = c.digest
where o.effect = 'document_dropped' and not n.deleted and n.source = %(source)s
  and exists (select 1 from document_version d where d.source = n.source and d.doc_id = n.doc_id and d.valid_to = %(open)s)
"""
_THESE = "t.source = k.source and t.doc_id = k.doc_id and k.valid_to = %(open)s"


def leave_out_dropped(
    connection: psycopg.Connection, source: str, space_id: str, pipeline: str, run_id: str
) -> tuple[Applied, int | None]:
    """Close in the candidate what a source still has of dropped documents; return what that was, and the candidate.

    None is opened where there is nothing to close.

    `connection` is a writer's and holds the knowledge base's lock.
    """
    names = {"source": source, "open": OPEN}
    documents = connection.execute(_DROPPED, names).rowcount
    if not documents:
        return Applied(), None
    release = open_candidate(connection, space_id, pipeline, run_id)
    names |= {"rel": release}
    closed = 0
    for table in ("chunk", "document_version"):
        gone = connection.execute(f"delete from {table} k using st_dropped t where {_THESE} and k.valid_from = %(rel)s", names).rowcount
        closed_now = connection.execute(f"update {table} k set valid_to = %(rel)s from st_dropped t where {_THESE}", names).rowcount
        closed += gone + closed_now if table == "chunk" else 0
    return Applied(deleted=documents, rows_closed=closed), release
