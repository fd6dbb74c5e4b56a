"""The whole loop as people meet it, over what `kb up` starts: a gate cannot tell, a reviewer signs in a browser, Dagster promotes.

Nothing is called that a sensor, the worker or the gateway would do: all of them run.
"""

import asyncio
import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from kb_platform.cli import main, output, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.local.environment import environment
from kb_platform.local.review_service import missing, reviewers_file
from kb_platform.local.supervisor import Standing
from kb_platform.settings import Settings, export, inherited_environment
from kb_platform.storage.releases import live_release
from kb_platform_tests.loop.browser import see_nothing, top, with_page
from kb_platform_tests.loop.everything import REVIEWED, everything_up
from kb_platform_tests.loop.pages import LISTED, ask
from kb_platform_tests.waiting import PATIENCE, wait_until

NAME, REVIEWER = REVIEWED, "second.reviewer"
pytestmark = pytest.mark.random_order(disabled=True)  # the deliveries of one knowledge base, one after the other


@pytest.fixture(scope="module")
def standing(home: Settings) -> Standing:
    """Return what is up, when a delivery has changed more than its gate lets pass."""
    if lacking := missing():
        pytest.skip(lacking)
    asyncio.run(with_page(see_nothing))
    kb = session.knowledge_base(NAME)
    assert refresh_once(kb, None, None, quiet=True)["promoted"]
    for name in ("warfarin.md", "lithium.md"):
        path = kb.folder / "documents" / name
        path.write_text(path.read_text().replace("8 weeks", "12 weeks").replace("Tell the pharmacist", "Tell the pharmacist the same day"))
    report = refresh_once(kb, None, None, quiet=True)
    assert (report["verdict"], report["promoted"]) == ("inconclusive", False)
    export(environment(home))
    return everything_up(home)


def test_a_reviewer_approves_in_a_browser_and_dagster_promotes(standing: Standing, pictures: Path) -> None:
    database = session.store(NAME).database
    before = live_release(database)
    passphrase = next(p["passphrase"] for p in json.loads(reviewers_file(session.settings().home).read_text())["reviewers"] if p["id"] == REVIEWER)

    asyncio.run(approve(standing.reviews, passphrase, pictures))
    assert live_release(database) == before, "an approval moves nothing by itself"
    wait_until(lambda: live_release(database) != before, "the release is promoted")

    label = {"key": ".dagster/repository", "value": "__repository__@kb_platform"}
    wait_until(lambda: statuses(standing.pages, label) == ["SUCCESS"], "its run has succeeded")
    asyncio.run(look_at_dagster(standing.pages, pictures))
    assert {path.name for path in pictures.glob("review-*.png")} >= {"review-list.png", "review-receipt.png", "review-promoted.png"}


def statuses(pages: str, label: dict[str, str]) -> list[str]:
    listed = ask(pages, LISTED, filter={"pipelineName": f"{NAME}_promote", "tags": [label]})["runsOrError"]["results"]
    return [run["status"] for run in listed]


def test_a_reviewer_without_a_browser_reads_decides_and_gets_a_receipt(standing: Standing) -> None:
    kb = session.knowledge_base(NAME)
    for name in ("digoxin.md", "amiodarone.md"):
        path = kb.folder / "documents" / name
        path.write_text(path.read_text().replace("every 26 weeks", "every 20 weeks"))
    assert refresh_once(kb, None, None, quiet=True)["verdict"] == "inconclusive"
    case = next(each for each in said("list", NAME)["cases"] if each["kind"] == "churn_over_limit")
    number, shown = str(case["case"]), said("show", NAME, str(case["case"]))
    assert (shown["digest"], shown["state"], shown["last_review"]) == (case["digest"], "open", None)
    assert "content" not in shown
    said("sync", NAME)
    wait_until(lambda: review("show", NAME, number, "--content", "--as", REVIEWER, "--json").returncode == 0, "the review can be read", every=0.5)

    content = said("show", NAME, number, "--content", "--as", REVIEWER)["content"]
    assert (content["digest"], content["status"]) == (case["digest"], "waiting")
    assert "changed: docs/digoxin.md" in content["material"]
    assert content["material"] in process("show", NAME, number, "--content", "--as", REVIEWER).stdout
    decide = ("decide", NAME, number, "approve", "--as", REVIEWER, "--digest")
    for arguments, passphrase, complaint in (
        ((*decide, "0" * 64), None, "the review is about"), ((*decide, "0"), None, "too short"), ((*decide, case["digest"]), "wrong", "no such name and passphrase"),
        (("decide", NAME, number, "reject", "--as", REVIEWER, "--digest", case["digest"]), None, "no reason is given"),
        (("decide", NAME, number, "approve", "--digest", case["digest"]), None, "nothing says who you are"),
        (("show", NAME, "4711"), None, "no case 4711"),
    ):
        refused = review(*arguments, passphrase=passphrase)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert complaint in refused.stderr
        assert "Traceback" not in refused.stderr
    assert said("show", NAME, number, "--content", "--as", REVIEWER)["content"]["status"] == "waiting"

    receipt = said(*decide, case["digest"][:12])["receipt"]
    assert json.loads(process(*decide, case["digest"][:12], "--json").stdout)["receipt"] == receipt
    wait_until(lambda: (said("show", NAME, number)["last_review"] or {}).get("effect") == "accepted", "the decision has come back", every=0.5)
    late = process("decide", NAME, number, "reject", "--reason", "too late", "--as", "reviewer", "--digest", case["digest"])
    assert (late.returncode, "lready decided" in late.stderr) == (1, True)


