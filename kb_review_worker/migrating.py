"""`kb-review-migrate`: brings schema `review` to the newest revision, before a worker or a gateway of a new version starts.

    kb-review-migrate

Prints one JSON object, {"schema": "review", "before": ..., "revision": ...}; `before` is null where there was no schema. May be run again,
and beside others. It reads KB_REVIEW_DATABASE_URL alone; that role owns, or may create, the schema. Worker and gateway do the same when
they start: this is for a deployment that wants it done, or refused, first.
"""

import json
import logging
import sys
from typing import NoReturn

from kb_contracts.leaving import leave
from kb_review_worker.settings import Settings
from kb_review_worker.starting import CannotStart, migrated, read_settings
from kb_review_worker.storage.database import SCHEMA
from kb_review_worker.storage.migrate import revision_at


def command() -> NoReturn:
    """Migrate, and end the process."""
    leave(main)


def main() -> None:
    """Migrate."""
    if sys.argv[1:]:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    logging.basicConfig(level=logging.WARNING)
    try:
        settings = read_settings(Settings)
        before = revision_at(settings.database_url.get_secret_value()) if settings.database_url else None
        print(json.dumps({"schema": SCHEMA, "before": before, "revision": revision_at(migrated(settings))}))
    except CannotStart as error:
        sys.exit(f"kb-review-migrate: {error}")


if __name__ == "__main__":
    command()
