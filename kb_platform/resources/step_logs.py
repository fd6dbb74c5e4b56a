"""What steps print goes to the object store, so that the pages show it when its pod is gone. A production dagster.yaml names the class.

Dagster has such managers for single clouds, each with its own settings; this one takes any URL that fsspec opens, which is the object
store's. While a step runs, what it has printed so far is there every `upload_interval` seconds: a killed pod leaves it behind.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import dagster as dg
import fsspec
from dagster._config import UserConfigSchema
from dagster._core.storage.cloud_storage_compute_log_manager import (
    PollingComputeLogSubscriptionManager,
    TruncatingCloudStorageComputeLogManager,
)
from dagster._core.storage.compute_log_manager import CapturedLogSubscription, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClass, ConfigurableClassData

LogKey = Sequence[str]


class ObjectStoreComputeLogManager(TruncatingCloudStorageComputeLogManager, ConfigurableClass):
    """Keeps the output of steps under `<url>/<prefix>`; `local_dir` is where it is collected first."""

    def __init__(
        self, url: str, prefix: str, upload_interval: int | None = None, local_dir: str | None = None,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__()
        self.root = f"{url.rstrip('/')}/{prefix.strip('/')}"
        self._upload_interval, self._inst_data = upload_interval, inst_data
        self._local = LocalComputeLogManager(local_dir or str(Path(tempfile.gettempdir()) / "kb-step-logs"))
        self._subscriptions = PollingComputeLogSubscriptionManager(self)

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Return how dagster.yaml describes it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return its keys in dagster.yaml."""
        return {
            "url": dg.Field(dg.StringSource, description="fsspec URL of the object store, usually {env: KB_OBJECT_STORE}."),
            "prefix": dg.Field(dg.StringSource, default_value="step-logs", description="Folder in it."),
            "upload_interval": dg.Field(dg.Noneable(int), default_value=30, description="Seconds; null: only when a step has ended."),
            "local_dir": dg.Field(dg.StringSource, is_required=False, description="A folder that can be written; left out: the temporary one."),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "ObjectStoreComputeLogManager":
        """Return the manager that dagster.yaml describes."""
        return cls(inst_data=inst_data, **config_value)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return fsspec.core.url_to_fs(self.root)

    @property
    def local_manager(self) -> LocalComputeLogManager:
        """Return what collects the output of a step while it runs."""
        return self._local

    @property
    def upload_interval(self) -> int | None:
        """Return every how many seconds it is sent meanwhile."""
        return self._upload_interval

    def delete_logs(self, log_key: LogKey | None = None, prefix: LogKey | None = None) -> None:
        """Delete what a step has printed, or all steps below a prefix of keys."""
        self._local.delete_logs(log_key=log_key, prefix=prefix)
        fs, root = self._opened
        paths = [self._path(log_key, kind, partial) for kind in ComputeIOType for partial in (False, True)] if log_key else []
        for path in paths:
            with suppress(FileNotFoundError):
                fs.rm(path)
        if prefix:
            with suppress(FileNotFoundError):
                fs.rm("/".join([root, *prefix]), recursive=True)

    def download_url_for_type(self, log_key: LogKey, io_type: ComputeIOType) -> str | None:
        """Return nothing: logs are read through the pages, by whom the pages let in."""

    def display_path_for_type(self, log_key: LogKey, io_type: ComputeIOType) -> str:
        """Return where it lies, for people."""
        return "/".join([self.root, *log_key[:-1], f"{log_key[-1]}.{IO_TYPE_EXTENSION[io_type]}"])

    def cloud_storage_has_logs(self, log_key: LogKey, io_type: ComputeIOType, partial: bool = False) -> bool:
        """Tell whether it is there: all of it, or what there was when the step still ran."""
        fs, _root = self._opened
        fs.invalidate_cache()
        return bool(fs.exists(self._path(log_key, io_type, partial)))

    def download_from_cloud_storage(self, log_key: LogKey, io_type: ComputeIOType, partial: bool = False) -> None:
        """Fetch it, for the pages; the file appears whole."""
        fs, _root = self._opened
        path = Path(self._local.get_captured_local_path(log_key, IO_TYPE_EXTENSION[io_type], partial=partial))
        path.parent.mkdir(parents=True, exist_ok=True)
        with fs.open(self._path(log_key, io_type, partial), "rb") as source, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            shutil.copyfileobj(source, draft)
        Path(draft.name).replace(path)

    def get_log_keys_for_log_key_prefix(self, log_key_prefix: LogKey, io_type: ComputeIOType) -> Sequence[list[str]]:
        """Return the keys of all that was printed directly below a prefix."""
        fs, root = self._opened
        folder, ending = "/".join([root, *log_key_prefix]), f".{IO_TYPE_EXTENSION[io_type]}"
        try:
            names = [str(path).rsplit("/", 1)[1] for path in fs.ls(folder, detail=False)]
        except FileNotFoundError:
            return []
        return [[*log_key_prefix, name.removesuffix(ending)] for name in sorted(names) if name.endswith(ending)]

    def on_subscribe(self, subscription: CapturedLogSubscription) -> None:
        """Look for news from now on."""
        self._subscriptions.add_subscription(subscription)

    def on_unsubscribe(self, subscription: CapturedLogSubscription) -> None:
        """Look no longer."""
        self._subscriptions.remove_subscription(subscription)

    def dispose(self) -> None:
        """End what looks for news."""
        self._subscriptions.dispose()
        super().dispose()

    def _upload_file_obj(self, data: IO[bytes], log_key: LogKey, io_type: ComputeIOType, partial: bool = False) -> None:
        fs, _root = self._opened
        path = self._path(log_key, io_type, partial)
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with fs.open(path, "wb") as target:
            shutil.copyfileobj(data, target)

    def _path(self, log_key: LogKey, io_type: ComputeIOType, partial: bool = False) -> str:
        _fs, root = self._opened
        return "/".join([root, *log_key[:-1], f"{log_key[-1]}.{IO_TYPE_EXTENSION[io_type]}{'.partial' if partial else ''}"])

