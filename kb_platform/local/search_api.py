"""The search API on this machine: a program beside Dagster, known by its command line alone."""

import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

from kb_platform.knowledge.errors import StateError
from kb_platform.local import ports, programs
from kb_platform.local.dagster_pages import DIRECTLY
from kb_platform.local.programs import Program
from kb_platform.settings import Settings, inherited_environment

SEARCH_API = "search-api"
NEEDED = ("fastapi", "mcp", "prometheus_client", "uvicorn")
TIMEOUT = 5  # seconds


def missing() -> str:
    """Return why the API cannot run on this machine, or "" where it can."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    return f"the search API is not started: {', '.join(lacking)} not installed; pip install 'kb-platform[serve]'" if lacking else ""


def search_api(settings: Settings, variables: dict[str, str]) -> Program:
    """Return the API as a program; `variables` name the database and the like."""
    home = settings.home
    port = choose_port(home, SEARCH_API, settings.serve_port, settings.serve_host)
    monitor = choose_port(home, f"{SEARCH_API}-monitor", settings.serve_monitor_port, settings.serve_monitor_host)
    own = {name: value for name, value in variables.items() if name.startswith("KB_") and not name.startswith("KB_REVIEW_")} | _limits(settings) | {
        "KB_SERVE_HOST": settings.serve_host, "KB_SERVE_PORT": str(port),
        "KB_SERVE_MONITOR_HOST": settings.serve_monitor_host, "KB_SERVE_MONITOR_PORT": str(monitor),
    }
    return Program(SEARCH_API, "the search API", [sys.executable, "-m", "kb_platform.serving"], own, inherited_environment({}, but="KB_SERVE_"),
                   lambda: _is_ready(ports.reachable(settings.serve_monitor_host), monitor), "waiting for the search API")


def _limits(settings: Settings) -> dict[str, str]:
    """Return what limits it: an API with other limits is started anew."""
    return {"KB_SERVE_OPEN": str(settings.serve_open), "KB_SERVE_RATE": str(settings.serve_rate), "KB_SERVE_WAITING": str(settings.serve_waiting),
            "KB_SERVE_TIMEOUT": str(settings.serve_timeout)}


def foreground_ports(settings: Settings) -> dict[str, int]:
    """Return the ports of a server that this process will be. Beside the one of `kb up`, whose ports the home keeps, those that are wanted.

    Raises:
        StateError: one that is wanted is taken.
    """
    if programs.running(settings.home, SEARCH_API):
        return {}
    return {"serve_port": choose_port(settings.home, SEARCH_API, settings.serve_port, settings.serve_host),
            "serve_monitor_port": choose_port(settings.home, f"{SEARCH_API}-monitor", settings.serve_monitor_port, settings.serve_monitor_host)}


def choose_port(home: Path, name: str, wanted: int, host: str) -> int:
    """Return the port that the running API has, if it may stay there; else the one that is wanted, or a free one, kept in the home.

    Raises:
        StateError: the one that is wanted is taken.
    """
    memory = port_file(home, name)
    serving = ports.remembered(memory)
    if serving and wanted in (0, serving) and programs.running(home, SEARCH_API):
        return serving
    if wanted == 0:
        return ports.choose(memory, host)
    if not ports.is_free(wanted, host):
        variable = "KB_SERVE_PORT" if name == SEARCH_API else "KB_SERVE_MONITOR_PORT"
        raise StateError(f"port {wanted} is taken by another program", where=variable, action="name another port, or leave it unset")
    memory.write_text(f"{wanted}\n")
    return wanted


def port_file(home: Path, name: str = SEARCH_API) -> Path:
    """Return where a port is kept."""
    return home / "dagster" / f"{name}.port"


def url(settings: Settings) -> str:
    """Return where the API of `kb up` answers, when it runs."""
    return f"http://{ports.reachable(settings.serve_host)}:{ports.remembered(port_file(settings.home)) or 0}"


def _is_ready(host: str, port: int) -> bool:
    try:
        with DIRECTLY.open(f"http://{host}:{port}/readyz", timeout=TIMEOUT):
            return True
    except (URLError, OSError):
        return False
