"""What is left of a deleted document after garbage collection is what docs/operate.md lists, and goes as it says there."""

import datetime as dt
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from kb_platform.cli import session
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.release.maintenance import maintain
from kb_platform.storage.guard_changes import guard_changes
from kb_platform.storage.reports import stored_report
from kb_platform_tests.docs.references import DOCS
from kb_platform_tests.flow.steps import refresh_by_steps
from kb_platform_tests.flow.test_refresh import FILES, edit, rows

MakeKb = Callable[..., KnowledgeBase]
SECRET = "Zacharias"
DOCUMENT = "wards/visits.txt"
GOLDENS = f"""version: 1
goldens:
  - {{id: visits, question: how late may somebody stay on the ward in the evening, expected: [{{document: {DOCUMENT}, quote: visitors of {SECRET} may stay until eight}}]}}
  - {{id: fridge, question: how cold must vaccines be, expected: [{{document: pharmacy/fridge.md, quote: Vaccines are kept between two and eight degrees.}}]}}
"""


def fence(language: str) -> str:
    """Return the page's only block in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / "operate.md").read_text(), re.MULTILINE | re.DOTALL)
    return found


def holding(kb: KnowledgeBase, words: str) -> set[str]:
    """Return the tables and the kinds of files that hold some words."""
    store = session.store(kb.name)
    names = [name for (name,) in rows(kb, f"""select c.relname from pg_class c where c.relnamespace = '{store.database.schema}'::regnamespace
                                              and c.relkind in ('r', 'p', 'm')""")]
    tables = {name for name in names if rows(kb, f"select 1 from {name} t where t::text like '%{words}%' limit 1")}
    files = {name.split("/")[0] for name, _ in store.objects.files() if words in str(pq.read_table(Path(store.objects.url(name))).to_pylist())}
    return tables | files


@pytest.fixture
def found(make_kb: MakeKb) -> KnowledgeBase:
    """Return a knowledge base that finds a document for a golden, now that others no longer stand above it."""
    notes = {f"note-{n}.md": f"How late may somebody stay on the ward in the evening? The ward asks {n}.\n" for n in range(6)}
    kb = make_kb({**FILES, **notes, DOCUMENT: f"The visitors of {SECRET} may stay until eight in the evening.\n"},
                 retention={"keep_releases": 1, "derived_days": 1}, gate={"required_gates": ["coverage", "index_recall", "embedding_health"]})
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDENS)
    kb = session.knowledge_base(kb.name)
    assert refresh_by_steps(kb, "2026-03-01").promoted == 1
    for name in notes:
        edit(kb, name, None)
    assert refresh_by_steps(kb, "2026-03-02").promoted == 2
    return kb


def test_what_is_left_of_a_deleted_document_is_what_the_docs_list_and_can_be_erased(found: KnowledgeBase) -> None:
    kb, store = found, session.store(found.name)
    assert {"judgement", "release", "chunk", "raw_documents", "chunks"} <= holding(kb, SECRET), "the lists of changed queries have it"
    edit(kb, DOCUMENT, None)
    (kb.folder / "golden" / "golden.yaml").write_text(re.sub(r"  - \{id: visits.*\n", "", GOLDENS))  # else its loss is a regression
    for n in (3, 4):
        edit(kb, "it/login.md", f"# Login\n\nA forgotten password is reset at desk {n}.\n")
        assert refresh_by_steps(kb, f"2026-03-0{n}").promoted
    assert maintain(store, kb, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=3)) is not None
    assert holding(kb, SECRET) == {"judgement", "release", "raw_documents"}

    raw = Path(store.objects.url("raw_documents")) / "docs"
    assert raw.is_dir()
    subprocess.run([sys.executable, "-c", fence("python"), str(raw), DOCUMENT], check=True)
    assert holding(kb, SECRET) == {"judgement", "release"}
    with store.database.session("owner") as c:
        c.execute(fence("sql").replace("kb_handbook", store.database.schema).encode())
    assert holding(kb, SECRET) == set()
    assert [change.object for change in guard_changes(store.database) if "gate_guard" in str(change)]
    assert stored_report(store.database, 2), "the rest of the report stays"
    body = yaml.safe_load((kb.folder / "defs.yaml").read_text())
    body["attributes"]["embedding"] = {"content_tokens": 160}
    (kb.folder / "defs.yaml").write_text(yaml.safe_dump(body))
    anew = refresh_by_steps(session.knowledge_base(kb.name), "2026-03-05")
    assert (anew.promoted, anew.sealed.documents) == (5, 2), "all is built anew from what is left"