def said(*arguments: str) -> dict[str, Any]:
    """Return what a command of `kb review` prints with --json."""
    done = review(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def passphrase_of(arguments: tuple[str, ...]) -> str:
    """Return the passphrase of whom --as names."""
    people = json.loads(reviewers_file(session.settings().home).read_text())["reviewers"]
    return next((p["passphrase"] for p in people if "--as" in arguments and p["id"] == arguments[arguments.index("--as") + 1]), "")


def review(*arguments: str, passphrase: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of `kb review` in this process, with a passphrase on standard input."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(f"{passphrase_of(arguments) if passphrase is None else passphrase}\n"))
        patch.delenv("KB_REVIEW_TOKEN", raising=False)
        for printed in (output.console, output.errors):
            patch.setattr(printed, "width", 1000)
        with pytest.raises(SystemExit) as ended:
            main(["review", *arguments])
    return subprocess.CompletedProcess(arguments, ended.value.code or 0, out.getvalue(), err.getvalue())  # pyright: ignore[reportArgumentType]


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `kb review` as people do."""
    return subprocess.run([Path(sys.executable).with_name("kb"), "review", *arguments], input=f"{passphrase_of(arguments)}\n", capture_output=True,
                          text=True, check=False, timeout=PATIENCE, env=inherited_environment({"COLUMNS": "1000"}, but="KB_REVIEW_TOKEN"))


async def approve(url: str, passphrase: str, pictures: Path) -> None:
    """Sign in, wait for the case that Dagster's sensor hands over, read it, approve it, sign."""

    async def steps(page: Any) -> None:
        from kb_review_worker_tests.gateway.browsers import sign_in

        await sign_in(page, url, REVIEWER, passphrase)
        deadline = time.monotonic() + PATIENCE
        case = page.locator("a.subject", has_text="churn")  # other knowledge bases have cases of other kinds
        while not await case.count():
            assert time.monotonic() < deadline, "no case came"
            await asyncio.sleep(1)
            await page.reload()
        await page.screenshot(path=pictures / "review-list.png", clip=top(350))
        await case.click()
        for said in ("of 5 documents 2 changed", "changed: docs/warfarin.md"):
            assert await page.get_by_text(said).first.is_visible()
        await page.get_by_label("Reason").fill("The new intervals are those of the pharmacy's guideline.")
        await page.get_by_role("button", name="Approve").click()
        await page.get_by_label("Your passphrase, again").fill(passphrase)
        await page.get_by_role("button", name="Sign and approve").click()
        await page.get_by_role("heading", name="Receipt").wait_for()
        await page.screenshot(path=pictures / "review-receipt.png", clip=top(490))

    await with_page(steps)


async def look_at_dagster(url: str, pictures: Path) -> None:
    """See on the page of the promoted release who accepted what."""

    async def steps(page: Any) -> None:
        await page.goto(f"{url}/assets/{NAME}/promoted_release?view=events")
        await page.get_by_role("cell", name=REVIEWER, exact=True).wait_for()
        await page.screenshot(path=pictures / "review-promoted.png", clip=top(760))

    await with_page(steps)
