"""What a team sees and does in Dagster's pages, in a browser and through the same GraphQL, with the real webserver, daemon and run processes."""

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.components.knowledge_base.day_metadata import CLOSED, EARLIER
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.settings import Settings
from kb_platform.storage.releases import live_release
from kb_platform_tests.flow.test_lost_queries import GOLDENS, NOISE, QUESTION
from kb_platform_tests.loop.browser import see_nothing, with_page
from kb_platform_tests.loop.everything import REFUSED
from kb_platform_tests.loop.pages import LISTED, ask, materialize

GRAPH = """{ assetNodes { assetKey { path } groupName dependencyKeys { path } isPartitioned
    assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }"""
CHAIN = ["raw_documents", "chunks", "embeddings", "vector_index"]


@pytest.fixture(scope="module")
def kb(home: Settings) -> KnowledgeBase:  # noqa: ARG001  in which it is
    """Return a knowledge base after a week: two days at once, one with goldens, a rollback, a day that was closed, and a delivery that a gate stops."""
    made = session.knowledge_base(REFUSED)
    assert refresh_once(made, f"{day(made, 0)}..{day(made, 1)}", None, quiet=True)["release"] == 1
    (made.folder / "golden").mkdir()
    (made.folder / "golden" / "golden.yaml").write_text(yaml.safe_dump({"version": 1, "goldens": GOLDENS}))
    (made.folder / "documents" / "badge.md").write_text("# Badges\n\nBadges are printed at the front desk.\n")
    assert refresh_once(made, day(made, 2), None, quiet=True)["release"] == 2
    app(["rollback", made.name], standalone_mode=False)
    refresh_once(made, day(made, 1), None, quiet=True)
    for name, text in NOISE.items():
        (made.folder / "documents" / name).write_text(text)
    assert exit_code(refresh_once(made, day(made, 3), None, quiet=True)) == 3
    return made


def day(kb: KnowledgeBase, number: int) -> str:
    return (kb.start_date + dt.timedelta(days=number)).isoformat()


def test_a_failed_candidate_is_refused_in_the_pages_and_the_graph_is_there(kb: KnowledgeBase, pages: str) -> None:
    run = materialize(pages, kb.name, "promoted_release")
    assert run["status"] == "FAILURE"
    said = json.dumps(run["eventConnection"]["events"])
    assert "cannot be promoted" in said
    assert "golden_retrieval" in said
    assert live_release(session.store(kb.name).database) == 1

    label = {"key": ".dagster/repository", "value": "__repository__@kb_platform"}  # what the page of a job asks for
    listed = ask(pages, LISTED, filter={"pipelineName": f"{kb.name}_release", "tags": [label]})["runsOrError"]["results"]
    assert [run["status"] for run in listed][:1] == ["FAILURE"]
    assert {run["status"] for run in listed[1:]} == {"SUCCESS"}

    nodes = {tuple(n["assetKey"]["path"]): n for n in ask(pages, GRAPH)["assetNodes"] if n["assetKey"]["path"][0] == kb.name}
    keys = [(kb.name, "docs", step) for step in CHAIN] + [(kb.name, "release_candidate"), (kb.name, "promoted_release")]
    assert set(nodes) == {*keys, (kb.name, "maintenance")}
    assert {node["groupName"] for node in nodes.values()} == {kb.name}
    for before, after in zip(keys, keys[1:], strict=False):
        assert nodes[after]["dependencyKeys"] == [{"path": list(before)}]
    checks = nodes[kb.name, "release_candidate"]["assetChecksOrError"]["checks"]
    assert {"coverage", "index_recall", "embedding_health", "golden_retrieval"} <= {c["name"] for c in checks if c["blocking"]}


def test_the_pages_show_lineage_days_the_lost_query_and_who_promoted_what(kb: KnowledgeBase, pages: str, pictures: Path) -> None:
    asset = f"{pages}/assets/{kb.name}"
    days, first, second = f"{asset}/docs/raw_documents?view=partitions", day(kb, 0), day(kb, 1)

    async def see(page: Any) -> None:
        await page.goto(f"{asset}/promoted_release?view=lineage&lineageScope=upstream&lineageDepth=10")
        await shown(page, *CHAIN, "release_candidate", "7 / 8 Passed", "% filled")
        await page.screenshot(path=pictures / "pages-lineage.png", clip={"x": 240, "y": 0, "width": 2060, "height": 560})
        await page.set_viewport_size({"width": 1280, "height": 1000})

        await page.goto(f"{days}&partition={first}")
        await shown(page, "Partitions Selected", EARLIER)
        assert await page.get_by_text(day(kb, -1), exact=True).count() == 0, "the days begin with the knowledge base"
        await page.goto(f"{days}&partition={second}")
        await shown(page, CLOSED)
        await page.screenshot(path=pictures / "pages-days.png")

        await page.set_viewport_size({"width": 1500, "height": 1000})  # as wide as the table of promotions
        await page.goto(f"{asset}/promoted_release?view=events")
        await shown(page, "promotions", "nothing", "rollback", f"kb_{kb.name}_promoter")
        await page.screenshot(path=pictures / "pages-history.png")

        await page.set_viewport_size({"width": 1600, "height": 1600})
        await page.goto(f"{asset}/release_candidate?view=checks&checkDetail=golden_retrieval")
        await shown(page, f"lost or not answered: cold ({QUESTION})", "kb report refused --release 3", "docs/evaluate.md", "candidate finds")
        assert await page.get_by_role("cell", name=QUESTION, exact=True).count() == 2, "among those that got worse, and among those not answered"
        await page.screenshot(path=pictures / "pages-check.png")

    asyncio.run(with_page(see_nothing))
    asyncio.run(with_page(see, 2300, 560))
    assert len(list(pictures.glob("pages-*.png"))) == 4


async def shown(page: Any, *texts: str) -> None:
    """Wait until each of the texts is to be seen."""
    for text in texts:
        await page.get_by_text(text).first.wait_for()
