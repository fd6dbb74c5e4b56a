"""The search API on this machine: a program beside Dagster, known by its command line alone."""

import sys
from importlib.util import find_spec
from pathlib import Path

from kb_platform.local import ports, programs
from kb_platform.local.programs import Program
from kb_platform.settings import Settings, inherited_environment

SEARCH_API = "search-api"
NEEDED = ("fastapi", "mcp", "prometheus_client", "uvicorn")


def missing() -> str:
    """Return why the API cannot run on this machine, or "" where it can."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    return f"the search API is not started: {', '.join(lacking)} not installed; pip install 'kb-platform[serve]'" if lacking else ""


def search_api(settings: Settings, variables: dict[str, str]) -> Program:
    """Return the API as a program; `variables` name the database and the like."""
    port, monitor = choose_ports(settings)
    own = {name: value for name, value in variables.items() if name.startswith("KB_") and not name.startswith("KB_REVIEW_")} | _limits(settings) | {
        "KB_SERVE_HOST": settings.serve_host, "KB_SERVE_PORT": str(port),
        "KB_SERVE_MONITOR_HOST": settings.serve_monitor_host, "KB_SERVE_MONITOR_PORT": str(monitor),
    }
    return Program(SEARCH_API, "the search API", [sys.executable, "-m", "kb_platform.serving"], own, inherited_environment({}, but="KB_SERVE_"),
                   lambda: programs.is_ready(ports.reachable(settings.serve_monitor_host), monitor), "waiting for the search API")


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
    return dict(zip(("serve_port", "serve_monitor_port"), choose_ports(settings), strict=True))


def choose_ports(settings: Settings) -> tuple[int, int]:
    """Return the ports of the API and of its monitor: those that a running one has, if it may stay there.

    Raises:
        StateError: one that the settings name is taken.
    """
    runs = programs.running(settings.home, SEARCH_API) is not None
    return (
        ports.for_server(_port_file(settings.home), runs=runs, wanted=settings.serve_port, host=settings.serve_host, variable="KB_SERVE_PORT"),
        ports.for_server(_port_file(settings.home, f"{SEARCH_API}-monitor"), runs=runs, wanted=settings.serve_monitor_port,
                         host=settings.serve_monitor_host, variable="KB_SERVE_MONITOR_PORT"),
    )


def _port_file(home: Path, name: str = SEARCH_API) -> Path:
    return home / "dagster" / f"{name}.port"


def url(settings: Settings) -> str:
    """Return where the API of `kb up` answers, when it runs."""
    return f"http://{ports.reachable(settings.serve_host)}:{ports.remembered(_port_file(settings.home)) or 0}"
