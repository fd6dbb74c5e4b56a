"""A test that takes its process along is one failure, and the run comes to its end, whenever processes die."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PASSES = "def test_passes(): pass\n"
DIES = "import os, signal\ndef test_before(): pass\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_after(): pass\n"
ALONE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


DIES_ONCE_COLLECTED = """import os, pathlib, pytest, signal, time
gone, name = pathlib.Path(__file__).with_name("gone"), os.environ.get("PYTEST_XDIST_WORKER")
def pytest_collection():
    while name == "gw1" and not gone.exists():
        time.sleep(0.01)
@pytest.hookimpl(trylast=True)  # once it has been said what was collected
def pytest_collection_finish():
    if name == "gw0":
        gone.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""
DIES_UNLESS_FIRST = """import os, signal
def pytest_collection():
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
        os.kill(os.getpid(), signal.SIGKILL)
"""
ADDS_A_FILE = 'def test_before(): open(__file__.replace("test_a.py", "test_b.py"), "w").write("def test_b(): pass")'


def run_pytest(folder: Path, *arguments: str) -> str:
    ran = subprocess.run([sys.executable, "-m", "pytest", "--rootdir", folder, folder, "--color=no", *arguments],
                         env=ALONE, capture_output=True, text=True, check=False)
    return f"{ran.stdout}{ran.stderr}exit code {ran.returncode}"


def run_scheduled(folder: Path, processes: str, *arguments: str) -> str:
    return run_pytest(folder, "-p", "xdist", "-p", "kb_platform_tests.scheduling", "-n", processes, "--dist", "loadfile", *arguments)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_process_that_dies_costs_one_test_which_is_what_failed_last(tmp_path: Path, processes: str) -> None:
    for name in "abcdefgh":
        (tmp_path / f"test_{name}.py").write_text(DIES if name in "ad" else PASSES)
    said = run_scheduled(tmp_path, processes)
    assert "2 failed, 10 passed" in said, said
    assert said.count("died: exit code -9") == 2
    assert run_pytest(tmp_path, "--last-failed", "--collect-only", "-q").count("::test_dies") == 2


def test_a_process_that_dies_before_others_have_collected_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(DIES_ONCE_COLLECTED)
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(PASSES)
    said = run_scheduled(tmp_path, "2")
    assert "gw0 died: exit code -9" in said and "4 passed" in said, said


def test_a_run_whose_files_have_changed_ends_where_a_process_would_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(DIES.replace("def test_before(): pass", ADDS_A_FILE))
    said = run_scheduled(tmp_path, "1")
    assert "gw1 does not collect the tests that this run began with" in said and "1 failed, 1 passed" in said, said


def test_a_run_that_is_given_up_before_any_test_has_failed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(DIES_UNLESS_FIRST)
    (tmp_path / "test_a.py").write_text(PASSES)
    said = run_scheduled(tmp_path, "2", "--max-worker-restart", "0")
    assert "no tests ran" in said and said.endswith(("exit code 1", "exit code 5")), said  # 5: before the first one had said what it collected
