"""The key `alerts` of defs.yaml."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from kb_platform.components.knowledge_base.yaml_model import Strict, described
from kb_platform.knowledge.alerts import AlertKind, AlertRules

Event = Literal["gate_failed", "refresh_overdue", "run_failed", "file_unreadable"]


class AlertsModel(Strict):
    """Who is told of what. Alerts hold names, numbers and commands, and nothing of a document."""

    events: Annotated[
        list[Event], Field(min_length=1),
        described("What people are told of: a gate that stops a candidate, a scheduled refresh that did not happen, a run that failed, a file that cannot be read."),
    ] = [*get_args(Event)]
    webhook: Annotated[
        str | None, Field(pattern=r"^KB_ALERT_[A-Z0-9_]+$"),
        described("Name of the variable, KB_ALERT_..., that holds a webhook's address; it gets {\"text\": ...}, as Slack, Mattermost and Teams' workflows take it."),
    ] = None
    email: Annotated[list[str], described("Who gets a message, by the mail server of KB_ALERT_SMTP_URL.")] = []
    command: Annotated[
        list[str], described("A program and its arguments, run without a shell; it gets the alert as JSON on standard input. Exit code 75: try again.")
    ] = []
    overdue_hours: Annotated[
        float, Field(gt=0), described("Hours after a time of schedule.cron by which a release must have been judged; looked at where schedule.enabled.")
    ] = AlertRules.overdue_hours

    @field_validator("email")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            if address.count("@") != 1 or any(c.isspace() or c in ",;<>" for c in address):
                raise ValueError(f"found {address!r}; expected an e-mail address")
        return value

    @model_validator(mode="after")
    def _reaches_somebody(self) -> "AlertsModel":
        if not (self.webhook or self.email or self.command):
            raise ValueError("names no way to reach anybody; expected webhook, email or command")
        return self


def to_rules(model: AlertsModel) -> AlertRules:
    """Return the domain's frozen value."""
    return AlertRules(tuple(AlertKind(kind) for kind in model.events), model.webhook, tuple(model.email), tuple(model.command), model.overdue_hours)
