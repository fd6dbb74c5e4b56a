"""Benches that write a knowledge base's rows themselves do to it what they say, over the database as it is now."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kb_platform.cli import session
from kb_platform.storage import index_beside
from kb_platform.storage.database import Database
from kb_platform.storage.releases import discard
from kb_platform_tests.storage.made_releases import SPACE, MadeReleases, keeping, vector

BENCH = Path(__file__).parents[2] / "bench"
INDEX = f"chunk_{SPACE.space_id}_hnsw"
BY_INDEX = f"""select id from chunk_{SPACE.space_id} where valid_from <= %(r)s and valid_to > %(r)s and index_no <= 0
               order by embedding::halfvec(384) <=> %(v)s::halfvec(384) limit 5"""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)  # benches share modules
    monkeypatch.setattr(index_beside, "MANY", 10)
    return lambda name: runpy.run_path(str(BENCH / f"{name}.py"), run_name=name)


def texts(version: str) -> dict[str, str | None]:
    return {f"d{n}": f"{version} {n}" for n in range(40)}


def indexes(database: Database) -> set[str]:
    with database.transaction("owner") as c:
        return {name for (name,) in c.execute("select name from hnsw_indexes(%s)", (SPACE.space_id,)).fetchall()}


def found_by_index(database: Database, release: int) -> int:
    with database.transaction("owner") as c:
        c.execute("set local enable_seqscan = off; set local enable_sort = off; set local hnsw.iterative_scan = relaxed_order")
        names = {"r": release, "v": str(vector("x")[0].tolist())}
        assert f"Index Scan using {INDEX} " in " ".join(row[0] for row in c.execute(f"explain {BY_INDEX}".encode(), names))
        return len(c.execute(BY_INDEX.encode(), names).fetchall())


def test_an_index_that_is_left_behind_holds_no_row_of_the_candidate_and_the_next_one_begins_with_a_new_index(bench: Any) -> None:
    damages, store = bench("damages"), session.store("behind")
    made = MadeReleases(store.database)
    live = made.release(texts("one"))
    with damages["index_left_behind"](store, SPACE.space_id):
        candidate = made.apply(texts("two"))
    made.judge(candidate)
    assert indexes(store.database) == {INDEX}, "the seal has built none beside it"
    assert (found_by_index(store.database, live), found_by_index(store.database, candidate)) == (5, 0)
    discard(store.database, candidate)
    made.judge(made.apply(texts("three")))
    assert indexes(store.database) == {INDEX, f"{INDEX}_1"}, "as many go past the index again"
    damages["build_indexes_anew"](store)
    assert indexes(store.database) == {f"{INDEX}_2"}


def test_what_a_changed_share_costs_is_told_by_part(bench: Any) -> None:
    measured = bench("changed_rows")["Measured"](session.store("shares").database, session.settings().home)
    measured.release(range(6))
    spent = measured.release(range(2))
    assert spent.keys() == {"write", "index", "seal", "pointer", "digest", "old_digest", "all"}
    assert spent["all"] >= spent["write"] > 0


def test_days_of_refreshes_end_with_what_maintenance_leaves_of_them(bench: Any) -> None:
    daily, rng = bench("daily_refreshes"), np.random.default_rng(1)
    corpus = daily["Corpus"](rng, rng.normal(size=(5, SPACE.dimension)))
    corpus.change([f"d{n}" for n in range(40)])
    built, told = daily["replay"](session.store("daily"), keeping("daily", 1), corpus, 2, 0.1)
    assert [(each["day"], each["deleted"] > 0) for each in told] == [(1, True), (2, True)]
    assert built.release == 3
    assert told[-1]["bytes"] == built.bytes()["all"] > 0
