"""Work that is done again and again while the worker runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

LOG = logging.getLogger("kb_review.upkeep")
PASSING = (ApplicationError, RPCError, OSError, TimeoutError)  # the next round finds what this one left


@dataclass(frozen=True)
class Duty:
    """A piece of work, safe to repeat, and the seconds between two rounds."""

    name: str
    every: float
    work: Callable[[], Awaitable[object]]

    async def forever(self) -> None:
        """Do it, again and again; a round that fails is logged."""
        while True:
            try:
                await self.work()
            except PASSING as error:
                LOG.warning("%s: %s: %s", self.name, type(error).__name__, error)
            await asyncio.sleep(self.every)


@asynccontextmanager
async def kept_up(duties: Sequence[Duty]) -> AsyncIterator[None]:
    """Do the duties beside whatever runs within; any other error than a passing one ends that too."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(duty.forever(), name=duty.name) for duty in duties]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
