"""`python -m kb_platform.serving`: the search API as a program beside others, as `kb up` and a container start it."""

import asyncio
import sys

from pydantic import ValidationError

from kb_platform.knowledge.errors import KbError
from kb_platform.serving.logs import write_json_lines
from kb_platform.serving.process import LOG, run
from kb_platform.settings import Settings


def main() -> None:
    """Serve until SIGTERM."""
    write_json_lines()
    try:
        asyncio.run(run(Settings(), lambda url: LOG.info("search API on %s", url)))
    except (KbError, ValidationError) as error:
        sys.exit(f"kb serve: {error}")


if __name__ == "__main__":
    main()
