"""Asks a running webserver how things are: does it answer, has the code loaded, are the daemon's loops alive."""

import json
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT = 10  # seconds
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { ... on PythonError { message } } } } } }"""
HEARTBEATS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } } }"
DIRECTLY = build_opener(ProxyHandler({}))  # a proxy of the environment is not for the loopback


@dataclass(frozen=True)
class CodeLocation:
    """One code location as the webserver sees it; `error` is None where it loaded."""

    name: str
    error: str | None


def answers(url: str) -> bool:
    """Tell whether a Dagster webserver answers at the URL."""
    try:
        with DIRECTLY.open(f"{url}/server_info", timeout=TIMEOUT) as response:
            return "dagster_webserver_version" in json.load(response)
    except (URLError, OSError, ValueError):
        return False


def code_locations(url: str) -> tuple[CodeLocation, ...]:
    """Return the workspace's code locations. A webserver answers only after it has tried to load them."""
    entries = _ask(url, LOCATIONS).get("workspaceOrError", {}).get("locationEntries", ())
    return tuple(CodeLocation(e["name"], (e["locationOrLoadError"] or {}).get("message")) for e in entries)


def daemon_lives(url: str, since: float) -> bool:
    """Tell whether all of the daemon's loops have given a sign of life since that time (seconds since 1970)."""
    answered = _ask(url, HEARTBEATS)
    found = answered["instance"]["daemonHealth"]["allDaemonStatuses"] if answered else ()
    return bool(found) and all((d["lastHeartbeatTime"] or 0) >= since for d in found if d["required"])


def _ask(url: str, query: str) -> dict:
    """Return the answer; empty where there is none, as while the webserver's own connections to a database that died break."""
    request = Request(f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})  # noqa: S310  our own address
    try:
        with DIRECTLY.open(request, timeout=TIMEOUT) as response:
            return json.load(response)["data"] or {}
    except (URLError, OSError, ValueError, KeyError):
        return {}
