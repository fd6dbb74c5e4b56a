"""What a report needs beside the gates' evidence: what its release changed, the report as it was stored, the releases around it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from kb_platform.storage.database import Database
from kb_platform.storage.review_outcomes import ACCEPTED_BY, COUNTS


@dataclass(frozen=True)
class ReleaseChanges:
    """What a release changed against the content that it builds on: documents, and rows of the index."""

    documents_new: int
    documents_changed: int
    documents_deleted: int
    rows_inserted: int
    rows_closed: int


@dataclass(frozen=True)
class PastRelease:
    """A release in the history: its verdict, the golden gate's means with the golden set that they are of, and what it cost.

    `promoted_at` and `promoted_by` are those of the last time that the pointer was moved to it. `changes`, `seconds` (by gate) and
    `usage` (of judges) are empty for releases whose reports were stored before they were counted.
    """

    release: int
    live: bool
    status: str
    verdict: str | None
    digest: str | None
    space: str
    golden_hash: str | None
    metrics: dict[str, float]
    changes: dict[str, int]
    seconds: dict[str, float]
    usage: dict[str, Any]
    created_at: dt.datetime
    promoted_at: dt.datetime | None
    promoted_by: str | None
    accepted: str | None
    """Gates that a person let pass, and who did."""


def release_changes(database: Database, release_id: int) -> ReleaseChanges:
    """Return what a release changed, as long as its rows are kept."""
    with database.transaction("gate") as c:
        documents = c.execute(
            """select count(*) filter (where old.doc_id is null), count(*) filter (where new.doc_id is not null and old.doc_id is not null),
                 count(*) filter (where new.doc_id is null)
               from (select distinct source, doc_id from document_version where valid_from = %(r)s) new
               full join (select distinct source, doc_id from document_version where valid_to = %(r)s) old using (source, doc_id)""",
            {"r": release_id}).fetchone()
        rows = c.execute(
            """select count(*) filter (where valid_from = %(r)s), count(*) filter (where valid_to = %(r)s) from chunk
               where valid_from = %(r)s or valid_to = %(r)s""", {"r": release_id}).fetchone()
    return ReleaseChanges(*(documents or (0, 0, 0)), *(rows or (0, 0)))


def stored_report(database: Database, release_id: int) -> dict[str, Any] | None:
    """Return the report stored with a release; None where there is none about the content that it holds now."""
    with database.transaction("gate") as c:
        row = c.execute(
            "select report from release where release_id = %s and report ->> 'digest' = encode(content_digest, 'hex')", (release_id,)
        ).fetchone()
    return row[0] if row else None


def past_releases(database: Database, limit: int) -> list[PastRelease]:
    """Return the newest releases, oldest first."""
    with database.transaction("gate") as c:
        rows = c.execute(
            f"""select r.release_id, a.release_id is not null, r.status, r.verdict, encode(r.content_digest, 'hex'), r.space_id, g.golden_hash,
                 coalesce(g.evidence -> 'metrics', '{{}}'), coalesce(s.report -> 'changes', '{{}}'), coalesce(s.report -> 'seconds', '{{}}'),
                 coalesce(s.report #> '{{judged,usage}}', '{{}}'), r.created_at, p.at, p.by_user,
                 (select string_agg(x.gate || ' by ' || x.by, ', ' order by x.gate)
                  from (select a.gate, o.reviewer_id as by
                        from acceptance a join gate_result g on {COUNTS} join review_outcome o using (review_id)
                        where (a.release_id, a.content_digest) = (r.release_id, r.content_digest)
                        union all
                        select g.gate, {ACCEPTED_BY} from gate_result g
                        where (g.release_id, g.content_digest) = (r.release_id, r.content_digest) and {ACCEPTED_BY} is not null) x)
               from release r left join active a using (release_id)
               left join gate_result g on g.release_id = r.release_id and g.content_digest = r.content_digest and g.gate = 'golden_retrieval'
               left join release s on s.release_id = r.release_id and s.report ->> 'digest' = encode(r.content_digest, 'hex')
               left join lateral (select at, by_user from promotion_log where to_release = r.release_id order by id desc limit 1) p on true
               order by r.release_id desc limit %s""", (limit,)).fetchall()
    return [PastRelease(*row) for row in reversed(rows)]
