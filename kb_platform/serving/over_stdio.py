"""The tools over standard input and output, for a client that starts them: whoever may start this process may read everything."""

import asyncio
from importlib.metadata import version
from threading import Thread

from kb_platform.serving.logs import write_json_lines
from kb_platform.serving.services import Services
from kb_platform.serving.tools import build_tools
from kb_platform.settings import Settings


def run(settings: Settings) -> None:
    """Answer until standard input ends."""
    write_json_lines()
    services = Services.of(settings)
    Thread(target=services.bases.warm, name="warm", daemon=True).start()
    try:
        asyncio.run(build_tools(services, version("kb-platform")).run_stdio_async())
    finally:
        services.close()
