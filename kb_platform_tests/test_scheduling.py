"""A test that takes its process along is one failure, and the run comes to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PASSES = "def test_passes(): pass\n"
DIES = "import os, signal\ndef test_before(): pass\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_after(): pass\n"
ALONE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run_pytest(folder: Path, *arguments: str) -> str:
    ran = subprocess.run([sys.executable, "-m", "pytest", "--rootdir", folder, folder, "--color=no", *arguments],
                         env=ALONE, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_process_that_dies_costs_one_test_which_is_what_failed_last(tmp_path: Path, processes: str) -> None:
    for name in "abcdefgh":
        (tmp_path / f"test_{name}.py").write_text(DIES if name in "ad" else PASSES)
    said = run_pytest(tmp_path, "-p", "xdist", "-p", "kb_platform_tests.scheduling", "-n", processes, "--dist", "loadfile")
    assert "2 failed, 10 passed" in said, said
    assert said.count("died: exit code -9") == 2
    assert run_pytest(tmp_path, "--last-failed", "--collect-only", "-q").count("::test_dies") == 2
