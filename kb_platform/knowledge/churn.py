"""Churn that a person accepts beforehand: what a delivery removes and changes is meant."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AcceptedChurn:
    """Who accepts, why, and when (ISO 8601, UTC). It is good for one candidate; the gate binds it to the content's digest."""

    by: str
    reason: str
    at: str
