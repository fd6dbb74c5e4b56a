"""Reads the review worker's decisions: `review.decision`, in the platform's database or in one of its own.

The platform asks for exactly the reviews that it has no end of. No cursor could do that: rows become visible in another order than
that of their numbers.
"""

from collections.abc import Sequence

import psycopg

from kb_platform.knowledge.errors import TransientError, in_a_word
from kb_platform.knowledge.reviews import ReviewEnd

AT_ONCE = 1000


def read_ends(url: str, review_ids: Sequence[str]) -> list[ReviewEnd]:
    """Return how some reviews ended, those that have; none where the worker has never run.

    Raises:
        TransientError: the database does not answer.
    """
    if not review_ids:
        return []
    try:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as c:
            if c.execute("select to_regclass('review.decision')").fetchone() != (None,):
                return [end for first in range(0, len(review_ids), AT_ONCE) for end in _read(c, review_ids[first : first + AT_ONCE])]
    except psycopg.OperationalError as error:
        raise TransientError(f"the database of the reviews does not answer ({in_a_word(error)})", where="review.decision",
                             action="check KB_REVIEW_DATABASE_URL; decisions wait there") from error
    return []


def _read(connection: psycopg.Connection, review_ids: Sequence[str]) -> list[ReviewEnd]:
    rows = connection.execute(
        """select review_id, run_id, digest, status, reviewer_issuer, reviewer_id, reviewer_name, reason, decided_at, ended_at
           from review.decision where review_id = any(%s) order by decision_id""", (list(review_ids),))
    return [ReviewEnd(*row) for row in rows]
