"""Dagster's pages as their buttons use them: what a click asks for, over the same GraphQL."""

import json
from typing import Any
from urllib.request import Request

from kb_platform.local.dagster_pages import DIRECTLY
from kb_platform_tests.waiting import PATIENCE, wait_until

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status eventConnection { events { __typename
    ... on ExecutionStepFailureEvent { error { message } failureMetadata { metadataEntries { label } } message }
    ... on MessageEvent { message } } } } } }"""
LISTED = """query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { status } } } }"""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


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
