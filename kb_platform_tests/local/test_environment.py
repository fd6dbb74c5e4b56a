"""The variables, Dagster's folder and what is done about runs that were cut off, against a real server."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus, job, op
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.events.log import EventLogEntry
from dagster._core.launcher.base import WorkerStatus

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local.dagster_home import open_instance, write_dagster_home
from kb_platform.local.databases import VECTOR, in_database
from kb_platform.local.environment import database_url, ensure_database, environment, is_embedded
from kb_platform.local.orphans import PROCESS_TAG, fail_abandoned_runs, fail_orphaned_runs, launched_tags, process_tags
from kb_platform.local.places import make_home
from kb_platform.local.postgres import ensure_postgres, running_postgres
from kb_platform.settings import Settings, export, inherited_environment
from kb_platform_tests.local.conftest import REPOSITORY, rows


@op
def nothing() -> None: ...


@job
def work() -> None:
    nothing()


def external(home: Path, url: str, **more: str) -> Settings:
    return Settings.model_validate({"home": home, "database_url": url, **more})


def test_children_find_everything_by_their_variables(running_home: Path) -> None:
    settings = Settings(home=running_home)
    url = ensure_postgres(running_home).url()
    found = environment(settings)
    assert found["KB_DATABASE_URL"] == url
    assert found["DAGSTER_PG_URL"] == "postgresql+psycopg2" + url.removeprefix("postgresql").removesuffix("kb") + "dagster"
    assert (found["KB_HOME"], found["DAGSTER_HOME"]) == (str(running_home), str(running_home / "dagster"))
    assert found["KB_OBJECT_STORE"] == str(running_home / "objects")
    make_home(running_home)
    write_dagster_home(running_home)
    asked = _variables_of(yaml.safe_load((running_home / "dagster" / "dagster.yaml").read_text()))
    assert asked
    assert set(found) >= set(asked)


def _variables_of(node: object) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _variables_of(item)]
    if isinstance(node, dict):
        return [node["env"]] if set(node) == {"env"} else [name for item in node.values() for name in _variables_of(item)]
    return []


def test_a_home_whose_variables_come_back_is_still_its_own(running_home: Path) -> None:
    variables = environment(Settings(home=running_home))
    export(variables)
    assert Settings().home == running_home
    assert is_embedded(Settings())
    assert environment(Settings()) == variables
    assert inherited_environment({"KB_HOME": "x"}) == {**os.environ, "KB_HOME": "x"}


def test_servers_are_started_anew_with_another_window(running_home: Path) -> None:
    usual = environment(Settings(home=running_home))
    nights = environment(Settings(home=running_home, gpu_hours="20:00-06:00", gpu_slots=4))
    assert {name: value for name, value in nights.items() if name not in usual} == {"KB_GPU_HOURS": "20:00-06:00", "KB_GPU_SLOTS": "4"}
    apart = environment(Settings(home=running_home, steps="processes", compute="{redo: 1}"))
    assert {name: value for name, value in apart.items() if name not in usual} == {"KB_STEPS": "processes", "KB_COMPUTE": "{redo: 1}"}


def test_without_a_server_there_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="start it with `kb up`"):
        environment(Settings(home=tmp_path))


def test_an_external_server_is_used_as_it_is_and_none_is_started(running_home: Path, new_home: Callable[[str], Path]) -> None:
    server, other = ensure_postgres(running_home), new_home("other")
    settings = external(other, server.url() + "?application_name=kb", dagster_database="dagster_2")
    assert not is_embedded(settings)
    assert ensure_database(settings) == database_url(settings) == server.url() + "?application_name=kb"
    assert environment(settings)["DAGSTER_PG_URL"].endswith("/dagster_2?application_name=kb")
    assert rows(server, "select current_database()", "dagster_2") == [("dagster_2",)]
    assert not other.exists()
    assert running_postgres(other) is None


def test_a_database_that_the_role_may_not_create_is_named_with_what_to_do(running_home: Path, tmp_path: Path) -> None:
    server = ensure_postgres(running_home)
    rows(server, "create role modest login password 'modest'")
    url = server.url().replace(f"kb:{server.password}", "modest:modest")
    with pytest.raises(StateError, match="create database dagster_3"):
        ensure_database(external(tmp_path, url, dagster_database="dagster_3"))
    ensure_database(external(tmp_path, url))


def test_a_refused_password_and_a_silent_server_are_two_errors_without_the_password(running_home: Path, tmp_path: Path) -> None:
    url = ensure_postgres(running_home).url()
    with pytest.raises(StateError, match="does not accept the password"):
        ensure_database(external(tmp_path, in_database(url, "kb").replace("kb:", "kb:not")))
    with pytest.raises(TransientError) as caught:
        ensure_database(external(tmp_path, "postgresql://kb:hidden@127.0.0.1:1/kb"))
    assert "hidden" not in str(caught.value)


def test_the_vector_extension_is_there_for_a_second_look_too(running_home: Path) -> None:
    url = ensure_postgres(running_home).url()
    ensure_postgres(running_home)
    with psycopg.connect(url) as connection:
        installed, newest = connection.execute(VECTOR).fetchone() or ("", None)
    assert installed == newest


def test_homes_get_the_checkouts_dagster_yaml_and_where_to_keep_things(tmp_path: Path) -> None:
    make_home(tmp_path)
    workspace = write_dagster_home(tmp_path)
    config = yaml.safe_load((tmp_path / "dagster" / "dagster.yaml").read_text())
    shared = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert {key: config.pop(key) for key in shared} == shared
    assert set(config) == {"storage", "local_artifact_storage", "compute_logs", "run_launcher"}
    both = (workspace, REPOSITORY / "workspace.yaml")
    own, checkout = (yaml.safe_load(path.read_text())["load_from"][0]["python_module"] for path in both)
    assert own.pop("working_directory") == str(REPOSITORY)
    assert checkout.pop("working_directory") == "."
    assert own == checkout == {"module_name": "kb_platform.definitions", "location_name": "kb_platform"}


def test_dagster_accepts_the_instance_and_keeps_its_runs_in_postgres(running_home: Path) -> None:
    ensure_postgres(running_home)
    with open_instance(Settings(home=running_home)) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert instance.root_directory == str(running_home / "dagster")
        assert not instance.telemetry_enabled


def test_runs_cut_off_with_the_daemon_are_failed_and_others_left_alone(running_home: Path) -> None:
    ensure_postgres(running_home)
    settings, daemons = Settings(home=running_home), launched_tags(running_home)
    before = ((DagsterRunStatus.STARTED, daemons), (DagsterRunStatus.SUCCESS, daemons), (DagsterRunStatus.STARTED, {}))
    with open_instance(settings) as instance:
        made = [instance.create_run_for_job(work, status=status, tags=tags).run_id for status, tags in before]
    assert fail_orphaned_runs(settings) == 1
    assert fail_orphaned_runs(settings) == 0
    with open_instance(settings) as instance:
        statuses = [instance.get_run_by_id(run_id).status for run_id in made]  # pyright: ignore[reportOptionalMemberAccess]
    assert statuses == [DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS, DagsterRunStatus.STARTED]


def test_a_killed_commands_run_is_failed_by_the_next_one_and_keeps_no_place_in_the_queue(running_home: Path) -> None:
    killed_elsewhere = running_home / "dagster" / "commands" / "of another container"
    with open_instance(Settings(home=running_home)) as instance, process_tags(running_home) as living:
        killed_elsewhere.touch()
        others = [
            changed(living, mark="another start", lock=""),
            changed(living, mark="another start", lock="", host="another machine"),
            changed(living, host="another container", lock=killed_elsewhere.name),
            changed(living, mark="another start", host="another container"),
            {PROCESS_TAG: "no JSON"},
        ]
        made = [instance.create_run_for_job(work, status=DagsterRunStatus.STARTED, tags=tags).run_id for tags in (living, *others)]
        assert [fail_abandoned_runs(instance, running_home), fail_abandoned_runs(instance, running_home)] == [2, 0]
        failed = [n for n, run_id in enumerate(made) if status_of(instance, run_id) is DagsterRunStatus.FAILURE]
        for run_id in made:
            instance.delete_run(run_id)
    assert failed == [1, 3]
    assert not killed_elsewhere.exists()


def test_a_repeated_run_is_not_taken_for_the_killed_one_whose_tags_it_has(running_home: Path) -> None:
    with open_instance(Settings(home=running_home)) as instance, process_tags(running_home) as living:
        tags = changed(living, mark="another start", lock="")
        parent = instance.create_run_for_job(work, status=DagsterRunStatus.FAILURE, tags=tags).run_id
        again = instance.create_run_for_job(work, status=DagsterRunStatus.STARTED, tags=tags, parent_run_id=parent, root_run_id=parent).run_id
        assert fail_abandoned_runs(instance, running_home) == 0
        instance.delete_run(again)


@pytest.mark.parametrize(("since", "ends"), [(1.0, True), (1e10, False)])
def test_monitoring_sees_a_launched_run_whose_process_is_gone(running_home: Path, since: float, ends: bool) -> None:
    """The pid is this very process's: one that was there when the run began, or one that got the pid later."""

    with open_instance(Settings(home=running_home)) as instance:
        run = instance.create_run_for_job(work, status=DagsterRunStatus.STARTED, tags=launched_tags(running_home))
        assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING  # it has not said its pid yet
        pid, name = os.getpid(), run.job_name
        event = DagsterEvent(DagsterEventType.ENGINE_EVENT.value, name, message=f"Started process for run (pid: {pid}).",
                             event_specific_data=EngineEventData.in_process(pid))
        instance.store_event(EventLogEntry(None, "info", "", run.run_id, since, None, name, event))
        found = instance.run_launcher.check_run_worker_health(run).status
        instance.delete_run(run.run_id)
    assert (found is WorkerStatus.FAILED) == ends


def changed(tags: dict[str, str], **values: str) -> dict[str, str]:
    """Return the tags of a command, as another process would have them."""
    return {PROCESS_TAG: json.dumps(json.loads(tags[PROCESS_TAG]) | values)}


def status_of(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status
