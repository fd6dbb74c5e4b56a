"""The GPU window in a deployment: changes by hand, the pools of Dagster's real instance, what commands say of both."""

import datetime as dt
import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.components import gpu_window as pools
from kb_platform.components.gpu_window import keep_slots, slots_of, window_sensor
from kb_platform.components.knowledge_base.automation import jobs_of
from kb_platform.components.knowledge_base.embed_again import embed_again_sensor
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.gpu_window import GpuHours, scheduled
from kb_platform.local.dagster_home import open_instance
from kb_platform.resources.gpu_window import open_deployment, window_now
from kb_platform.storage.gpu_window import changes
from kb_platform_tests.flow.conftest import MakeKb

CLOSED = "2020 Jan 1 00:00-24:00"  # and never again
pytestmark = pytest.mark.random_order(disabled=True)  # one window, opened and closed by one after the other


@pytest.fixture(scope="module", autouse=True)
def opened_in_the_end(home: Path) -> Iterator[None]:
    """Leave the window open: other tests share the deployment."""
    yield
    kb("open", "--for", "7d", "--reason", "the tests of the window have ended")


def set_hours(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Set hours for commands, which a test's home has settings for, and for what reads the environment."""
    monkeypatch.setattr(session, "_chosen", [session.settings().model_copy(update={"gpu_hours": text})])
    monkeypatch.setenv("KB_GPU_HOURS", text)


def kb(*words: str, ends: int = 0) -> Any:
    done = CliRunner().invoke(app, ["gpu-window", *words, "--json"])
    assert done.exit_code == ends, (done.output, done.exception)
    return json.loads(done.output)


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> str:
    said = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(said, dg.SkipReason)
    return said.skip_message or ""


def test_a_window_is_opened_and_closed_by_hand_and_all_of_it_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hours(monkeypatch, CLOSED)
    assert window_now().is_open is False
    opened = kb("open", "--for", "2h", "--reason", "a model was changed", "--by", "anna")
    until = dt.datetime.fromisoformat(opened["until"])
    assert dt.timedelta(hours=1.9) < until - dt.datetime.now(dt.UTC) < dt.timedelta(hours=2)
    assert window_now().is_open
    assert kb("close", "--for", "90m", "--reason", "theatre needs the GPUs")["open"] is False
    assert window_now().is_open is False
    newest, before = changes(open_deployment(), 2)
    assert (newest.action, newest.by, newest.reason) == ("close", getpass.getuser(), "theatre needs the GPUs")
    assert (before.action, before.by, before.reason) == ("open", "anna", "a model was changed")
    assert newest.until - newest.at == pytest.approx(dt.timedelta(minutes=90), abs=dt.timedelta(minutes=5))


def test_a_closing_without_an_end_lasts_until_the_hours_open_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    set_hours(monkeypatch, "00:00-12:00")
    closed = kb("close")
    opening = dt.datetime.fromisoformat(closed["until"])
    assert (opening.hour, opening.minute) == (0, 0)
    assert scheduled([GpuHours("00:00-12:00")], opening).is_open


@pytest.mark.parametrize(("words", "said"), [
    (("open", "--for", "8d", "--reason", "x"), "at most 7d"), (("open", "--for", "0h", "--reason", "x"), "90m"),
    (("open", "--for", "soon", "--reason", "x"), "90m"), (("open", "--for", "2h", "--reason", "  "), "--reason is empty"), (("close",), "--for 2h"),
])
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, ["gpu-window", *words], catch_exceptions=False)


def test_an_account_without_a_name_has_to_say_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("uid not found: 1000650000")

    monkeypatch.setattr(getpass, "getuser", unknown)
    for by in ((), ("--by", " ")):
        with pytest.raises(ConfigError, match="add --by NAME"):
            CliRunner().invoke(app, ["gpu-window", "open", "--for", "2h", "--reason", "x", *by], catch_exceptions=False)


