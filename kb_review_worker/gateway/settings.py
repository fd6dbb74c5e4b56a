"""What the environment says to the gateway, beside what it says to the worker: Temporal, the database, the keys."""

import base64
import binascii
import ipaddress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from kb_review_worker.settings import Settings

SHORTEST_SECRET = 24  # bytes, as Standard Webhooks has it


class GatewaySettings(Settings):
    """The gateway's settings; an empty variable counts as unset."""

    gateway_host: str = Field(default="127.0.0.1", description="Address that the gateway listens on.")
    gateway_port: int = Field(default=8790, ge=0, le=65535, description="Its port; 0: a free one, which the log names.")
    gateway_url: str | None = Field(
        default=None, description="How reviewers and the EHR reach it, without a path. Required, with https, beyond loopback: TLS ends at the ingress.",
    )
    gateway_monitor_port: int = Field(
        default=9466, ge=0, le=65535, description="Port of `/healthz`, `/readyz` and `/metrics`, on KB_REVIEW_MONITOR_HOST; 0: a free one.",
    )
    oidc_issuer: str | None = Field(default=None, description="Issuer of the OpenID Connect provider that reviewers sign in with.")
    oidc_client_id: str | None = Field(default=None, description="The gateway's client id there. Redirect URI: KB_REVIEW_GATEWAY_URL/sign-in/callback.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="Its secret; unset: a public client. PKCE is used either way.")
    oidc_scope: str = Field(default="openid profile", description="Scopes that are asked for.")
    oidc_roles_claim: str = Field(default="roles", description="Claim with the person's roles; a dot leads into an object (`realm_access.roles`).")
    oidc_audience: str | None = Field(default=None, description="Audience of access tokens for the REST interface; unset: it takes none.")
    local_reviewers: Path | None = Field(
        default=None, description="File with the reviewers of this machine, made when it is not there. Instead of OpenID Connect, on loopback only.",
    )
    auditor_role: str = Field(default="kb-auditor", description="Who has this role sees every case and its trail. It decides nothing.")
    webhook_secrets: SecretStr | None = Field(
        default=None, description="Secrets of signed webhooks (Standard Webhooks): base64 with or without `whsec_`, separated by commas; each is accepted. "
        "Unset: none are taken.",
    )
    webhook_window: float = Field(default=300, gt=0, le=3600, description="How far a webhook's timestamp may be off, in seconds.")
    fhir_webhook_secret: SecretStr | None = Field(
        default=None, min_length=24, description="What the EHR's rest-hook sends as `Authorization: Bearer ...`. Unset: none are taken.",
    )
    session_idle: float = Field(default=1800, gt=0, description="How long a session lasts without a click, in seconds.")
    session_longest: float = Field(default=36_000, gt=0, description="How long a session lasts at most, in seconds.")

    @property
    def url(self) -> str:
        """Return how the gateway is reached."""
        host = f"[{self.gateway_host}]" if ":" in self.gateway_host else self.gateway_host
        return (self.gateway_url or f"http://{host}:{self.gateway_port}").rstrip("/")

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, secrets: SecretStr | None) -> SecretStr | None:
        if secrets:
            read_secrets(secrets.get_secret_value())
        return secrets

    @model_validator(mode="after")
    def _knows_who_people_are(self) -> Self:
        if bool(self.oidc_issuer) == bool(self.local_reviewers):
            raise ValueError("expected one of KB_REVIEW_OIDC_ISSUER (any OpenID Connect provider) and KB_REVIEW_LOCAL_REVIEWERS (a file; loopback only)")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("KB_REVIEW_OIDC_ISSUER needs KB_REVIEW_OIDC_CLIENT_ID, the gateway's client id at that provider")
        if self.oidc_issuer and not _is_safe(self.oidc_issuer):
            raise ValueError("KB_REVIEW_OIDC_ISSUER: expected https://, as tokens cross the network")
        return self

    @model_validator(mode="after")
    def _is_safe_beyond_loopback(self) -> Self:
        if self.local_reviewers and not (_is_loopback(self.gateway_host) and _is_loopback(urlsplit(self.url).hostname or "")):
            raise ValueError(
                f"a local identity is for one machine, and the gateway is told to be at {self.gateway_host}, {self.url}: listen on 127.0.0.1, or "
                "name an OpenID Connect provider (KB_REVIEW_OIDC_ISSUER)")
        if not _is_safe(self.url) or not (_is_loopback(self.gateway_host) or self.url.startswith("https://")):
            raise ValueError(f"KB_REVIEW_GATEWAY_URL: the gateway listens on {self.gateway_host}, so expected the https:// URL of what ends TLS before it")
        return self


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Return the secrets of signed webhooks. Messages quote none."""
    found = []
    for number, part in enumerate(text.split(","), 1):
        try:
            secret = base64.b64decode(part.strip().removeprefix("whsec_"), validate=True)
        except binascii.Error:
            secret = b""
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"secret {number}: expected the base64 of {SHORTEST_SECRET} bytes or more")
        found.append(secret)
    return tuple(found)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
