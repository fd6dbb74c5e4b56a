"""`kb search` where a server runs: the same output as without one, in a process that loads no library; and without one where the two differ."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kb_platform.local.environment import environment
from kb_platform.serving.address import announcement, find_address
from kb_platform.serving.quick_search import Question, understood
from kb_platform_tests.serving.apis import TIMEOUT, Api, api
from kb_platform_tests.serving.conftest import WARDS, Served

QUESTION = "who arranges visitors on the ward"
LOADED = """
import sys
from kb_platform.entry import command
sys.argv = ["kb", *sys.argv[1:]]
try:
    command()
finally:
    print(sorted(m for m in ("typer", "rich", "pydantic", "httpx", "sqlalchemy", "psutil", "psycopg") if m in sys.modules), file=sys.stderr)
"""


@pytest.fixture
def home_api(served: Served) -> Iterator[Api]:
    """Yield an API that commands of the home find."""
    with api(served.settings) as running:
        yield running


def kb(served: Served, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("KB_")} | environment(served.settings) | {"COLUMNS": "80"} | variables
    return subprocess.run([sys.executable, "-c", LOADED, *arguments], env=own, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def _quick(done: subprocess.CompletedProcess[str]) -> bool:
    return done.stderr.strip() == "[]"


def test_a_server_answers_as_the_command_does_without_loading_anything(home_api: Api, served: Served) -> None:
    lines = [["search", WARDS, QUESTION], ["search", WARDS, QUESTION, "-k", "2", "--release", "1"], ["search", WARDS, "--filter", "unit=visitors", QUESTION, "--json"],
             ["search", WARDS, QUESTION, "--filter=unit=nobody"]]
    asked = [kb(served, *line) for line in lines]
    assert all(_quick(done) for done in asked), [done.stderr for done in asked]
    home_api.process.send_signal(signal.SIGKILL)
    home_api.process.wait()
    for line, done in zip(lines, asked, strict=True):
        alone = kb(served, *line)
        assert (done.returncode, alone.returncode) == (0, 0)
        assert not _quick(alone)
        if "--json" in line:
            assert [_rounded(hit) for hit in json.loads(done.stdout)["hits"]] == [_rounded(hit) for hit in json.loads(alone.stdout)["hits"]]
            assert json.loads(done.stdout) | {"hits": 0} == json.loads(alone.stdout) | {"hits": 0}
        else:
            assert done.stdout == alone.stdout


def _rounded(hit: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in hit.items()}


@pytest.mark.parametrize(("arguments", "said"), [
    (["none", QUESTION], "no knowledge base 'none'"), ([WARDS, QUESTION, "--release", "7"], "release 7"), ([WARDS, " "], "the question is empty"),
    ([WARDS, QUESTION, "--colour"], "No such option"), ([WARDS], "Missing argument"), ([WARDS, QUESTION, "-k", "0"], "Invalid value for '-k'"),
    ([WARDS, QUESTION, "--filter", "unit"], "--filter 'unit'"),
])
def test_what_a_server_cannot_answer_the_command_says(open_api: Api, served: Served, arguments: list[str], said: str) -> None:
    done = kb(served, "search", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert done.stdout == ""


def test_a_server_of_other_definitions_or_another_database_is_not_asked(home_api: Api, served: Served) -> None:
    home, defs, url = served.settings.home, str(served.settings.defs), environment(served.settings)["KB_DATABASE_URL"]
    here = find_address(home, defs, url)
    assert here is not None
    assert f"http://{here.host}:{here.port}" == home_api.url
    assert find_address(home, defs, None) == here
    assert find_address(home, f"{defs}/other", url) is None
    assert find_address(home, defs, f"{url}_of_another") is None
    assert find_address(home.parent, defs, url) is None


def test_an_address_whose_process_is_gone_is_of_nobody(home_api: Api, served: Served) -> None:
    home, defs = served.settings.home, str(served.settings.defs)
    said = json.loads(announcement(home).read_text())
    assert announcement(home).stat().st_mode & 0o777 == 0o600
    home_api.process.send_signal(signal.SIGKILL)
    home_api.process.wait()
    assert announcement(home).exists()
    assert find_address(home, defs, None) is None
    announcement(home).write_text(json.dumps(said | {"pid": os.getpid()}))  # another process has that pid now
    assert find_address(home, defs, None) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"port": 1}', '{"port": "x", "defs": 1, "pid": "x"}', "null"])
def test_a_damaged_address_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "dagster").mkdir()
    announcement(tmp_path).write_text(text)
    assert find_address(tmp_path, "/defs", None) is None


@pytest.mark.parametrize(("arguments", "expected"), [
    ([WARDS, "a b"], Question(WARDS, "a b", 5, None, {}, as_json=False)),
    (["--json", WARDS, "a", "-k", "3", "--release=4", "--filter", "a=b", "--filter=c=d=e"], Question(WARDS, "a", 3, 4, {"a": "b", "c": "d=e"}, as_json=True)),
    ([WARDS, "a", "-k", "3", "-k", "4"], Question(WARDS, "a", 4, None, {}, as_json=False)),
    ([WARDS], None), ([WARDS, "a", "b"], None), (["Wards", "a"], None), ([WARDS, ""], None), ([WARDS, "\udc80"], None), ([WARDS, "a", "-k"], None),
    ([WARDS, "a", "-k", "x"], None), ([WARDS, "a", "-k", "1001"], None), ([WARDS, "a", "-k3"], None), ([WARDS, "a", "-k=3"], None), ([WARDS, "a", "--"], None),
    ([WARDS, "a", "--release", "2147483648"], None), ([WARDS, "a", "--filter", "=b"], None), ([WARDS, "a", "--help"], None), ([WARDS, "-x"], None),
])
def test_a_line_is_understood_whole_or_left_to_the_command(arguments: list[str], expected: Question | None) -> None:
    assert understood(arguments) == expected
