"""Up, status and down: real Postgres, webserver and daemon, started once for the file (Dagster takes seconds to start)."""

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import processes, supervisor
from kb_platform.local.dagster_pages import CodeLocation, answers
from kb_platform.local.supervisor import Standing, down, status, up
from kb_platform.settings import Settings
from kb_platform_tests.local.conftest import folder_for_all

DEFINITIONS = """
import os
import dagster as dg

@dg.asset(description=os.environ["KB_HOME"])
def quick(): ...

defs = dg.Definitions(assets=[quick])
"""


@dataclass
class Running:
    settings: Settings
    workspace: Path
    messages: list[str]
    standing: Standing

    def pids(self) -> dict[str, int | None]:
        return {service.name: service.pid for service in status(self.settings).services}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Start everything over two code locations, of which one does not load."""
    with folder_for_all() as folder:
        (folder / "good.py").write_text(DEFINITIONS)
        (folder / "bad.py").write_text("import no_such_module")
        modules = [{"module_name": name, "working_directory": str(folder), "location_name": name} for name in ("good", "bad")]
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": m} for m in modules]}))
        settings, messages = Settings(home=folder / "home"), []
        try:
            yield Running(settings, folder / "workspace.yaml", messages,
                          up(settings, workspace=folder / "workspace.yaml", report=messages.append))
        finally:
            down(settings, wipe=True)


def ask(url: str, query: str) -> dict:
    request = Request(f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as response:
        return json.load(response)["data"]


def test_up_serves_dagsters_pages_over_the_code(running: Running) -> None:
    found = ask(running.standing.pages, "{ version assetNodes { assetKey { path } description } }")
    assert found["assetNodes"] == [{"assetKey": {"path": ["quick"]}, "description": str(running.settings.home)}]


def test_up_says_what_it_is_waiting_for(running: Running) -> None:
    assert running.messages == [
        "starting Postgres", "starting Dagster's webserver", "starting Dagster's daemon",
        "waiting for Dagster's pages to load the code", "waiting for Dagster's daemon",
    ]


def test_code_that_does_not_load_is_named_with_its_error(running: Running) -> None:
    good, bad = sorted(running.standing.code_locations, key=lambda location: location.name, reverse=True)
    assert good == CodeLocation("good", None)
    assert bad.name == "bad"
    assert "no_such_module" in (bad.error or "")


def test_the_daemons_loops_are_alive(running: Running) -> None:
    found = ask(running.standing.pages, "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }")
    loops = found["instance"]["daemonHealth"]["allDaemonStatuses"]
    assert {loop["daemonType"] for loop in loops if loop["healthy"]} >= {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"}
    assert not [loop for loop in loops if loop["required"] and not loop["healthy"]]


def test_nothing_listens_beyond_the_loopback(running: Running) -> None:
    listening = []
    for pid in running.pids().values():
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            found = process.net_connections(kind="inet")
            listening += [s.laddr.ip for s in found if s.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1", "127.0.0.1"]  # Postgres and the pages; code servers listen on files


def test_no_argument_of_any_process_holds_the_password(running: Running) -> None:
    password = json.loads((running.settings.home / "secrets.json").read_text())["postgres_password"]
    assert not [p.pid for p in psutil.process_iter(["cmdline"]) if password in " ".join(p.info["cmdline"] or [])]


def test_up_again_leaves_what_runs_alone(running: Running) -> None:
    before = running.pids()
    assert None not in before.values()
    messages: list[str] = []
    again = up(running.settings, workspace=running.workspace, report=messages.append)
    assert again.pages == running.standing.pages
    assert running.pids() == before
    assert messages == ["waiting for Dagster's pages to load the code", "waiting for Dagster's daemon"]


def test_only_the_daemon_that_was_killed_is_started_again(running: Running) -> None:
    before = running.pids()
    assert before["daemon"] is not None
    os.kill(before["daemon"], signal.SIGKILL)
    while (now := running.pids())["daemon"] is not None:
        pass
    assert (now["webserver"], now["postgres"]) == (before["webserver"], before["postgres"])
    up(running.settings, workspace=running.workspace)
    after = running.pids()
    assert after["daemon"] not in (None, before["daemon"])
    assert (after["webserver"], after["postgres"]) == (before["webserver"], before["postgres"])


def test_a_port_of_the_pages_that_is_taken_is_refused(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings.model_validate({**running.settings.model_dump(), "dagster_port": other.getsockname()[1]})
        with pytest.raises(StateError, match="taken by another program"):
            up(settings, workspace=running.workspace)


def test_down_leaves_nothing_running_and_wipe_nothing_lying(running: Running) -> None:
    home = running.settings.home
    records = [processes.load(home / "dagster" / f"{name}.json") for name in supervisor.SERVICES]
    down(running.settings)
    assert set(running.pids().values()) == {None}
    assert not answers(running.standing.pages)
    assert not [p for record in records if record for p in processes.session(record)]
    assert status(running.settings).code_locations == ()
    assert (home / "postgres" / "data").exists()
    (home / "objects" / "document").write_text("x")
    down(running.settings, wipe=True)
    assert not home.exists()
    down(running.settings, wipe=True)


def test_the_status_of_a_home_that_does_not_exist_is_that_nothing_runs(tmp_path: Path) -> None:
    standing = status(Settings(home=tmp_path / "none"))
    assert {service.name: service.pid for service in standing.services} == {"postgres": None, "webserver": None, "daemon": None}
    assert (standing.pages, standing.code_locations) == ("", ())
    assert not (tmp_path / "none").exists()


def test_wiping_spares_what_the_platform_did_not_put_there(new_home_with_a_note: Path) -> None:
    down(Settings(home=new_home_with_a_note), wipe=True)
    assert [path.name for path in new_home_with_a_note.iterdir()] == ["mine.txt"]


@pytest.fixture
def new_home_with_a_note(open_folder: Path) -> Path:
    home = open_folder / "home"
    (home / "logs").mkdir(parents=True)
    (home / "mine.txt").write_text("x")
    return home


def test_a_service_that_ends_while_starting_is_an_error_with_its_last_words(open_folder: Path) -> None:
    (open_folder / "logs").mkdir()
    (open_folder / "dagster").mkdir()
    argv = [sys.executable, "-c", "raise SystemExit('no such workspace')"]
    record = processes.start(argv, environment={}, log=open_folder / "logs" / "webserver.log", folder=open_folder)
    record.save(open_folder / "dagster" / "webserver.json")
    with pytest.raises(StateError, match=r"webserver stopped while starting: no such workspace"):
        supervisor._wait(open_folder, "webserver", lambda: False, 60)


def test_a_service_that_takes_too_long_is_an_error_and_down_ends_it(home: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    try:
        with pytest.raises(TransientError, match="did not answer within 0 s"):
            up(Settings(home=home), workspace=workspace, patience=0)
    finally:
        shutil.copy(home / "dagster" / "daemon.json", tmp_path)
        down(Settings(home=home))
    assert not processes.is_running(processes.load(tmp_path / "daemon.json"))


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("box", "box")],
)
def test_pages_are_asked_for_where_they_can_be_reached(host: str, reachable: str) -> None:
    assert supervisor._url(host, 8) == f"http://{reachable}:8"
