"""Ports and the lock."""

import socket
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

from kb_platform.knowledge.errors import StateError
from kb_platform.local import ports, programs, supervisor
from kb_platform.local.lock import exclusive
from kb_platform.local.postgres import silent
from kb_platform.settings import Settings
from kb_platform_tests.local.conftest import python
from kb_platform_tests.waiting import PATIENCE


def test_the_remembered_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "port")
    assert ports.remembered(tmp_path / "port") == first
    assert ports.choose(tmp_path / "port") == first
    with socket.create_server(("127.0.0.1", first)):
        assert not ports.is_free(first)
        second = ports.choose(tmp_path / "port")
    assert second != first
    assert ports.choose(tmp_path / "port") == second


def test_no_outgoing_connection_takes_the_port_of_a_server_that_is_down_for_a_moment(tmp_path: Path) -> None:
    chosen = [ports.choose(tmp_path / str(number)) for number in range(20)]
    assert len(set(chosen)) > 1
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = server.getsockname()[1]  # by the system, as to outgoing connections
    assert max(chosen) < min(given, 32_768)


@pytest.mark.parametrize("written", ["x", "", "0", "-5", "99999", "\udcff"])
def test_no_port_is_remembered_where_nothing_useful_is_written(tmp_path: Path, written: str) -> None:
    (tmp_path / "port").write_text(written, errors="surrogateescape")
    assert ports.remembered(tmp_path / "port") is None
    assert ports.remembered(tmp_path / "missing") is None


def test_a_running_server_keeps_its_port_unless_another_is_wanted_and_a_wanted_one_that_is_taken_is_an_error(tmp_path: Path) -> None:
    memory = tmp_path / "port"
    first = ports.for_server(memory, runs=False)
    with socket.create_server(("127.0.0.1", first)):
        assert ports.for_server(memory, runs=True) == ports.for_server(memory, runs=True, wanted=first) == first
        with pytest.raises(StateError, match=f"KB_X: port {first} is taken by another program"):
            ports.for_server(memory, runs=False, wanted=first, variable="KB_X")
        assert ports.remembered(memory) == first
        other = ports.for_server(tmp_path / "other", runs=False)
        assert ports.for_server(memory, runs=True, wanted=other) == ports.remembered(memory) == other


def test_a_port_whose_connections_are_still_closing_counts_as_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()  # the side that closes first waits for stray packets
        client.close()
    assert ports.is_free(port)


@pytest.mark.parametrize("times", [1, 9])
def test_a_port_that_somebody_takes_before_the_server_does_is_replaced(tmp_path: Path, times: int) -> None:
    for folder in ("dagster", "logs"):
        (tmp_path / folder).mkdir()
    others: list[socket.socket] = []

    def bring_up() -> None:
        port = ports.choose(tmp_path / "port")

        def somebody_takes_it() -> str:
            if len(others) < times:
                others.append(socket.create_server(("127.0.0.1", port)))
            return ""

        def answers() -> bool:
            try:
                with urlopen(f"http://127.0.0.1:{port}", timeout=0.5) as response:
                    return response.status == 200
            except OSError:
                return False

        argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        program = programs.Program("pages", "the server", argv, {}, {}, answers, "waiting", somebody_takes_it)
        programs.ensure(tmp_path, program, silent)
        programs.wait(tmp_path, program, silent, PATIENCE)

    try:
        if times == 1:
            programs.on_free_ports(bring_up)
            assert ports.remembered(tmp_path / "port") != others[0].getsockname()[1]
            assert programs.running(tmp_path, "pages")
        else:
            with pytest.raises(StateError, match="Address already in use"):
                programs.on_free_ports(bring_up)
            assert len(others) == programs.CHOICES
    finally:
        programs.stop(tmp_path, ["pages"])
        for other in others:
            other.close()


def test_what_another_ones_server_answers_is_no_answer_of_a_program_that_could_not_listen(tmp_path: Path) -> None:
    for folder in ("dagster", "logs"):
        (tmp_path / folder).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as others:
        argv = [sys.executable, "-m", "http.server", str(others.getsockname()[1]), "--bind", "127.0.0.1"]
        program = programs.Program("pages", "the server", argv, {}, {}, lambda: True, "waiting")
        waits = [sys.executable, "-c", "import time; time.sleep(3000)"]
        later = programs.Program("later", "a slow one", waits, {}, {}, lambda: programs.running(tmp_path, "pages") is None, "waiting")
        try:
            with pytest.raises(programs.PortTaken, match="Address already in use"):
                supervisor._all_up(Settings(home=tmp_path), None, [program, later], silent, PATIENCE)
        finally:
            programs.stop(tmp_path, ["later"])


def test_a_second_holder_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with exclusive(tmp_path / "lock"):
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    path, held = tmp_path / "lock", threading.Event()

    def second() -> None:
        with exclusive(path):
            assert path.exists()
            held.set()

    thread = threading.Thread(target=second)
    with exclusive(path):
        thread.start()
        path.unlink()
    thread.join()
    assert held.is_set()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from kb_platform.local.lock import exclusive
with exclusive(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    python(code, tmp_path / "lock").communicate()
    with exclusive(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
