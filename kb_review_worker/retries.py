"""How long each kind of activity may take, and when it is tried again. There is no other policy: read this table.

    activity         one attempt   attempts     waits between          given up when
    draft_brief      90 s          6            2 s doubling to 2 min  10 min have passed, or the model is at fault
    create_task      30 s          no end       2 s doubling to 5 min  the task system rejects the task itself
    follow_task      30 s          no end       2 s doubling to 5 min  the review ends (due time, assignee, escalation)
    close_task       30 s          no end       2 s doubling to 5 min  the task system rejects it
    record_outcome   30 s          no end       1 s doubling to 10 min the ledger holds another outcome of this review

- Which errors are worth another attempt is said where they are raised: by a non_retryable ApplicationError. There is no list of
  types here that would have to keep step. For the model, `adapters/model_failures.py` is that table; a 429 waits as its
  Retry-After says, within bounds, and otherwise as above.
- start_to_close bounds one attempt. Only the brief has an end for all of them together: a review never waits on a model, while a
  task or a decision must arrive, however long the other side is down.
- An attempt that is under way when the review ends is awaited, not abandoned: what it did could not be undone otherwise.
- The clients underneath retry nothing: openai's `max_retries` is 0, psycopg has none.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


def _seconds(value: float) -> dt.timedelta:
    return dt.timedelta(seconds=value)


@dataclass(frozen=True)
class Policy:
    """A row of the table, in seconds; `attempts` 0 is no end."""

    attempt: float
    first_wait: float
    longest_wait: float
    attempts: int = 0
    altogether: float | None = None
    heartbeat: float | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """Return what `workflow.execute_activity` takes."""
        return {
            "start_to_close_timeout": _seconds(self.attempt),
            "schedule_to_close_timeout": None if self.altogether is None else _seconds(self.altogether),
            "heartbeat_timeout": None if self.heartbeat is None else _seconds(self.heartbeat),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "retry_policy": RetryPolicy(
                initial_interval=_seconds(self.first_wait), maximum_interval=_seconds(self.longest_wait), maximum_attempts=self.attempts,
            ),
        }


DRAFT_BRIEF = Policy(attempt=90, first_wait=2, longest_wait=120, attempts=6, altogether=600, heartbeat=20)
CREATE_TASK = Policy(attempt=30, first_wait=2, longest_wait=300)
FOLLOW_TASK = Policy(attempt=30, first_wait=2, longest_wait=300)
CLOSE_TASK = Policy(attempt=30, first_wait=2, longest_wait=300)
RECORD_OUTCOME = Policy(attempt=30, first_wait=1, longest_wait=600)
