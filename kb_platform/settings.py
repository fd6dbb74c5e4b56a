"""What the environment says: the one place of the platform that reads or writes `os.environ`.

Everything has a default that works on one machine without configuration. What differs between knowledge bases is in their YAML,
not here. Secrets are `SecretStr`, so that printing the settings shows none of them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kb_contracts.keys import read_keys
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.gpu_window import GpuHours

SHIPPED_DEFS = Path(__file__).parent / "defs"


def _names_a_server(url: str) -> bool:
    parts = urlsplit(url)
    with suppress(ValueError):  # a port that is no number
        return bool(re.fullmatch(r"[^\s?#]+", url) and parts.hostname and parts.port != 0)
    return False


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """The platform's settings, each read from the variable `KB_<NAME>`; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="KB_", env_ignore_empty=True, frozen=True, validate_default=True, hide_input_in_errors=True,
    )

    home: AbsolutePath = Field(default=Path(".kb"), description="Folder of the local state; relative to the current folder.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql:// URL of an external server's database; unset: the embedded Postgres of the home.",
    )
    object_store: str = Field(default="", description="fsspec URL of the object store; unset: `objects` in the home.")
    defs: AbsolutePath = Field(
        default=SHIPPED_DEFS, description="Folder of the knowledge bases' definitions.",
    )
    steps: Literal["in_process", "processes", "kubernetes"] = Field(
        default="in_process",
        description="Where steps that embed run: in the process of their run, each in a process of its own, or each in a pod; docs/compute.md.",
    )
    compute: str = Field(
        default="", description="What pods of steps ask of a cluster where a knowledge base's `compute` does not say: a YAML file, or YAML itself.",
    )
    step_patience: float = Field(
        default=120, ge=0, le=86_400,
        description="Seconds for which a step tries again what may pass: a database that restarts, an object store that does not answer.",
    )
    dagster_database: str = Field(
        default="dagster", min_length=1, max_length=63, description="Database, on the same server, of Dagster's runs and events.",
    )
    dagster_host: str = Field(
        default="127.0.0.1", description="Address the Dagster pages are served on. They have no login: keep it on the loopback.",
    )
    dagster_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the Dagster pages; 0: a free one, kept in the home.",
    )

    serve_host: str = Field(
        default="127.0.0.1", description="Address that the search API listens on. Beyond the loopback it asks for keys, and does not start without one.",
    )
    serve_port: int = Field(default=0, ge=0, le=65535, description="Its port; 0: a free one, kept in the home.")
    serve_monitor_host: str = Field(default="127.0.0.1", description="Address of its health, readiness and metrics. They have no login.")
    serve_monitor_port: int = Field(default=0, ge=0, le=65535, description="Their port; 0: a free one, kept in the home.")
    serve_open: bool = Field(default=True, description="On the loopback, let any program of this machine ask without a key.")
    serve_rate: float = Field(
        default=20, gt=0, le=100_000, description="Questions a second that one key may ask, in the long run; twice as many at once.",
    )
    serve_waiting: int = Field(default=64, ge=1, le=10_000, description="Requests that may wait for an answer; more are told to come back.")
    serve_timeout: float = Field(default=10, gt=0, le=600, description="Seconds that a request may take.")

    embedder: Literal["cpu", "cuda", "torch", "endpoint"] = Field(
        default="cpu", description="What computes vectors of models whose files are here. cpu: OpenVINO on this processor, BERT only; cuda: "
        "PyTorch on every GPU that is visible; torch: PyTorch on this processor; endpoint: that of KB_EMBEDDER_URL. Models `endpoint:NAME` "
        "are asked there in any case.",
    )
    embedder_precision: Literal["auto", "f16", "bf16", "f32"] = Field(
        default="auto", description="Arithmetic of cpu, cuda and torch. auto: cpu bf16 where the processor has it, else f32; cuda f16, or bf16 "
        "for models that are stored in it; torch f32.",
    )
    embedder_url: str | None = Field(default=None, description="Base URL of an OpenAI-compatible endpoint, .../v1, that has /embeddings.")
    embedder_model: str | None = Field(
        default=None, description="What the endpoint calls the model whose files are here; unset: as the embedding space does.",
    )
    embedder_api_key: SecretStr | None = Field(default=None, description="The endpoint's key; unset where it asks for none.")
    embedder_timeout: float = Field(default=60, gt=0, le=3600, description="Seconds that one request for embeddings may take.")
    embedder_concurrency: int = Field(default=4, ge=1, le=256, description="Requests for embeddings at a time, for each process.")
    embedder_batch: int = Field(default=32, ge=1, le=4096, description="Texts of one request; not more than the endpoint takes.")
    gpu_hours: str = Field(
        default="", description="When texts may be embedded, as OpenStreetMap writes opening hours; unset: always. docs/operate.md explains it.",
    )
    gpu_timezone: str = Field(default="UTC", description="IANA time zone of KB_GPU_HOURS, such as Europe/Berlin.")
    gpu_slots: int = Field(default=2, ge=1, le=1000, description="Embed runs that may go on at once while the window is open; Dagster's pool `gpu`.")
    gpu_country: str = Field(default="", description="ISO code of the country whose public holidays PH in hours means, such as DE.")

    judge_url: str | None = Field(
        default=None, description="Base URL of an OpenAI-compatible endpoint, .../v1, that judges answers; unset: no judged gate.",
    )
    judge_model: str | None = Field(default=None, description="The judge's model, as its endpoint names it.")
    judge_api_key: SecretStr | None = Field(default=None, description="The judge's key; unset where its endpoint asks for none.")
    judge_timeout: float = Field(default=60, gt=0, le=3600, description="Seconds that one request to a model may take.")
    judge_concurrency: int = Field(default=4, ge=1, le=64, description="Requests to a model at a time.")
    judge_response_format: Literal["json_schema", "json_object", "text"] = Field(
        default="json_schema", description="How the judge is asked for JSON; use what its endpoint understands.",
    )
    judge_input_price: float | None = Field(default=None, ge=0, description="Price of a million tokens that the judge reads.")
    judge_output_price: float | None = Field(default=None, ge=0, description="Price of a million tokens that the judge writes.")
    answer_url: str | None = Field(default=None, description="Endpoint of the model that answers questions; unset: the judge's.")
    answer_model: str | None = Field(default=None, description="The model that answers questions; unset: the judge's.")
    answer_api_key: SecretStr | None = Field(default=None, description="Its key; unset: the judge's, where the endpoint is the judge's.")
    answer_input_price: float | None = Field(default=None, ge=0, description="Price of a million tokens that it reads; unset: as above.")
    answer_output_price: float | None = Field(default=None, ge=0, description="Price of a million tokens that it writes; unset: as above.")

    gate_keys: SecretStr | None = Field(
        default=None, description="Keys that verdicts of gates are signed and checked with: `id:base64` of 32 bytes each, separated by commas, "
        "the signing one first; the same wherever releases are judged or promoted. Unset: one that the home keeps.",
    )

    alert_smtp_url: SecretStr | None = Field(
        default=None, description="The mail server that alerts go to: smtp://user:password@host:587, or smtps://...; TLS is taken where it is offered.",
    )
    alert_from: str | None = Field(default=None, description="Sender of alerts by e-mail; unset: the first recipient.")

    review_database_url: SecretStr | None = Field(
        default=None, description="postgresql:// URL of the database with the review worker's schema; unset: that of the knowledge bases.",
    )
    review_audit_public_keys: str = Field(
        default="", description="Public keys that seals of the audit trail are checked with, `id:base64`, separated by commas; old ones too.",
    )
    review_audit_seals: AbsolutePath | None = Field(default=None, description="The file of seals that the review worker writes, or a copy of it.")
    review_temporal_address: str | None = Field(
        default=None, description="Temporal's frontend, host:port, where reviews by people run; unset: cases wait in the database.",
    )
    review_temporal_namespace: str = Field(default="review", description="Temporal's namespace of the reviews.")
    review_temporal_tls: bool = Field(default=False, description="Speak TLS to Temporal; implied by an API key.")
    review_temporal_api_key: SecretStr | None = Field(default=None, description="API key for Temporal, where it asks for one.")
    review_gateway_url: str | None = Field(
        default=None, description="The review gateway's address, as reviewers' browsers use it; unset: the one of `kb up`.",
    )
    review_token: SecretStr | None = Field(
        default=None, description="Your access token from the gateway's identity provider, with which `kb review decide` says who you are.",
    )
    review_keys: SecretStr | None = Field(
        default=None, description="Keys that encrypt what Temporal stores, as the review worker has them: `id:base64` of 32 bytes each, "
        "separated by commas, the encrypting one first.",
    )

    @field_validator("embedder_url", "judge_url", "answer_url", "review_gateway_url")
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with http:// or https://")
        if url and "@" in urlsplit(url).netloc:
            raise ValueError("a URL is shown in messages: give a key in the variable that is made for it")
        if url and not _names_a_server(url):
            raise ValueError("expected a server's name, perhaps a port and a path, and no ? or #: paths are added at its end")
        return url

    @field_validator("embedder_api_key", "judge_api_key", "answer_api_key")
    @classmethod
    def _fits_into_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        """Leave out blanks and line ends around it, which a file of a secret often ends with."""
        text = key.get_secret_value().strip() if key else ""
        if not re.fullmatch(r"[!-~]*", text):
            raise ValueError("expected letters, digits and signs of ASCII, without blanks: it is sent in a header")
        return SecretStr(text) if text else None

    @field_validator("review_keys", "gate_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys:
            read_keys(keys.get_secret_value())
        return keys

    @model_validator(mode="after")
    def _has_hours_that_can_be_read(self) -> "Settings":
        try:
            _ = self.gpu_window
        except ConfigError as error:
            raise ValueError(f"KB_GPU_HOURS: {error}") from error
        return self

    @field_validator("database_url", "review_database_url")
    @classmethod
    def _is_a_postgres_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("expected postgresql://user:password@host:port/database")
        return url

    @property
    def gpu_window(self) -> tuple[GpuHours, ...]:
        """Return the deployment's hours; none means always.

        Raises:
            ConfigError: they cannot be read.
        """
        return (GpuHours(self.gpu_hours, self.gpu_timezone, self.gpu_country),) if self.gpu_hours else ()

    @property
    def server_variables(self) -> dict[str, str]:
        """Return which variables are set of the GPU window and of where steps run: servers started with others are started anew."""
        names = ("gpu_hours", "gpu_timezone", "gpu_slots", "gpu_country", "steps", "compute")
        return {f"KB_{name.upper()}": str(getattr(self, name)) for name in names if getattr(self, name) != type(self).model_fields[name].default}

    @property
    def object_store_url(self) -> str:
        """Return the fsspec URL of the object store; a plain path means local files."""
        return self.object_store or str(self.home / "objects")


def current_settings() -> Settings:
    """Return what the environment says now. Reading it takes milliseconds, so it is read anew only where a variable has changed."""
    said = tuple((name, value) for name, value in os.environ.items() if name.startswith("KB_") or name == "HOME")
    folder = None
    with suppress(OSError):  # the current folder is gone: absolute paths do without it
        folder = Path.cwd()
    return _as_set(said, folder)


@lru_cache(maxsize=4)
def _as_set(_variables: tuple[tuple[str, str], ...], _folder: Path | None) -> Settings:
    return Settings()


def inherited_environment(more: Mapping[str, str], *, but: str | None = None) -> dict[str, str]:
    """Return this process's environment with `more` on top, for a child process; `but` is how variables begin that stay out."""
    return {name: value for name, value in os.environ.items() if but is None or not name.startswith(but)} | dict(more)


def alert_secret(variable: str) -> str | None:
    """Return what a variable holds that `alerts` of a defs.yaml names; None where it is not set, or is none of alerts."""
    return os.environ.get(variable, "").strip() or None if variable.startswith("KB_ALERT_") else None


def brief_variables() -> dict[str, str]:
    """Return what names the model that drafts briefs of reviews: settings of the review worker, which are none of ours."""
    return {name: value for name, value in os.environ.items() if name.startswith("KB_REVIEW_BRIEF_")}


def silence_deepeval() -> None:
    """Switch off what deepeval would send or write; it reads these variables when it is first imported.

    Its telemetry, its .env and key files, its question at the end of a run. What it keeps goes into the home, not the current folder.
    """
    folder = str(Settings().home / "deepeval")
    os.environ.update({
        "DEEPEVAL_TELEMETRY_OPT_OUT": "1", "DEEPEVAL_DISABLE_DOTENV": "1", "DEEPEVAL_DISABLE_LEGACY_KEYFILE": "1",
        "DEEPEVAL_NO_INSPECT_PROMPT": "1", "DEEPEVAL_UPDATE_WARNING_OPT_IN": "0", "CONFIDENT_TRACE_FLUSH": "0",
        "DEEPEVAL_CACHE_FOLDER": folder, "DEEPEVAL_RESULTS_FOLDER": folder, "DEEPEVAL_HOME": folder,
    })


def silence_hub() -> None:
    """Switch off what huggingface_hub would tell about this process; it reads the variable when it is first imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def export(values: Mapping[str, str]) -> None:
    """Set variables of this process, for libraries that read their configuration from nowhere else (Dagster's `env:`)."""
    os.environ.update(values)


@contextmanager
def environment_kept() -> Iterator[None]:
    """Put back the variables of this process as they were, whatever is exported meanwhile."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
