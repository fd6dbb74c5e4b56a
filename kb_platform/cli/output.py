"""What commands print: one JSON object with --json, tables and sentences otherwise, errors as one line on standard error."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kb_platform.knowledge.errors import KbError

REGRESSION, INCONCLUSIVE = 3, 4
EXIT_OF_VERDICT = {"pass": 0, "regression": REGRESSION, "inconclusive": INCONCLUSIVE}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output.")]
Name = Annotated[str, typer.Argument(help="The knowledge base.", metavar="NAME")]

console = Console()
errors = Console(stderr=True)


def show_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(value, default=str, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; values are turned into text."""
    table = Table(*columns, header_style="bold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn the platform's errors into one line and exit code 1; with --json the line is an object."""
    try:
        yield
    except KbError as error:
        if "--json" in sys.argv:
            show_json({"error": str(error), "found": error.found, "where": error.where, "expected": error.expected, "action": error.action})
        else:
            errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


@contextmanager
def working(message: str, *, quiet: bool) -> Iterator[Any]:
    """Show a spinner with a text that the caller may change, while something takes its time."""
    if quiet:
        yield lambda _text: None
        return
    with errors.status(message) as status:
        yield status.update
