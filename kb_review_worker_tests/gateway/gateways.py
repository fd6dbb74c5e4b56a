"""A gateway on a real socket, over the real database and a real Temporal server, and how tests speak to it."""

import asyncio
import base64
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kb_contracts.cases import ReviewCase
from kb_review_worker.adapters.fhir.reports import FhirReports
from kb_review_worker.gateway.app import build_app
from kb_review_worker.gateway.deliveries import delivering
from kb_review_worker.gateway.process import build_services
from kb_review_worker.gateway.services import Services
from kb_review_worker.gateway.settings import GatewaySettings
from kb_review_worker.gateway.webhooks.signatures import signature
from kb_review_worker.serving import served
from kb_review_worker_tests.made_cases import ROLE, case
from kb_review_worker_tests.reviewing import Handle, Reviews

TIMEOUT = 300  # seconds for an answer
SECRET = bytes(range(32))
REST_HOOK = "a-shared-secret-of-the-rest-hook"
PEOPLE = {"dr.reviewer": ROLE, "dr.second": ROLE, "dr.author": ROLE, "nurse": "nurse", "auditor": "kb-auditor"}
PASSPHRASE = "correct-horse-{}"


@dataclass
class Gateway:
    """A running gateway."""

    url: str
    reviews: Reviews
    services: Services
    http: httpx.AsyncClient

    async def waiting(self, about: ReviewCase | None = None) -> tuple[ReviewCase, Handle, int]:
        """Start a review, and return it with the number of its task."""
        made = about or case()
        handle = await self.reviews.waiting(made)
        ((task_id,),) = await self.reviews.rows("select task_id from task where review_id = %s", handle.id)
        return made, handle, task_id

    async def api(self, method: str, path: str, who: str | None = "dr.reviewer", body: Any = None, key: str | None = None, **more: Any) -> httpx.Response:
        """Ask the REST interface, as a person of the local identity."""
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(12)} | more
        auth = httpx.BasicAuth(who, PASSPHRASE.format(who)) if who else None
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers, auth=auth)

    async def webhook(self, body: Any, *, id_: str, secret: bytes = SECRET, at: float | None = None, **headers: str) -> httpx.Response:
        """Send a signed webhook."""
        content, timestamp = json.dumps(body).encode(), str(int(at or time.time()))
        signed = base64.b64encode(signature(secret, id_, timestamp, content)).decode()
        told = {"webhook-id": id_, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signed}", "content-type": "application/json"}
        return await self.http.post("/webhooks/decisions", content=content, headers=told | headers)

    async def denied(self, meaning: str) -> list[tuple[Any, ...]]:
        """Return who was denied for a reason, and about which review."""
        return await self.reviews.rows(
            "select body::jsonb #>> '{who,id}', review_id from audit_event where event = 'denied' and body::jsonb ->> 'meaning' = %s order by seq", meaning)

    async def answered(self, event_id: str) -> tuple[str, Any]:
        """Return state and answer of an event, as soon as it has one."""
        while True:
            rows = await self.reviews.rows("select state, answer from inbound_event where event_id = %s and state <> 'waiting'", event_id)
            if rows:
                return rows[0][0], rows[0][1]
            await asyncio.sleep(0.02)


def reviewers_file(folder: Path) -> Path:
    """Write a file of local reviewers."""
    path = folder / "reviewers.json"
    people = [{"id": name, "name": name.title(), "roles": [role], "passphrase": PASSPHRASE.format(name)} for name, role in PEOPLE.items()]
    path.write_text(json.dumps({"reviewers": people}))
    return path


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@asynccontextmanager
async def gateway(reviews: Reviews, folder: Path, reports: FhirReports | None = None, **settings: Any) -> AsyncIterator[Gateway]:
    """Yield a gateway of a local identity, unless settings say otherwise."""
    port = settings.get("gateway_port") or free_port()
    values: dict[str, Any] = {
        "gateway_port": port, "webhook_secrets": base64.b64encode(SECRET).decode(), "fhir_webhook_secret": REST_HOOK,
        "local_reviewers": reviewers_file(folder),
    }
    made = GatewaySettings(**values | settings)
    async with AsyncExitStack() as running:
        outside = await running.enter_async_context(httpx.AsyncClient())
        services = build_services(made, reviews.database, reviews.server.client, outside, reports)
        await running.enter_async_context(delivering(services.deliveries))
        await running.enter_async_context(served(build_app(services), "gateway", "127.0.0.1", port))
        http = await running.enter_async_context(httpx.AsyncClient(base_url=made.url, timeout=TIMEOUT))
        yield Gateway(made.url, reviews, services, http)
