"""The `kb` command: one module a group of commands. Heavy libraries are imported by the command that needs them."""

import warnings
from typing import Any

import typer

from kb_platform.cli import authoring, demo, lifecycle, queries, refreshing, releasing
from kb_platform.cli.output import report_errors

HELP = """Build, evaluate and promote knowledge bases.

Exit codes: 0 done (refresh: promoted), 1 error, 2 wrong usage, 3 the gate says regression, 4 the gate is inconclusive.
"""

app = typer.Typer(name="kb", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for module in (lifecycle, authoring, refreshing, queries, releasing, demo):
    module.register(app)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; errors of the platform become one line and exit code 1."""
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")  # ours to heed, not the user's
    with report_errors():
        return app(arguments)
