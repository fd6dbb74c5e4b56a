"""The gateway's process: brings the schema up, listens, delivers, and ends on SIGTERM with what it holds.

It starts while Temporal or the identity provider are down: what comes in is kept, and delivered when they are back.
"""

import asyncio
import datetime as dt
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import NoReturn

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from temporalio.client import Client

from kb_contracts.keys import read_keys
from kb_contracts.leaving import leave
from kb_review_worker.adapters.fhir.reports import FhirReports
from kb_review_worker.assembly import build_fhir
from kb_review_worker.encryption.codec import data_converter
from kb_review_worker.gateway.app import build_app
from kb_review_worker.gateway.deliveries import LEASE, Deliveries, delivering
from kb_review_worker.gateway.identity.local import ISSUER, LocalReviewers, ReviewersUnreadable
from kb_review_worker.gateway.identity.oidc import Oidc, Registration
from kb_review_worker.gateway.identity.who import Identity
from kb_review_worker.gateway.logs import write_json_lines
from kb_review_worker.gateway.metrics import REGISTRY
from kb_review_worker.gateway.reviews import TemporalReviews
from kb_review_worker.gateway.services import Services
from kb_review_worker.gateway.settings import GatewaySettings, read_secrets
from kb_review_worker.gateway.trail import Trail
from kb_review_worker.serving import monitor_app, served
from kb_review_worker.starting import CannotStart, migrated, read_settings
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.inbound import PostgresInbound
from kb_review_worker.storage.sessions import PostgresSessions
from kb_review_worker.storage.task_lists import PostgresTaskLists

LOG = logging.getLogger(__name__)
TIMEOUT = httpx.Timeout(10.0)


def command() -> NoReturn:
    """Run the gateway, and end the process."""
    leave(main)


def main() -> None:
    """Run the gateway."""
    write_json_lines()
    try:
        asyncio.run(run(read_settings(GatewaySettings)))
    except CannotStart as error:
        sys.exit(f"kb-review-gateway: {error}")


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        CannotStart: the database does not answer, an address is taken, or a setting is missing.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    url = await asyncio.to_thread(migrated, settings)
    async with AsyncExitStack() as running:
        database = await running.enter_async_context(Database(url, size=8))
        http = await running.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT))
        fhir = await build_fhir(running, settings)
        services = build_services(settings, database, await _temporal(settings), http, FhirReports(fhir) if fhir else None)
        try:
            await running.enter_async_context(served(_monitor(database), "health and metrics", settings.monitor_host, settings.gateway_monitor_port))
            await running.enter_async_context(served(build_app(services), "gateway", settings.gateway_host, settings.gateway_port))
        except OSError as error:
            raise CannotStart(f"{settings.gateway_host}:{settings.gateway_port} or {settings.monitor_host}:{settings.gateway_monitor_port} cannot be listened "
                              f"on ({error.strerror}): set KB_REVIEW_GATEWAY_PORT or KB_REVIEW_GATEWAY_MONITOR_PORT") from None
        await running.enter_async_context(delivering(services.deliveries))
        await stop.wait()
        LOG.info("ending: requests at hand are answered first")


def build_services(settings: GatewaySettings, database: Database, client: Client, http: httpx.AsyncClient, reports: FhirReports | None) -> Services:
    """Return the parts of a gateway."""
    tasks = PostgresTaskLists(database)
    reviews, trail = TemporalReviews(client, tasks), Trail(PostgresAudit(database), tasks)
    secrets = settings.webhook_secrets
    return Services(
        settings, _identity(settings, http), Deliveries(PostgresInbound(database, LEASE), reviews, trail, reports), reviews, tasks,
        PostgresSessions(database, dt.timedelta(seconds=settings.session_idle), dt.timedelta(seconds=settings.session_longest)), trail,
        read_secrets(secrets.get_secret_value()) if secrets else (),
    )


def _identity(settings: GatewaySettings, http: httpx.AsyncClient) -> Identity:
    if settings.local_reviewers:
        local = LocalReviewers(settings.local_reviewers)
        try:
            local.ensure()
        except ReviewersUnreadable as error:
            raise CannotStart(str(error)) from None
        return Identity(None, local, ISSUER)
    assert settings.oidc_issuer
    assert settings.oidc_client_id
    secret = settings.oidc_client_secret
    registration = Registration(
        settings.oidc_issuer, settings.oidc_client_id, f"{settings.url}/sign-in/callback", secret.get_secret_value() if secret else None,
        settings.oidc_scope, settings.oidc_roles_claim, settings.oidc_audience,
    )
    return Identity(Oidc(http, registration), None, settings.oidc_issuer)


async def _temporal(settings: GatewaySettings) -> Client:
    keys, key = settings.keys, settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address, namespace=settings.temporal_namespace, tls=settings.temporal_tls or key is not None, lazy=True,
        api_key=key.get_secret_value() if key else None, data_converter=data_converter(read_keys(keys.get_secret_value()) if keys else None),
    )


def _monitor(database: Database) -> Starlette:
    async def is_ready() -> bool:
        """Ready is who can keep what comes in. Temporal may be down: then events wait, which the metrics show."""
        return await database.answers()

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    app = monitor_app(is_ready)
    app.add_route("/metrics", metrics)
    return app
