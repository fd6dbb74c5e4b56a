"""Sign-in and signature with an OpenID Connect provider that we did not write, in a real browser."""

import datetime as dt
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from kb_contracts.outcomes import Status
from kb_review_worker.gateway.identity.oidc import Login, is_fresh
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.fhir.ehr import install
from kb_review_worker_tests.gateway.gateways import Gateway, free_port, gateway
from kb_review_worker_tests.made_cases import ROLE, reviewer
from kb_review_worker_tests.reviewing import reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio
FOLDER = Path(__file__).parent / "oidc"


@dataclass(frozen=True)
class Provider:
    """A running provider, and the port that its one client is to listen on."""

    url: str
    gateway_port: int


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Yield a running provider; skips, saying so, without node."""
    install(FOLDER, "the OpenID Connect provider")
    port, gateway_port = free_port(), free_port()
    words = ["node", "--no-warnings", "provider.mjs", str(port), f"http://127.0.0.1:{gateway_port}/sign-in/callback", ROLE]
    process = subprocess.Popen(words, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        yield Provider(f"http://127.0.0.1:{port}", gateway_port)
        process.stdout.close()
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
async def running(anyio_backend: str, real: Server, database: Database, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Yield a gateway that knows people by that provider."""
    settings = {"local_reviewers": None, "oidc_issuer": provider.url, "oidc_client_id": "kb-review", "gateway_port": provider.gateway_port,
                "oidc_client_secret": "a-secret-of-the-gateway"}
    async with reviewing(real, database) as reviews, gateway(reviews, tmp_path_factory.mktemp("oidc"), **settings) as made:
        yield made


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Yield a page of a fresh browser."""
    context = await browser.new_context()
    context.set_default_timeout(60_000)
    yield await context.new_page()
    await context.close()


async def _sign_in(page: Page, name: str) -> None:
    await page.locator("input[name=login]").fill(name)
    await page.locator("input[name=password]").fill("anything")
    await page.locator("button[type=submit]").click()


async def test_a_signature_needs_a_fresh_sign_in_of_the_same_person(running: Gateway, provider: Provider, page: Page) -> None:
    _, handle, task = await running.waiting()
    await page.goto(f"{running.url}/cases/{task}")  # leads to the provider, and back to the case
    await _sign_in(page, "web")
    assert await page.get_by_text("Dr. web").is_visible()
    assert await page.get_by_text("Local identity").count() == 0

    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("link", name="Sign in again to sign").click()
    await _sign_in(page, "somebody-else")  # the provider asks, although it has a session
    await page.get_by_role("heading", name="Not signed").wait_for()
    assert (await running.reviews.state(handle)).decision is None
    assert ("web", handle.id) in await running.denied("reauthentication")

    await page.goto(f"{running.url}/cases/{task}")
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("link", name="Sign in again to sign").click()
    await _sign_in(page, "web")
    await page.get_by_role("heading", name="Receipt").wait_for()
    outcome = await handle.result()
    assert outcome.status == Status.APPROVED
    assert (outcome.state.decision.reviewer.id, outcome.state.decision.reviewer.issuer) == ("web", provider.url)


async def test_without_the_role_there_is_nothing_to_see(running: Gateway, page: Page) -> None:
    _, _, task = await running.waiting()
    await page.goto(running.url)
    await _sign_in(page, "guest")
    assert await page.get_by_text("Nothing waits for you.").is_visible()
    answer = await page.goto(f"{running.url}/cases/{task}")
    assert answer and answer.status == 404


async def test_a_callback_that_nobody_left_for_is_refused(running: Gateway) -> None:
    answer = await running.http.get("/sign-in/callback", params={"state": "guessed", "code": "stolen"})
    assert answer.status_code == 403
    assert await running.denied("sign_in")
    assert (await running.http.post("/sign-in", data={"name": "web", "passphrase": "x"})).status_code == 404


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_a_sign_in_leads_back_to_these_pages_only(local: Gateway, to: str) -> None:
    shown = await local.http.get("/sign-in", params={"to": to})
    assert 'name="to" value="/"' in shown.text


@pytest.mark.parametrize(("ago", "fresh"), [(dt.timedelta(0), True), (dt.timedelta(minutes=1), False), (None, False)])
def test_a_login_of_before_the_draft_signs_nothing(ago: dt.timedelta | None, fresh: bool) -> None:
    now = dt.datetime.now(dt.UTC)
    assert is_fresh(Login(reviewer(), None if ago is None else now - ago), since=now) is fresh
