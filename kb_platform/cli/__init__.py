"""The `kb` command: one module a group of commands. Heavy libraries are imported by the command that needs them."""

import io
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer

from kb_contracts.leaving import leave
from kb_platform.cli import (
    alerting,
    auditing,
    authoring,
    collecting,
    deciding,
    demo,
    evaluating,
    golden_drafts,
    golden_exchange,
    golden_proposals,
    goldens,
    gpu_window,
    lifecycle,
    migrating,
    queries,
    refreshing,
    releasing,
    repairing,
    reports,
    reviewing,
    serving,
    tracing,
    verifying,
)
from kb_platform.cli.output import WrongUsage, report_errors

HELP = """Build, evaluate and promote knowledge bases.

Exit codes: 0 done (refresh: promoted), 1 error, 2 wrong usage, 3 the gate says regression, or something is not as it was sealed (kb verify),
4 the gate is inconclusive, 5 warnings (kb golden check, kb validate), or something lost (kb repair), 6 texts wait for the GPU window (kb refresh).
"""



def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kb {version('kb-platform')}")
        raise typer.Exit


def _options(
    _version_asked: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Hold the options that belong to no command."""


app = typer.Typer(name="kb", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.callback(help=HELP)(_options)
for module in (lifecycle, migrating, authoring, refreshing, queries, tracing, evaluating, goldens, golden_drafts, golden_exchange, golden_proposals, reports, releasing, collecting, repairing,
               gpu_window, reviewing, deciding, auditing, alerting, verifying, serving, demo):
    module.register(app)


def command() -> NoReturn:
    """Run the command, and end the process."""
    _heed_interrupts()
    leave(main)


def _heed_interrupts() -> None:
    """Undo what a shell does to a command that a script puts in the background: SIGINT is ignored, by all that it starts, too.

    Dagster's processes treat SIGTERM as they do SIGINT, and then nothing could end what mirrors the output of their steps.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; errors of the platform become one line and exit code 1 or 2."""
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")  # ours to heed, not the user's
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding shows what it can
    with report_errors(given):
        _refuse_what_is_no_text(given)
        return _run_for_programs(given) if "--json" in given else app(arguments)


# Typer brings its own copy of click or uses click itself, by version; the class of what is typed wrongly is this one in both.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def _run_for_programs(arguments: Sequence[str]) -> NoReturn:
    """Run the command, and say what is typed wrongly as any other error: Typer would draw a box of it, and print no object.

    Raises:
        WrongUsage: an argument is missing, or an option is not known or cannot have this value.
    """
    try:
        code = app(list(arguments), standalone_mode=False)
    except USAGE_ERROR as error:
        path = getattr(getattr(error, "ctx", None), "command_path", "kb")
        found = " ".join(getattr(error, "format_message", error.__str__)().split()).rstrip(".")
        raise WrongUsage(found, where="command line", action=f"see `{path} --help`") from None
    except typer.Abort:
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """Say so where an argument is not UTF-8: neither the database nor an answer could hold it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise WrongUsage(f"{argument!a} is not UTF-8 at character {error.start + 1}", where="command line", expected="arguments in UTF-8") from None
