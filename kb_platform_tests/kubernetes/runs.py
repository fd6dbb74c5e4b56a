"""Runs of a Dagster in the cluster, through its GraphQL."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from kb_platform_tests.kubernetes.cluster import eventually

LAUNCH = """mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message } } }"""
STATUS = "query ($run: ID!) { runOrError(runId: $run) { __typename ... on Run { status } } }"
EVENTS = """query ($run: ID!) { logsForRun(runId: $run, limit: 1000) { ... on EventConnection { events { __typename
    ... on MessageEvent { message stepKey eventType }
    ... on ExecutionStepFailureEvent { error { message } } ... on ExecutionStepUpForRetryEvent { error { message } } } } } }"""
RUNS = "query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }"
OUTPUTS = """query ($run: ID!) { logsForRun(runId: $run, limit: 1000) { ... on EventConnection { events {
    ... on ExecutionStepOutputEvent { stepKey metadataEntries { label ... on IntMetadataEntry { intValue } } } } } } }"""
TERMINATE = """mutation ($run: String!) { terminateRun(runId: $run) { __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"""
DELETE = "mutation ($run: String!) { deleteRun(runId: $run) { __typename ... on PythonError { message } } }"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Dagster:
    """A webserver's pages."""

    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).raise_for_status().json()
        assert not answer.get("errors"), answer
        (found,) = answer["data"].values()
        return found

    def launch(self, job: str, day: str) -> str:
        """Launch a job for one day; return the run's id."""
        selector = {"repositoryLocationName": "kb_platform", "repositoryName": "__repository__", "jobName": job}
        tags = {"dagster/partition": day} | ({} if job.startswith("daily_") else {"kb/alone": "yes"})  # else its release would follow
        run = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]}}
        answer = self.ask(LAUNCH, run=run)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def status(self, run: str) -> str:
        """Return a run's status; empty where there is no such run."""
        return self.ask(STATUS, run=run).get("status", "")

    def ended(self, run: str, patience: float = 240) -> str:
        """Return how a run has ended, when it has."""
        return eventually(f"run {run} has ended", lambda: self.status(run) in ENDED and self.status(run), patience)

    def events(self, run: str) -> list[dict[str, Any]]:
        return self.ask(EVENTS, run=run)["events"]

    def story(self, run: str) -> str:
        """Return a run's messages and errors, one a line."""
        return "\n".join(f"{e.get('eventType')} {e.get('message')} {(e.get('error') or {}).get('message', '')}" for e in self.events(run))

    def newest_run_of(self, job: str) -> str:
        """Return the newest run of a job; empty where there is none."""
        return next((found["runId"] for found in self.ask(RUNS, filter={"pipelineName": job})["results"]), "")

    def unfinished(self, job: str) -> list[str]:
        """Return the runs of a job that have not ended."""
        return [found["runId"] for found in self.ask(RUNS, filter={"pipelineName": job})["results"] if found["status"] not in ENDED]

    def numbers(self, run: str, label: str) -> dict[str, int]:
        """Return a number that shards told with their output, by step."""
        outputs = [event for event in self.ask(OUTPUTS, run=run)["events"] if ".shard[" in event.get("stepKey", "")]
        return {event["stepKey"]: entry["intValue"] for event in outputs for entry in event["metadataEntries"] if entry["label"] == label}

    def started(self, run: str) -> Counter[str]:
        """Return how many pods were made for each step."""
        return Counter(event["stepKey"] for event in self.events(run) if event.get("eventType") == "STEP_WORKER_STARTING")

    def terminate(self, run: str) -> None:
        answer = self.ask(TERMINATE, run=run)
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def delete(self, run: str) -> None:
        answer = self.ask(DELETE, run=run)
        assert answer["__typename"] == "DeletePipelineRunSuccess", answer
