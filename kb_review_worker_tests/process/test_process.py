"""The worker as a process: it starts with nothing but its variables, works, tells how it is, and ends when asked to."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from kb_audit.keys import new_key, read_public_keys
from kb_audit.reading import verify_database
from kb_contracts.names import TASK_QUEUE
from kb_contracts.outcomes import Status
from kb_review_worker.encryption.codec import data_converter
from kb_review_worker.process import main
from kb_review_worker.settings import Settings
from kb_review_worker.storage.database import Database
from kb_review_worker.worker import build_id
from kb_review_worker_tests.made_cases import case, decision
from kb_review_worker_tests.reviewing import Reviews
from kb_review_worker_tests.servers import Server, binary, search_attribute_options

pytestmark = pytest.mark.anyio
KEY = bytes(range(32))


@pytest.fixture
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """Yield a server of the test's own: builds are a namespace's."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"), data_converter=data_converter({"k1": KEY}), dev_server_log_level="error",
        dev_server_extra_args=search_attribute_options(),
    ) as environment:
        yield environment


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _variables(address: str, url: str, **more: str) -> dict[str, str]:
    ours = {"temporal_address": address, "temporal_namespace": "default", "database_url": url, "monitor_port": str(_free_port()),
            "metrics_port": str(_free_port()), "graceful_shutdown": "10",
            "keys": f"k1:{base64.b64encode(KEY).decode()}"} | more
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
    return kept | {f"KB_REVIEW_{name.upper()}": value for name, value in ours.items()}


@contextmanager
def _worker(variables: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "kb_review_worker"], env=variables, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _until_ready(variables: dict[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        while process.poll() is None:
            try:
                answer = await http.get(f"http://127.0.0.1:{variables['KB_REVIEW_MONITOR_PORT']}/readyz")
                if answer.status_code == 200 and "works on reviews" in log.read_text():
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError(log.read_text())


async def test_it_works_until_sigterm_and_what_waits_goes_on_after_a_kill(
    temporal: WorkflowEnvironment, database_url: str, database: Database, tmp_path: Path,
) -> None:
    client: Client = temporal.client
    key, seals = new_key("2026a"), tmp_path / "seals.jsonl"
    variables = _variables(client.service_client.config.target_host, database_url, audit_key=key.secret, audit_seals=str(seals))
    log = tmp_path / "log"
    reviews = Reviews(Server("real", temporal), database, TASK_QUEUE)
    about = case()
    with _worker(variables, log) as process:
        await _until_ready(variables, process, log)
        handle = await reviews.waiting(about)
        process.kill()
    with _worker(variables, log) as process:
        await _until_ready(variables, process, log)
        await reviews.send(handle, decision(about))
        assert (await handle.result()).status == Status.APPROVED
        async with httpx.AsyncClient(timeout=60) as http:
            metrics = (await http.get(f"http://127.0.0.1:{variables['KB_REVIEW_METRICS_PORT']}/metrics")).text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 300) == 0, log.read_text()

    assert 'kb_review_outcomes' in metrics
    assert 'status="approved"' in metrics
    described = await handle.describe()
    versioning = described.raw_description.workflow_execution_info.versioning_info
    assert versioning.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
    assert versioning.deployment_version.build_id == build_id()
    assert described.search_attributes["ReviewStatus"] == ["approved"]
    said = log.read_text()
    assert about.subject not in said
    told = await reviews.rows("select event from audit_event where review_id = %s order by seq", handle.id)
    assert [event for (event,) in told][:2] == ["task_created", "ended"]
    verdict = verify_database(database_url, read_public_keys(key.public), seals)
    assert verdict.status == "intact" and verdict.sealed_through > 1


@pytest.mark.parametrize(("wrong", "line"), [
    ({"database_url": ""}, "KB_REVIEW_DATABASE_URL is unset"),
    ({"database_url": "postgresql://u:secret@127.0.0.1:1/x"}, "schema `review` cannot be brought up"),
    ({"audit_key": "k1:c2VjcmV0"}, "KB_REVIEW_AUDIT_KEY: key 1: expected `id:base64`"),
    ({"audit_key": new_key("k").secret, "audit_seals": "/nowhere/seals"}, "KB_REVIEW_AUDIT_SEALS: /nowhere/seals cannot be written"),
    ({"audit_seals": "/tmp/seals"}, "KB_REVIEW_AUDIT_SEALS needs KB_REVIEW_AUDIT_KEY"),
    ({"fhir_url": "ehr.example.org"}, "KB_REVIEW_FHIR_URL: expected an address"),
    ({"fhir_token_url": "https://ehr.example.org/token"}, "KB_REVIEW_FHIR_TOKEN_URL needs KB_REVIEW_FHIR_URL"),
    ({"keys": "k1:c2VjcmV0"}, "KB_REVIEW_KEYS: key 1: expected `id:base64`"),
    ({"brief_url": "http://127.0.0.1:1/v1"}, "needs KB_REVIEW_BRIEF_MODEL"),
    ({"codec_port": "0"}, "KB_REVIEW_CODEC_TOKEN of 16 characters"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_a_wrong_setting_is_one_line(wrong: dict[str, str], line: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _variables("127.0.0.1:1", database_url, **wrong).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)
    assert line in said
    assert "\n" not in said
    assert "c2VjcmV0" not in said
    assert "secret" not in said


def test_a_temporal_that_does_not_answer_is_one_line_and_exit_code_1(database_url: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "kb_review_worker"], env=_variables("127.0.0.1:1", database_url),
                           capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stdout) == (1, "")
    said = [each for each in ended.stderr.splitlines() if each.startswith("kb-review-worker: ")]
    assert ["Temporal at 127.0.0.1:1 does not answer" in each for each in said] == [True], ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_show_no_secret() -> None:
    shown = repr(Settings(keys=f"k1:{base64.b64encode(KEY).decode()}", temporal_api_key="hush"))  # type: ignore[arg-type]
    assert "hush" not in shown
    assert base64.b64encode(KEY).decode() not in shown
