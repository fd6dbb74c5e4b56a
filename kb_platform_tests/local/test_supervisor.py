"""Up, status and down: real Postgres, webserver and daemon, started once for the file (Dagster takes seconds to start)."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import psutil
import pytest
import yaml

from kb_platform.cli import session
from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import processes, review_service, search_api, supervisor
from kb_platform.local.dagster_pages import CodeLocation, answers
from kb_platform.local.environment import ensure_database, environment
from kb_platform.local.places import make_home
from kb_platform.local.postgres import silent
from kb_platform.local.programs import Program, record_path, wait
from kb_platform.local.review_service import platform_variables, port_of, reviewers_file
from kb_platform.local.supervisor import Standing, down, reviews_down, reviews_up, status, up
from kb_platform.serving.address import find_address
from kb_platform.settings import Settings
from kb_platform_tests.local.conftest import folder_for_all, python
from kb_platform_tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.random_order(disabled=True)  # one home for all, which the last ones take down
WAITING = ["waiting for the review worker", "waiting for the review gateway", "waiting for Dagster's pages to load the code",
           "waiting for Dagster's daemon", "waiting for the search API"]
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


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


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


def listens_on(process: psutil.Process) -> list[str]:
    try:
        return [s.laddr.ip for s in process.net_connections(kind="inet") if s.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:  # a backend of Postgres, or a child of the daemon, that has come and gone
        return []


def ask(url: str, query: str) -> dict:
    request = Request(f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)["data"]


def test_up_serves_dagsters_pages_over_the_code(running: Running) -> None:
    found = ask(running.standing.pages, "{ version assetNodes { assetKey { path } description } }")
    assert found["assetNodes"] == [{"assetKey": {"path": ["quick"]}, "description": str(running.settings.home)}]


def test_up_says_what_it_is_waiting_for(running: Running) -> None:
    assert running.messages == [
        "starting Postgres", "starting Temporal", "starting Dagster's webserver", "starting Dagster's daemon", "starting the search API",
        "waiting for Temporal",
        "starting the review worker", "starting the review gateway", *WAITING,
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


def test_the_pages_answer_to_the_names_of_the_loopback_only(running: Running) -> None:
    port = running.standing.pages.rpartition(":")[2]
    query, asked = {"query": "{ version }"}, f"{running.standing.pages}/graphql"
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", f"localhost.evil.example:{port}", "127.0.0.1@evil.example", "", "[::1"):
        assert httpx.post(asked, json=query, headers={"Host": host}).status_code in (400, 421), host
        assert httpx.get(f"{running.standing.pages}/server_info", headers={"Host": host}).status_code in (400, 421), host
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert httpx.post(asked, json=query, headers={"Host": host}).status_code == 200, host
    assert httpx.post(asked, json=query, headers={"Origin": running.standing.pages}).status_code == 200
    assert httpx.post(asked, json=query, headers={"Origin": "https://evil.example"}).status_code == 421
    assert httpx.get(f"{running.standing.reviews}/healthz", headers={"Host": "evil.example"}).status_code == 421


def test_nothing_listens_beyond_the_loopback(running: Running) -> None:
    listening = [ip for pid in running.pids().values() for p in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
                 for ip in listens_on(p)]
    assert len(listening) >= 10  # Postgres, the pages, Temporal and its pages, worker, gateway and search API with their health; code servers listen on files
    assert set(listening) == {"127.0.0.1"}


def test_no_argument_of_any_process_and_no_log_holds_a_secret(running: Running) -> None:
    found = json.loads((running.settings.home / "secrets.json").read_text())
    people = json.loads(reviewers_file(running.settings.home).read_text())["reviewers"]
    secrets = [found["postgres_password"], found["review_key"], found["audit_key"], *(person["passphrase"] for person in people)]
    arguments = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    logs = [path.read_text(errors="replace") for path in (running.settings.home / "logs").iterdir()]
    assert not [text for text in arguments + logs for secret in secrets if secret in text]


def test_what_reviews_keep_is_closed_to_others(running: Running) -> None:
    home = running.settings.home
    closed = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home / "review", home / "secrets.json", reviewers_file(home))}
    assert closed == {"review": 0o700, "secrets.json": 0o600, "reviewers.json": 0o600}


def test_the_gateway_knows_the_reviewers_of_the_file(running: Running) -> None:
    person = next(p for p in json.loads(reviewers_file(running.settings.home).read_text())["reviewers"] if p["roles"] == ["kb-reviewer"])
    answer = httpx.get(f"{running.standing.reviews}/api/v1/cases", auth=(person["id"], person["passphrase"]), timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (200, {"cases": [], "total": 0})
    assert httpx.get(f"{running.standing.reviews}/api/v1/cases", auth=(person["id"], "guess"), timeout=PATIENCE).status_code == 401


def test_the_search_api_answers_and_commands_of_the_home_find_it(running: Running) -> None:
    assert httpx.get(f"{running.standing.search}/v1", timeout=PATIENCE).json() == {"knowledge_bases": ["handbook"]}
    assert httpx.get(f"{running.standing.search}/v1", headers={"Host": "evil.example"}, timeout=PATIENCE).status_code == 421
    here = find_address(running.settings.home, str(running.settings.defs), None)
    assert here is not None
    assert f"http://{here.host}:{here.port}" == running.standing.search
    assert "KB_REVIEW_KEYS" not in psutil.Process(running.pids()["search-api"]).environ()


def test_a_second_search_api_does_not_take_the_place_of_the_first(running: Running, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    own = {k: v for k, v in os.environ.items() if not k.startswith("KB_")} | environment(running.settings) | {"KB_SERVE_PORT": str(port), "KB_SERVE_OPEN": "false"}
    with (tmp_path / "said").open("w+") as said:
        second = subprocess.Popen([sys.executable, "-c", "from kb_platform.cli import main; main()", "serve", "--json"], env=own, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: second.poll() is not None or '"url"' in (tmp_path / "said").read_text(), "the second one listens")
            assert httpx.get(f"http://127.0.0.1:{port}/v1", timeout=PATIENCE).status_code == 401, (tmp_path / "said").read_text()
        finally:
            second.terminate()
            second.wait(PATIENCE)
    assert search_api.url(running.settings) == running.standing.search
    assert {service.name: service.address for service in status(running.settings).services}["search-api"] == running.standing.search


def test_the_platforms_processes_find_temporal_and_the_trail(running: Running) -> None:
    home, found = running.settings.home, environment(running.settings)
    assert found["KB_REVIEW_TEMPORAL_ADDRESS"] == running.standing.address("temporal")
    assert Path(found["KB_REVIEW_AUDIT_SEALS"]).is_file()
    daemon = psutil.Process(running.pids()["daemon"]).environ()
    assert {name: daemon.get(name) for name in platform_variables(running.settings)} == platform_variables(running.settings)
    assert "KB_REVIEW_AUDIT_KEY" not in daemon
    assert json.loads((home / "secrets.json").read_text())["audit_key"] not in daemon.values()


def test_variables_that_come_back_from_kb_env_name_the_homes_own_temporal(running: Running) -> None:
    found = platform_variables(running.settings)
    ours = {"home": running.settings.home, "review_temporal_address": "127.0.0.1:1", "review_keys": found["KB_REVIEW_KEYS"]}
    assert platform_variables(Settings.model_validate(ours)) == found
    other = Settings.model_validate({**ours, "review_keys": None})
    assert platform_variables(other) == {}
    assert {s.name for s in status(other).services} == {"postgres", "webserver", "daemon", "search-api"}


def test_up_again_leaves_what_runs_alone(running: Running) -> None:
    before = running.pids()
    assert None not in before.values()
    messages: list[str] = []
    again = up(running.settings, workspace=running.workspace, report=messages.append)
    assert again.pages == running.standing.pages
    assert running.pids() == before
    assert messages == ["waiting for Temporal", *WAITING]


def test_only_the_daemon_that_was_killed_is_started_again(running: Running) -> None:
    before = running.pids()
    kill(before["daemon"])
    wait_until(lambda: running.pids()["daemon"] is None, "the daemon is gone")
    now = running.pids()
    assert (now["webserver"], now["postgres"]) == (before["webserver"], before["postgres"])
    up(running.settings, workspace=running.workspace)
    after = running.pids()
    assert after["daemon"] not in (None, before["daemon"])
    assert (after["webserver"], after["postgres"]) == (before["webserver"], before["postgres"])


def test_up_mends_reviews_whose_processes_were_killed(running: Running) -> None:
    before = running.pids()
    killed = ("temporal", "review-worker", "review-gateway")
    for name in killed:
        kill(before[name])
    wait_until(lambda: not any(running.pids()[name] for name in killed), "they are gone")
    assert status(running.settings).reviews == ""
    after = up(running.settings, workspace=running.workspace)
    now = running.pids()
    assert all(now[name] not in (None, before[name]) for name in killed)
    assert {name: now[name] for name in now if name not in killed} == {name: before[name] for name in before if name not in killed}
    assert (after.reviews, after.address("temporal")) == (running.standing.reviews, running.standing.address("temporal"))


def test_ports_that_others_have_taken_meanwhile_are_replaced_and_two_homes_stand_side_by_side(running: Running) -> None:
    reviews_down(running.settings)
    taken = [port_of(running.settings.home, name) or 0 for name in ("temporal", "worker-metrics", "gateway")]
    with folder_for_all() as folder, ExitStack() as others:
        for port in taken:
            others.enter_context(socket.create_server(("127.0.0.1", port)))
        other = Settings(home=folder / "home")
        make_home(other.home)
        ensure_database(other)
        try:
            theirs = reviews_up(other)
            ours = up(running.settings, workspace=running.workspace)
            assert ours.reviews and theirs.reviews and ours.reviews != theirs.reviews
            assert not {port_of(running.settings.home, name) for name in ("temporal", "worker-metrics", "gateway")} & set(taken)
            daemon = psutil.Process(running.pids()["daemon"]).environ()
            assert daemon["KB_REVIEW_TEMPORAL_ADDRESS"] == ours.address("temporal") != theirs.address("temporal")
        finally:
            down(other, wipe=True)
    assert None not in running.pids().values()


def test_up_after_a_killed_postgres_starts_it_again_and_waits_for_the_pages_to_find_it(running: Running) -> None:
    before = running.pids()
    kill(before["postgres"])
    wait_until(lambda: running.pids()["postgres"] is None, "Postgres is gone")
    again = up(running.settings, workspace=running.workspace)
    assert running.pids()["postgres"] not in (None, before["postgres"])
    assert {location.name for location in again.code_locations} == {"good", "bad"}


def test_a_command_that_had_to_start_postgres_leaves_it_to_what_up_has_started(running: Running) -> None:
    before = running.pids()
    kill(before["postgres"])
    while running.pids()["postgres"] is not None:
        pass
    with session.use(running.settings), session.database_running():
        started = running.pids()["postgres"]
    assert running.pids() == before | {"postgres": started}
    assert started not in (None, before["postgres"])


def test_two_ups_at_once_after_everything_was_killed_bring_all_of_it_back(running: Running) -> None:
    before = running.pids()
    for pid in before.values():
        kill(pid)
    while any(pid is not None for pid in running.pids().values()):
        pass
    code = "import sys; from pathlib import Path; from kb_platform.local.supervisor import up; from kb_platform.settings import Settings; " \
           "up(Settings(home=Path(sys.argv[1])), workspace=Path(sys.argv[2]))"
    both = [python(code, running.settings.home, running.workspace) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    after = running.pids()
    assert all(pid not in (None, before[name]) for name, pid in after.items())


def test_a_port_of_the_pages_that_is_taken_is_refused(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings.model_validate({**running.settings.model_dump(), "dagster_port": other.getsockname()[1]})
        with pytest.raises(StateError, match="taken by another program"):
            up(settings, workspace=running.workspace)


def test_down_leaves_nothing_running_and_wipe_nothing_lying(running: Running) -> None:
    home = running.settings.home
    records = [processes.load(record_path(home, name)) for name in running.pids() if name != "postgres"]
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
    names = ("postgres", "webserver", "daemon", "search-api", "temporal", "review-worker", "review-gateway")
    assert {service.name: service.pid for service in standing.services} == dict.fromkeys(names)
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
    program = Program("webserver", "Dagster's webserver", argv, {}, {}, lambda: False, "waiting")
    with pytest.raises(StateError, match=r"webserver stopped while starting: no such workspace"):
        wait(open_folder, program, silent, 60)


def test_without_the_extra_for_reviews_up_says_so_and_starts_the_rest(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    monkeypatch.setattr(review_service, "NEEDED", ("no_such_package",))
    assert "no_such_package not installed; pip install 'kb-platform[local,review]'" in review_service.missing()
    chosen = Settings(home=open_folder / "home")
    assert review_service.prepare(chosen) is None
    standing = status(chosen)
    assert standing.note == review_service.missing()
    assert {service.name for service in standing.services} == {"postgres", "webserver", "daemon", "search-api"}


def test_a_service_that_takes_too_long_is_an_error_and_down_ends_it(home: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    try:
        with pytest.raises(TransientError, match="did not answer within 0 s"):
            up(Settings(home=home), workspace=workspace, patience=0)
    finally:
        shutil.copy(record_path(home, "temporal"), tmp_path)
        down(Settings(home=home))
    assert not processes.is_running(processes.load(tmp_path / "temporal.json"))


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("box", "box")],
)
def test_pages_are_asked_for_where_they_can_be_reached(host: str, reachable: str) -> None:
    assert supervisor._url(host, 8) == f"http://{reachable}:8"
