"""Where the `kb` command begins.

Loading the command line takes most of a second, which is longer than any answer. Where a server of the home runs, `kb search` asks it before anything
is loaded; every other command, and every search that it cannot answer, begins as it always did.
"""

import sys
from contextlib import suppress


def command() -> None:
    """Run the command, and end the process."""
    if sys.argv[1:2] == ["search"]:
        from kb_platform.serving.quick_search import answered

        try:
            done = answered(sys.argv[2:])
        except BrokenPipeError:  # who read the answer has gone
            with suppress(OSError):
                sys.stdout.close()
            sys.exit(1)
        if done:
            return
    from kb_platform.cli import command as loaded

    loaded()
