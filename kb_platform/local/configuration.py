"""The server's configuration, as a function of the machine."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

MEGABYTE = 1024**2
SCRAM_ITERATIONS = 1
"""Stretching makes a password that a person chose hard to guess. Ours are 256 random bits, and each of the 4,096 rounds that are the default is
paid for by every connection: 5 ms of the client's processor."""
MAINTENANCE_MEMORY = 512  # MB; 100,000 384-dimensional vectors need 112; a graph that does not fit builds four times as slowly


@dataclass(frozen=True)
class Machine:
    """What the settings depend on; memory in bytes, `shared` is what POSIX shared memory can still hold."""

    memory: int
    shared: int
    cpus: int


def this_machine() -> Machine:
    """Measure this machine."""
    shared = Path("/dev/shm")  # noqa: S108  the name Linux gives to POSIX shared memory
    free = shutil.disk_usage(shared).free if shared.is_dir() else psutil.virtual_memory().available
    return Machine(psutil.virtual_memory().total, free, os.cpu_count() or 1)


def settings(machine: Machine, port: int) -> dict[str, str]:
    """Return the server's settings.

    Statements and the values in them never reach the log: they may quote documents. Parallel builds of the vector index keep the
    graph in dynamic shared memory, which containers often limit to 64 MB: there it is put into files of the data folder.
    """
    shared_buffers = min(max(machine.memory // 16 // MEGABYTE, 256), 2048)
    return {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
        "password_encryption": "scram-sha-256",
        "scram_iterations": str(SCRAM_ITERATIONS),
        "shared_buffers": f"{shared_buffers}MB",
        "effective_cache_size": f"{machine.memory // 2 // MEGABYTE}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{MAINTENANCE_MEMORY}MB",
        "max_parallel_maintenance_workers": str(min(max(machine.cpus - 1, 0), 4)),
        "dynamic_shared_memory_type": "posix" if machine.shared > 2 * MAINTENANCE_MEMORY * MEGABYTE else "mmap",
        "fsync": "on",
        "wal_compression": "on",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "log_statement": "none",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
    }


def as_file(values: dict[str, str]) -> str:
    """Return the settings as the text of a postgresql.conf."""
    note = "# Written at each start. Your own settings: ALTER SYSTEM SET ..., which is kept beside this file and wins.\n"
    return note + "".join(f"{name} = '{value}'\n" for name, value in values.items())
