"""Dagster's folder in the home: the instance's configuration and the workspace of its servers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

import kb_platform
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
        StateError: the embedded Postgres is not running.
    """
    from dagster import DagsterInstance  # 1.5 s

    export(environment(settings))
    write_dagster_home(settings.home)
    with DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        # Left alone, Dagster opens a connection for every event, some 200 a refresh. Two seconds and not more, so that none is
        # older than a server that was restarted meanwhile.
        instance.optimize_for_webserver(statement_timeout=0, pool_recycle=2, max_overflow=4)
        _look_at_the_catalogue_once(instance)
        yield instance


def _look_at_the_catalogue_once(instance: "DagsterInstance") -> None:
    """Keep what tables and columns Dagster's storage has: left alone, it asks some sixty times a refresh, a tenth of what a small one takes."""
    events, runs = cast("Any", instance.event_log_storage), cast("Any", instance.run_storage)
    events.has_table, has_column = cache(events.has_table), cache(events.has_asset_key_col)
    events.has_asset_key_col, events._has_asset_key_col_on_connection = has_column, lambda _, column: has_column(column)  # noqa: SLF001
    runs.has_run_stats_index_cols, runs.has_backfill_id_column = cache(runs.has_run_stats_index_cols), cache(runs.has_backfill_id_column)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")  # commands that run at once write the same, each its own draft
    draft.write_text(text)
    draft.replace(path)
