"""Two real change histories, some days of each: what a day changed is found, what it removed is not, and little is embedded.

Subsets: the days between those that are replayed come with the next one, as for a team that missed a day, and of the pages that
never change only some are there. `make test` replays a few days over few pages.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kb_platform.cli import session
from kb_platform.cli.queries import make_retriever
from kb_platform.cli.refreshing import refresh_once
from kb_platform.knowledge.knowledge_base import KnowledgeBase

LIVE_TEXT = """select k.doc_id, k.content from chunk k join active on k.valid_from <= release_id and release_id < k.valid_to
               join document_version v on v.source = k.source and v.doc_id = k.doc_id and v.valid_from <= release_id
                 and release_id < v.valid_to
               join passage p on p.version_id = v.id and p.content_hash = k.content_hash and p.dup_no = k.dup_no
               order by k.doc_id, p.ordinal"""


@dataclass
class History:
    """A base and days of whole new documents and deletions, applied to the file that a knowledge base reads; refreshed on some days."""

    folder: Path
    kb: KnowledgeBase
    state: dict[str, dict[str, Any]]
    days: list[str]
    refreshed: list[str]

    def refresh(self, day: str) -> dict[str, Any]:
        """Write what the source has now, and refresh."""
        (self.kb.folder / "documents.jsonl").write_text("".join(json.dumps(d) + "\n" for d in self.state.values()))
        report = refresh_once(self.kb, day, None, quiet=True)
        assert report["promoted"], report
        assert report["live_release"] == report["release"]
        return report

    def advance(self, until: str) -> set[str]:
        """Apply the days up to one; return the documents that were delivered."""
        due, delivered = [day for day in self.days if day <= until], set[str]()
        for day in due:
            for upsert in jsonl(self.folder / "days" / day / "upserts.jsonl"):
                self.state[upsert["doc_id"]] = upsert
                delivered.add(upsert["doc_id"])
            for doc_id in (self.folder / "days" / day / "deletes.txt").read_text().split("\n"):
                self.state.pop(doc_id, None)
        self.days = self.days[len(due):]
        return delivered & self.state.keys()

    def live_text(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        with session.store(self.kb.name).database.transaction("owner") as c:
            for doc_id, content in c.execute(LIVE_TEXT):
                found.setdefault(doc_id, []).append(content)
        return found


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.fixture
def history(home: Path, shared_data: Path, request: pytest.FixtureRequest) -> Iterator[History]:
    data, every, refreshed = request.param
    name = f"{data}_{every}"
    folder, defs = shared_data / data, home / "defs" / name
    days = sorted(path.name for path in (folder / "days").iterdir() if path.name <= refreshed[-1])
    ever_changed = {d["doc_id"] for day in days for d in jsonl(folder / "days" / day / "upserts.jsonl")} | {
        doc_id for day in days for doc_id in (folder / "days" / day / "deletes.txt").read_text().split("\n")}
    documents = jsonl(folder / "documents.jsonl")
    base = [d for n, d in enumerate(documents) if n % every == 0 or d["doc_id"] in ever_changed]
    first = json.loads((folder / "manifest.json").read_text())[0]["day"].removeprefix("base ")
    defs.mkdir()
    source = {"name": "pages", "kind": "jsonl", "path": "documents.jsonl"}
    body = {"name": name, "start_date": first, "sources": [source], "gate": {"max_churn_share": 1}}  # of the base, little is kept beside what changes
    (defs / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))
    history = History(folder, session.knowledge_base(name), {d["doc_id"]: d for d in base}, days, refreshed)
    assert history.refresh(first)["documents"]["new"] == len(base)
    yield history
    shutil.rmtree(defs)


def check_probe(history: History, probe: dict[str, Any], live: dict[str, list[str]]) -> None:
    retriever, release = make_retriever(history.kb, "reader", None)
    for sentence in map(plain, probe["present"]):
        assert sentence in plain(" ".join(live[probe["doc_id"]]))
        assert probe["doc_id"] in {hit.doc_id for hit in retriever.search(sentence, release, k=10)}, sentence
    for sentence in map(plain, probe["absent"]):
        assert not [doc_id for doc_id, chunks in live.items() if any(sentence in plain(chunk) for chunk in chunks)], sentence
        assert not [hit.doc_id for hit in retriever.search(sentence, release, k=10) if sentence in plain(hit.content)]


def replay(history: History) -> tuple[int, int, int]:
    """Refresh day by day and check each day's probes; return documents delivered, their chunks, and vectors computed."""
    probes = jsonl(history.folder / "freshness_probes.jsonl")
    documents = chunks = computed = 0
    for day in history.refreshed:
        delivered = history.advance(day)
        report = history.refresh(day)
        live = history.live_text()
        documents, chunks = documents + len(delivered), chunks + sum(len(live.get(doc_id, ())) for doc_id in delivered)
        computed += report["vectors"]["computed"]
        for probe in probes:
            if probe["day"] == day:
                check_probe(history, probe, live)
    assert history.live_text().keys() == history.state.keys()
    return documents, chunks, computed


@pytest.mark.parametrize("history", [
    pytest.param(("va_docs_history_dev", 20, ["2018-08-02", "2018-08-10", "2018-09-18"]), id="part"),
    pytest.param(("va_docs_history_dev", 5, ["2018-08-02", "2018-08-08", "2018-08-09", "2018-08-10", "2018-08-23", "2018-09-18"]), id="long",
                 marks=pytest.mark.endurance),
], indirect=True)
def test_pages_of_a_web_site_are_fresh_after_each_day_and_less_than_half_of_the_changed_ones_is_embedded(history: History) -> None:
    documents, chunks, computed = replay(history)
    assert documents > 60
    assert computed < chunks / 2


@pytest.mark.parametrize("history", [
    pytest.param(("disease_ontology_history_dev", 6, ["2022-02-21", "2022-08-29"]), id="part"),
    pytest.param(("disease_ontology_history_dev", 1, ["2022-02-21", "2022-09-29", "2022-10-31", "2022-11-30"]), id="long", marks=pytest.mark.endurance),
], indirect=True)
def test_terms_of_an_ontology_are_fresh_after_each_release_and_cost_about_a_vector_each(history: History) -> None:
    every_day = len(history.refreshed) > 2
    documents, chunks, computed = replay(history)
    assert documents > (350 if every_day else 25)
    assert computed < min(1.1 * documents, chunks)
    if every_day:
        assert history.state.keys() == {d["doc_id"] for d in jsonl(history.folder / "final_state.jsonl")}
