"""Asks a model about many things side by side: answers first, then votes. What comes back is handed over at once, to be kept.

A few workers take from one list, so that ten thousand cases are not ten thousand tasks. When more calls have failed than may fail,
nothing more is asked: the verdict can no longer be anything but inconclusive, and a dead endpoint costs minutes, not hours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, TypeVar

from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.progress import Progress, silent
from kb_platform.quality.judges.answers import write_answer
from kb_platform.quality.judges.cases import JUDGED_METRICS, Case, vote_key
from kb_platform.quality.judges.chat import Chat, Meter
from kb_platform.quality.judges.endpoint import CallFailed, Endpoint, Usage

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Ballot:
    """One vote that is wanted: the key of what it is about, and which vote of it (from 0)."""

    key: bytes
    number: int
    metric: str
    case: Case


@dataclass(frozen=True)
class Vote:
    """A vote that was given, from 0 to 1; `reason` says why it is not 1."""

    score: float
    reason: str


@dataclass(frozen=True)
class Failed(Generic[T]):
    """What was asked in vain, and why."""

    asked: T
    error: CallFailed


@dataclass(frozen=True)
class Asked(Generic[T]):
    """What failed, how much was not asked any more after that, and what all of it used."""

    failed: tuple[Failed[T], ...]
    given_up: int
    usage: Usage


@cache
def metric_version() -> str:
    """Return the version whose prompts are asked, as part of a vote's key, without loading the library.

    Raises:
        ConfigError: the library is not installed.
    """
    try:
        return f"deepeval-{version('deepeval')}"
    except PackageNotFoundError:
        raise ConfigError("deepeval is not installed", where="the judge", action="install kb-platform[judge], or unset KB_JUDGE_URL") from None


def ballots_of(judge: str, metric: str, case: Case, votes: int) -> list[Ballot]:
    """Return the votes wanted on one case."""
    key = vote_key(judge, JUDGED_METRICS[metric], metric_version(), case)
    return [Ballot(key, number, metric, case) for number in range(votes)]


def ask_answers(
    endpoint: Endpoint, cases: Sequence[Case], keep: Callable[[Case, str, Usage], None], *, may_fail: int, progress: Progress = silent
) -> Asked[Case]:
    """Have every case answered; `keep` gets each answer as it comes."""
    return asyncio.run(_ask_all(endpoint, cases, write_answer, keep, may_fail, lambda done, all_: progress("answering", done, all_)))


def ask_votes(
    endpoint: Endpoint, ballots: Sequence[Ballot], keep: Callable[[Ballot, Vote, Usage], None], *, may_fail: int,
    progress: Progress = silent,
) -> Asked[Ballot]:
    """Have every vote cast; `keep` gets each as it comes."""
    return asyncio.run(_ask_all(endpoint, ballots, _vote, keep, may_fail, lambda done, all_: progress("judging", done, all_)))


async def _vote(chat: Chat, ballot: Ballot, meter: Meter) -> Vote:
    from kb_platform.quality.judges.deepeval_judge import score_case

    return Vote(*await score_case(chat, ballot.metric, ballot.case, meter))


async def _ask_all(
    endpoint: Endpoint, wanted: Sequence[T], call: Callable[[Chat, T, Meter], Awaitable[R]], keep: Callable[[T, R, Usage], None],
    may_fail: int, tell: Callable[[int, int], None],
) -> Asked[T]:
    waiting, failed, total, done = iter(wanted), list[Failed[T]](), Meter(), 0

    async def work(chat: Chat) -> None:
        nonlocal done
        while len(failed) <= may_fail and (item := next(waiting, None)) is not None:
            meter = Meter()
            try:
                result = await call(chat, item, meter)
            except CallFailed as error:
                failed.append(Failed(item, error))
            else:
                keep(item, result, meter.usage)
            total.add(meter.usage)
            done += 1
            tell(done, len(wanted))

    async with Chat(endpoint) as chat:
        await asyncio.gather(*(work(chat) for _ in range(min(endpoint.concurrency, len(wanted)))))
    return Asked(tuple(failed), len(wanted) - done, total.usage)
