"""Dagster's folder in the home: the instance's configuration and the workspace of its servers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import kb_platform
from kb_platform.knowledge.errors import StateError, in_a_word
from kb_platform.local.environment import environment
from kb_platform.settings import Settings, export

if TYPE_CHECKING:
    from dagster import DagsterInstance

MODULE, LOCATION = "kb_platform.definitions", "kb_platform"


def write_dagster_home(home: Path) -> Path:
    """Write `dagster.yaml` and `workspace.yaml`; return the path of the workspace.

    The instance is two files put together: the rules, which are valid anywhere, and the storage, which needs our variables.
    The workspace names the folder that holds the package, so that it loads from a checkout as well as from an installation.
    """
    folder = home / "dagster"
    rules, storage = (resources.files("kb_platform.local").joinpath(f"{name}.yaml").read_text() for name in ("dagster", "storage"))
    checkout = Path(kb_platform.__path__[0]).parent
    module = {"module_name": MODULE, "working_directory": str(checkout), "location_name": LOCATION}
    _replace(folder / "dagster.yaml", rules + storage)
    _replace(folder / "workspace.yaml", yaml.safe_dump({"load_from": [{"python_module": module}]}, sort_keys=False))
    return folder / "workspace.yaml"


@contextmanager
def open_instance(settings: Settings) -> Iterator["DagsterInstance"]:
    """Yield the home's Dagster instance for use in this process, whose environment it sets (see `environment`).

    Raises:
        StateError: the embedded Postgres is not running, or Dagster's tables are another role's.
    """
    from dagster import DagsterInstance  # 1.5 s

    export(environment(settings))
    write_dagster_home(settings.home)
    with _missing_rights(settings), DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        yield instance


@contextmanager
def _missing_rights(settings: Settings) -> Iterator[None]:
    """Say in one line that Dagster's database belongs to a role of its own, as in a cluster, which ours is no member of."""
    from psycopg2.errors import InsufficientPrivilege
    from sqlalchemy.exc import ProgrammingError

    try:
        yield
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise StateError(
            in_a_word(error.orig), where=f"database {settings.dagster_database} on the server of KB_DATABASE_URL",
            expected="tables of Dagster that the role of KB_DATABASE_URL may use",
            action="let an administrator grant that role the one that owns them; what the command has done before stays done",
        ) from error


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")  # commands that run at once write the same, each its own draft
    draft.write_text(text)
    draft.replace(path)
