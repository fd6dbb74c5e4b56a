"""Damage that a broken pipeline or a broken delivery does, and the gate that notices it, on a knowledge base without any golden.

The database's guards would refuse most of it, so the damage is done with the triggers off: as a bug below them would.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from kb_platform.cli import app, session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.release.gates import GATES
from kb_platform.release.gates.subject import Subject
from kb_platform.resources import load_embedder
from kb_platform.storage.gates import GateResult
from kb_platform.storage.releases import candidate, get_release, live_release
from kb_platform.storage.review_cases import list_cases
from kb_platform.storage.vectors import space_of_release

MakeKb = Callable[..., KnowledgeBase]
WARDS = ("surgery", "oncology", "neurology", "cardiology", "dialysis", "maternity")
pytestmark = pytest.mark.random_order(disabled=True)  # the releases of one knowledge base, one after the other
TABLES = ("chunk", "document_version", "passage")
TOPICS = ("visiting hours", "hand hygiene", "fire drills", "meal times", "linen")


def documents() -> list[dict[str, Any]]:
    """Return 30 documents of several chunks, in which hardly a sentence is like another."""
    made = []
    for ward in WARDS:
        for n, topic in enumerate(TOPICS):
            parts = [f"## Part {p}\n\nThe {ward} ward keeps rule {n}{p} about {topic}: room {n * p + 11} is for {topic} on day {p} of "
                     f"the week, and nurse number {len(ward) * n + p} of {ward} signs sheet {ward[:3].upper()}-{n}-{p}. " + "Ask first. " * 30
                     for p in range(2)]
            made.append({"doc_id": f"{ward}-{n}", "title": f"{topic} in {ward}", "text": "\n\n".join(parts), "synonyms": [f"{topic} {ward[:4]}"]})
    return made


def deliver(kb: KnowledgeBase, rows: list[dict[str, Any]]) -> dict[str, Any]:
    (kb.folder / "documents" / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return refresh_once(kb, None, None, quiet=True)


def damage(kb: KnowledgeBase, *statements: str) -> None:
    with session.store(kb.name).database.transaction("owner") as c:
        c.execute("set local session_replication_role = replica")
        for table in TABLES:
            c.execute(f"alter table {table} disable trigger user")
        for statement in statements:
            c.execute(statement)
        for table in TABLES:
            c.execute(f"alter table {table} enable trigger user")
            for (name,) in c.execute("select tgname from pg_trigger where tgrelid = %s::regclass and not tgisinternal", (table,)).fetchall():
                c.execute(f"alter table {table} enable always trigger {name}")


@contextmanager
def undone(kb: KnowledgeBase) -> Iterator[None]:
    tables = TABLES
    damage(kb, *(f"create table saved_{t} as select * from {t}" for t in tables))
    try:
        yield
    finally:
        damage(kb, *(f"delete from {t}" for t in reversed(tables)),
               *(f"insert into {t} overriding system value select {columns(kb, t)} from saved_{t}" for t in ("document_version", "passage", "chunk")),
               *(f"drop table saved_{t}" for t in tables))


def columns(kb: KnowledgeBase, table: str) -> str:
    with session.store(kb.name).database.transaction("owner") as c:
        rows = c.execute("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
                         "order by attnum", (table,)).fetchall()
    return ", ".join(row[0] for row in rows)


def measured(kb: KnowledgeBase, gate: str, release: int | None = None) -> GateResult:
    store = session.store(kb.name)
    live = live_release(store.database)
    chosen = get_release(store.database, release or live or 0)
    found = GATES[gate].measure(Subject(store, kb, chosen, live, load_embedder))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def kb(home: Path) -> KnowledgeBase:
    """One knowledge base for the module; what a test damages it repairs."""
    folder = home / "defs" / "damaged"
    (folder / "documents").mkdir(parents=True)
    body = {"name": "damaged", "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "jsonl", "path": "documents"}]}
    (folder / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    made = session.knowledge_base("damaged")
    report = deliver(made, documents())
    assert (report["promoted"], report["verdict"]) == (True, "pass"), report
    return made


def test_damage_below_the_guards_is_found_by_an_integrity_gate_and_an_undamaged_release_passes(kb: KnowledgeBase) -> None:
    shuffled = """update chunk c set embedding = s.embedding from (
                    select id, lead(embedding) over (order by id) as embedding from chunk) s where s.id = c.id and s.embedding is not null"""
    in_half = "update passage set end_char = (start_char + end_char) / 2"
    cases = {
        "documents dropped": ("coverage", "are not in the release", ["delete from document_version where doc_id like '%-3'",
                                                                   "delete from chunk where doc_id like '%-3'"]),
        "chunks cut": ("coverage", "shorter than their place", ["update chunk set content = left(content, length(content) / 2)"]),
        "chunks cut by the chunker": ("coverage", "% of the documents' characters", [in_half, "update chunk k set content = left(k.content, "
                                      "p.end_char - p.start_char) from passage p where p.content_hash = k.content_hash"]),
        "documents without chunks": ("coverage", "have no chunk", ["delete from chunk where doc_id = 'surgery-1'"]),
        "an old chunk of a new document": ("coverage", "belong to no document", ["update chunk set content_hash = sha256(content_hash) where id = (select min(id) from chunk)"]),
        "vectors shuffled": ("embedding_health", "not what the model computes", [shuffled]),
    }
    for name, (gate, sentence, statements) in cases.items():
        with undone(kb):
            damage(kb, *statements)
            found = measured(kb, gate)
        assert (found.verdict, found.passed) == ("regression", False), name
        assert any(sentence in reason for reason in found.evidence["reasons"]), (name, found.evidence["reasons"])
    for gate in ("coverage", "embedding_health", "index_recall", "churn", "duplicates", "freshness", "latency"):
        assert measured(kb, gate).passed, gate


def test_vectors_of_another_prompt_are_found(kb: KnowledgeBase) -> None:
    from pgvector import HalfVector

    database = session.store(kb.name).database
    with database.transaction("gate") as c:
        texts = c.execute("select id, context, content from chunk where id % 3 = 0").fetchall()
    wrong = load_embedder(space_of_release(database, 1)).embed([f"query: {context}\n{content}" for _, context, content in texts])
    with undone(kb):
        damage(kb)
        with database.transaction("owner") as c:
            c.execute("alter table chunk disable trigger user")
            for (number, _, _), vector in zip(texts, wrong, strict=True):
                c.execute("update chunk set embedding = %s where id = %s", (HalfVector(vector), number))
        found = measured(kb, "embedding_health")
    assert not found.passed
    assert "not what the model computes" in found.evidence["reasons"][0]


def test_a_delivery_that_loses_documents_metadata_and_changes_most_texts_waits_for_a_person(kb: KnowledgeBase) -> None:
    boilerplate = "This page is for information only and does not replace the advice of your own doctor or nurse. "
    rows = [row | {"text": boilerplate * 3 + "\n\n" + row["text"], "synonyms": []} for row in documents()[6:]]
    report = deliver(kb, rows)
    assert (report["promoted"], report["verdict"], report["live_release"]) == (False, "inconclusive", 1)
    reasons = report["gates"]["churn"]["reasons"]
    assert [r.split(": ")[1] for r in reasons] == [
        "of 30 documents 6 removed and 24 changed (100%, such as oncology-0, surgery-0, surgery-1), more than 15%",
        "of 24 values of synonyms 24 removed (100%), more than 15%",
    ]
    assert report["gates"]["duplicates"]["verdict"] == "inconclusive"
    open_candidate = candidate(session.store(kb.name).database)
    assert open_candidate is not None and open_candidate.verdict == "inconclusive"
    (churn, repeated) = list_cases(session.store(kb.name).database, ["open"])
    assert (churn.kind, churn.subject, churn.release_id, churn.digest) == ("churn_over_limit", "churn", 2, open_candidate.content_digest)
    assert (repeated.kind, repeated.subject) == ("inconclusive_verdict", "duplicates")
    assert {"source": "docs", "what": "documents", "held": 30, "removed": 6, "changed": 24} in churn.facts["numbers"]["sources"]
    listed = json.loads(CliRunner().invoke(app, ["review", "list", kb.name, "--json"]).stdout)
    assert [(case["kind"], case["digest"], case["state"]) for case in listed["cases"]] == [
        (case.kind, case.digest.hex(), "open") for case in (churn, repeated)]
    assert "2 open" in CliRunner().invoke(app, ["review", "list", kb.name, "--all"]).stdout
    with pytest.raises(psycopg.Error, match="gates not passed: churn, duplicates"), session.store(kb.name).database.transaction("promoter") as c:
        c.execute("update active set release_id = 2")


def test_a_gate_that_is_not_required_warns_and_stops_nothing(make_kb: MakeKb) -> None:
    kb = make_kb({"documents.jsonl": ""}, sources=[{"name": "docs", "kind": "jsonl", "path": "documents"}],
                 gate={"required_gates": ["coverage", "index_recall", "embedding_health"], "max_latency_ms": 0.001})
    assert deliver(kb, documents()[:12])["gates"]["latency"]["verdict"] == "regression"
    report = deliver(kb, documents()[6:12])
    assert (report["promoted"], report["verdict"], report["errors"]) == (True, "pass", {})
    assert report["gates"]["churn"] | {"metric": 0} == {
        "verdict": "inconclusive", "metric": 0, "required": False, "accepted_by": None,
        "reasons": ["docs: of 12 documents 6 removed (50%, such as oncology-0, surgery-0, surgery-1), more than 15%"]}
