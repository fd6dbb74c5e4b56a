"""Measure what one more knowledge base costs a database that holds many: processor time of Postgres for its schema, first to last.

    python bench/many_bases.py [--bases 40] [--json]

A home of its own is made and removed. The figures are the means of the first three and of the last three schemas, and their ratio.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from kb_platform.cli import session
from kb_platform.local.environment import database_url
from kb_platform.local.postgres import running_postgres
from kb_platform.local.supervisor import down
from kb_platform.settings import Settings
from kb_platform.storage.database import Database
from kb_platform.storage.migrate import migrate


def processor_seconds(server: psutil.Process) -> float:
    """Return the processor time of a server and of all that it has started, ended ones too."""
    spent = server.cpu_times()
    total = spent.user + spent.system + spent.children_user + spent.children_system
    for child in server.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            living = child.cpu_times()
            total += living.user + living.system
    return total


def schema_costs(bases: int) -> list[float]:
    """Return the processor time of each schema, one after the other, in one database."""
    with session.database_running():
        running = running_postgres(session.settings().home)
        assert running is not None
        server, url, costs = psutil.Process(running.pid), database_url(session.settings()), []
        for number in range(bases):
            before, database = processor_seconds(server), Database(url, f"base_{number}")
            migrate(database)
            database.dispose()
            time.sleep(0.3)  # until the server has counted the time of the backend that ends
            costs.append(processor_seconds(server) - before)
    return costs


def main() -> None:
    """Measure in a new home, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=40, help="schemas made in one database")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb-bench-") as folder:
        Path(folder).chmod(0o755)
        chosen = Settings(home=Path(folder) / "home", defs=Path(folder), database_url=None, object_store=f"{folder}/objects")
        try:
            with session.use(chosen):
                costs = schema_costs(max(asked.bases, 6))
        finally:
            down(chosen, wipe=True)
    first, last = statistics.mean(costs[:3]), statistics.mean(costs[-3:])
    found = {"bases": len(costs), "first_cpu_s": round(first, 3), "last_cpu_s": round(last, 3), "last_over_first": round(last / first, 2)}
    print(json.dumps(found) if asked.json else f"{len(costs)} bases: the first {first:.2f} s each, the last {last:.2f} s, {last / first:.1f} times")


if __name__ == "__main__":
    main()
