"""People are told once of what needs them, with nothing of a document, not its name either."""

import datetime as dt
import json
from collections.abc import Iterator

import dagster as dg
import pytest

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.cli.runs import _definitions as definitions_of
from kb_platform.components.knowledge_base.alert_sensor import overdue
from kb_platform.components.knowledge_base.schema import ScheduleModel
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform_tests.alerting.receivers import Webhook, webhook
from kb_platform_tests.flow.conftest import MakeKb
from kb_platform_tests.flow.steps import refresh_by_steps

ALERTS = {"alerts": {"webhook": "KB_ALERT_TEST"}}
PATIENT = "jane-doe-1950"
PAGES = {f"{name}.md": f"# {name}\n\nThe {name} is checked by the porter on Mondays.\n" for name in ("alarm", "badge", "cradle", "dialysis", "entrance", "fridge")}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as noted:
        monkeypatch.setenv("KB_ALERT_TEST", noted.url)
        yield noted


def tick(kb: KnowledgeBase, cursor: str | None) -> tuple[str, str]:
    """Let the sensor look once, as the daemon does; return its new cursor and what it says."""
    repository = definitions_of(kb).get_repository_def()
    with open_instance(session.settings()) as instance, dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor) as context:
        said = repository.get_sensor_def(f"{kb.name}_alerts")(context)
        assert isinstance(said, dg.SkipReason)
        return context.cursor or "", said.skip_message or ""


def test_a_stopped_candidate_unreadable_files_and_failed_runs_are_told_once_each(make_kb: MakeKb, hook: Webhook) -> None:
    kb = make_kb(PAGES, gate={"max_failed_share": 1}, **ALERTS)
    assert refresh_by_steps(kb, kb.today().isoformat()).promoted
    cursor, said = tick(kb, None)
    assert (hook.texts, said) == ([], "0 told")
    documents = kb.folder / "documents"
    for name in list(PAGES)[:5]:
        (documents / name).unlink()
    (documents / f"{PATIENT}.pdf").write_bytes(b"%PDF-1.4 broken")
    assert not refresh_once(kb, None, None, quiet=True)["promoted"]
    hook.answers = [503]
    waiting, said = tick(kb, cursor)
    assert "the webhook answers 503" in said and hook.url not in said and "secret" not in waiting
    hook.answers, hook.bodies = [200], []
    told, said = tick(kb, waiting)
    assert said.startswith("2 told")
    assert sorted(hook.texts) == [
        f"{kb.name}: 1 more file of source docs cannot be read, 1 in all; what was readable of them before stays searchable. See `kb review list {kb.name}`.",
        f"{kb.name}: the gate churn says inconclusive of release 2 (measured 0.833, limit 0.15); readers still see release 1. See `kb report {kb.name} --release 2`.",
    ]
    assert PATIENT not in json.dumps(hook.bodies) + told
    assert tick(kb, told)[1] == "0 told"

    (kb.folder / "documents").rename(kb.folder / "elsewhere")
    assert refresh_once(kb, None, None, quiet=True)["errors"]
    hook.bodies = []
    last, _ = tick(kb, told)
    (kb.folder / "elsewhere").rename(kb.folder / "documents")
    (text,) = hook.texts
    assert text.startswith(f"{kb.name}: run ") and f"of {kb.name}_ingest failed" in text
    assert tick(kb, last)[1] == "0 told"


@pytest.mark.parametrize(("enabled", "utc", "due"), [
    (True, "2026-03-02T08:00", "2026-03-02 02:00"), (True, "2026-03-02T06:00", "2026-03-01 02:00"), (True, "2026-01-01T06:00", None),
    (False, "2026-03-02T08:00", None),
])
def test_a_scheduled_refresh_that_did_not_happen_is_overdue_after_its_hours(make_kb: MakeKb, enabled: bool, utc: str, due: str | None) -> None:
    kb, schedule = make_kb(PAGES, timezone="Europe/Berlin"), ScheduleModel(cron="0 2 * * *", enabled=enabled)
    with dg.DagsterInstance.ephemeral() as instance:
        found = overdue(instance, kb, schedule, 6, dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC))
    assert [alert.text.split(" (")[0] for alert in found] == ([f"{kb.name}: the refresh of {due}"] if due else [])


def test_a_refresh_that_happened_is_not_overdue(make_kb: MakeKb) -> None:
    kb, schedule = make_kb(PAGES, timezone="Europe/Berlin"), ScheduleModel(cron="0 * * * *", enabled=True)
    with dg.DagsterInstance.ephemeral() as instance:
        assert overdue(instance, kb, schedule, 1, dt.datetime.now(dt.UTC))
        run = instance.create_run_for_job(definitions_of(kb).resolve_job_def(f"{kb.name}_release"), status=dg.DagsterRunStatus.STARTED)
        assert overdue(instance, kb, schedule, 1, dt.datetime.now(dt.UTC)), "one that goes on has judged nothing"
        instance.report_run_failed(run)
        assert not overdue(instance, kb, schedule, 1, dt.datetime.now(dt.UTC)), "that it failed is told by itself"


def test_a_test_shows_whether_alerts_arrive(make_kb: MakeKb, hook: Webhook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kb = make_kb(PAGES, **ALERTS)
    assert app(["alerts", "test", kb.name], standalone_mode=False) in (None, 0)
    assert hook.texts == [f"{kb.name}: this is a test of its alerts. Nothing is wrong."]
    assert capsys.readouterr().out == "1 of 1 told\n"
    hook.answers = [404]
    with pytest.raises(KbError, match="the webhook answers 404"):
        app(["alerts", "test", kb.name], standalone_mode=False)
    monkeypatch.delenv("KB_ALERT_TEST")
    with pytest.raises(KbError, match="KB_ALERT_TEST is not set"):
        app(["alerts", "test", kb.name], standalone_mode=False)
    with pytest.raises(KbError, match="has no alerts"):
        app(["alerts", "test", make_kb(PAGES, "b").name], standalone_mode=False)


@pytest.mark.parametrize(("written", "said"), [
    ({}, "names no way to reach anybody"), ({"webhook": "https://hooks.example.org/x"}, "expected what matches"), ({"email": ["nobody"]}, "expected an e-mail address"),
    ({"command": ["x"], "events": ["all"]}, "found 'all'; expected"), ({"command": ["x"], "overdue_hours": 0}, "expected more than 0"),
])
def test_wrong_alerts_are_refused(make_kb: MakeKb, written: dict[str, object], said: str) -> None:
    with pytest.raises(KbError, match=said):
        make_kb(PAGES, alerts=written)
