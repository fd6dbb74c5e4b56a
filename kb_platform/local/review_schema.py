"""The review worker's schema, migrated by the worker's own program: the platform imports nothing of it."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from kb_platform.knowledge.errors import StateError
from kb_platform.settings import inherited_environment

# Of the extra `review`: what the program imports beyond the platform's own dependencies. One alone says nothing: drivers of object stores bring
# `cryptography` as well.
NEEDED = ("cryptography", "psycopg_pool", "temporalio")


def migrate_reviews(url: str) -> dict[str, Any] | None:
    """Bring schema `review` of a database to the newest revision, and return {schema, before, revision}; None without the extra `review`.

    `url` is a libpq URL of the schema's owner, or of who may create it.

    Raises:
        StateError: it cannot be migrated; the program's own sentence says why.
    """
    if any(find_spec(name) is None for name in NEEDED):
        return None
    program = [sys.executable, "-m", "kb_review_worker.migrating"]
    variables = inherited_environment({"KB_REVIEW_DATABASE_URL": url}, but="KB_")
    done = subprocess.run(program, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise StateError(said[-1].removeprefix("kb-review-migrate: "), where="schema review",
                         action="let its owner run `kb-review-migrate`, and `kb migrate --no-reviews` do the rest")
    return dict(json.loads(done.stdout))
