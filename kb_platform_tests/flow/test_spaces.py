"""Changes of the embedding settings, end to end: a space beside the live one, and the ways back."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.index.pipeline import pipeline_of
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.storage.collect import Limits, unused_spaces
from kb_platform.storage.database import Database
from kb_platform.storage.inspect_changes import churn
from kb_platform.storage.inspect_coverage import coverage
from kb_platform.storage.releases import discard, list_releases, live_release, open_candidate, promote, text_digest
from kb_platform.storage.vectors import drop_space, space_of_release
from kb_platform_tests.flow.made_models import make_model
from kb_platform_tests.flow.steps import refresh_by_steps

FILES = {
    "pharmacy/fridge.md": "# Fridge\n\nVaccines are kept between two and eight degrees.\n",
    "it/login.md": "# Login\n\nA forgotten password is reset at the service desk.\n",
    "wards/visits.txt": "Visitors may stay until eight in the evening.\n",
}
PREFIXES = {"query_prefix": "query: ", "passage_prefix": "passage: "}
IMPOSSIBLE = """version: 1
goldens:
  - {id: g1, question: how cold, slices: [lookup], expected: [{document: pharmacy/fridge.md, quote: Never written}]}
"""
MakeKb = Callable[..., KnowledgeBase]


def promoted(kb: KnowledgeBase, day: str) -> int:
    release = refresh_by_steps(kb, day).promoted
    assert release is not None
    return release


def edit(kb: KnowledgeBase, path: str, text: str | None) -> None:
    target = kb.folder / "documents" / path
    target.unlink() if text is None else target.write_text(text)


def with_embedding(kb: KnowledgeBase, **embedding: object) -> KnowledgeBase:
    """Rewrite the YAML's embedding section; none puts the default back."""
    path = kb.folder / "defs.yaml"
    body = yaml.safe_load(path.read_text())
    body["attributes"]["embedding"] = embedding
    path.write_text(yaml.safe_dump(body))
    return session.knowledge_base(kb.name)


def database_of(kb: KnowledgeBase) -> Database:
    return session.store(kb.name).database


def rows(kb: KnowledgeBase, statement: str) -> list[tuple]:
    with database_of(kb).transaction("owner") as c:
        return c.execute(statement).fetchall()


def digest(kb: KnowledgeBase, release: int) -> bytes:
    return text_digest(database_of(kb), release)


def found(kb: KnowledgeBase, question: str, release: int | None = None) -> str:
    retriever, readable = make_retriever(kb, "reader", release)
    return retriever.search(question, readable, k=1)[0].doc_id


@contextmanager
def reader_searching(kb: KnowledgeBase) -> Iterator[list[int]]:
    """Search the live release again and again meanwhile; yield the list of how much was found each time."""
    counts, stop = list[int](), threading.Event()

    def search() -> None:
        while not stop.is_set():
            retriever, live = make_retriever(kb, "reader", None)
            counts.append(len(retriever.search("how cold must vaccines be", live, k=3)))

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


def test_a_change_of_the_prompt_is_served_beside_the_old_space_and_search_is_never_empty(make_kb: MakeKb) -> None:
    kb = make_kb(FILES)
    promoted(kb, "2026-03-01")
    edit(kb, "wards/visits.txt", "Visitors may stay until nine in the evening.\n")
    edit(kb, "it/login.md", None)
    old = promoted(kb, "2026-03-02")
    changed = with_embedding(kb, **PREFIXES)
    with reader_searching(kb) as counts:
        report = refresh_once(changed, "2026-03-03", None, quiet=True)
    assert (report["promoted"], report["documents"]["changed"]) == (True, 2), report
    assert report["vectors"]["computed"] == 2, "one version a document, not its history"
    assert len(counts) > 1
    assert min(counts) == 2
    new = report["release"]
    spaces = {r: space_of_release(database_of(kb), r) for r in (old, new)}
    assert spaces[new].passage_prefix == "passage: " != spaces[old].passage_prefix
    assert rows(kb, "select space_id, count(*) from chunk where valid_to = 2147483647 group by 1") == [(spaces[new].space_id, 2)]
    for release in (old, new):  # time travel asks each release's own model
        retriever, _ = make_retriever(changed, "reader", release)
        assert retriever.embedder(release).space == spaces[release]
        assert found(changed, "how cold must vaccines be", release) == "pharmacy/fridge.md"
    promote(database_of(kb), old)
    assert found(changed, "visitors in the evening") == "wards/visits.txt"
    promote(database_of(kb), new)
    with pytest.raises(StateError, match=f"release {new} shows it"):
        drop_space(database_of(kb), spaces[new].space_id)
    assert refresh_by_steps(changed, "2026-03-03").applied[0].release is None


