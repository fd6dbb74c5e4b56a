"""From a gate that needs a person to a promoted release, and from a stale golden to a changed file: with Dagster's own sensors and runs.

Reviews are started and ended here as the hand-off and the review worker write it down; kb_platform_tests/review has the real Temporal.
"""

import asyncio
import datetime as dt
import json
import socket
from collections.abc import Iterator

import dagster as dg
import pytest

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import ReviewDecision, Reviewer, Verdict
from kb_contracts.outcomes import STATUS_OF, Outcome, Phase, ReviewState
from kb_contracts.workflow_ids import workflow_id
from kb_platform.cli import app, session
from kb_platform.cli.runs import _definitions as definitions_of
from kb_platform.components.knowledge_base.review_sensors import UNCONFIGURED
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.release.judge import judge
from kb_platform.resources import load_embedder
from kb_platform.resources.reviews import review_database_url
from kb_platform.review.messages import to_message
from kb_platform.review.reading import Reading
from kb_platform.storage.releases import live_release
from kb_platform.storage.review_cases import list_cases
from kb_platform.storage.review_ledger import mark_started, register_review
from kb_platform_tests.flow.conftest import MakeKb
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_review_worker.storage.database import Database as ReviewDatabase
from kb_review_worker.storage.decisions import PostgresDecisions
from kb_review_worker.storage.migrate import migrate

