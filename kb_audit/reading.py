"""Reads a trail from Postgres: one read-only snapshot, row by row. The only SQL of this package."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from kb_audit.chain import Row
from kb_audit.keys import PublicKeys
from kb_audit.seals import Seal, read_seals
from kb_audit.verification import Verdict, verify

ROWS = "select seq, previous, hash, recorded_at, body, event, review_id, knowledge_base, case_id from review.audit_event"
STEP = 500  # rows fetched at a time


class NoTrail(Exception):
    """A database without a trail."""


class PostgresTrail:
    """The trail as the snapshot of one transaction shows it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def rows(self) -> Iterator[Row]:
        """Yield all rows."""
        yield from self._found(f"{ROWS} order by seq")

    def rows_of(self, knowledge_base: str, case: int) -> Iterator[Row]:
        """Yield the rows of one case: of all its reviews, and the attempts that were refused."""
        yield from self._found(f"{ROWS} where knowledge_base = %s and case_id = %s order by seq", knowledge_base, case)

    def seals(self) -> Iterator[Seal]:
        """Yield the seals that are kept beside the rows."""
        with self._connection.cursor(name="seals") as cursor:
            cursor.itersize = STEP
            cursor.execute("select kind, seq, hash, sealed_at, key_id, signature from review.audit_seal order by seal_id")
            for row in cursor:
                yield Seal(*row)

    def hashes(self, numbers: Iterable[int]) -> Mapping[int, bytes]:
        """Return the hashes of those of the rows that are there."""
        found = self._connection.execute("select seq, hash from review.audit_event where seq = any(%s)", (list(numbers),))
        return dict(found.fetchall())

    def history(self, review: str, run: str) -> bytes | None:
        """Return the compressed history of a run."""
        found = self._connection.execute("select content from review.history where review_id = %s and run_id = %s", (review, run)).fetchone()
        return found[0] if found else None

    def _found(self, query: str, *values: object) -> Iterator[Row]:
        with self._connection.cursor(name="rows") as cursor:
            cursor.itersize = STEP
            cursor.execute(query.encode(), values)
            for row in cursor:
                yield Row(*row)


@contextmanager
def reading(url: str) -> Iterator[PostgresTrail]:
    """Yield the trail of a database.

    Raises:
        NoTrail: there is none.
        psycopg.Error: the database does not answer, or the role may not read it.
    """
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute("set transaction isolation level repeatable read, read only, deferrable")
        if connection.execute("select to_regclass('review.audit_event')").fetchone() == (None,):
            raise NoTrail
        yield PostgresTrail(connection)


def verify_database(url: str, keys: PublicKeys, file: Path | None) -> Verdict:
    """Verify the trail of a database against the seals beside it and, where it is known, the file of seals.

    The file is measured before the snapshot is taken: what it says by then, the snapshot has.

    Raises:
        OSError, SealsUnreadable: the file cannot be read.
    """
    size = file.stat().st_size if file else 0
    with reading(url) as trail:
        return verify(trail, keys, lambda: itertools.chain(read_seals(file, size) if file else (), trail.seals()), outside_known=file is not None)
