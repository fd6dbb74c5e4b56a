"""A case that cannot be handed over keeps back no other, a Temporal that refuses is told apart from one that is down, nothing is read twice."""

from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest

from kb_platform.ingest.raw_files import SCHEMA, to_row
from kb_platform.knowledge.documents import RawDocument
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind, ReviewCase
from kb_platform.quality.golden import GoldenSet, load_golden_set
from kb_platform.review import golden_material, reading
from kb_platform.review.hand_off import HandOff, hand_off
from kb_platform.review.material import case_material
from kb_platform.review.reading import Reading
from kb_platform.storage.review_cases import list_cases, raise_cases, withdraw_others
from kb_platform.storage.review_ledger import (
    backlog,
    cases_to_start,
    mark_withdrawn,
    register_review,
    reviews_to_withdraw,
    unfinished_reviews,
)
from kb_platform.storage.stores import Store
from kb_platform_tests.review.conftest import TemporalServer
from kb_platform_tests.review.refusing import frontend
from kb_platform_tests.storage.made_releases import MadeReleases, sha

GOLDEN = """- {{id: g-{0}, question: "What says {0}?", expected: [{{document: page-{0}, quote: "the words of number {0} stand here alone"}}]}}"""


def goldens_without_their_passages(kb: KnowledgeBase, store: Store, count: int) -> None:
    """Write goldens, and open a case of staleness about each."""
    folder = kb.folder / "golden"
    folder.mkdir()
    (folder / "golden.yaml").write_text("version: 1\ngoldens:\n" + "\n".join(GOLDEN.format(n) for n in range(count)))
    found = load_golden_set(folder)
    assert found is not None
    stale = [ReviewCase(CaseKind.STALE_GOLDEN, g.id, sha(g.id), {"golden_hash": GoldenSet.of([g]).content_hash, "state": "deleted"})
             for g in found.goldens]
    with store.database.transaction("gate") as c:
        raise_cases(c, stale, None)


def test_cases_that_cannot_be_shown_keep_no_newer_one_back(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_platform.review.hand_off.MOST", 2)
    releases.release({"page-0": "other words"})
    goldens_without_their_passages(kb, store, 3)
    right = (kb.folder / "golden" / "golden.yaml").read_text()
    (kb.folder / "golden" / "golden.yaml").write_text("version: nonsense")
    releases.apply({}, failed={"scan.pdf": "broken"})
    ticks = [hand_off(store, kb, temporal.address) for _ in range(2)]
    assert [(done.started, "is not handed over" in done.trouble) for done in ticks] == [(0, True), (1, True)]
    (kb.folder / "golden" / "golden.yaml").write_text(right)
    assert sum(hand_off(store, kb, temporal.address).started for _ in range(2)) == 3


@pytest.mark.parametrize("call", ["GetSystemInfo", "StartWorkflowExecution"])
@pytest.mark.parametrize("status", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_temporal_that_refuses_the_platform_is_an_error_that_says_so(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer, call: str, status: grpc.StatusCode
) -> None:
    releases.apply({}, failed={"scan.pdf": "broken"})
    with (frontend(lambda name, _: status if name == call else None) as address,
          pytest.raises(ConfigError, match="refuses this platform .*KB_REVIEW_TEMPORAL_API_KEY")):
        hand_off(store, kb, replace(temporal.address, frontend=address))
    assert hand_off(store, kb, temporal.address).started == 1


def test_a_namespace_that_is_not_there_is_an_error_for_starts_and_for_withdrawals(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer
) -> None:
    nowhere = replace(temporal.address, namespace="nowhere")
    releases.apply({}, failed={"scan.pdf": "broken"})
    with pytest.raises(ConfigError, match=r"namespace nowhere: .*refuses .*NOT_FOUND.*KB_REVIEW_TEMPORAL_NAMESPACE"):
        hand_off(store, kb, nowhere)
    assert hand_off(store, kb, temporal.address).started == 1
    withdraw_others(store.database, CaseKind.QUARANTINED_DOCUMENT, [])
    with pytest.raises(ConfigError, match="NOT_FOUND"):
        hand_off(store, kb, nowhere)
    assert len(reviews_to_withdraw(store.database, 10)) == 1, "it was not taken for one that has ended"


def test_a_case_that_temporal_does_not_take_keeps_back_no_other(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer
) -> None:
    releases.apply({}, failed={f"{n}.pdf": f"broken {n}" for n in range(3)})
    refused: list[str] = []

    def refuse(call: str, review: str) -> grpc.StatusCode | None:
        if call != "StartWorkflowExecution" or (refused and review not in refused):
            return None
        refused.append(review)
        return grpc.StatusCode.INVALID_ARGUMENT

    with frontend(refuse) as address:
        done = hand_off(store, kb, replace(temporal.address, frontend=address))
    assert done.started == 2
    assert "does not take it (INVALID_ARGUMENT" in done.trouble
    assert backlog(store.database).untold == 1


def test_a_review_that_was_withdrawn_before_it_began_is_not_asked_about_for_ever(store: Store, releases: MadeReleases) -> None:
    database = store.database
    releases.apply({}, failed={f"{n}.pdf": f"broken {n}" for n in range(2)})
    for case in cases_to_start(database, 10):
        assert register_review(database, case.subject, case)
    mark_withdrawn(database, "docs/0.pdf")
    assert unfinished_reviews(database) == ["docs/0.pdf", "docs/1.pdf"], "it may run unseen"
    with database.transaction("owner") as c:
        c.execute("update review_ledger set withdrawn_at = now() - interval '31 days' where review_id = 'docs/1.pdf'")
    assert unfinished_reviews(database) == ["docs/0.pdf"]


def counting(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[tuple[object, ...]]:
    """Let calls of a function through, and return the list of their arguments."""
    calls: list[tuple[object, ...]] = []
    real: Callable[..., object] = getattr(module, name)

    def counted(*arguments: object) -> object:
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(module, name, counted)
    return calls


def test_many_stale_goldens_are_looked_for_in_one_reading_of_the_corpus(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.release({f"page-{n}": f"something else {n}" for n in range(5)})
    goldens_without_their_passages(kb, store, 5)
    calls = counting(monkeypatch, golden_material, "document_texts")
    assert hand_off(store, kb, temporal.address) == HandOff(started=5)
    assert len([ids for *_, ids in calls if ids is None]) == 1


def test_many_documents_of_one_delivery_are_shown_from_one_reading_of_it(
    kb: KnowledgeBase, store: Store, releases: MadeReleases, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.apply({}, failed={f"{n}.txt": f"broken {n}" for n in range(5)})
    store.objects.write("none", SCHEMA, [to_row(RawDocument(f"{n}.txt", f"Text of {n}.".encode(), "text/plain", "s", "", {})) for n in range(6)])
    calls, cases = counting(monkeypatch, reading, "read_capture"), list_cases(store.database, ("open",))
    all_at_once = Reading(store, kb, cases)
    assert [f"Text of {n}." in case_material(all_at_once, case).text for n, case in enumerate(cases)] == [True] * 5
    assert len(calls) == 1
