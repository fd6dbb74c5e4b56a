"""Every route with every key: who may, and in what words who may not. Without keys, this machine's programs alone."""

import datetime as dt
import socket
import subprocess
import sys
from typing import Any

import httpx
import psycopg
import pytest

from kb_platform.knowledge.api_keys import new_key
from kb_platform.resources.gpu_window import open_deployment
from kb_platform.serving.process import asks_for_keys
from kb_platform.settings import Settings
from kb_platform.storage.api_keys import add_key, all_keys, revoke_key
from kb_platform_tests.serving.apis import TIMEOUT, Api, api
from kb_platform_tests.serving.conftest import KEYS, PHARMACY, WARDS, Served, made_key
from kb_platform_tests.waiting import wait_until

READ = {
    "search": ("GET", "/v1/{kb}/search?question=visitors", None),
    "search by body": ("POST", "/v1/{kb}/search", {"question": "visitors"}),
    "a chunk": ("GET", "/v1/{kb}/chunks/999999", None),
    "a document": ("GET", "/v1/{kb}/documents/docs/fridge.md", None),
    "releases": ("GET", "/v1/{kb}/releases", None),
    "a release": ("GET", "/v1/{kb}/releases/1", None),
    "the live release": ("GET", "/v1/{kb}/releases/live", None),
}
GIVE = {"feedback": ("POST", "/v1/{kb}/feedback", {"release": 1, "helpful": True})}


@pytest.fixture
def keys(served: Served) -> dict[str, str]:
    """Return the keys by their names."""
    return served.keys


def ask(running: Api, route: tuple[str, str, Any], base: str, key: str | None) -> httpx.Response:
    method, path, body = route
    return running.post(path.format(kb=base), body, key) if method == "POST" else running.get(path.format(kb=base), key)


@pytest.mark.parametrize("route", [*READ, *GIVE])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_may_what_its_grants_say(keyed_api: Api, keys: dict[str, str], name: str, route: str) -> None:
    _, of_pharmacy, of_wards, of_none = KEYS[name]
    right, asked = ("f", GIVE[route]) if route in GIVE else ("r", READ[route])
    for base, rights in ((PHARMACY, of_pharmacy), (WARDS, of_wards), ("none", of_none)):
        answer = ask(keyed_api, asked, base, keys[name])
        if right not in rights:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (base, answer.text)
        elif base == "none":
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_knowledge_base")
        else:
            assert answer.status_code in (200, 201) or answer.json()["code"] == "not_found", answer.text


@pytest.mark.parametrize("route", [*READ, *GIVE])
@pytest.mark.parametrize("name", ["revoked", "expired", "of nobody", "cut", "longer", "another's secret", "no key", "empty"])
def test_what_is_no_key_that_holds_lets_nobody_in(keyed_api: Api, keys: dict[str, str], name: str, route: str) -> None:
    answer = ask(keyed_api, (READ | GIVE)[route], PHARMACY, keys[name])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer \xff"}, {"X-Api-Key": "kb_1"}])
def test_without_a_key_nobody_is_let_in(keyed_api: Api, headers: dict[str, str]) -> None:
    encoded = [(name, value.encode("latin-1")) for name, value in headers.items()]
    for path in (f"/v1/{PHARMACY}/releases", "/v1"):
        assert keyed_api.http.get(path, headers=encoded).status_code == 401


def test_a_key_lists_what_it_may_read(keyed_api: Api, keys: dict[str, str]) -> None:
    assert keyed_api.get("/v1", keys["every"]).json()["knowledge_bases"] == [PHARMACY, WARDS]
    assert keyed_api.get("/v1", keys["another"]).json()["knowledge_bases"] == [WARDS]


def test_feedback_names_the_key_and_logs_do_not_hold_it(keyed_api: Api, keys: dict[str, str], served: Served) -> None:
    key = keys["another"]
    number = keyed_api.post(f"/v1/{WARDS}/feedback", {"release": 2, "helpful": True}, key).json()["feedback"]
    with served.wards.transaction("gate") as c:
        assert c.execute("select by_key from feedback where feedback_id = %s", (number,)).fetchone() == (key.split("_")[1],)
    assert key.split("_", 2)[2] not in keyed_api.log.read_text()
    assert any(line.get("caller") == key.split("_")[1] for line in keyed_api.said())


def test_a_running_api_learns_of_new_and_revoked_keys(keyed_api: Api) -> None:
    key = made_key(PHARMACY)
    path = f"/v1/{PHARMACY}/releases/live"
    wait_until(lambda: keyed_api.get(path, key).status_code == 200, "the new key is known")
    revoke_key(open_deployment(), key.split("_")[1], "ann")
    wait_until(lambda: keyed_api.get(path, key).status_code == 401, "the revoked key is refused")
    assert "revoked" in keyed_api.get(path, key).json()["detail"]