def test_another_dimension_there_and_back_ends_with_the_same_content(make_kb: MakeKb, home: Path) -> None:
    kb = make_kb(FILES)
    first = promoted(kb, "2026-03-01")
    folder = make_model(home / "tiny")
    small = with_embedding(kb, model=str(folder))
    second = promoted(small, "2026-03-02")
    assert space_of_release(database_of(kb), second).dimension == 64
    assert found(small, "forgotten password") == "it/login.md"
    back = with_embedding(kb)
    report = refresh_by_steps(back, "2026-03-03")
    assert (report.promoted, report.computed) == (second + 1, 0), report
    third = second + 1
    assert digest(kb, third) == digest(kb, first) != digest(kb, second)
    folder.rename(home / "moved")
    from kb_platform.resources import load_embedder

    load_embedder.cache_clear()
    assert found(back, "forgotten password") == "it/login.md"
    with pytest.raises(ConfigError, match=r"tiny: the model of embedding space .* is not there"):
        found(back, "forgotten password", second)
    promote(database_of(kb), first)
    for release in (third, second):
        discard(database_of(kb), release)
    space = pipeline_of(with_embedding(kb, model=str(home / "moved")), "docs").space
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert unused_spaces(database_of(kb), Limits(0, later, later)) != []
    for unused in unused_spaces(database_of(kb), Limits(0, later, later)):
        drop_space(database_of(kb), unused)
    assert unused_spaces(database_of(kb), Limits(0, later, later)) == []
    assert space.dimension == 64
    again = promoted(session.knowledge_base(kb.name), "2026-03-04")  # a dropped space is made anew
    assert found(kb, "forgotten password", again) == "it/login.md"


def test_a_setting_taken_back_while_its_candidate_is_open_leaves_no_trace(make_kb: MakeKb) -> None:
    kb, undisturbed = make_kb(FILES), make_kb(FILES, suffix="twin")
    first = promoted(kb, "2026-03-01")
    promoted(undisturbed, "2026-03-01")
    before = rows(kb, "select id, valid_from, valid_to from chunk order by id")
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(IMPOSSIBLE)
    assert refresh_by_steps(with_embedding(kb, content_tokens=130), "2026-03-02").promoted is None
    (kb.folder / "golden" / "golden.yaml").unlink()
    back = with_embedding(kb)
    assert promoted(back, "2026-03-02") == first
    assert [r.status for r in list_releases(database_of(kb))] == ["discarded", "promoted"]
    assert rows(kb, "select id, valid_from, valid_to from chunk order by id") == before
    for each in (back, undisturbed):
        edit(each, "it/badge.md", "# Badge\n\nBadges are printed at the front desk.\n")
    assert digest(kb, promoted(back, "2026-03-03")) == digest(undisturbed, promoted(undisturbed, "2026-03-03"))


def test_a_new_space_is_not_sealed_before_all_sources_are_in_it(make_kb: MakeKb) -> None:
    docs, more = ({"name": name, "kind": "files", "path": path} for name, path in (("docs", "documents"), ("more", "documents/it")))
    kb = make_kb(FILES, sources=[docs | {"exclude": ["it/*"]}, more])
    first = promoted(kb, "2026-03-01")
    changed = with_embedding(kb, passage_prefix="text: ")
    with pytest.raises(StateError, match="does not hold all deliveries .* 1 of more are missing"):
        refresh_by_steps(changed, "2026-03-02", ["docs"])
    assert live_release(database_of(kb)) == first
    assert found(changed, "forgotten password") == "login.md"
    full = promoted(changed, "2026-03-02")
    assert rows(kb, f"select count(*), count(distinct space_id) from chunk where valid_from <= {full} and valid_to > {full}") == [(3, 1)]


def test_a_source_that_left_the_yaml_is_not_carried_into_a_new_space_and_may_come_back(make_kb: MakeKb) -> None:
    docs, more = ({"name": name, "kind": "files", "path": path} for name, path in (("docs", "documents/it"), ("more", "documents/wards")))
    kb = make_kb(FILES, sources=[docs, more])
    promoted(kb, "2026-03-01")
    path = kb.folder / "defs.yaml"
    both = path.read_text()
    body = yaml.safe_load(both)
    path.write_text(yaml.safe_dump(body | {"attributes": body["attributes"] | {"sources": [docs]}}))
    alone = promoted(with_embedding(kb, passage_prefix="text: "), "2026-03-02")
    assert rows(kb, f"select distinct source from chunk where valid_from <= {alone} and valid_to > {alone}") == [("docs",)]
    path.write_text(both)
    back = promoted(session.knowledge_base(kb.name), "2026-03-03")
    assert digest(kb, back) == digest(kb, alone - 1)


