"""The ledger of reviews: a row is written before its review is started, so that a killed hand-off starts the same one again.

An opening of a case is (case_id, changed_at while it is open). What has still to be told follows from ledger and outbox; nothing is
kept about it elsewhere.
"""

from dataclasses import asdict, dataclass

from kb_platform.storage.database import Database
from kb_platform.storage.review_cases import COLUMNS, StoredCase

_IS_OPENING = "l.case_id = c.case_id and l.opened_at = c.changed_at"
_UNSTARTED = f"c.state = 'open' and not exists (select 1 from review_ledger l where {_IS_OPENING} and l.started_at is not null)"
_UNDECIDED = "not exists (select 1 from review_outcome o where o.review_id = l.review_id)"


@dataclass(frozen=True)
class OutdatedReview:
    """A review whose case has ended or was opened anew: `state` is the case's, `newer` the review of the subject's newer version."""

    review_id: str
    state: str
    newer: str | None


@dataclass(frozen=True)
class Backlog:
    """What waits where: `untold` cases have no review yet, `in_review` wait for a person, `undecided` ended without a decision."""

    open: int
    untold: int
    oldest_untold_seconds: float
    in_review: int
    oldest_in_review_seconds: float
    undecided: int
    to_withdraw: int

    def numbers(self) -> dict[str, float]:
        """Return the figures by name: a series each in Dagster's plots."""
        return {f"review/{name}": value for name, value in asdict(self).items()}

    def said(self) -> str:
        """Return the figures as one line."""
        lag = f", the oldest for {self.oldest_untold_seconds:.0f} s" if self.untold else ""
        return (f"{self.untold} cases not handed over yet{lag}; {self.in_review} in review; {self.undecided} ended undecided; "
                f"{self.to_withdraw} reviews to withdraw")


def cases_to_start(database: Database, limit: int) -> list[StoredCase]:
    """Return open cases of which no review was started: first those that were never tried, oldest first, then what was tried longest ago."""
    with database.transaction("writer") as c:
        rows = c.execute(f"select {COLUMNS} from review_case c where {_UNSTARTED} "
                         "order by c.tried_at nulls first, c.changed_at, c.case_id limit %s", (limit,))
        return [StoredCase(*row) for row in rows]


def mark_tried(database: Database, case_id: int) -> None:
    """Write down that a case's hand-over begins, so that one that fails comes after the others next time."""
    with database.transaction("writer") as c:
        c.execute("update review_case set tried_at = clock_timestamp() where case_id = %s", (case_id,))


def register_review(database: Database, review_id: str, case: StoredCase) -> bool:
    """Write a review down before it is started; False where the case has ended, or was opened anew, in between."""
    with database.transaction("writer") as c:
        c.execute("""insert into review_ledger (review_id, case_id, opened_at)
                     select %(review)s, c.case_id, c.changed_at from review_case c
                     where c.case_id = %(case)s and c.state = 'open' and c.changed_at = %(opened)s for share
                     on conflict do nothing""", {"review": review_id, "case": case.case_id, "opened": case.changed_at})
        return c.execute("select 1 from review_ledger where review_id = %s", (review_id,)).fetchone() is not None


def mark_started(database: Database, review_id: str) -> None:
    """Write down that the review is there."""
    with database.transaction("writer") as c:
        c.execute("update review_ledger set started_at = clock_timestamp() where review_id = %s and started_at is null", (review_id,))


def reviews_to_withdraw(database: Database, limit: int) -> list[OutdatedReview]:
    """Return reviews that nobody needs a decision of any more, oldest first."""
    with database.transaction("writer") as c:
        rows = c.execute(
            f"""select l.review_id, c.state, (select n.review_id from review_case k join review_ledger n using (case_id)
                  where k.kind = c.kind and k.subject = c.subject and k.state = 'open' and n.opened_at = k.changed_at)
                from review_ledger l join review_case c using (case_id)
                where l.withdrawn_at is null and {_UNDECIDED} and not (c.state = 'open' and c.changed_at = l.opened_at)
                order by l.registered_at limit %s""", (limit,))
        return [OutdatedReview(*row) for row in rows]


def mark_withdrawn(database: Database, review_id: str) -> None:
    """Write down that the review has heard."""
    with database.transaction("writer") as c:
        c.execute("update review_ledger set withdrawn_at = clock_timestamp() where review_id = %s and withdrawn_at is null", (review_id,))


def unfinished_reviews(database: Database) -> list[str]:
    """Return the reviews of which an end may still come, oldest first.

    One that was withdrawn and never seen to start may run unseen for days, not for a month; most never began.
    """
    with database.transaction("decider") as c:
        rows = c.execute(f"""select l.review_id from review_ledger l where {_UNDECIDED}
                               and (l.started_at is not null or l.withdrawn_at is null or l.withdrawn_at > now() - interval '30 days')
                             order by l.registered_at""")
        return [row[0] for row in rows]


def backlog(database: Database) -> Backlog:
    """Return how many cases wait, and for how long the oldest one has."""
    with database.transaction("gate") as c:
        row = c.execute(
            f"""with k as (select c.state, c.changed_at, {_UNSTARTED} as untold from review_case c where c.state in ('open', 'expired', 'cancelled'))
                select count(*) filter (where state = 'open'), count(*) filter (where untold),
                  coalesce(extract(epoch from clock_timestamp() - min(changed_at) filter (where untold)), 0)::float8,
                  count(*) filter (where state = 'open' and not untold),
                  coalesce(extract(epoch from clock_timestamp() - min(changed_at) filter (where state = 'open' and not untold)), 0)::float8,
                  count(*) filter (where state <> 'open'),
                  (select count(*) from review_ledger l join review_case c using (case_id) where l.withdrawn_at is null and {_UNDECIDED}
                     and not (c.state = 'open' and c.changed_at = l.opened_at))
                from k""").fetchone()
    assert row is not None
    return Backlog(*row)