def test_keys_are_only_added_and_kept_as_hashes(keys: dict[str, str]) -> None:
    database = open_deployment()
    kept = repr([(key, key.secret_hash) for key in all_keys(database)])
    assert not any(text.split("_", 2)[2] in kept for text in keys.values() if text.startswith("kb_"))
    for role in ("owner", "writer", "reader"):
        for statement in ("update api_key set grants = '{*}'", "delete from api_key", "delete from api_key_revocation", "truncate api_key cascade",
                          "update api_key_revocation set at = now() + interval '1 day'"):
            with pytest.raises(psycopg.Error), database.transaction(role) as c:
                c.execute(statement.encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("reader") as c:
        c.execute("insert into api_key_revocation (key_id, by_name) values ('000000000000', 'x')")


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": ""}, {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"},
    {"X-Forwarded-Host": "kb.example"},
])
def test_an_open_api_serves_no_other_sites_page_and_nobody_behind_a_proxy(open_api: Api, headers: dict[str, str]) -> None:
    for path in (f"/v1/{WARDS}/search", f"/v1/{WARDS}/feedback"):
        answer = open_api.http.post(path, json={"question": "x"}, headers=headers)
        assert answer.status_code in (400, 421), answer.text
    if "Origin" not in headers:
        assert open_api.http.get(f"/v1/{WARDS}/search?question=x", headers=headers).status_code in (400, 421)


def test_a_form_of_another_site_cannot_be_meant_as_json(open_api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = open_api.http.post(f"/v1/{WARDS}/search", content=b'{"question": "visitors"}', headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert "access-control-allow-origin" not in open_api.http.get("/v1").headers


def test_an_open_api_serves_this_machine_by_every_name_of_the_loopback(open_api: Api) -> None:
    port = open_api.url.rpartition(":")[2]
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert open_api.http.get("/v1", headers={"Host": host, "Sec-Fetch-Site": "none"}).status_code == 200
    assert open_api.http.post(f"/v1/{WARDS}/search", json={"question": "x"}, headers={"Origin": open_api.url}).status_code == 200


def test_beyond_the_loopback_nothing_is_served_without_a_key(served: Served) -> None:
    started = subprocess.run([sys.executable, "-c", WITHOUT_KEYS], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert started.returncode == 1
    assert "is to listen on 0.0.0.0, and there is no key yet" in started.stderr
    assert "kb keys add" in started.stderr


WITHOUT_KEYS = """
import asyncio, sys
from kb_platform.knowledge.errors import ConfigError
from kb_platform.serving import process
from kb_platform.settings import Settings
process.all_keys = lambda _: []
process.open_deployment = lambda: None
try:
    asyncio.run(process.run(Settings(serve_host="0.0.0.0"), print))
except ConfigError as error:
    sys.exit(str(error))
"""


def test_beyond_the_loopback_a_key_lets_in_who_comes_through_a_proxy(keyed_api: Api, keys: dict[str, str]) -> None:
    shown = {"Authorization": f"Bearer {keys['every']}", "X-Forwarded-For": "10.0.0.1", "Host": "kb.example"}
    assert keyed_api.http.get("/v1", headers=shown).status_code == 200


@pytest.mark.parametrize(("host", "open_", "asked"), [
    ("127.0.0.1", True, False), ("::1", True, False), ("localhost", True, False), ("127.0.0.1", False, True), ("0.0.0.0", True, True), ("::", True, True),
    ("kb.example", True, True), ("0.0.0.0", False, True),
])
def test_keys_are_asked_for_unless_only_this_machine_reaches_the_api_and_the_settings_open_it(host: str, open_: bool, asked: bool) -> None:
    assert asks_for_keys(Settings(serve_host=host, serve_open=open_)) is asked


def test_health_and_metrics_have_a_port_of_their_own(open_api: Api) -> None:
    asked = ('kb_serve_questions_total{knowledge_base="wards"} ', 'kb_serve_request_seconds_count{method="POST",route="/v1/{kb}/search",status="200"} ')

    def counts() -> list[float]:
        lines = http.get("/metrics").text.splitlines()
        return [float(next((line.removeprefix(name) for line in lines if line.startswith(name)), 0)) for name in asked]

    with httpx.Client(base_url=f"http://127.0.0.1:{open_api.settings['monitor_port']}", timeout=TIMEOUT, trust_env=False) as http:
        assert (http.get("/healthz").text, http.get("/readyz").text) == ("ok", "ready")
        before = counts()
        open_api.search(WARDS, "visitors")
        assert counts() == [count + 1 for count in before]
        assert open_api.http.get("/metrics").status_code == 404


def test_without_a_database_every_answer_says_so_and_the_server_is_not_ready(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = "postgresql://kb:hidden@127.0.0.1:1/kb"
    with api(served.settings, database=nowhere, monitor_port=port) as running, httpx.Client(trust_env=False, timeout=TIMEOUT) as http:
        for route in (READ | GIVE).values():
            answer = ask(running, route, WARDS, None)
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1"), answer.text
        assert http.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert http.get(f"http://127.0.0.1:{port}/readyz").status_code == 503
        assert "hidden" not in running.log.read_text()


def test_the_past_is_no_end_of_a_key() -> None:
    key = new_key()
    with pytest.raises(psycopg.errors.CheckViolation):
        add_key(open_deployment(), key, "late", ["*"], rate=None, expires_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), by="ann")
