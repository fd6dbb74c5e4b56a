"""The gateway as a process: it starts with nothing but its variables, keeps what it acknowledged when it is killed, and ends when asked to."""

import asyncio
import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kb_contracts.outcomes import Status
from kb_review_worker.gateway.process import main
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.gateway.gateways import SECRET, TIMEOUT, Gateway, free_port
from kb_review_worker_tests.gateway.issuers import AUDIENCE, issuing
from kb_review_worker_tests.made_cases import PHRASE, ROLE, case
from kb_review_worker_tests.reviewing import Reviews, reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio


def _variables(**ours: object) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
    ports = {"gateway_port": free_port(), "gateway_monitor_port": free_port()}
    return kept | {f"KB_REVIEW_{name.upper()}": str(value) for name, value in (ports | ours).items()}


@contextmanager
def _process(variables: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "kb_review_worker.gateway"], env=variables, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _ready(variables: dict[str, str], process: subprocess.Popen[bytes], log: Path) -> None:
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        while process.poll() is None:
            try:
                if (await http.get(f"http://127.0.0.1:{variables['KB_REVIEW_GATEWAY_MONITOR_PORT']}/readyz")).status_code == 200:
                    await http.get(f"http://127.0.0.1:{variables['KB_REVIEW_GATEWAY_PORT']}/static/style.css")
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError(log.read_text())


async def test_what_was_acknowledged_is_delivered_once_although_the_gateway_is_killed(
    real: Server, database: Database, database_url: str, tmp_path: Path,
) -> None:
    log, behind = tmp_path / "log", Reviews(real, database, f"killed-{secrets.token_hex(4)}")
    with issuing() as issuer:
        variables = _variables(
            temporal_address=real.client.service_client.config.target_host, temporal_namespace=real.client.namespace, database_url=database_url,
            oidc_issuer=issuer.url, oidc_client_id="kb", oidc_audience=AUDIENCE, webhook_secrets=base64.b64encode(SECRET).decode())
        cases = [case() for _ in range(20)]
        handles = [await behind.start(about) for about in cases]  # no worker yet: nothing can be delivered
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{variables['KB_REVIEW_GATEWAY_PORT']}", timeout=TIMEOUT) as http:
            sender = Gateway("", behind, None, http)  # pyright: ignore[reportArgumentType]

            async def send(number: int) -> httpx.Response:
                body = {"review": handles[number].id, "verdict": "reject", "reason": f"because of {PHRASE}", "digest": cases[number].digest,
                        "reviewer_token": issuer.token("dr.web", ROLE)}
                return await sender.webhook(body, id_=f"kill-{handles[number].id.split('/')[3]}-{number}")

            with _process(variables, log) as process:
                await _ready(variables, process, log)
                assert {(await send(number)).status_code for number in range(20)} == {202}
                process.send_signal(signal.SIGKILL)
                process.wait()
            async with reviewing(real, database, queue=behind.queue):
                with _process(variables, log) as process:
                    await _ready(variables, process, log)
                    again = [(await send(number)).json()["known"] for number in range(20)]
                    assert [(await handle.result()).status for handle in handles] == [Status.REJECTED] * 20
                    assert (await http.request("PROPFIND", "/webhooks/decisions")).status_code == 405
                    metrics = (await http.get(f"http://127.0.0.1:{variables['KB_REVIEW_GATEWAY_MONITOR_PORT']}/metrics")).text
                    process.terminate()
                    assert await asyncio.to_thread(process.wait, 300) == 0
    assert all(again)
    assert 'kb_review_gateway_request_seconds_count{method="POST",route="/webhooks/decisions",status="202"} 20.0' in metrics
    assert 'method="other"' in metrics and "PROPFIND" not in metrics + log.read_text()
    rows = await behind.rows("select count(*), count(distinct review_id) from decision where review_id = any(%s)", [handle.id for handle in handles])
    assert rows == [(20, 20)]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line.get("route") for line in lines if line["message"] == "request"} >= {"/webhooks/decisions"}
    assert PHRASE not in log.read_text()


async def test_half_a_request_keeps_no_gateway_from_ending(real: Server, database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    variables = _variables(temporal_address=real.client.service_client.config.target_host, database_url=database_url,
                           local_reviewers=tmp_path / "reviewers.json")
    port = variables["KB_REVIEW_GATEWAY_PORT"]
    with _process(variables, log) as process:
        await _ready(variables, process, log)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                     "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")  # it is being handled
        process.terminate()
        assert await asyncio.to_thread(process.wait, 300) == 0
        writer.close()


@pytest.mark.parametrize(("variables", "said"), [
    ({}, "expected one of KB_REVIEW_OIDC_ISSUER"),
    ({"local_reviewers": "/nowhere/reviewers.json"}, "KB_REVIEW_DATABASE_URL is unset"),
    ({"local_reviewers": "reviewers.json", "gateway_host": "0.0.0.0"}, "a local identity is for one machine"),
    ({"local_reviewers": "reviewers.json", "database_url": "postgresql://nobody@127.0.0.1:1/none"}, "schema `review` cannot be brought up"),
    ({"local_reviewers": "reviewers.json", "gateway_port": "many"}, "KB_REVIEW_GATEWAY_PORT"),
])
def test_what_keeps_it_from_starting_is_one_line(variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"KB_REVIEW_{name.upper()}", value)
    with pytest.raises(SystemExit) as caught:
        main()
    assert str(caught.value).startswith("kb-review-gateway: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
