"""Documents that could not be parsed are held back and become review cases, in the transaction that brings their capture in."""

import psycopg

from kb_platform.knowledge.review_cases import CaseKind, ReviewCase
from kb_platform.storage.captures import Capture
from kb_platform.storage.review_cases import raise_cases, withdraw_cases


def quarantine(connection: psycopg.Connection, capture: Capture) -> None:
    """Ask a person about a staged capture's unreadable documents, and no more about those that came again whole, or went.

    A case is bound to the digest of the bytes that were delivered. `connection` has the capture in `st_document` (apply.py).
    """
    failed = connection.execute(
        """select f.doc_id, n.raw_digest from capture_failure f join known_document n
             on n.source = %s and n.doc_id = f.doc_id and n.capture_id = f.capture_id where f.capture_id = %s order by 1""",
        (capture.source, capture.capture_id)).fetchall()
    settled = [f"{capture.source}/{row[0]}" for row in connection.execute("select doc_id from st_document")]
    withdraw_cases(connection, CaseKind.QUARANTINED_DOCUMENT, settled)
    facts = {"source": capture.source, "capture": capture.capture_id, "day": capture.day.isoformat()}
    raise_cases(connection, [ReviewCase(CaseKind.QUARANTINED_DOCUMENT, f"{capture.source}/{doc_id}", digest, facts | {"doc_id": doc_id})
                             for doc_id, digest in failed], None)
