"""What people are told of a knowledge base, and by which ways. An alert holds names, numbers and commands: nothing of a document, not its name either."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AlertKind(StrEnum):
    """What happened."""

    GATE_FAILED = "gate_failed"
    REFRESH_OVERDUE = "refresh_overdue"
    RUN_FAILED = "run_failed"
    FILE_UNREADABLE = "file_unreadable"
    TEST = "test"


@dataclass(frozen=True)
class AlertRules:
    """Who is told of what. `webhook` is the name of the variable that holds its address, for that is a secret."""

    kinds: tuple[AlertKind, ...]
    webhook: str | None = None
    email: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    overdue_hours: float = 6.0


@dataclass(frozen=True)
class Alert:
    """One thing to tell. `keys` name what it is about, so that it is told once; `text` is one sentence with what to do."""

    kind: AlertKind
    knowledge_base: str
    keys: tuple[str, ...]
    text: str
    facts: Mapping[str, str | int | float | None] = field(default_factory=dict)
