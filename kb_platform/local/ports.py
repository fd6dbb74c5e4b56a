"""Ports on the loopback: a free one is chosen once, remembered, and replaced when somebody else has taken it."""

import random
import socket
from pathlib import Path

from kb_platform.knowledge.errors import StateError

# Below what Linux, macOS and Windows give to outgoing connections (from 32768 or 49152): any of those could take the port of a
# server that is down for a moment, which would then come back at another address.
SERVERS = range(20_000, 32_000)
TRIES = 100


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on the port now (connections still closing do not count, as for most servers)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def reachable(host: str) -> str:
    """Return how a URL names the host that a server listens on."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  translated, not bound


def remembered(path: Path) -> int | None:
    """Return the port kept at `path`, or None where nothing that is a port is kept there."""
    try:
        port = int(path.read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65536 else None


def choose(path: Path, host: str = "127.0.0.1") -> int:
    """Return the remembered port if it is free, else a new free one, which is remembered from now on."""
    port = remembered(path)
    if port is None or not is_free(port, host):
        port = _new(host)
        path.write_text(f"{port}\n")
    return port


def for_server(path: Path, *, runs: bool, wanted: int = 0, host: str = "127.0.0.1", variable: str = "") -> int:
    """Return the remembered port of a server that runs and may stay there; else the wanted one, or any free one (0), remembered from now on.

    Raises:
        StateError: somebody else has the one that `variable` asks for.
    """
    serving = remembered(path)
    if runs and serving and wanted in (0, serving):
        return serving
    if wanted == 0:
        return choose(path, host)
    if not is_free(wanted, host):
        raise StateError(f"port {wanted} is taken by another program", where=variable, action="name another port, or leave it unset")
    path.write_text(f"{wanted}\n")
    return wanted


def _new(host: str) -> int:
    """Return a free port out of SERVERS, by chance: homes that start at once must not all try the same."""
    for port in random.SystemRandom().sample(SERVERS, TRIES):
        if is_free(port, host):
            return port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
