"""Ports on the loopback: a free one is chosen once, remembered, and replaced when somebody else has taken it."""

import socket
from pathlib import Path


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


def remembered(path: Path) -> int | None:
    """Return the port kept at `path`, or None."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def choose(path: Path, host: str = "127.0.0.1") -> int:
    """Return the remembered port if it is free, else a new free one, which is remembered from now on."""
    port = remembered(path)
    if port is None or not is_free(port, host):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        path.write_text(f"{port}\n")
    return port
