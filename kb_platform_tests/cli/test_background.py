"""A command that a script puts in the background."""

import subprocess
import sys

CODE = """
import subprocess, sys
from kb_platform import cli
cli.main = lambda: subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"]).returncode
cli.command()
"""


def test_what_a_command_in_the_background_starts_can_be_interrupted() -> None:
    shell = subprocess.run(["sh", "-c", '"$0" -c "$1" & wait $!', sys.executable, CODE], capture_output=True, text=True, check=True)
    assert "default_int_handler" in shell.stdout
