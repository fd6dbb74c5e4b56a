"""The worker's process: connects, brings the schema up, works until SIGTERM, and finishes what it holds before it ends.

What goes wrong at the start is one line on standard error and exit code 1: what was found, where, and what to do. Nothing of a library
calls home: the SDK sends metrics nowhere (they are asked for), and the one client that could speak to the network, the model's, is
given its address.
"""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import NoReturn

from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

from kb_contracts.keys import read_keys
from kb_contracts.leaving import leave
from kb_review_worker.adapters.deployment import make_current
from kb_review_worker.assembly import build_ports, duties
from kb_review_worker.encryption.codec import AesGcmCodec, data_converter
from kb_review_worker.encryption.codec_server import codec_app
from kb_review_worker.serving import monitor_app, served
from kb_review_worker.settings import Settings
from kb_review_worker.starting import CannotStart, migrated, read_settings
from kb_review_worker.storage.database import Database
from kb_review_worker.upkeep.duties import kept_up
from kb_review_worker.worker import build_id, build_worker

LOG = logging.getLogger(__name__)


def command() -> NoReturn:
    """Run the worker, and end the process."""
    leave(main)


def main() -> None:
    """Run the worker."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(run(read_settings(Settings)))
    except CannotStart as error:
        sys.exit(f"kb-review-worker: {error}")


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        CannotStart: a server does not answer, or a setting is missing.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _check_seals(settings)
    url = migrated(settings)
    client = await connect(settings)
    build = build_id()
    async with AsyncExitStack() as running:
        database = await running.enter_async_context(Database(url))
        ports = await build_ports(running, settings, database)
        worker = build_worker(client, ports, settings, build=build)
        await _serve(running, settings, client, worker)
        await running.enter_async_context(worker)
        await running.enter_async_context(kept_up(duties(client, ports, settings, database)))
        await make_current(client, build, always=settings.make_current)
        LOG.info("build %s works on reviews", build)
        await stop.wait()
        LOG.info("ending: activities have %g s to finish", settings.graceful_shutdown)


async def connect(settings: Settings, *, runtime: Runtime | None = None) -> Client:
    """Return a client of Temporal that encrypts, where there are keys."""
    keys, key = settings.keys, settings.temporal_api_key
    if keys is None:
        LOG.warning("KB_REVIEW_KEYS is unset: Temporal's database holds cases and decisions in the clear")
    metrics = PrometheusConfig(bind_address=f"{settings.monitor_host}:{settings.metrics_port}")
    try:
        return await Client.connect(
            settings.temporal_address, namespace=settings.temporal_namespace, tls=settings.temporal_tls or key is not None,
            api_key=key.get_secret_value() if key else None,
            data_converter=data_converter(read_keys(keys.get_secret_value()) if keys else None),
            runtime=runtime or Runtime(telemetry=TelemetryConfig(metrics=metrics)),
        )
    except (RuntimeError, ValueError, RPCError) as error:
        raise CannotStart(f"Temporal at {settings.temporal_address} does not answer ({error}): start it, or check "
                          "KB_REVIEW_TEMPORAL_ADDRESS and KB_REVIEW_METRICS_PORT") from None


def _check_seals(settings: Settings) -> None:
    try:
        if settings.audit_seals:
            settings.audit_seals.open("ab").close()
    except OSError as error:
        raise CannotStart(f"KB_REVIEW_AUDIT_SEALS: {settings.audit_seals} cannot be written ({error.strerror}): expected a file in a folder "
                          "that is there, on another volume than the database's") from None


async def _serve(running: AsyncExitStack, settings: Settings, client: Client, worker: Worker) -> None:
    async def is_ready() -> bool:
        try:
            return worker.is_running and await client.service_client.check_health()
        except RPCError:
            return False

    apps = [(monitor_app(is_ready), "health", settings.monitor_port)]
    if settings.codec_port is not None and settings.keys and settings.codec_token:
        codec = AesGcmCodec(read_keys(settings.keys.get_secret_value()))
        apps.append((codec_app(codec, settings.codec_token.get_secret_value(), settings.codec_origin), "codec server", settings.codec_port))
    for app, what, port in apps:
        try:
            await running.enter_async_context(served(app, what, settings.monitor_host, port))
        except OSError as error:
            raise CannotStart(f"{what} cannot listen on {settings.monitor_host}:{port} ({error.strerror}): choose another port") from None
