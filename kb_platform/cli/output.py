"""What commands print: one JSON object with --json, tables and sentences otherwise, errors as one line on standard error."""

import datetime as dt
import json
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from kb_platform.knowledge.errors import ConfigError, KbError

WRONG_USAGE, REGRESSION, INCONCLUSIVE, WARNINGS, LEFT = 2, 3, 4, 5, 6
EXIT_OF_VERDICT = {"pass": 0, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}

LONGEST = 300  # characters of what an unforeseen error says
GAP = 2  # columns of the terminal between those of a table
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")  # direction of writing, and halves of characters, too
KEPT_WHOLE = 20  # characters: longer than any word of ours, and names of gates

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
RELEASES, ROWS = 2**31 - 1, 2**63 - 1  # the largest number of a release, and of a case or chunk, that the database knows
By = Annotated[str | None, typer.Option("--by", help="Who does it; the user of this machine if left out.")]
Name = Annotated[str, typer.Argument(help="The knowledge base.", metavar="NAME")]

# What is printed is text unless a call says that it holds markup: paths, names and titles may have square brackets.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)


def show_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(value, default=str, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], zone: str = "UTC") -> None:
    """Print a table; numbers stand on the right, times are in `zone` to the second, long texts are folded and never cut off.

    Where a terminal is too narrow for the words of each column, every row is a block of named values instead.
    """
    found = [tuple(row) for row in rows]
    words = [_longest_word(column, *(as_text(row[n], zone) for row in found)) for n, column in enumerate(columns)]
    if found and sum(words) + GAP * (len(words) - 1) > console.width:
        for row in found:
            show_fields((column, as_text(value, zone)) for column, value in zip(columns, row, strict=True) if value not in (None, ""))
            console.print()
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for n, column in enumerate(columns):
        numeric = any(row[n] is not None for row in found) and all(isinstance(row[n], int | float | None) for row in found)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", min_width=words[n])
    for row in found:
        table.add_row(*(Text(as_text(value, zone)) for value in row))
    console.print(table, width=_fitting(table), crop=False)


def _fitting(table: Table) -> int:
    """Return the width to print a table in: rich takes a column or two more than it is given, and would cut them off."""
    for width in range(console.width, console.width - 4, -1):
        lines = Segment.split_lines(console.render(table, console.options.update(width=width)))
        if all(Segment.get_line_length(line) <= console.width for line in lines):
            return width
    return console.width


def _longest_word(*texts: str) -> int:
    """Return the length of the longest word that is kept whole: paths and the like may be folded."""
    return max((len(word) for text in texts for word in text.split() if len(word) <= KEPT_WHOLE), default=1)


def show_text(text: str, indent: int, *, bullet: str = "") -> None:
    """Print a text that was not written by us, wrapped at words; lines after a bullet stand under its first word."""
    margin = " " * indent
    for line in _printable(text).splitlines():
        console.print(fill(line, console.width, initial_indent=margin + bullet, subsequent_indent=margin + " " * len(bullet), break_on_hyphens=False),
                      markup=False, highlight=False, soft_wrap=True)


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print named values, one below the other, wrapped at words; a path that is longer than the terminal is wide stays whole, to be copied."""
    shown = [(name, _printable(value)) for name, value in fields]
    indent = max((len(name) for name, _ in shown), default=0) + GAP
    for name, value in shown:
        line = fill(value, console.width, initial_indent=" " * indent, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
        console.print(Text.assemble((name, "bold"), line[len(name):]), soft_wrap=True)


def count_of(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as 1 golden query, 2 golden queries."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def as_text(value: Any, zone: str = "UTC") -> str:
    """Return a value for people: nothing for None, a time to the second in the zone, which the place around it names."""
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else _printable(str(value))


def _printable(text: str) -> str:
    """Return a text that moves no terminal's cursor and changes no colour, whoever wrote it."""
    return CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class WrongUsage(ConfigError):
    """An option or argument cannot be meant: exit code 2, as for options that are not there."""


@contextmanager
def report_errors(arguments: Sequence[str]) -> Iterator[None]:
    """Turn errors into one line and exit code 1, or 2 for wrong usage; with --json the line is an object.

    A mistake of ours is one line too, which names its place in the code: what a traceback would add may quote documents.
    """
    try:
        yield
    except KbError as error:
        _show_error(error, arguments)
        sys.exit(WRONG_USAGE if isinstance(error, WrongUsage) else 1)
    except OSError as error:  # click itself ends quietly where who read our output has gone
        _show_error(KbError(error.strerror or type(error).__name__, where=str(error.filename or "")), arguments)
        sys.exit(1)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = next(iter(str(error).splitlines()), "")[:LONGEST]
        _show_error(KbError(f"{type(error).__name__}: {said}", where=f"{place.filename}:{place.lineno}",
                            action="this is a mistake of kb-platform: please report it with this line"), arguments)
        sys.exit(1)


def _show_error(error: KbError, arguments: Sequence[str]) -> None:
    if "--json" in arguments:
        show_json({"error": str(error), "found": error.found, "where": error.where, "expected": error.expected, "action": error.action})
    else:
        errors.print(f"[red]error:[/red] {escape(_printable(str(error)))}", highlight=False, soft_wrap=True, markup=True)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a file to write in place of `path`, which becomes it when the block ends: a reader never sees half of it.

    Raises:
        ConfigError: it cannot be written there.
    """
    part = path.parent / f".{path.name[:100]}.part"
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", where=str(path), expected="a file in a folder that is there") from error
    finally:
        with suppress(OSError):  # a folder that is none has said so above
            part.unlink(missing_ok=True)


@contextmanager
def working(message: str, *, quiet: bool) -> Iterator[Any]:
    """Show a spinner with a text that the caller may change, while something takes its time."""
    if quiet:
        yield lambda _text: None
        return
    with errors.status(message) as status:
        yield status.update
