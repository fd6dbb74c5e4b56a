"""What the environment says: the one place of the platform that reads or writes `os.environ`.

Everything has a default that works on one machine without configuration. What differs between knowledge bases is in their YAML,
not here. Secrets are `SecretStr`, so that printing the settings shows none of them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SHIPPED_DEFS = Path(__file__).parent / "defs"


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
    dagster_database: str = Field(
        default="dagster", min_length=1, max_length=63, description="Database, on the same server, of Dagster's runs and events.",
    )
    dagster_host: str = Field(
        default="127.0.0.1", description="Address the Dagster pages are served on. They have no login: keep it on the loopback.",
    )
    dagster_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the Dagster pages; 0: a free one, kept in the home.",
    )

    @field_validator("database_url")
    @classmethod
    def _is_a_postgres_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("expected postgresql://user:password@host:port/database")
        return url

    @property
    def object_store_url(self) -> str:
        """Return the fsspec URL of the object store; a plain path means local files."""
        return self.object_store or str(self.home / "objects")


def inherited_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with `more` on top, for a child process."""
    return {**os.environ, **more}


def export(values: Mapping[str, str]) -> None:
    """Set variables of this process, for libraries that read their configuration from nowhere else (Dagster's `env:`)."""
    os.environ.update(values)
