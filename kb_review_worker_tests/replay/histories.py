"""Records one complete history for each way in which a review can end, for the replay test.

    make histories        (python -m kb_review_worker_tests.replay.histories NAME)

Stored histories are of releases: record new ones under a new NAME when a release's workflow changes, and keep the old ones as long as
reviews of that release may be running. They are recorded on the real server, where a week passes in a moment. Each is stored in the
clear and, of the same kind of review, as the codec writes it; the key is a test's, and secret to nobody.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from temporalio.client import WorkflowFailureError

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Claim, Note, Reassignment, Verdict, Withdrawal
from kb_platform.local.postgres import ensure_postgres, stop_postgres
from kb_platform_tests.quality.judges.scripted_endpoint import completion, error
from kb_platform_tests.quality.judges.scripted_endpoint import serving as serving_model
from kb_review_worker.adapters.openai_briefs import Model, OpenAiBriefs
from kb_review_worker.storage.database import Database
from kb_review_worker.storage.migrate import migrate
from kb_review_worker_tests.made_cases import case, decision, event, reviewer
from kb_review_worker_tests.reviewing import Handle, Reviews, reviewing
from kb_review_worker_tests.servers import Server, serving

FOLDER = Path(__file__).parent / "histories"
ROOT = Path(__file__).parents[2]
KEYS = {"test": bytes(range(32))}
Story = Callable[[Reviews, ReviewCase, Handle], Awaitable[None]]


async def approved(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Approve it after both escalations; the fullest of the stories."""
    first, second = reviewer("dr.first"), reviewer("dr.second")
    await reviews.send(handle, Claim(event_id=event(), reviewer=first))
    await reviews.pass_time(handle, hours=24.1)
    await reviews.send(handle, Note(event_id=event(), reviewer=first, text="not mine"))
    await reviews.send(handle, Reassignment(event_id=event(), reviewer=first, to=second))
    await reviews.pass_time(handle, hours=48)
    await reviews.send(handle, decision(about, reviewer=second))


async def rejected(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Reject it at once."""
    await reviews.send(handle, decision(about, Verdict.REJECT))


async def changes_requested(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Ask for changes after one escalation."""
    await reviews.pass_time(handle, hours=30)
    await reviews.send(handle, decision(about, Verdict.REQUEST_CHANGES))


async def expired_unreviewed(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Let a week pass."""
    await reviews.pass_time(handle, hours=168.1)


async def withdrawn(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Withdraw it."""
    await reviews.send(handle, Withdrawal(event_id=event(), reason="a newer version came"))


async def cancelled(reviews: Reviews, about: ReviewCase, handle: Handle) -> None:
    """Cancel it, as an operator does."""
    await handle.cancel()


STORIES: tuple[Story, ...] = (approved, rejected, changes_requested, expired_unreviewed, withdrawn, cancelled)


async def record(folder: Path, url: str) -> None:
    """Write the history of each story: with and without encryption, a brief, and a brief that failed."""
    for keys, suffix in ((None, ""), (KEYS, ".encrypted")):
        async with serving("real", keys) as server, Database(url) as database:
            for story in STORIES:
                await _record(server, database, story, folder / f"{story.__name__}{suffix}.json", fails=story is rejected and not keys)


async def _record(server: Server, database: Database, story: Story, file: Path, *, fails: bool) -> None:
    good = completion(json.dumps({"summary": "A scan.", "points": ["Is it the right one?"]}))
    with serving_model(lambda _: error(500) if fails else good) as scripted:
        briefs = OpenAiBriefs(Model(f"http://127.0.0.1:{scripted.port}/v1", "scripted"))
        async with reviewing(server, database, briefs=briefs) as reviews:
            about = case(want_brief=story in {approved, rejected})
            handle = await reviews.waiting(about)
            await story(reviews, about, handle)
            with suppress(WorkflowFailureError):
                await handle.result()
            recorded = (await handle.fetch_history()).to_json()
    recorded = recorded.replace(f"{ROOT}/", "")  # in stack traces
    file.write_text(json.dumps({"workflow_id": handle.id, "history": json.loads(recorded)}, separators=(",", ":")) + "\n")


def main(name: str) -> None:
    """Record the histories of a release."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="kb-histories-"))
    home.chmod(0o755)
    try:
        url = ensure_postgres(home / "home").url()
        migrate(url)
        asyncio.run(record(folder, url))
    finally:
        stop_postgres(home / "home", wipe=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    main(sys.argv[1])
