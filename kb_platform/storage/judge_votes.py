"""Answers and votes of models by the hash of what was asked: found again, they cost nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from kb_platform.storage.database import Database

NEWEST = 1000


@dataclass(frozen=True)
class Spent:
    """Requests, tokens and price of one answer or vote; None where no price was set."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


def find_answers(database: Database, keys: Iterable[bytes]) -> dict[bytes, str]:
    """Return kept answers by key."""
    with database.transaction("gate") as c:
        rows = c.execute("select key, answer from judge_answer where key = any (%s)", (list(keys),))
        return {bytes(key): answer for key, answer in rows}


def keep_answer(database: Database, key: bytes, model: str, prompt_version: str, answer: str, spent: Spent) -> None:
    """Keep an answer; one that is there already stays."""
    with database.transaction("gate") as c:
        c.execute(
            """insert into judge_answer (key, model, prompt_version, answer, requests, input_tokens, output_tokens, cost)
               values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
            (key, model, prompt_version, answer, spent.requests, spent.input_tokens, spent.output_tokens, spent.cost))


def find_votes(database: Database, keys: Iterable[bytes]) -> dict[tuple[bytes, int], float]:
    """Return kept scores by key and vote number."""
    with database.transaction("gate") as c:
        rows = c.execute("select key, vote, score from judge_vote where key = any (%s)", (list(keys),))
        return {(bytes(key), vote): score for key, vote, score in rows}


def keep_vote(
    database: Database, key: bytes, vote: int, *, judge: str, metric: str, version: str, score: float, reason: str, spent: Spent
) -> None:
    """Keep a vote; one that is there already stays."""
    with database.transaction("gate") as c:
        c.execute(
            """insert into judge_vote (key, vote, judge, metric, version, score, reason, requests, input_tokens, output_tokens, cost)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
            (key, vote, judge, metric, version, score, reason, spent.requests, spent.input_tokens, spent.output_tokens, spent.cost))


def repeated_scores(database: Database, judge: str, metric: str, version: str) -> list[list[float]]:
    """Return the scores of the newest cases that have several votes, all votes of a case together."""
    with database.transaction("gate") as c:
        rows = c.execute(
            """select array_agg(v.score order by v.vote) from judge_vote v
               join (select key, max(at) as at from judge_vote where judge = %(judge)s and metric = %(metric)s and version = %(version)s
                     and vote > 0 group by key order by 2 desc limit %(newest)s) k using (key)
               group by v.key""", {"judge": judge, "metric": metric, "version": version, "newest": NEWEST})
        return [row[0] for row in rows]