PAGES = {f"{name}.md": f"# {name}\n\nThe {name} is open on weekdays from eight to four.\n" for name in ("pharmacy", "archive", "laundry", "kitchen")}
CHURN = {"gate": {"max_churn_share": 0.1, "min_churn_documents": 1}}


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no review service be known, also where another module has started one in this home."""
    for name in ("KB_REVIEW_TEMPORAL_ADDRESS", "KB_REVIEW_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def decide(message: ReviewCase, verdict: Verdict) -> None:
    """Write down a decision as the review worker does."""
    migrate(review_database_url())
    now = dt.datetime.now(dt.UTC)
    person = Reviewer(id="dr.reviewer", issuer="https://id.example.org", name="Dr. Reviewer", roles=("kb-reviewer",))
    decision = ReviewDecision(event_id="e", verdict=verdict, reviewer=person, digest=message.digest, reason="read both", decided_at=now)
    outcome = Outcome(workflow_id=workflow_id(message), run_id="run", case=message, status=STATUS_OF[verdict], ended_at=now,
                      state=ReviewState(phase=Phase.CLOSING, decision=decision))

    async def record() -> None:
        async with ReviewDatabase(review_database_url()) as database:
            await PostgresDecisions(database).record(outcome)

    asyncio.run(record())


def reviewed(kb: KnowledgeBase, kind: str, verdict: Verdict) -> ReviewCase:
    """Hand over the one open case of a kind, and decide it."""
    store = session.store(kb.name)
    (case,) = (c for c in list_cases(store.database, ("open",)) if c.kind == kind)
    message = to_message(Reading(store, kb, [case]), case)
    assert register_review(store.database, workflow_id(message), case)
    mark_started(store.database, workflow_id(message))
    decide(message, verdict)
    return message


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Yield a Dagster that lives as long as the test."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(kb: KnowledgeBase, sensor: str, instance: dg.DagsterInstance) -> object:
    repository = definitions_of(kb).get_repository_def()
    with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
        return repository.get_sensor_def(f"{kb.name}_{sensor}")(context)


def requests(kb: KnowledgeBase, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """Return the runs that the sensor of decisions asks for."""
    result = tick(kb, "review_decisions", instance)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or ())


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    app([*arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_an_approved_candidate_is_promoted_by_a_run_that_says_who_accepted_what(
    make_kb: MakeKb, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kb = make_kb(PAGES, **CHURN)
    assert refresh_by_steps(kb, "2026-02-01").promoted == 1
    for name, text in PAGES.items():
        (kb.folder / "documents" / name).write_text(text.replace("eight to four", "nine to five"))
    assert refresh_by_steps(kb, "2026-02-02").promoted is None
    store = session.store(kb.name)
    assert tick(kb, "review_decisions", instance) == dg.SkipReason(UNCONFIGURED)
    monkeypatch.setenv("KB_REVIEW_DATABASE_URL", review_database_url())

    message = reviewed(kb, "churn_over_limit", Verdict.APPROVE)
    assert "changed: docs/pharmacy.md (pharmacy)" in message.material
    assert any("changed" in reason for reason in message.reasons)
    result = tick(kb, "review_decisions", instance)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or ()
    assert [event.metadata["effect"].value for event in result.asset_events] == ["accepted"]
    again = tick(kb, "review_decisions", instance)
    assert isinstance(again, dg.SensorResult)
    assert [r.run_key for r in again.run_requests or ()] == [request.run_key], "the same key: Dagster starts one run"
    assert not again.asset_events

    broken = instance.create_run_for_job(definitions_of(kb).resolve_job_def(f"{kb.name}_promote"), status=dg.DagsterRunStatus.STARTED, tags=request.tags)
    assert not requests(kb, instance), "one is at hand"
    instance.report_run_failed(broken)
    assert not requests(kb, instance), "it has failed just now"
    monkeypatch.setattr("kb_platform.components.knowledge_base.promotion_requests.WAITS", (dt.timedelta(0),))
    (second,) = requests(kb, instance)
    assert (second.run_key == request.run_key, second.tags) == (False, request.tags)

    accepted = judge(store, kb, "churn", load_embedder, "run")
    assert accepted is not None
    assert (accepted.verdict, accepted.accepted_by) == ("inconclusive", "dr.reviewer")
    run = definitions_of(kb).resolve_job_def(f"{kb.name}_promote").execute_in_process(instance=instance)
    assert run.success
    assert live_release(store.database) == 2
    (event,) = run.asset_materializations_for_node(f"{kb.name}__promoted_release")
    (row,) = event.metadata["accepted"].records  # pyright: ignore[reportAttributeAccessIssue]
    assert (row.data["gate"], row.data["reviewer"], row.data["reason"], row.data["review_id"]) == (
        "churn", "dr.reviewer", "read both", workflow_id(message))
    quiet = tick(kb, "review_decisions", instance)
    assert isinstance(quiet, dg.SensorResult)
    assert not quiet.run_requests

    (newest, _) = answer(capsys, "releases", kb.name)["releases"]  # pyright: ignore[reportGeneralTypeIssues]
    assert [(a["gate"], a["reviewer"]) for a in newest["accepted"]] == [("churn", "dr.reviewer")]
    assert answer(capsys, "review", "list", kb.name, "--all")["cases"][0]["last_review"]["effect"] == "accepted"  # pyright: ignore[reportIndexIssue]


def test_the_hand_off_says_what_keeps_it_and_fails_no_tick(make_kb: MakeKb, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = make_kb(PAGES, **CHURN)
    refresh_by_steps(kb, "2026-02-01")
    for name, text in PAGES.items():
        (kb.folder / "documents" / name).write_text(text * 2)
    refresh_by_steps(kb, "2026-02-02")
    assert tick(kb, "review_hand_off", instance) == dg.SkipReason(UNCONFIGURED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("KB_REVIEW_TEMPORAL_ADDRESS", nobody)
    result = tick(kb, "review_hand_off", instance)
    assert isinstance(result, dg.SensorResult)
    assert result.skip_reason is not None
    told = str(result.skip_reason.skip_message)
    assert "1 cases not handed over yet" in told
    assert f"Temporal at {nobody} does not answer" in told


def test_an_approved_stale_golden_is_a_proposed_change_that_the_team_applies(
    make_kb: MakeKb, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = "Vaccines are kept between two and eight degrees in the fridge of the pharmacy."
    new = "Vaccines are kept between three and seven degrees in the fridge of the pharmacy."
    kb = make_kb({**PAGES, "fridge.md": f"# Fridge\n\n{old}\n"})
    file = kb.folder / "golden" / "golden.yaml"
    file.parent.mkdir()
    file.write_text(f"# Kept by the pharmacy.\nversion: 1\ngoldens:\n  - id: cold\n    question: How cold are vaccines kept?\n    expected:\n"
                    f"      - {{document: fridge.md, quote: {old}}}\n  # about opening hours\n  - id: open\n    question: When is the laundry open?\n"
                    "    expected:\n      - {document: laundry.md, quote: The laundry is open on weekdays}\n")
    kb = session.knowledge_base(kb.name)
    refresh_by_steps(kb, "2026-02-01")
    (kb.folder / "documents" / "fridge.md").write_text(f"# Fridge\n\n{new}\n")
    refresh_by_steps(kb, "2026-02-02")
    monkeypatch.setenv("KB_REVIEW_DATABASE_URL", review_database_url())
    message = reviewed(kb, "stale_golden", Verdict.APPROVE)
    assert old[:-1] in message.previous
    assert new[:-1] in message.material
    assert "How cold are vaccines kept?" in message.material
    assert any("of the quoted words found" in reason for reason in message.reasons)
    assert message.sources == ("fridge.md",)
    before = file.read_text()
    tick(kb, "review_decisions", instance)
    (proposal,) = answer(capsys, "golden", "proposals", kb.name)["proposals"]  # pyright: ignore[reportGeneralTypeIssues]
    assert (proposal["golden"], proposal["action"], proposal["reviewer"]) == ("cold", "update", "Dr. Reviewer")
    assert f"quote: {new}"[:-1] in proposal["patch"], proposal["patch"]
    assert file.read_text() == before, "a review changes no file"

    assert answer(capsys, "golden", "proposals", kb.name, "--apply", "cold")["action"] == "update"
    after = file.read_text()
    assert new[:-1] in after
    assert old not in after
    for kept in ("# Kept by the pharmacy.", "# about opening hours", "- {document: laundry.md, quote: The laundry is open on weekdays}"):
        assert kept in after
    assert answer(capsys, "golden", "proposals", kb.name)["proposals"] == []
