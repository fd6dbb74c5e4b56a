"""Whatever is typed: a documented exit code, one line that says what is wrong, never a traceback, nothing unforeseen.

Every command, with arguments and options of every kind, right and wrong, against a home with a real database, a knowledge base that works,
and others that do not. The commands that start or stop servers get a wrong option, too: the supervisor's tests run them.
"""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kb_platform.cli import app, main
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.settings import Settings
from kb_platform_tests.flow.conftest import write_kb

DOCUMENTED = range(7)
SERVERS = ("up", "down", "demo", "serve", "mcp")
TEXTS = ["", " ", "visits", "[Draft]", "[/path]", "[bold", "ends in \\", ":warning:", "\U0001f600", "\udcff", "x" * 5000, "../..", "--", "-", "%s {0}", "'\";", "a\nb"]
NUMBERS = ["1", "2", "0", "-1", "99999999999999", "9" * 30, "1e3", "nan", "inf", "\u0661", "1.5", ""]
DAYS = ["2026-13-45", "2026-01-01", "0001-01-01", "9999-12-31", "2026-01-02..2026-01-01", "..", "2026-01-01..", "20260101", "x", ""]
NAMES = ["good", "good", "good", "broken", "laughs", "none", "", "[/x]", "../good", "Good", "\udcff", "x" * 300]
BROKEN = {
    "broken": "type: kb_platform.components.KnowledgeBase\nattributes: {name: broken, start_date: 2026-13-45}\n",
    "laughs": "a: &a [x, x]\n" + "".join(f"{n}: &{n} [{', '.join([f'*{before}'] * 10)}]\n" for before, n in zip("abcdefgh", "bcdefghi", strict=True)),
}
KINDS = {"name": NAMES, "day": DAYS, "start_date": DAYS} | dict.fromkeys(
    ("k", "release", "chunk", "case", "before", "after", "min_grade", "dense_weight", "length", "rate", "days", "limit"), NUMBERS)
PATHS = ("source", "queries", "qrels", "run_out", "qrels_out", "html", "folder", "file", "out", "deepeval")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))
    if not hasattr(group, "commands"):
        yield path, group


COMMANDS = dict(commands(typer.main.get_command(app)))


def values(name: str) -> st.SearchStrategy[str]:
    if name in PATHS:
        return st.sampled_from(["/no/such/folder/file", "/proc/nothing", "/dev/full", "/", ".", "~nobody-of-this-name/x", "{file}/below", "{file}", "{folder}",
                                "{folder}/new", "x" * 300, "", "[/path]", "{folder}/[Draft]"])
    return st.sampled_from(KINDS.get(name, TEXTS)) | st.text(st.characters(exclude_characters="\0"), max_size=20)


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, ...]:
    path = draw(st.sampled_from(sorted(COMMANDS)))
    given: list[str] = list(path)
    for param in COMMANDS[path].params:
        if param.name == "help":
            continue
        if param.param_type_name == "argument":
            given += [draw(values(param.name))] if draw(st.integers(0, 9)) else []
        elif param.required or draw(st.booleans()):
            given.append(param.opts[0])
            given += [] if param.is_flag else [draw(values(param.name))]
    if path == ("refresh",) and "good" in given:
        given += ["--source", "none"]
    return (*given, "--no-such-option") if path[0] in SERVERS else tuple(given)


@pytest.fixture(scope="module")
def folder(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    kb = write_kb(home, "good", {"visits.md": "---\ntitle: '[Draft] [/path] visits'\n---\n# Visits\n\nUntil eight in the evening.\n"})
    assert exit_code(refresh_once(kb, "2026-03-01", None, quiet=True)) == 0
    for name, text in BROKEN.items():
        (home / "defs" / name).mkdir()
        (home / "defs" / name / "defs.yaml").write_text(text)
    found = tmp_path_factory.mktemp("files")
    (found / "file").write_text("no query\n")
    yield found
    for path in (home / "defs").iterdir():
        shutil.rmtree(path)


def typed(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    return int(code or 0), out.getvalue(), err.getvalue()


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@example(line=("search", "good", "\udcff"))
@example(line=("search", "good", "visits", "--filter", "a=\udcff", "--json"))
@example(line=("search", "good", "visits", "--release", "99999999999999"))
@example(line=("trace", "good", "9" * 30))
@example(line=("compare", "good", "1", "99999999999999"))
@example(line=("new", "later", "--from", "{folder}", "--start-date", "2026-13-45"))
@example(line=("new", "bracketed", "--from", "{folder}"))
@example(line=("evaluate", "good", "--queries", "{file}", "--qrels", "{file}", "--run-out", "/dev/full"))
@example(line=("evaluate", "good", "--run-out", "{file}/below"))
@example(line=("validate",))
@example(line=("validate", "laughs", "--json"))
@example(line=("search", "good", "--json"))
@example(line=("trace", "good", "abc", "--json"))
@example(line=("up", "--no-such-option", "--json"))
@example(line=("status",))
@example(line=("keys", "add", "[/x]", "--grant", "good", "--rate", "nan"))
@example(line=("keys", "add", "an app", "--grant", "*:write"))
@example(line=("keys", "revoke", "'\";"))
@given(line=lines())
def test_every_line_ends_with_a_documented_code_and_a_sentence(folder: Path, served: Settings, line: tuple[str, ...]) -> None:
    names = {"{file}": str(folder / "file"), "{folder}": str(folder)}
    arguments = []
    for part in line:
        for word, path in names.items():
            part = part.replace(word, path)
        arguments.append(part)
    code, out, err = typed(*arguments)
    assert code in DOCUMENTED, (arguments, out, err)
    assert "Traceback" not in out + err
    assert "mistake of kb-platform" not in out + err, (arguments, out, err)
    if code in {1, 2} and "--json" in arguments:
        assert isinstance(json.loads(out), dict), (arguments, out)
    elif code == 1 and err:
        assert err.startswith("error: "), (arguments, err)
        assert err.count("\n") == 1 or "broken" in arguments, (arguments, err)


def test_titles_with_brackets_are_shown_as_they_are(folder: Path) -> None:
    code, out, _ = typed("search", "good", "until eight")
    assert code == 0
    assert "1. [Draft] [/path] visits" in out


def test_an_unforeseen_error_is_one_line_with_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb_platform.cli.queries.make_retriever", lambda *_: 1 / 0)
    code, _, err = typed("search", "good", "visits")
    assert code == 1
    assert err.startswith("error: ") and err.count("\n") == 1
    assert "ZeroDivisionError: division by zero; this is a mistake of kb-platform" in err
