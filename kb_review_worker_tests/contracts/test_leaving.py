"""A command that has spoken to Temporal ends with its exit code, without tearing the interpreter down under the SDK's threads."""

import subprocess
import sys

import pytest

COMMAND = """
import atexit, sys
{imported}
class Global:
    def __del__(self):
        print("torn down")
kept = Global()
sys.modules["kept"] = kept
from kb_contracts.leaving import leave
atexit.register(print, "registered for the end")
def main():
    {work}
leave(main)
"""
SDK = "import temporalio.client"


@pytest.mark.parametrize(("work", "code", "errors"), [
    ("pass", 0, ""),
    ("sys.exit(3)", 3, ""),
    ("sys.exit('no server: start it')", 1, "no server: start it\n"),
], ids=["done", "code", "sentence"])
@pytest.mark.parametrize("imported", [SDK, ""], ids=["with the SDK", "without"])
def test_the_exit_code_and_what_is_registered_for_the_end_hold(imported: str, work: str, code: int, errors: str) -> None:
    ended = _ended(imported, work)
    assert (ended.returncode, ended.stderr) == (code, errors)
    assert "registered for the end" in ended.stdout
    assert ("torn down" in ended.stdout) == (imported != SDK)


def test_an_exception_that_nobody_expects_is_shown() -> None:
    ended = _ended(SDK, "raise KeyError('what')")
    assert ended.returncode == 1
    assert "KeyError: 'what'" in ended.stderr


def _ended(imported: str, work: str) -> "subprocess.CompletedProcess[str]":
    source = COMMAND.format(imported=imported, work=work)
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=600)
