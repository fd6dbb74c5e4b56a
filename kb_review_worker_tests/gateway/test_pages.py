"""The reviewer's way in a real browser: list, case, decision, signature, receipt; and what a second reviewer sees."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from kb_contracts.decisions import Withdrawal
from kb_contracts.outcomes import Brief, Status
from kb_review_worker.storage.database import Database
from kb_review_worker_tests.gateway.browsers import sign_in
from kb_review_worker_tests.gateway.gateways import PASSPHRASE, Gateway, gateway
from kb_review_worker_tests.made_cases import case, event
from kb_review_worker_tests.reviewing import reviewing
from kb_review_worker_tests.servers import Server

pytestmark = pytest.mark.anyio
OLD = "# Anticoagulation\n\nWarfarin: check the INR every 8 weeks.\nStop it 5 days before surgery.\n\nSee also: bleeding.\n"
NEW = "# Anticoagulation\n\nWarfarin: check the INR every 12 weeks.\nStop it 5 days before surgery.\nBridge with heparin if the risk is high.\n\nSee also: bleeding.\n"


class Briefs:
    """Writes the same brief for every case; the requests to a model are another test's."""

    async def write(self, case: object) -> Brief:
        return Brief(summary="The interval between INR checks grows from 8 to 12 weeks.", points=("Is the new interval meant for stable patients only?",), model="m-1")


