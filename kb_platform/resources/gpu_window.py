"""Whether texts may be embedded now: the hours of the deployment and of a knowledge base, a change by hand, and a step's own time."""

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from kb_platform.knowledge.gpu_window import WindowState, decide_window
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import current_settings

if TYPE_CHECKING:
    from kb_platform.storage.deployment import DeploymentDatabase

FRESH = dt.timedelta(seconds=5)  # so long a step relies on what it was told: a closing by hand ends it as soon


def utc_now() -> dt.datetime:
    """Return the time."""
    return dt.datetime.now(dt.UTC)


@cache
def open_deployment() -> "DeploymentDatabase":
    """Open and migrate, once a process."""
    from kb_platform.resources import bring_up_to_date, database_url
    from kb_platform.storage.deployment import DeploymentDatabase

    database = DeploymentDatabase(database_url())
    bring_up_to_date(database)
    return database


def window_now(kb: KnowledgeBase | None = None) -> WindowState:
    """Return the state of a knowledge base's window, or of the deployment's.

    Raises:
        TransientError: the database does not answer.
    """
    from kb_platform.storage.gpu_window import changes

    return decide_window((*current_settings().gpu_window, *(kb.gpu_hours if kb else ())), next(iter(changes(open_deployment(), 1)), None), utc_now())


class Allowance:
    """Whether a step may begin another group of texts; `refusal` says why not, once it may not.

    What it has refused it never allows again: the step has ended.
    """

    def __init__(
        self, window: Callable[[], WindowState], budget: dt.timedelta | None, clock: Callable[[], dt.datetime] = utc_now,
        began: dt.datetime | None = None,
    ) -> None:
        self._window, self._clock = window, clock
        self._end = (began or clock()) + budget if budget else None
        self._state, self._asked = WindowState(is_open=False), None
        self.refusal = ""

    def __call__(self) -> bool:
        """Ask, and remember a refusal."""
        self.refusal = self.refusal or self._why_not(self._clock())
        return not self.refusal

    def _why_not(self, now: dt.datetime) -> str:
        if self._end and now >= self._end:
            return "the time that a run may embed a source is over (schedule.embed_budget_minutes)"
        if self._asked is None or now - self._asked > FRESH or self._state.until and now >= self._state.until:
            self._state, self._asked = self._window(), now
        return "" if self._state.is_open else f"the GPU window is {self._state}"
