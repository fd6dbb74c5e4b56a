"""`kb search` where a server runs: the same output as without one, in a process that loads no library; and without one where the two differ."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kb_platform.cli import main
from kb_platform.local.environment import environment
from kb_platform.serving.address import Address, announced, announcement, find_address
from kb_platform.serving.quick_search import Question, answered, understood
from kb_platform_tests.serving.apis import TIMEOUT, Api
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
def home_api(open_api: Api, served: Served) -> Iterator[Api]:
    """Yield that API as the one which commands of the home find, whatever servers other tests have started meanwhile."""
    assert open_api.announced, "it has said where it answers"
    announcement(served.settings.home).write_text(open_api.announced)
    yield open_api
    announcement(served.settings.home).write_text(open_api.announced)


def kb(served: Served, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("KB_")} | environment(served.settings) | {"COLUMNS": "80"} | variables
    return subprocess.run([sys.executable, "-c", LOADED, *arguments], env=own, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def _quick(done: subprocess.CompletedProcess[str]) -> bool:
    return done.stderr.strip() == "[]"


def alone(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Return code, output and errors of the command in this process, which asks no server."""
    with pytest.raises(SystemExit) as ended:
        main(["search", *arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_server_answers_as_the_command_does_without_loading_anything(
    home_api: Api, served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for line in ([WARDS, QUESTION], [WARDS, QUESTION, "-k", "2", "--release", "1"], [WARDS, "--filter", "unit=visitors", QUESTION, "--json"],
                 [WARDS, QUESTION, "--filter=unit=nobody"]):
        done = kb(served, "search", *line)
        assert _quick(done), done.stderr
        code, said, _ = alone(capsys, *line)
        assert (done.returncode, code) == (0, 0)
        if "--json" in line:
            assert [_rounded(hit) for hit in json.loads(done.stdout)["hits"]] == [_rounded(hit) for hit in json.loads(said)["hits"]]
            assert json.loads(done.stdout) | {"hits": 0} == json.loads(said) | {"hits": 0}
        else:
            assert done.stdout == said


def _rounded(hit: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in hit.items()}


@pytest.mark.parametrize(("arguments", "said"), [
    (["none", QUESTION], "no knowledge base 'none'"), ([WARDS, QUESTION, "--release", "7"], "release 7"), ([WARDS, " "], "the question is empty"),
    ([WARDS, QUESTION, "--colour"], "No such option"), ([WARDS], "Missing argument"), ([WARDS, QUESTION, "-k", "0"], "Invalid value for '-k'"),
    ([WARDS, QUESTION, "--filter", "unit"], "--filter 'unit'"),
])
def test_what_a_server_cannot_answer_the_command_says(
    home_api: Api, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert not answered(arguments)
    assert capsys.readouterr() == ("", "")
    code, out, errors = alone(capsys, *arguments)
    assert code in (1, 2)
    assert said in errors
    assert out == ""


def test_a_server_of_other_definitions_or_another_database_is_not_asked(home_api: Api, served: Served) -> None:
    home, defs, url = served.settings.home, str(served.settings.defs), environment(served.settings)["KB_DATABASE_URL"]
    here = find_address(home, defs, url)
    assert here is not None
    assert f"http://{here.host}:{here.port}" == home_api.url
    assert find_address(home, defs, None) == here
    assert find_address(home, f"{defs}/other", url) is None
    assert find_address(home, defs, f"{url}_of_another") is None
    assert find_address(home.parent, defs, url) is None


def test_a_second_server_of_the_home_leaves_the_address_of_the_first_alone(home_api: Api, served: Served) -> None:
    home, defs = served.settings.home, str(served.settings.defs)
    first = find_address(home, defs, None)
    assert first is not None
    with announced(home, "127.0.0.1", 1, defs, "", embedded=True):
        assert find_address(home, defs, None) == first
    assert find_address(home, defs, None) == first


ANNOUNCED = """
import sys, time
from pathlib import Path
from kb_platform.serving.address import announced
with announced(Path(sys.argv[1]), "127.0.0.1", 1, sys.argv[2], "", embedded=True):
    print("announced", flush=True)
    time.sleep(10_000)
"""


def test_an_address_whose_process_is_gone_is_of_nobody_and_the_command_does_without(home_api: Api, served: Served) -> None:
    home, defs = served.settings.home, str(served.settings.defs)
    announcement(home).unlink()
    with subprocess.Popen([sys.executable, "-c", ANNOUNCED, home, defs], stdout=subprocess.PIPE) as gone:
        try:
            assert gone.stdout and gone.stdout.readline() == b"announced\n"
            assert find_address(home, defs, None) == Address("127.0.0.1", 1)
        finally:
            gone.kill()
    said = json.loads(announcement(home).read_text())
    assert announcement(home).stat().st_mode & 0o777 == 0o600
    assert said["pid"] == gone.pid
    assert find_address(home, defs, None) is None
    announcement(home).write_text(json.dumps(said | {"pid": os.getpid()}))  # another process has that pid now
    assert find_address(home, defs, None) is None
    without = kb(served, "search", WARDS, QUESTION, "-k", "1")
    assert without.returncode == 0
    assert "Visitors" in without.stdout
    assert not _quick(without)


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
