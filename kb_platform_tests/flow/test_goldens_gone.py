"""Goldens that are gone, or whose documents are: what nobody judged does not follow what was judged without a word."""

import json
from collections.abc import Callable

import psycopg
import pytest
import yaml

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import exit_code, refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.database import Database
from kb_platform.storage.gates import gate_results
from kb_platform.storage.releases import candidate, discard, live_release, promote
from kb_platform.storage.review_cases import list_cases
from kb_platform_tests.flow.steps import refresh_by_steps

MakeKb = Callable[..., KnowledgeBase]
FILES = {
    "fridge.md": "# Fridge\n\nVaccines are kept between two and eight degrees in the pharmacy fridge.\n",
    "visits.md": "# Visits\n\nVisitors may stay until eight in the evening.\n",
}
GOLDENS = """version: 1
goldens:
  - {id: cold, question: how cold are vaccines kept, expected: [{document: fridge.md, quote: kept between two and eight degrees}]}
  - {id: late, question: how long may visitors stay, expected: [{document: visits.md, quote: stay until eight in the evening}]}
"""


def database_of(kb: KnowledgeBase) -> Database:
    return session.store(kb.name).database


def edit(kb: KnowledgeBase, path: str, text: str) -> None:
    (kb.folder / path).parent.mkdir(exist_ok=True)
    (kb.folder / path).write_text(text)


def cases(kb: KnowledgeBase, *states: str) -> list[tuple[str, str]]:
    return [(case.kind, case.subject) for case in list_cases(database_of(kb), states or ("open",))]


@pytest.fixture
def judged(make_kb: MakeKb) -> KnowledgeBase:
    """Return a knowledge base whose live release was judged by goldens."""
    kb = make_kb(FILES, gate={"max_stale_share": 0.5, "max_newly_stale_share": 0.5})
    edit(kb, "golden/golden.yaml", GOLDENS)
    assert refresh_by_steps(kb, "2026-03-01").promoted == 1
    edit(kb, "documents/badges.md", "# Badges\n\nA staff badge is valid for two years.\n")
    return kb


@pytest.mark.parametrize("left", ["version: 1\ngoldens: []\n", None])
def test_a_golden_set_that_was_emptied_or_removed_stops_the_release_until_it_is_back(judged: KnowledgeBase, left: str | None) -> None:
    path = judged.folder / "golden" / "golden.yaml"
    path.unlink() if left is None else path.write_text(left)
    report = refresh_once(judged, "2026-03-02", None, quiet=True)
    assert (report["promoted"], report["verdict"], exit_code(report)) == (False, "inconclusive", 4), report
    said = report["gates"]["golden_retrieval"]
    assert said["reasons"] == [
        f"no golden query is in {judged.folder / 'golden'}, expected some: the live release was judged by them, or gate.required_gates "
        "names this gate; put the files back, or say gate.allow_no_goldens: true in defs.yaml if they went on purpose"]
    assert cases(judged) == [("inconclusive_verdict", "golden_retrieval")]
    with pytest.raises(psycopg.Error, match="gates not passed: golden_retrieval"), database_of(judged).transaction("promoter") as c:
        c.execute("update active set release_id = 2")
    assert app(["report", judged.name], standalone_mode=False) in (0, None)

    path.write_text(GOLDENS)
    assert refresh_by_steps(judged, "2026-03-02").promoted == 2
    assert cases(judged) == []


def test_goldens_go_on_purpose_when_the_yaml_says_so(judged: KnowledgeBase) -> None:
    (judged.folder / "golden" / "golden.yaml").unlink()
    assert refresh_by_steps(judged, "2026-03-02").promoted is None
    body = yaml.safe_load((judged.folder / "defs.yaml").read_text())
    body["attributes"]["gate"] = {"allow_no_goldens": True}
    edit(judged, "defs.yaml", yaml.safe_dump(body))
    refreshed = refresh_by_steps(session.knowledge_base(judged.name), "2026-03-02")
    assert (refreshed.promoted, refreshed.sealed.note) == (2, "no golden queries yet: promotion rests on the integrity gates alone")
    assert cases(judged) == [], "what was asked of a person has lost its reason"
    del body["attributes"]["gate"]
    edit(judged, "defs.yaml", yaml.safe_dump(body))
    edit(judged, "documents/lift.md", "# Lift\n\nThe lift of the west wing is out of order on Mondays.\n")
    assert refresh_by_steps(session.knowledge_base(judged.name), "2026-03-03").promoted == 3, "the live release had no goldens to pass"


