"""Calls that overlap, results in order: what keeps processors busy while this process waits for one of them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    call: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int, given_up: Event | None = None
) -> Iterator[Result]:
    """Yield `call(item)` in the order of the items, with at most `ahead` of them taken and not yet yielded.

    Items are taken in the caller's thread. After an error, what has begun is waited for, and nothing else begins; `given_up` is set
    then, so that a long call may end early.
    """
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                begun.append(pool.submit(call, item))
                if len(begun) == ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            if given_up is not None:
                given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
