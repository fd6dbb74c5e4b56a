"""What a step does about errors."""

from collections.abc import Callable

import dagster as dg
import pytest

from kb_platform.components.knowledge_base.perseverance import WAITS, persevere, persevering
from kb_platform.knowledge.errors import KbError, SourceError, TransientError


def failing(*errors: KbError) -> tuple[list[KbError], Callable[[], str]]:
    left = list(errors)

    def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return left, work


def test_what_may_pass_is_tried_again_after_longer_and_longer_waits() -> None:
    slept: list[float] = []
    _, work = failing(*[TransientError("away")] * len(WAITS))
    assert persevere(work, sleep=slept.append) == "done"
    assert slept == list(WAITS) == sorted(WAITS)


def test_what_does_not_pass_is_a_failure_with_its_sentence() -> None:
    _, work = failing(*[TransientError("away", where="kb_x", action="start it")] * (len(WAITS) + 1))
    with pytest.raises(dg.Failure) as failed:
        persevere(work, sleep=lambda _: None)
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
