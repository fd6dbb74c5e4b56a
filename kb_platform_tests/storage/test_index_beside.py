"""Many changed rows go past the index that readers use, into one that the seal builds beside it: readers wait for nothing and find everything."""

import pytest

from kb_platform.cli import session
from kb_platform.release.maintenance import maintain
from kb_platform.storage import index_beside
from kb_platform.storage.database import Database
from kb_platform.storage.index_upkeep import drop_superseded
from kb_platform.storage.inspect_release import neighbour_distances
from kb_platform.storage.releases import discard, promote
from kb_platform_tests.storage.made_releases import LATER, SPACE, MadeReleases, keeping, shown, vector

INDEX = f"chunk_{SPACE.space_id}_hnsw"
PLAN = f"""explain select id from chunk_{SPACE.space_id} c where valid_from <= %(r)s and valid_to > %(r)s and index_no <= %(needed)s
           order by embedding::halfvec(384) <=> %(v)s::halfvec(384) limit 5"""


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_beside, "MANY", 10)


def texts(version: str, count: int = 40) -> dict[str, str | None]:
    return {f"d{n}": f"{version} {n}" for n in range(count)}


def indexes(database: Database) -> dict[str, bool]:
    with database.transaction("owner") as c:
        return dict(c.execute("select name, whole from hnsw_indexes(%s)", (SPACE.space_id,)).fetchall())


def index_of(database: Database, release: int) -> str:
    """Return the index that a search of a release goes by."""
    with database.transaction("owner") as c:
        c.execute("set local enable_seqscan = off; set local enable_sort = off")
        names = {"r": release, "needed": get_release_index(database, release), "v": str(vector("x")[0].tolist())}
        said = " ".join(row[0] for row in c.execute(PLAN.encode(), names))
    return said.split("Index Scan using ")[1].split(" ")[0]


def get_release_index(database: Database, release: int) -> int:
    with database.transaction("owner") as c:
        return c.execute("select index_no from release where release_id = %s", (release,)).fetchall()[0][0]


def finds_all(database: Database, release: int) -> bool:
    return all(found == pytest.approx(exact) for found, exact in neighbour_distances(database, release, vector("some question"), 10))


def test_a_change_of_most_rows_is_indexed_beside_what_readers_use_and_a_small_one_is_not() -> None:
    made = MadeReleases(session.store("most").database)
    made.release(texts("one"))
    live = shown(made.database, 1)
    candidate = made.apply(texts("two"))
    assert (get_release_index(made.database, 1), get_release_index(made.database, candidate), indexes(made.database)) == (0, 1, {INDEX: True})
    made.judge(candidate)
    assert indexes(made.database) == {INDEX: True, f"{INDEX}_1": True}
    assert index_of(made.database, candidate) == f"{INDEX}_1"
    assert shown(made.database, 1) == live
    assert finds_all(made.database, candidate)
    promote(made.database, candidate)
    small = made.release({"d0": "three 0"})
    assert (get_release_index(made.database, small), len(indexes(made.database))) == (1, 2)

    before = shown(made.database, small)
    done = maintain(session.store("most"), keeping("most", 9), now=LATER)
    assert done is not None
    assert (done.rebuilt, done.postponed, indexes(made.database)) == ((), (), {f"{INDEX}_1": True})
    assert (shown(made.database, small), shown(made.database, 1)) == (before, live)
    assert index_of(made.database, 1) == index_of(made.database, small) == f"{INDEX}_1"


def test_a_seal_that_is_killed_leaves_nothing_and_readers_do_not_wait_for_one_that_builds() -> None:
    made = MadeReleases(session.store("kill").database)
    made.release(texts("one"))
    live = shown(made.database, 1)
    candidate = made.apply(texts("two"))
    with pytest.raises(Killed), made.database.transaction("writer") as c:
        c.execute("select build_index(%s)", (candidate,))
        assert c.execute("select count(*) from hnsw_indexes(%s)", (SPACE.space_id,)).fetchone() == (2,)
        assert shown(made.database, 1) == live, "readers go on, by the index that they have"
        raise Killed
    assert indexes(made.database) == {INDEX: True}
    made.judge(candidate)
    assert finds_all(made.database, candidate)
    discard(made.database, candidate)
    assert shown(made.database, 1) == live
    again = made.release(texts("three"))
    assert get_release_index(made.database, again) == 2
    assert finds_all(made.database, again)


def test_an_index_that_holds_every_row_is_not_gone_past_until_it_was_built_anew() -> None:
    store = session.store("whole")
    made = MadeReleases(store.database)
    made.release(texts("one"))
    with made.database.transaction("owner") as c:  # as before revision 0010
        c.execute(f"drop index {INDEX}; create index {INDEX} on chunk_{SPACE.space_id} using hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)".encode())
    made.release(texts("two"))
    assert (get_release_index(made.database, 2), indexes(made.database)) == (0, {INDEX: True})
    done = maintain(store, keeping("whole", 1), now=LATER)
    assert done is not None
    assert (len(done.rebuilt), indexes(made.database)) == (1, {f"{INDEX}_1": True})
    made.release(texts("three"))
    assert (get_release_index(made.database, 3), sorted(indexes(made.database))) == (2, [f"{INDEX}_1", f"{INDEX}_2"])
    assert finds_all(made.database, 3)
    assert drop_superseded(made.database, SPACE.space_id) is None
    assert indexes(made.database) == {f"{INDEX}_2": True}
