"""Where reviews by people run, and where their decisions are written: as the settings say when a sensor ticks."""

from typing import TYPE_CHECKING

from kb_contracts.keys import read_keys
from kb_platform.knowledge.errors import ConfigError
from kb_platform.settings import Settings, current_settings

if TYPE_CHECKING:
    from kb_platform.review.service import Address


def review_address() -> "Address | None":
    """Return where Temporal answers; None where no review service is configured.

    Raises:
        ConfigError: one is, but its client is not installed.
    """
    settings = current_settings()
    if settings.review_temporal_address is None:
        return None
    try:
        from kb_platform.review.service import Address
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", where="KB_REVIEW_TEMPORAL_ADDRESS", expected="the extra `review`",
                          action="pip install 'kb-platform[review]'") from error
    key, keys = settings.review_temporal_api_key, settings.review_keys
    return Address(
        settings.review_temporal_address, settings.review_temporal_namespace, tls=settings.review_temporal_tls,
        api_key=key.get_secret_value() if key else None, keys=read_keys(keys.get_secret_value()) if keys else None)


def review_database_url() -> str:
    """Return the address of the database with schema `review`.

    Raises:
        ConfigError: none is set.
    """
    return _database_url(current_settings())


def decisions_url() -> str | None:
    """Return the address of the database that decisions come from; None where nothing says that there are reviews.

    Raises:
        ConfigError: there are, and no database is set.
    """
    settings = current_settings()
    configured = settings.review_temporal_address is not None or settings.review_database_url is not None
    return _database_url(settings) if configured else None


def _database_url(settings: Settings) -> str:
    url = settings.review_database_url or settings.database_url
    if url is None:
        raise ConfigError("neither KB_REVIEW_DATABASE_URL nor KB_DATABASE_URL is set", where="environment",
                          expected="the database that the review worker writes to")
    return url.get_secret_value()