def test_gates_compare_each_source_in_its_own_pipeline_whichever_was_applied_last(make_kb: MakeKb) -> None:
    docs, more = ({"name": name, "kind": "files", "path": path} for name, path in (("docs", "documents/it"), ("more", "documents/wards")))
    kb = make_kb(FILES, sources=[docs, more])
    first = promoted(kb, "2026-03-01")
    edit(kb, "it/login.md", "# Login\n\nA forgotten password is reset by the night shift.\n")
    second = promoted(kb, "2026-03-02")
    assert [(x.source, x.gone) for x in churn(database_of(kb), second, first) if x.what == "documents"] == [("docs", 1), ("more", 0)]
    edit(kb, "wards/visits.txt", "Visitors may stay until nine in the evening.\n")
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(IMPOSSIBLE.replace("pharmacy/fridge.md", "login.md"))
    assert refresh_by_steps(kb, "2026-03-03").promoted is None
    with database_of(kb).transaction("writer") as c:
        assert open_candidate(c, space_of_release(database_of(kb), second).space_id, "p", "test") == second + 1
        c.execute("update document_version set valid_to = %s where source = 'docs' and valid_to = 2147483647", (second + 1,))
    assert coverage(database_of(kb), second + 1).missing == ("docs/login.md",)
    (kb.folder / "golden" / "golden.yaml").unlink()
    third = promoted(with_embedding(kb, passage_prefix="text: "), "2026-03-03")
    assert not any(x.gone for x in churn(database_of(kb), third, second))
    assert coverage(database_of(kb), third).missing == ()


def test_the_last_readable_version_of_a_document_comes_along(make_kb: MakeKb) -> None:
    kb = make_kb(FILES, gate={"max_failed_share": 0.5})
    promoted(kb, "2026-03-01")
    edit(kb, "wards/visits.txt", "Visitors may stay until nine in the evening.\n")
    edit(kb, "pharmacy/fridge.md", "# Fridge\n\nVaccines are kept at five degrees.\n")
    promoted(kb, "2026-03-02")
    edit(kb, "pharmacy/fridge.md", "")
    edit(kb, "it/badge.md", "# Badge\n\nBadges are printed at the front desk.\n")
    third = promoted(kb, "2026-03-03")
    report = refresh_by_steps(with_embedding(kb, passage_prefix="text: "), "2026-03-01")  # an old day: a change takes all that is held
    assert (report.promoted, report.computed) == (third + 1, 4)
    live = "select distinct doc_id, content from chunk where valid_from <= {0} and valid_to > {0} order by 1"
    assert rows(kb, live.format(third + 1)) == rows(kb, live.format(third))
    assert rows(kb, "select count(*) from document_version where valid_to = 2147483647") == [(4,)]


@pytest.mark.parametrize(("embedding", "words"), [
    ({"modle": "bundled"}, r"defs\.yaml:\d+: embedding\.modle: unknown field"),
    ({"content_tokens": 300}, r"defs\.yaml:\d+: embedding: .*content_tokens < max_tokens"),
    ({"pooling": "max"}, r"defs\.yaml:\d+: embedding\.pooling: .*'mean', 'cls' or 'lasttoken'"),
    ({"dimension": 2}, r"defs\.yaml:\d+: embedding\.dimension: found 2; expected at least 8"),
])
def test_a_mistake_in_the_embedding_settings_is_named_with_its_line(make_kb: MakeKb, embedding: dict[str, object], words: str) -> None:
    kb = make_kb({"a.md": "A"})
    with pytest.raises(ConfigError, match=words):
        with_embedding(kb, **embedding)


def test_a_folder_that_is_no_model_is_found_by_validate(make_kb: MakeKb) -> None:
    from kb_platform.components.knowledge_base.inspection import inspect

    kb = make_kb({"a.md": "A"})
    with_embedding(kb, model="models/lost")
    found = inspect(kb.folder)
    assert not found.valid
    assert any(f"{kb.folder}/models/lost" in finding.message for finding in found.findings)
