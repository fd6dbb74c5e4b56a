"""What a step does about errors."""

from collections.abc import Callable

import dagster as dg
import pytest

from kb_platform.components.knowledge_base.perseverance import persevere, persevering, waits_within
from kb_platform.knowledge.errors import KbError, SourceError, TransientError

WAITS = (1, 2, 4)


def failing(*errors: KbError) -> tuple[list[KbError], Callable[[], str]]:
    left = list(errors)

    def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return left, work


@pytest.mark.parametrize("patience", [0, 0.5, 1, 7, 120, 3600])
def test_waits_are_longer_and_longer_and_end_with_the_patience(patience: float) -> None:
    waits = waits_within(patience)
    assert sum(waits) == patience
    assert waits[:-1] == sorted(waits[:-1])
    assert max(waits, default=0) <= 60


def test_what_may_pass_is_tried_again_for_as_long_as_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_STEP_PATIENCE", "7")
    slept: list[float] = []
    _, work = failing(*[TransientError("away")] * len(WAITS))
    assert persevere(work, sleep=slept.append) == "done"
    assert slept == list(WAITS)


def test_what_does_not_pass_is_a_failure_with_its_sentence() -> None:
    _, work = failing(*[TransientError("away", where="kb_x", action="start it")] * (len(WAITS) + 1))
    with pytest.raises(dg.Failure) as failed:
        persevere(work, WAITS, sleep=lambda _: None)
    assert failed.value.description == "kb_x: away; start it"


def test_what_cannot_pass_is_tried_once() -> None:
    left, work = failing(SourceError("no such folder", where="docs"), SourceError("again"))
    with pytest.raises(dg.Failure) as failed:
        persevere(work, sleep=lambda _: pytest.fail("it waited"))
    assert (failed.value.description, failed.value.allow_retries, len(left)) == ("docs: no such folder", False, 1)


def test_others_are_not_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        persevere(lambda: 1 / 0, sleep=lambda _: pytest.fail("it waited"))


def test_a_failed_run_that_cannot_pass_is_not_repeated_by_the_daemon() -> None:
    @dg.asset
    @persevering
    def wrong(context: dg.AssetExecutionContext) -> None:
        raise SourceError(context.run.run_id)

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([wrong], instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        assert (done.success, run.tags["dagster/max_retries"]) == (False, "0")
