"""What a reviewer has to see, as far as it is in the database."""

from dataclasses import dataclass

from kb_platform.storage.database import Database


@dataclass(frozen=True)
class ChangedDocument:
    """A document that a release brought, changed or lost against the content that it builds on."""

    source: str
    doc_id: str
    title: str
    change: str


@dataclass(frozen=True)
class Delivery:
    """The delivery of a document that could not be read: where its bytes lie, and why they are of no use."""

    file: str
    source_object: str
    reason: str


def changed_documents(database: Database, release_id: int, limit: int) -> list[ChangedDocument]:
    """Return what a release changed, lost documents first."""
    with database.transaction("gate") as c:
        rows = c.execute(
            """select source, doc_id, coalesce(new.title, old.title), case when new.doc_id is null then 'deleted'
                 when old.doc_id is null then 'new' else 'changed' end as change
               from (select source, doc_id, title from document_version where valid_from = %(r)s) new
               full join (select source, doc_id, title from document_version where valid_to = %(r)s) old using (source, doc_id)
               order by new.doc_id is not null, old.doc_id is null, source, doc_id limit %(limit)s""", {"r": release_id, "limit": limit})
        return [ChangedDocument(*row) for row in rows]


def failed_delivery(database: Database, capture_id: int, doc_id: str) -> Delivery | None:
    """Return how a document came that could not be read."""
    with database.transaction("gate") as c:
        row = c.execute("select file, source_object, reason from capture_failure join capture using (capture_id) "
                        "where capture_id = %s and doc_id = %s", (capture_id, doc_id)).fetchone()
    return Delivery(*row) if row else None
