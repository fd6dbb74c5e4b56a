"""Asks a running webserver how things are: does it answer, has the code loaded, are the daemon's loops alive.

On a busy machine it may be slow, or say 500, while it starts or finds its database again: that is no answer yet.
"""

import json
import time
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT, STARTING, POLL = 10, 60, 0.2  # seconds: for an answer, and for one while it starts; between two questions
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
    except (OSError, HTTPException, ValueError):
        return False


def code_locations(url: str, patience: float = 0) -> tuple[CodeLocation, ...]:
    """Return the workspace's code locations, none where there is no answer within the patience (seconds).

    A webserver answers only after it has tried to load them.
    """
    deadline = time.monotonic() + patience
    while (answered := _ask(url, LOCATIONS, STARTING if patience else TIMEOUT)) is None and time.monotonic() < deadline:
        time.sleep(POLL)
    entries = (answered or {}).get("workspaceOrError", {}).get("locationEntries", ())
    return tuple(CodeLocation(e["name"], (e["locationOrLoadError"] or {}).get("message")) for e in entries)


def daemon_lives(url: str, since: float) -> bool:
    """Tell whether all of the daemon's loops have given a sign of life since that time (seconds since 1970)."""
    answered = _ask(url, HEARTBEATS, STARTING)
    found = answered["instance"]["daemonHealth"]["allDaemonStatuses"] if answered else ()
    return bool(found) and all((d["lastHeartbeatTime"] or 0) >= since for d in found if d["required"])


def _ask(url: str, query: str, seconds: float) -> dict | None:
    """Return the answer; None where there is none, as while the webserver's own connections to a database that died break."""
    request = Request(f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})  # noqa: S310  our own address
    try:
        with DIRECTLY.open(request, timeout=seconds) as response:
            return json.load(response)["data"]
    except (OSError, HTTPException, ValueError, KeyError):
        return None
