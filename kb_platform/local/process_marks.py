"""What tells a process from any other that ever had its pid; without libraries, for those that have no time to load any."""

from pathlib import Path


def mark_of(pid: int) -> str | None:
    """Return the boot and the tick that a process began at, "" where there is none: unlike a time of day, they stay when the clock is set.

    None where the system has no /proc, and only a library could tell.
    """
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{ticks}"
    except OSError:
        return "" if Path("/proc/self/stat").exists() else None
