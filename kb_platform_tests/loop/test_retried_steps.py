"""The database goes away within a step that the daemon runs, and comes back: the step is tried again, the run ends as if nothing had been.

The moment is not timed: the test holds the lock that the step needs, sees it wait, and ends the server then.
"""

import dagster as dg
import psutil
import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_home import open_instance
from kb_platform.local.environment import database_url, ensure_database
from kb_platform.local.postgres import running_postgres
from kb_platform.settings import Settings
from kb_platform.storage.captured_files import captured_files
from kb_platform_tests.loop.everything import RETRIED, everything_up, runs_of
from kb_platform_tests.loop.pages import LAUNCH, ask
from kb_platform_tests.waiting import PATIENCE, wait_until

NAME, DAY = RETRIED, "2026-03-01"
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@pytest.fixture(scope="module")
def kb(home: Settings) -> KnowledgeBase:
    session.store(NAME)
    return session.knowledge_base(NAME)


def launch(pages: str, asset: str) -> str:
    tags = [{"key": "dagster/partition", "value": DAY}]
    selector = {"repositoryLocationName": "kb_platform", "repositoryName": "__repository__", "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": [NAME, "docs", asset]}], "assetCheckSelection": []}
    params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = ask(pages, LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["runId"]


def end_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    def ended() -> dg.DagsterRun | None:
        run = instance.get_run_by_id(run_id)
        return run if run and run.status in ENDED else None

    run = wait_until(ended, "the run has ended", every=0.5)
    assert run
    return run


def kill_postgres(home: Settings) -> None:
    server = running_postgres(home.home)
    assert server is not None
    victims = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=PATIENCE)


def test_what_cannot_pass_is_tried_once_by_step_and_daemon(home: Settings, pages: str, kb: KnowledgeBase) -> None:
    moved = (kb.folder / "documents").rename(kb.folder / "moved")
    try:
        with open_instance(home) as instance:
            before = runs_of(instance, NAME)
            run = end_of(instance, launch(pages, "raw_documents"))
            assert (run.status, run.tags["dagster/max_retries"]) == (dg.DagsterRunStatus.FAILURE, "0")
            failed = [e.dagster_event for e in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)]
            assert len(failed) == 1
            said = failed[0] and failed[0].step_failure_data.user_failure_data
            assert said and str(kb.folder / "documents") in (said.description or "")
            assert runs_of(instance, NAME) - before == {run.run_id}
    finally:
        moved.rename(kb.folder / "documents")


def test_a_step_outlives_a_restart_of_the_database(home: Settings, pages: str, kb: KnowledgeBase) -> None:
    with open_instance(home) as instance:
        before = runs_of(instance, NAME)
    with psycopg.connect(database_url(home), autocommit=True) as connection:
        connection.execute(f"begin; lock table kb_{NAME}.turn_of_capture in exclusive mode".encode())  # which entering a capture needs
        run_id = launch(pages, "raw_documents")
        waits = "select exists (select from pg_locks where locktype = 'relation' and not granted)"
        wait_until(lambda: connection.execute(waits).fetchone() == (True,), "the step waits for the lock")
        kill_postgres(home)
        connection.close()
    ensure_database(home)
    with open_instance(home) as instance:
        run = end_of(instance, run_id)
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert runs_of(instance, NAME) - before == {run_id}
    assert [c.documents for c in captured_files(session.store(NAME).database, "docs")] == [1]
    everything_up(home)  # once all of it has found the database again
