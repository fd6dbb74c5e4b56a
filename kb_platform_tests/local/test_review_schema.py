"""The reviews' schema is migrated where the extra `review` is installed, all of it."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from kb_platform.local import review_schema

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def named(requirements: list[str]) -> set[str]:
    """Return the packages that requirements name."""
    return {re.split(r"[^A-Za-z0-9-]", each)[0] for each in requirements}


@pytest.mark.parametrize("name", review_schema.NEEDED)
def test_it_is_left_alone_where_a_part_of_the_extra_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_schema, "find_spec", lambda asked: None if asked == name else find_spec(asked))
    assert review_schema.migrate_reviews("postgresql://nobody@127.0.0.1:1/none") is None


def test_what_is_asked_for_is_what_the_program_imports_of_the_extra() -> None:
    listing = "import sys, kb_review_worker.migrating; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = set(subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split())
    of_the_extra = (named(PROJECT["optional-dependencies"]["review"]) | {"psycopg-pool"}) - named(PROJECT["dependencies"])
    modules = {file.parts[0].removesuffix(".py") for package in of_the_extra for file in files(package) or ()}
    assert imported & modules == set(review_schema.NEEDED)
