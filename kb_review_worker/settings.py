"""What the environment says to the review worker: each setting is read from the variable `KB_REVIEW_<NAME>`."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kb_audit.keys import read_sealing_key
from kb_contracts.keys import read_keys


class Settings(BaseSettings):
    """The worker's settings; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="KB_REVIEW_", env_ignore_empty=True, frozen=True, validate_default=True, hide_input_in_errors=True,
    )

    temporal_address: str = Field(default="127.0.0.1:7233", description="Where Temporal's frontend answers, host:port.")
    temporal_namespace: str = Field(default="review", description="Temporal's namespace of the reviews.")
    temporal_tls: bool = Field(default=False, description="Speak TLS to Temporal; implied by an API key.")
    temporal_api_key: SecretStr | None = Field(default=None, description="API key for Temporal, where it asks for one.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql:// URL of the database with schema `review`; its role owns, or may create, the schema.",
    )
    keys: SecretStr | None = Field(
        default=None, description="Keys of the payloads: `id:base64` of 32 bytes each, separated by commas. The first one encrypts, all "
        "decrypt. To rotate, put a new one first, and keep the old ones as long as their histories are kept.",
    )
    brief_url: str | None = Field(default=None, description="Base URL of an OpenAI-compatible endpoint, .../v1, that drafts briefs.")
    brief_model: str | None = Field(default=None, description="The model that drafts briefs, as its endpoint names it.")
    brief_api_key: SecretStr | None = Field(default=None, description="Its key; unset where its endpoint asks for none.")
    audit_key: SecretStr | None = Field(
        default=None, description="Key that seals the audit trail, `id:base64`, as `kb audit new-key` makes it. Unset: the trail is not sealed.",
    )
    audit_seals: Path | None = Field(
        default=None, description="File, outside the database and its backups, to which each seal is added as a line.",
    )
    audit_keep_days: int = Field(default=2192, ge=366, description="Days that the audit trail is kept; six years unless set.")
    fhir_url: str | None = Field(default=None, description="Base URL of the EHR's FHIR R4 server: reviews become its Tasks. Unset: the inbox.")
    fhir_token_url: str | None = Field(default=None, description="Where the EHR gives tokens (OAuth 2.0, client credentials); unset: it asks for none.")
    fhir_client_id: str | None = Field(default=None, description="The worker's client id there.")
    fhir_client_secret: SecretStr | None = Field(default=None, description="Its secret.")
    fhir_scope: str = Field(default="", description="The scope to ask for, such as `system/Task.crus system/Practitioner.r system/PractitionerRole.rs`.")
    make_current: bool = Field(
        default=False, description="Let new reviews begin on this worker's build as soon as it runs. Unset: only if no build is current yet; "
        "later ones are made current by `temporal worker deployment set-current-version`.",
    )
    concurrent_activities: int = Field(default=16, ge=1, le=1000, description="Activities at a time.")
    cached_workflows: int = Field(default=1000, ge=0, le=100_000, description="Reviews kept in memory; others are replayed when something happens.")
    graceful_shutdown: float = Field(
        default=20, ge=0, le=3600, description="Seconds that activities may take to finish after SIGTERM. Less than the pod's grace period.",
    )
    monitor_host: str = Field(default="127.0.0.1", description="Address of health, readiness and metrics. They have no login.")
    monitor_port: int = Field(default=9464, ge=0, le=65535, description="Port of `/healthz` and `/readyz`; 0: a free one, which the log names.")
    metrics_port: int = Field(default=9465, ge=1, le=65535, description="Port of Prometheus' `/metrics`, on the same address.")
    codec_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of the codec server for Temporal's pages, on the same address; unset: none.",
    )
    codec_token: SecretStr | None = Field(default=None, description="Bearer token that the codec server asks for.")
    codec_origin: str = Field(default="http://127.0.0.1:8233", description="Origin of Temporal's pages: the only one that may read answers.")

    @field_validator("brief_url", "fhir_url", "fhir_token_url")
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with http:// or https://")
        return url

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys:
            read_keys(keys.get_secret_value())
        return keys

    @field_validator("audit_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            read_sealing_key(key.get_secret_value())
        return key

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.brief_url and not self.brief_model:
            raise ValueError("KB_REVIEW_BRIEF_URL needs KB_REVIEW_BRIEF_MODEL, the model's name at that endpoint")
        if self.fhir_token_url and not (self.fhir_url and self.fhir_client_id and self.fhir_client_secret):
            raise ValueError("KB_REVIEW_FHIR_TOKEN_URL needs KB_REVIEW_FHIR_URL, _FHIR_CLIENT_ID and _FHIR_CLIENT_SECRET")
        if self.audit_seals and not self.audit_key:
            raise ValueError("KB_REVIEW_AUDIT_SEALS needs KB_REVIEW_AUDIT_KEY: `kb audit new-key ID` makes one")
        if self.codec_port is not None and not (self.keys and self.codec_token and len(self.codec_token.get_secret_value()) >= 16):
            raise ValueError("KB_REVIEW_CODEC_PORT needs KB_REVIEW_KEYS, and a KB_REVIEW_CODEC_TOKEN of 16 characters or more")
        return self
