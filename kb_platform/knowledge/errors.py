"""What can go wrong, as two classes that the orchestrator treats differently.

    KbError                 what was found, where, what was expected, what to do
    |-- PermanentError      running the same thing again cannot help: never retried
    |   |-- ConfigError     a knowledge base's YAML, settings or golden set is wrong
    |   |-- SourceError     a source cannot be read at all (one bad document is a report, not an error)
    |   |-- GateRefusal     the database or the gate refuses a promotion
    |   `-- StateError      the knowledge base is not in a state that allows the action
    `-- TransientError      the same call may succeed later: a server that is down, a lost connection

The parts stay attributes so that the command line can print one line and `--json` can print an object.
"""


class KbError(Exception):
    """One clear message: what was found, where, what was expected and what to do about it."""

    def __init__(self, found: str, *, where: str = "", expected: str = "", action: str = "") -> None:
        super().__init__(found)
        self.found, self.where, self.expected, self.action = found, where, expected, action

    def __str__(self) -> str:
        """Return the parts as one line."""
        head = f"{self.where}: {self.found}" if self.where else self.found
        expected = f"expected {self.expected}" if self.expected else ""
        return "; ".join(part for part in (head, expected, self.action) if part)


def in_a_word(error: BaseException | None) -> str:
    """Return what another library's error says, without where it happened: `Connection refused`, and not a class or a stack."""
    line = next(iter(str(error).strip().splitlines()), "")
    return line.rpartition(": ")[2].strip(" .") or "it said no more"


class PermanentError(KbError):
    """A rerun cannot clear it."""


class TransientError(KbError):
    """A later rerun may clear it."""


class ConfigError(PermanentError):
    """A setting, a knowledge base's YAML or its golden set is wrong."""


class SourceError(PermanentError):
    """A source as a whole cannot be read."""


class StateError(PermanentError):
    """The knowledge base is not in a state that allows this."""


class GateRefusal(PermanentError):
    """Promotion was refused because a required gate has not passed."""
