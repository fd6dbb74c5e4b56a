"""What a team does in the pages, through the same GraphQL, with the real webserver, daemon and run processes."""

import json
from collections.abc import Callable
from typing import Any
from urllib.request import Request

from kb_platform.cli import session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local.dagster_pages import DIRECTLY
from kb_platform.local.supervisor import up
from kb_platform.storage.releases import live_release
from kb_platform_tests.flow.test_refresh import FILES, GOLDEN
from kb_platform_tests.waiting import PATIENCE, wait_until

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status eventConnection { events { __typename
    ... on ExecutionStepFailureEvent { error { message } failureMetadata { metadataEntries { label } } message }
    ... on MessageEvent { message } } } } } }"""
GRAPH = """{ assetNodes { assetKey { path } groupName dependencyKeys { path } isPartitioned
    assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }"""
LISTED = """query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { status } } } }"""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

MakeKb = Callable[..., KnowledgeBase]


def ask(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    with DIRECTLY.open(Request(f"{url}/graphql", body, {"Content-Type": "application/json"}), timeout=PATIENCE) as response:
        return json.load(response)["data"]


def materialize(url: str, *path: str) -> dict[str, Any]:
    """Press "Materialize" on one asset, and return its run when it has ended."""
    selector = {
        "repositoryLocationName": "kb_platform", "repositoryName": "__repository__", "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": path}], "assetCheckSelection": [],
    }
    launched = ask(url, LAUNCH, params={"selector": selector, "runConfigData": {}, "mode": "default"})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def ended() -> dict[str, Any] | None:
        run = ask(url, RUN, id=launched["run"]["runId"])["runOrError"]
        return run if run["status"] in ENDED else None

    return wait_until(ended, "the run has ended", every=0.5) or {}


def test_a_failed_candidate_is_refused_in_the_pages_and_the_graph_is_there(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"floors": {"all": 0.9}})
    first = refresh_once(kb, "2026-03-01", None, quiet=True)["release"]
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    (kb.folder / "documents" / "pharmacy" / "fridge.md").write_text("This page has moved.\n")
    assert exit_code(refresh_once(kb, "2026-03-02", None, quiet=True)) in (3, 4)
    pages = up(session.settings()).pages

    run = materialize(pages, kb.name, "promoted_release")
    assert run["status"] == "FAILURE"
    said = json.dumps(run["eventConnection"]["events"])
    assert "cannot be promoted" in said
    assert "golden_retrieval" in said
    assert live_release(session.store(kb.name).database) == first

    label = {"key": ".dagster/repository", "value": "__repository__@kb_platform"}  # what the page of a job asks for
    listed = ask(pages, LISTED, filter={"pipelineName": f"{kb.name}_release", "tags": [label]})["runsOrError"]["results"]
    assert [run["status"] for run in listed] == ["FAILURE", "SUCCESS"]

    nodes = {tuple(n["assetKey"]["path"]): n for n in ask(pages, GRAPH)["assetNodes"] if n["assetKey"]["path"][0] == kb.name}
    chain = ["raw_documents", "chunks", "embeddings", "vector_index"]
    keys = [(kb.name, "docs", step) for step in chain] + [(kb.name, "release_candidate"), (kb.name, "promoted_release")]
    assert set(nodes) == {*keys, (kb.name, "maintenance")}
    assert {node["groupName"] for node in nodes.values()} == {kb.name}
    for before, after in zip(keys, keys[1:], strict=False):
        assert nodes[after]["dependencyKeys"] == [{"path": list(before)}]
    checks = nodes[kb.name, "release_candidate"]["assetChecksOrError"]["checks"]
    assert {"coverage", "index_recall", "embedding_health", "golden_retrieval"} <= {c["name"] for c in checks if c["blocking"]}
