"""Which adapters stand behind the ports, and what is done beside the reviews, as the settings say."""

import datetime as dt
import logging
from contextlib import AsyncExitStack

import httpx
from temporalio.client import Client

from kb_audit.keys import read_sealing_key
from kb_review_worker.adapters.fhir.client import TIMEOUT, FhirClient
from kb_review_worker.adapters.fhir.tasks import FhirTasks
from kb_review_worker.adapters.fhir.tokens import Client as TokenClient
from kb_review_worker.adapters.fhir.tokens import ClientCredentials
from kb_review_worker.ports import AuditSink, BriefWriter
from kb_review_worker.settings import Settings
from kb_review_worker.storage.audit import PostgresAudit, PostgresSeals
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.histories import PostgresHistories
from kb_review_worker.storage.inbox import PostgresInbox
from kb_review_worker.upkeep.broken_off import Reconciler
from kb_review_worker.upkeep.duties import Duty
from kb_review_worker.upkeep.histories import HistoryExport
from kb_review_worker.upkeep.sealing import SealedAudit, Sealer
from kb_review_worker.worker import Ports

LOG = logging.getLogger(__name__)
MINUTE, TEN_MINUTES, DAY = 60.0, 600.0, 86_400.0


async def build_ports(running: AsyncExitStack, settings: Settings, database: Database) -> Ports:
    """Return the ports; what they hold open is closed with `running`."""
    fhir = await build_fhir(running, settings)
    tasks = FhirTasks(fhir) if fhir else PostgresInbox(database)
    return Ports(tasks, PostgresDecisions(database), build_audit(settings, database), _briefs(settings))


async def build_fhir(running: AsyncExitStack, settings: Settings) -> FhirClient | None:
    """Return a client of the EHR, where one is configured."""
    if settings.fhir_url is None:
        return None
    http = await running.enter_async_context(httpx.AsyncClient(base_url=settings.fhir_url, timeout=TIMEOUT, trust_env=False))
    if not (settings.fhir_token_url and settings.fhir_client_id and settings.fhir_client_secret):
        return FhirClient(http, None)
    client = TokenClient(settings.fhir_token_url, settings.fhir_client_id, settings.fhir_client_secret.get_secret_value(), settings.fhir_scope)
    return FhirClient(http, ClientCredentials(http, client))


def build_audit(settings: Settings, database: Database) -> AuditSink:
    """Return the audit trail; it is sealed at each end of a review where there is a key."""
    sealer = _sealer(settings, database)
    return SealedAudit(PostgresAudit(database), sealer) if sealer else PostgresAudit(database)


def build_reconciler(client: Client, ports: Ports, database: Database) -> Reconciler:
    """Return what finds the reviews that ended without running code."""
    return Reconciler(client, PostgresHistories(database), ports.tasks, ports.decisions, ports.audit)


def duties(client: Client, ports: Ports, settings: Settings, database: Database) -> list[Duty]:
    """Return what the worker does beside its reviews."""
    sealer = _sealer(settings, database)
    export = HistoryExport(client, PostgresHistories(database), ports.audit)
    found = [Duty("export of histories", MINUTE, export.export),
             Duty("reconciler", TEN_MINUTES, build_reconciler(client, ports, database).reconcile)]
    if sealer is None:
        LOG.warning("KB_REVIEW_AUDIT_KEY is unset: the audit trail is chained but not sealed, and nothing of it is ever removed")
        return found
    return [*found, Duty("sealing", MINUTE, sealer.seal), Duty("retention", DAY, lambda: sealer.expire(dt.timedelta(days=settings.audit_keep_days)))]


def _sealer(settings: Settings, database: Database) -> Sealer | None:
    if settings.audit_key is None:
        return None
    return Sealer(PostgresSeals(database), read_sealing_key(settings.audit_key.get_secret_value()), settings.audit_seals)


def _briefs(settings: Settings) -> BriefWriter | None:
    if not (settings.brief_url and settings.brief_model):
        return None
    from kb_review_worker.adapters.openai_briefs import (  # its library takes longer to load than all the others
        Model,
        OpenAiBriefs,
    )

    return OpenAiBriefs(Model(settings.brief_url, settings.brief_model, settings.brief_api_key.get_secret_value() if settings.brief_api_key else "none"))
