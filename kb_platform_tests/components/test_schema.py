"""What defs.yaml may say of owners and schedules is no more than what Dagster takes: it is checked without Dagster, and Dagster gets it later."""

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kb_platform.components.knowledge_base.schema import ScheduleModel, check_owners

TAKEN = ["0 2 * * *", "*/15 0-6 * * 1-5", "0 5 1 1,7 *", "5 4 * * sun", "0 0 29 2 *"]
REFUSED = ["", "daily", "@daily", "0 2 * *", "0 2 * * * *", "61 2 * * *", "0 25 * * *", "0 0 30 2 *", "0 0 * * 8", "a b c d e"]
OWNERS = ["team:pharmacy", "a@example.org", "first.last+x@sub.example.org"]
NO_OWNERS = ["", "team:", "pharmacy", "@example.org", "a@b", "a b@example.org", "a@example.organisation"]


@pytest.mark.parametrize("cron", TAKEN)
def test_schedules_that_can_be_meant_are_taken_here_and_by_dagster(cron: str) -> None:
    assert ScheduleModel(cron=cron).cron == dg.ScheduleDefinition(name="any", job_name="any", cron_schedule=cron).cron_schedule


@pytest.mark.parametrize("cron", REFUSED)
def test_other_schedules_are_refused_with_an_example(cron: str) -> None:
    with pytest.raises(ValidationError, match="expected five fields of cron, for example 0 2"):
        ScheduleModel(cron=cron)


@pytest.mark.filterwarnings("ignore:Found a cron schedule with an interval")
@given(st.lists(st.from_regex(r"(\*|[0-9]{1,2})(-[0-9]{1,2})?(/[0-9])?", fullmatch=True), min_size=5, max_size=5).map(" ".join))
def test_every_schedule_that_is_taken_here_is_taken_by_dagster(cron: str) -> None:
    try:
        ScheduleModel(cron=cron)
    except ValidationError:
        return
    dg.ScheduleDefinition(name="any", job_name="any", cron_schedule=cron)


@pytest.mark.parametrize("owner", OWNERS)
def test_owners_are_taken_here_and_by_dagster(owner: str) -> None:
    assert dg.AssetSpec("any", owners=check_owners([owner])).owners == [owner]


@pytest.mark.parametrize("owner", NO_OWNERS)
def test_others_are_refused_here_and_by_dagster(owner: str) -> None:
    with pytest.raises(ValueError, match="expected an e-mail address or team:name"):
        check_owners([owner])
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.AssetSpec("any", owners=[owner])


@given(st.from_regex(r"[A-Za-z._%+@ -]{0,6}@[A-Za-z.-]{0,8}\.[a-z]{0,9}", fullmatch=True))
def test_every_owner_that_is_taken_here_is_taken_by_dagster(owner: str) -> None:
    try:
        check_owners([owner])
    except ValueError:
        return
    dg.AssetSpec("any", owners=[owner])