def test_the_case_of_a_stale_golden_is_withdrawn_when_the_golden_goes_though_no_document_changes(judged: KnowledgeBase) -> None:
    edit(judged, "documents/visits.md", "# Visits\n\nAsk the nurse in charge.\n")
    assert refresh_by_steps(judged, "2026-03-02").promoted == 2
    assert cases(judged) == [("stale_golden", "late")]
    edit(judged, "golden/golden.yaml", "".join(line for line in GOLDENS.splitlines(keepends=True) if "late" not in line))
    refreshed = refresh_by_steps(judged, "2026-03-02")
    assert (refreshed.sealed.sealed, candidate(database_of(judged)), live_release(database_of(judged))) == (False, None, 2)
    assert cases(judged) == []
    assert ("stale_golden", "late") in cases(judged, "withdrawn")


def test_a_discarded_candidate_leaves_no_case_about_goldens_that_only_it_made_stale(judged: KnowledgeBase) -> None:
    edit(judged, "documents/visits.md", "# Visits\n\nAsk the nurse in charge.\n")
    assert refresh_by_steps(judged, "2026-03-02").promoted == 2
    body = yaml.safe_load((judged.folder / "defs.yaml").read_text())
    body["attributes"]["gate"] = {"max_stale_share": 0.5, "max_newly_stale_share": 0.1}
    edit(judged, "defs.yaml", yaml.safe_dump(body))
    edit(judged, "documents/fridge.md", "# Fridge\n\nOut of use.\n")
    assert refresh_by_steps(session.knowledge_base(judged.name), "2026-03-03").promoted is None
    assert set(cases(judged)) == {("stale_golden", "late"), ("stale_golden", "cold"), ("inconclusive_verdict", "golden_retrieval")}
    discard(database_of(judged), 3)
    assert cases(judged) == [("stale_golden", "late")], "it is stale on the live release as well"
    refresh_by_steps(session.knowledge_base(judged.name), "2026-03-03")
    assert ("stale_golden", "cold") in cases(judged), "the delivery is still there, and asks again"


def test_a_discarded_first_candidate_leaves_no_case_about_goldens(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"floors": {"all": 0.9}})
    edit(kb, "golden/golden.yaml", GOLDENS.replace("stay until", "leave before"))
    assert refresh_by_steps(kb, "2026-03-01").promoted is None
    assert ("stale_golden", "late") in cases(kb)
    discard(database_of(kb), 1)
    assert cases(kb) == []


def test_after_a_rollback_elsewhere_the_next_evaluation_says_what_is_stale(judged: KnowledgeBase) -> None:
    for day, page in (("2026-03-02", "lift"), ("2026-03-03", "visits")):
        edit(judged, f"documents/{page}.md", "# A page\n\nAsk the nurse in charge.\n")
        assert refresh_by_steps(judged, day).promoted
    promote(database_of(judged), 1)
    discard(database_of(judged), 3)
    assert cases(judged) == [("stale_golden", "late")], "it was judged beside release 2, and nobody has looked at release 1 since"


def test_a_delivery_that_drops_documents_with_answers_waits_for_a_person_until_the_goldens_go_with_them(make_kb: MakeKb) -> None:
    rooms = [{"doc_id": f"room-{n}", "title": f"Room {n}", "text": f"Room {n} keeps the spare pumps of team {n * 7} on shelf {n * 3}."} for n in range(60)]
    goldens = [{"id": row["doc_id"], "question": f"what is in {row['title']}", "expected": [{"document": row["doc_id"], "whole": True}]} for row in rooms]

    def lines(rows: list[dict]) -> str:
        return "".join(json.dumps(row) + "\n" for row in rows)

    kb = make_kb({"rooms.jsonl": lines(rooms)}, sources=[{"name": "rooms", "kind": "jsonl", "path": "documents/rooms.jsonl"}])
    edit(kb, "golden/rooms.jsonl", lines(goldens))
    assert refresh_by_steps(kb, "2026-03-01").promoted == 1
    edit(kb, "documents/rooms.jsonl", lines(rooms[5:]))
    assert refresh_by_steps(kb, "2026-03-02").promoted is None
    by_gate = {result.gate: result for result in gate_results(database_of(kb), 2)}
    assert [name for name, result in by_gate.items() if result.verdict == "inconclusive"] == ["golden_retrieval"], "5 of 60 documents are few for a source"
    assert [r["code"] for r in by_gate["golden_retrieval"].evidence["reasons"] if r["verdict"] == "inconclusive"] == ["answers_deleted"]
    assert ("inconclusive_verdict", "golden_retrieval") in cases(kb)
    edit(kb, "golden/rooms.jsonl", lines(goldens[5:]))
    assert refresh_by_steps(kb, "2026-03-02").promoted == 2
    assert cases(kb) == []
