"""Tags of a run that accept its candidate's churn: `kb refresh --accept-churn` sets them, and whoever launches a release job in the pages may."""

import datetime as dt
from collections.abc import Mapping

from kb_platform.knowledge.churn import AcceptedChurn

REASON, BY = "kb/accept_churn", "kb/accepted_by"


def churn_tags(by: str, reason: str) -> dict[str, str]:
    """Return the tags with which a release run accepts churn."""
    return {REASON: reason, BY: by}


def accepted_churn(tags: Mapping[str, str]) -> AcceptedChurn | None:
    """Return what a run's tags accept: both of them, or nothing."""
    reason, by = (tags.get(name, "").strip() for name in (REASON, BY))
    return AcceptedChurn(by, reason, f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}") if reason and by else None