@pytest.fixture(scope="module")
async def running(anyio_backend: str, real: Server, database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Yield a gateway whose reviews have briefs."""
    async with reviewing(real, database, briefs=Briefs()) as reviews, gateway(reviews, tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Yield a page, and fail if anything on it broke the page's own policy."""
    async for made in _page(browser):
        yield made


async def _page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    made, complaints = await context.new_page(), []
    made.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    yield made
    await context.close()
    assert [text for text in complaints if "status of 4" not in text] == []


def _changed_document(subject: str = "policies/anticoagulation.md"):
    return case(kind="quarantined_document", subject=subject, material=NEW, previous=OLD, want_brief=True,
                reasons=("churn 31 % of the passages, over the limit of 20 %",), sources=("https://policies.example.org/anticoagulation", "delivery of 2026-11-25"),
                facts={"source": "policies", "day": "2026-11-25", "choices": {"approve": "let the new version in", "reject": "keep the version of before"}})


async def test_a_reviewer_approves_and_a_second_one_is_told(running: Gateway, browser: Browser, page: Page) -> None:
    about, handle, task = await running.waiting(_changed_document())
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    assert await page.get_by_text("Local identity.").is_visible()
    await page.get_by_role("link", name=str(task), exact=True).click()
    assert await page.locator("code", has_text=about.digest).is_visible()
    assert (await page.locator("tr.added ins").all_text_contents())[0] == "12"
    assert await page.get_by_text("machine text, checked by nobody").is_visible()
    assert await page.get_by_text("churn 31 %").is_visible()
    async for second in _page(browser):
        await sign_in(second, running.url, "dr.second", PASSPHRASE.format("dr.second"))
        await second.goto(f"{running.url}/cases/{task}")

        await page.get_by_role("button", name="Claim").click()
        await page.get_by_role("button", name="Release").wait_for()
        await page.get_by_role("button", name="Approve").click()
        assert await page.get_by_text("I have reviewed exactly this version and approve it").is_visible()
        assert await page.get_by_text("let the new version in").is_visible()
        await page.get_by_label("Your passphrase, again").fill("not it")
        await page.get_by_role("button", name="Sign and approve").click()
        assert await page.get_by_role("alert").text_content() == "That is not your passphrase: nothing was signed."
        assert (await running.reviews.state(handle)).decision is None
        await page.get_by_label("Your passphrase, again").fill(PASSPHRASE.format("dr.reviewer"))
        await page.get_by_role("button", name="Sign and approve").click()
        await page.get_by_role("heading", name="Receipt").wait_for()
        assert await page.get_by_text(handle.id).is_visible()
        assert (await handle.result()).status == Status.APPROVED

        await second.get_by_label("Reason").fill("too long an interval")
        await second.get_by_role("button", name="Reject").click()  # its page is from before the approval
        await second.get_by_label("Your passphrase, again").fill(PASSPHRASE.format("dr.second"))
        await second.get_by_role("button", name="Sign and reject").click()
        await second.get_by_role("heading", name="Already decided").wait_for()
        assert await second.get_by_text(re.compile(r"Already decided by Dr\.Reviewer at 20\d\d-")).is_visible()
        await second.goto(f"{running.url}/cases/{task}")
        assert await second.get_by_text("Already decided by Dr.Reviewer").is_visible()
        assert await second.get_by_role("button", name="Approve").count() == 0
    assert ("dr.second", handle.id) in await running.denied("AlreadyDecided")
    assert ("dr.reviewer", handle.id) in await running.denied("reauthentication")

    await page.get_by_role("link", name="Audit trail").click()
    told = await page.locator("tbody tr td[data-label=What]").all_text_contents()
    assert {"task created", "claimed", "signed", "ended", "denied", "viewed"} <= set(told)


async def test_the_keyboard_is_enough(running: Gateway, page: Page) -> None:
    _, handle, task = await running.waiting(_changed_document())
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    await page.goto(f"{running.url}/cases/{task}")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "To the content"
    await _tab_to(page, "#reason")
    await page.keyboard.type("the source is out of date")
    await _tab_to(page, "button[value=request_changes]")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/signatures/"))
    await page.locator("input[type=password]:focus").wait_for()
    await page.keyboard.type(PASSPHRASE.format("dr.reviewer"))
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Receipt").wait_for()
    assert (await handle.result()).status == Status.CHANGES_REQUESTED


async def _tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(selector)


async def test_a_rejection_needs_its_reason(running: Gateway, page: Page) -> None:
    _, _, task = await running.waiting(_changed_document())
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    await page.goto(f"{running.url}/cases/{task}")
    await page.get_by_role("button", name="Reject").click()
    assert await page.get_by_role("alert").text_content() == "Say why: a rejection or a request for changes needs its reason."


async def test_a_newer_version_supersedes_the_older(running: Gateway, page: Page) -> None:
    older, newer = _changed_document("policies/sepsis.md"), _changed_document("policies/sepsis.md")
    _, handle, task = await running.waiting(older)
    _, _, successor = await running.waiting(newer)
    await running.reviews.send(handle, Withdrawal(event_id=event(), reason="a newer version came"))
    await handle.result()
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    await page.goto(f"{running.url}/cases/{task}")
    assert await page.get_by_text("Superseded.").is_visible()
    assert await page.get_by_text("Nothing can be decided here.").is_visible()
    await page.get_by_role("link", name=f"case {successor}").click()
    assert await page.get_by_role("button", name="Approve").is_visible()


async def test_what_a_document_says_is_text_and_never_markup(running: Gateway, page: Page) -> None:
    attack = "<script>document.title='owned'</script> [go](javascript:alert(1)) ![x](https://evil.example/x.png) <img src=x onerror=alert(1)>"
    _, _, task = await running.waiting(case(material=attack, subject=attack, reasons=(attack,), sources=("javascript:alert(1)",), facts={attack: attack}))
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    await page.goto(f"{running.url}/cases/{task}")
    assert await page.title() == f"Case {task} · Review"
    assert await page.locator("main script, main img, main a[href^=javascript]").count() == 0
    assert attack in await page.locator("pre.material").text_content()


async def test_an_author_a_stranger_and_a_foreign_form_get_nowhere(running: Gateway, page: Page) -> None:
    _, handle, task = await running.waiting(_changed_document())
    await sign_in(page, running.url, "dr.author", PASSPHRASE.format("dr.author"))
    await page.goto(f"{running.url}/cases/{task}")
    assert await page.get_by_text("You are an author of this").is_visible()
    session = {"Cookie": "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in await page.context.cookies())}
    forms = [{"verdict": "approve"}, {"verdict": "approve", "csrf": "guessed"}]
    answers = [await running.http.post(f"/cases/{task}/decision", data=form, headers=session) for form in forms]
    foreign = await running.http.post(f"/cases/{task}/decision", data=forms[0], headers=session | {"Origin": "https://evil.example"})
    assert [answer.status_code for answer in (*answers, foreign)] == [403] * 3
    (cookie,) = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    await page.get_by_role("button", name="Sign out").click()
    await page.goto(f"{running.url}/cases/{task}")
    await page.get_by_role("heading", name="Sign in").wait_for()
    await sign_in(page, running.url, "nurse", PASSPHRASE.format("nurse"))
    assert (await page.goto(f"{running.url}/cases/{task}")).status == 404
    assert ("nurse", handle.id) in await running.denied("ViewNotAllowed")


async def test_nothing_is_wider_than_the_window(running: Gateway, page: Page) -> None:
    _, _, task = await running.waiting(_changed_document(subject=f"policies/{'a-very-long-name-' * 12}.md"))
    await sign_in(page, running.url, "dr.reviewer", PASSPHRASE.format("dr.reviewer"))
    for path in ("/", f"/cases/{task}", f"/cases/{task}/trail"):
        await page.goto(f"{running.url}{path}")
        for width in (400, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