FORGED = "insert into gpu_window_change (action, until, by_name, reason, by_user) values ('open', now() + interval '1 hour', 'x', 'y', 'somebody')"


@pytest.mark.parametrize(("role", "statement"), [(role, statement) for role in ("reader", "writer", "owner") for statement in (
    "update gpu_window_change set reason = 'another'", "delete from gpu_window_change", "truncate gpu_window_change",
    "insert into gpu_window_change (action, until, by_name, reason) values ('open', now() + interval '1 hour', 'x', '')",
)] + [("reader", FORGED), ("writer", FORGED)])
def test_the_log_is_only_added_to(role: Any, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)), open_deployment().transaction(role) as c:
        c.execute(statement)


def test_each_tick_sets_what_should_be_whatever_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    kb("open", "--for", "1h", "--reason", "so that nothing earlier counts")
    sensor = window_sensor()
    with open_instance(session.settings()) as instance:
        tick(sensor, instance)
        assert slots_of(instance, "gpu") == 2
        kb("close", "--for", "1h")
        assert "gpu has 0 slots, before 2" in tick(sensor, instance)
        assert slots_of(instance, "gpu") == 0
        keep_slots(instance, "gpu", 7)  # somebody in the pages
        tick(sensor, instance)
        assert slots_of(instance, "gpu") == 0
        monkeypatch.setenv("KB_GPU_SLOTS", "3")
        kb("open", "--for", "1h", "--reason", "more")
        assert "gpu has 3 slots, before 0" in tick(sensor, instance)
        assert "before" not in tick(sensor, instance)


def test_the_status_says_when_a_pool_does_not_follow_the_window(make_kb: MakeKb) -> None:
    own = make_kb({"a.md": "text"}, schedule={"gpu_hours": CLOSED})
    with open_instance(session.settings()) as instance:
        kb("close", "--for", "1h", "--reason", "nightly tests")
        keep_slots(instance, "gpu", 2)
        by_name = {p["pool"]: p for p in kb("status", ends=1)["pools"]}
        assert (by_name["gpu"]["slots"], by_name["gpu"]["expected"], by_name["gpu"]["right"]) == (2, 0, False)
        for sensor in (window_sensor(), *pools.own_window_sensors(own)):
            tick(sensor, instance)
        said = kb("status")
        assert {p["pool"]: p["slots"] for p in said["pools"]} == {"gpu": 0, own.gpu_pool: 0}
        assert (said["open"], said["changes"][0]["reason"]) == (False, "nightly tests")
        kb("open", "--for", "1h", "--reason", "all of them")
        assert window_now(own).is_open  # whatever its own hours say
    done = CliRunner().invoke(app, ["gpu-window", "status"])
    assert (done.exit_code, "is Dagster's daemon running?" in " ".join(done.output.split())) == (1, True)
    standing = CliRunner().invoke(app, ["status"])
    assert "GPU window: open" in standing.output


def test_what_the_closed_window_left_is_embedded_when_it_opens(make_kb: MakeKb, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = make_kb({"a.md": "Visitors may stay until eight.\n"}, schedule={"enabled": True})
    sensor = embed_again_sensor(waiting, jobs_of(waiting)["embed"], enabled=True)
    with open_instance(session.settings()) as instance:
        kb("close", "--for", "1h")
        day = waiting.today()
        report = refresh_once(waiting, day.isoformat(), None, quiet=True)
        assert (report["vectors"]["left"], report["release"], exit_code(report)) == (1, None, 6)
        assert "closed until" in tick(sensor, instance)
        kb("open", "--for", "1h", "--reason", "visiting hours are urgent")
        due = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(due, dg.RunRequest)
        assert due.partition_key in {day.isoformat(), waiting.today().isoformat()}  # midnight may pass
        assert refresh_once(waiting, None, None, quiet=True)["promoted"]
        assert "has had its run" in tick(sensor, instance)
        kb("open", "--for", "1h", "--reason", "opened anew, and nothing waits")
        assert "nothing waits" in tick(sensor, instance)
