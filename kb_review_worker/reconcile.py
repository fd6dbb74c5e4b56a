"""`kb-review-reconcile`: one round of the reconciler, by hand. The worker does the same every ten minutes.

    kb-review-reconcile [--end-lost]

Prints one JSON object, {"ended": [...], "lost": [...]}, and ends with 0; with 4 if reviews are lost and were not ended. A worker of the
build that a terminated review ran on must be up: its state is asked for.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import NoReturn

from temporalio.exceptions import ApplicationError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError

from kb_contracts.leaving import leave
from kb_review_worker.assembly import build_ports, build_reconciler
from kb_review_worker.process import connect
from kb_review_worker.settings import Settings
from kb_review_worker.starting import CannotStart, read_settings
from kb_review_worker.storage.database import Database
from kb_review_worker.upkeep.broken_off import Found

LOST = 4


def command() -> NoReturn:
    """Do one round, and end the process."""
    leave(main)


def main() -> None:
    """Do one round."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--end-lost"]):
        print(__doc__)
        sys.exit(0 if arguments == ["--help"] else 2)
    try:
        found = asyncio.run(reconcile(read_settings(Settings), end_lost=bool(arguments)))
    except (CannotStart, ApplicationError, RPCError) as error:
        sys.exit(f"kb-review-reconcile: {error}")
    print(json.dumps({"ended": found.ended, "lost": found.lost}))
    sys.exit(LOST if found.lost and not arguments else 0)


async def reconcile(settings: Settings, *, end_lost: bool) -> Found:
    """Do one round with the worker's own settings.

    Raises:
        CannotStart: a server does not answer, or a setting is missing.
    """
    if settings.database_url is None:
        raise CannotStart("KB_REVIEW_DATABASE_URL is unset: expected postgresql://user:password@host:port/database")
    client = await connect(settings, runtime=Runtime(telemetry=TelemetryConfig()))
    async with AsyncExitStack() as running:
        database = await running.enter_async_context(Database(settings.database_url.get_secret_value()))
        ports = await build_ports(running, settings, database)
        return await build_reconciler(client, ports, database).reconcile(end_lost=end_lost)
