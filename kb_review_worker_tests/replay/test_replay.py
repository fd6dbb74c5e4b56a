"""Today's workflow replays every stored history: a review that began on an earlier build is not broken by this one."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from kb_contracts.cases import ReviewCase
from kb_contracts.names import WORKFLOW_TYPE
from kb_contracts.outcomes import Status
from kb_review_worker.encryption.codec import data_converter
from kb_review_worker.workflows.human_review import HumanReview
from kb_review_worker_tests.replay.histories import FOLDER, KEYS

pytestmark = pytest.mark.anyio
FILES = sorted(FOLDER.glob("*/*.json"))


def _history(file: Path) -> WorkflowHistory:
    stored: dict[str, Any] = json.loads(file.read_text())
    return WorkflowHistory.from_json(stored["workflow_id"], stored["history"])


def _replayer(file: Path, reviewed: type = HumanReview) -> Replayer:
    return Replayer(workflows=[reviewed], data_converter=data_converter(KEYS if ".encrypted" in file.name else None))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
async def test_a_stored_history_is_replayed(file: Path) -> None:
    result = await _replayer(file).replay_workflow(_history(file))
    assert result.replay_failure is None


def test_there_is_a_history_for_each_ending_of_each_release() -> None:
    wanted = {f"{status.value}{suffix}" for status in Status for suffix in ("", ".encrypted")}
    releases = {file.parent for file in FILES}
    assert releases
    assert {release: {file.stem for file in FILES if file.parent == release} for release in releases} == dict.fromkeys(releases, wanted)


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Changed(HumanReview):
    """The workflow with one more activity at its end."""

    @workflow.init
    def __init__(self, case: ReviewCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: ReviewCase) -> Any:
        outcome = await super().run(case)
        await workflow.execute_activity("added_later", start_to_close_timeout=dt.timedelta(seconds=1))
        return outcome


async def test_a_changed_workflow_would_be_noticed() -> None:
    file = next(file for file in FILES if file.stem == "approved")
    with pytest.raises(NondeterminismError):
        await _replayer(file, Changed).replay_workflow(_history(file))
