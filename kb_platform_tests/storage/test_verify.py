"""What an owner or a superuser does with the guards switched off is found, and named; what is as it was made is not."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from kb_platform.knowledge.errors import GateRefusal
from kb_platform.release.waivers import ask_for_waiver
from kb_platform.storage.database import Database
from kb_platform.storage.guards import changed_guards
from kb_platform.storage.releases import promote
from kb_platform.storage.review_outcomes import apply_end
from kb_platform.storage.verify import verify
from kb_platform_tests.homes import damaged
from kb_platform_tests.storage.made_releases import SPACE, MadeReleases
from kb_platform_tests.storage.made_reviews import end, open_case, start

pytestmark = pytest.mark.random_order(disabled=True)  # what one forges, the others would find
PARTITION = f"chunk_{SPACE.space_id}"

CONTENT = {
    "another text": ("update chunk set content = 'poison' where id = (select min(id) from chunk where valid_to = 2147483647)", "release 2: docs/"),
    "another vector": ("update chunk set embedding = (select embedding from chunk order by id desc limit 1) where id = (select min(id) from chunk where valid_to = 2147483647)", "release 2: docs/"),
    "other weights": ("update chunk set term_weights = '{1:9}/1000000000' where id = (select min(id) from chunk where valid_to = 2147483647)", "release 2: docs/"),
    "another context": ("update chunk set context = 'poison' where id = (select min(id) from chunk where valid_to = 2147483647)", "release 2: docs/"),
    "another title": ("update document_version set title = 'poison' where doc_id = 'd'", "release 2: docs/d is not what was sealed"),
    "other metadata": ("update document_version set metadata = '{\"a\": 1}' where doc_id = 'd'", "release 2: docs/d is not what was sealed"),
    "another place": ("update passage set start_char = 1 where version_id = (select max(id) from document_version where doc_id = 'd')", "release 2: docs/d is not"),
    "no passage": ("delete from passage where version_id = (select max(id) from document_version where doc_id = 'd')", "release 2: docs/d is not what was sealed"),
    "a chunk less": ("delete from chunk where doc_id = 'd'", "release 2: docs/d is not what was sealed"),
    "a chunk of an older release": ("update chunk set valid_to = 2147483647 where doc_id = 'c'", "release 2: docs/c is not what was sealed"),
    "other frequencies": ("update term_df set df = df + 1 where term = 1", "document frequencies of 1 words"),
    "another digest of a document": ("update document_digest set digest = '\\x00' where doc_id = 'd'", "release 2: docs/d is not what was sealed"),
    "a chunk past the index": ("update chunk set index_no = 7 where doc_id = 'd'", "it holds chunks past its index"),
    "other gates": ("update release set required_gates = '{coverage,index_recall}' where release_id = 2", "its digest is not that of"),
    "another digest": ("update release set content_digest = '\\x00' where release_id = 2", "its digest is not that of its documents"),
}
JUDGED = {
    "a forged verdict": ("insert into judgement (release_id, gate, content_digest, verdict, signature) select 2, 'x', content_digest, 'pass', 'home:00' from release where release_id = 2",
                         "the verdict pass of x carries no signature"),
    "another verdict": ("update judgement set verdict = 'regression' where release_id = 2 and gate = 'coverage'", "the verdict regression of coverage carries no signature"),
    "another metric": ("update judgement set metric = 0.5 where release_id = 2 and gate = 'coverage'", "the verdict pass of coverage carries no signature"),
    "a promotion that never was": ("insert into promotion_log (from_release, to_release) values (7, 2)", "begins at release 7"),
    "a promotion that is gone": ("delete from promotion_log where to_release = 2", "release 2 is live, and the last promotion was to 1"),
    "a promotion of what failed": ("delete from judgement where release_id = 2 and gate = 'coverage'; update release set promoted_at = null where release_id = 2",
                                   "release 2 was promoted, and its gate coverage has not passed"),
    "no pointer": ("delete from active", "nothing is live, and the last promotion was to 2"),
    "a pointer of its own": ("update active set release_id = 1", "release 1 is live, and the last promotion was to 2"),
}
RELEASES = {
    "another count of documents": ("update release set document_count = 1 where release_id = 2", "another number of documents than the 1 that were sealed"),
    "another count of chunks": ("update release set chunk_count = 1 where release_id = 2", "another number of chunks than the 1 that were sealed"),
    "another overall verdict": ("update release set verdict = 'regression' where release_id = 2", "its verdict is said to be regression, and its gates say pass"),
    "no time of promotion": ("update release set promoted_at = null where release_id = 2", "release 2 was promoted, and when is on record no more"),
    "no digest": ("update release set content_digest = null where release_id = 1", "release 1: its digest is not that of its documents"),
    "discarded below what is live": ("update release set status = 'discarded' where release_id = 1", "release 1 is called discarded, and release 2 builds on it"),
    "live in the log alone": ("update release set status = 'retired' where release_id = 2", "release 2 is called retired, and it is live"),
    "all was collected": ("update gc_horizon set release_id = 99", "all before release 99 is said to be collected, and release 2 is live"),
    "no horizon": ("delete from gc_horizon", "how far was collected is on record no more"),
    "another space": ("update embedding_space set spec = jsonb_set(spec, '{model}', '\"another\"')", f"embedding space {SPACE.space_id} is described as another one"),
    "a poisoned vector": ("update vector set embedding = (select embedding from vector order by text_hash limit 1)", "the vectors that are kept for later are not those of"),
}
GUARDS = {
    "a guard that is off": ("alter table active disable trigger promote_guard", "trigger promote_guard on active is switched off"),
    "a guard that replication passes": ("alter table chunk enable trigger row_update_guard", "trigger row_update_guard on chunk is switched off"),
    "a guard of a partition": (f"alter table {PARTITION} disable trigger row_delete_guard", f"trigger row_delete_guard on {PARTITION} is switched off"),
    "a guard that is gone": ("drop trigger log_guard on promotion_log", "trigger log_guard on promotion_log is gone"),
    "a guard that lets pass": ("create or replace function promote_guard() returns trigger language plpgsql security definer as 'begin return new; end'",
                               "function promote_guard() is not as it was shipped"),
    "a trigger of somebody": ("create trigger mine before insert on chunk for each row execute function refuse()", "trigger mine on chunk is none of ours"),
    "a right more": ("grant insert on active to {schema}_reader", "table active is not as it was shipped"),
    "a column's right": ("grant update (content) on chunk to {schema}_writer", "column chunk.content is not as it was shipped"),
    "a policy that shows all": ("create policy all_of_it on chunk for select to {schema}_reader using (true)", "policy all_of_it on chunk is none of ours"),
    "no row security": ("alter table chunk disable row level security", "table chunk is not as it was shipped"),
    "a function for everybody": ("grant execute on function digests_of_rows(int, bool) to public", "is not as it was shipped"),
    "a constraint less": ("alter table judgement drop constraint judgements_are_signed", "constraint judgements_are_signed on judgement is gone"),
    "a pass by default": ("alter table judgement alter column passed drop expression", "column judgement.passed is not as it was shipped"),
    "a role that has another's rights": ("grant {schema}_writer to {schema}_reader", "role {schema}_reader is not as it was shipped"),
    "a role past row security": ("alter role {schema}_reader bypassrls", "role {schema}_reader is not as it was shipped"),
    "a right to make things": ("grant create on schema public to public", "right of {schema}_writer to make things in schema public is none of ours"),
    "a function that answers nothing": ("alter function gate_is_passed(int, bytea, text) strict", "is not as it was shipped"),
    "a view that asks as somebody else": ("alter view gate_result set (security_invoker = true)", "table gate_result is not as it was shipped"),
    "rows of another schema's table": ("create table public.more () inherits (document_version)", "child public.more of document_version is none of ours"),
    "somebody in a role": ("create role {schema}_mine in role {schema}_promoter", "role {schema}_promoter is not as it was shipped"),
    "a right on the schema": ("grant create on schema {schema} to {schema}_writer", "schema {schema} is not as it was shipped"),
    "a rule": ("create rule mine as on insert to judgement do instead nothing", "rule mine on judgement is none of ours"),
    "an operator": ("create operator {schema}.<> (leftarg = bytea, rightarg = bytea, function = byteane)", "operator <> is none of ours"),
    "two candidates": ("drop index one_candidate", "unique index one_candidate is gone"),
    "no foreign keys": ("alter table active disable trigger all", "foreign key active_release_id_promotable_fkey on active is not as it was shipped"),
    "no note of changes": ("alter event trigger {schema}_guard_change disable", "event trigger {schema}_guard_change"),
}


class Undone(Exception):
    pass


@pytest.fixture(scope="module")
def database(releases: MadeReleases) -> Database:
    """Two releases, the second one live."""
    releases.release({"a": "one a", "b": "one b", "c": "one c"})
    releases.release({"a": "two a", "b": "one b", "c": None, "d": "two d"})
    return releases.database


def found(database: Database, statement: str, *, guards_off: bool) -> tuple[str, ...]:
    """Return what `kb verify` says after a statement of a superuser, who has switched the triggers off for it; nothing of it stays."""
    tables = ("active", "chunk", PARTITION, "document_version", "passage", "term_df", "document_digest", "release", "judgement", "promotion_log",
              "gc_horizon", "embedding_space", "vector", f"vector_{SPACE.space_id}")
    with psycopg.connect(database.owner_url) as c:
        c.execute(f"set search_path to {database.schema}, public".encode())
        if guards_off:
            c.execute("".join(f"alter table {table} disable trigger user;" for table in tables).encode())
        c.execute(statement.replace("{schema}", database.schema).encode())
        if guards_off:
            c.execute("".join(f"alter table {table} enable always trigger {name};" for table, name in c.execute(
                "select c.relname, g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid where c.relnamespace = %s::regnamespace and not g.tgisinternal",
                (database.schema,)).fetchall()).encode())
        wrong = verify_in(database, c)
        c.rollback()
    return wrong


def verify_in(database: Database, connection: psycopg.Connection) -> tuple[str, ...]:
    """Verify within another one's transaction."""
    @contextmanager
    def transaction(self: Database, role: object) -> Iterator[psycopg.Connection]:
        connection.execute(f"set local search_path to {database.schema}, public".encode())
        yield connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", transaction)
        return verify(database).wrong


def test_what_is_as_it_was_made_holds(database: Database) -> None:
    done = verify(database)
    assert done.wrong == ()
    assert (done.releases, done.documents, done.verdicts, done.unsigned, done.promotions) == ((1, 2), 6, 6, 0, 2)
    assert verify(database, 2).releases == (2,)


@pytest.mark.parametrize("change", [*CONTENT, *JUDGED, *RELEASES])
def test_what_was_changed_with_the_guards_off_is_named(database: Database, change: str) -> None:
    statement, said = (CONTENT | JUDGED | RELEASES)[change]
    wrong = found(database, statement, guards_off=True)
    assert any(said in sentence for sentence in wrong), wrong


@pytest.mark.parametrize("change", GUARDS)
def test_a_guard_that_is_not_as_it_was_shipped_is_named(database: Database, change: str) -> None:
    statement, said = GUARDS[change]
    wrong = found(database, statement, guards_off=False)
    assert [sentence for sentence in wrong if said.format(schema=database.schema) in sentence], wrong


def test_a_verdict_that_nobody_signed_promotes_nothing(releases: MadeReleases, database: Database) -> None:
    failed = releases.apply({"a": "three a"})
    digest = releases.judge(failed, {"golden_retrieval": "regression"})
    damaged(database, f"release {failed}: the verdict pass of golden_retrieval carries no signature")
    with database.transaction("gate") as c:
        c.execute("""insert into judgement (release_id, gate, content_digest, verdict, metric, threshold, signature)
                     select %s, 'golden_retrieval', %s, 'pass', 1, 1, signature from judgement where verdict = 'pass' limit 1""", (failed, digest))
    with pytest.raises(GateRefusal, match="the verdict of golden_retrieval carries no signature"):
        promote(database, failed)
    assert [s for s in verify(database).wrong if "carries no signature" in s] == [
        f"release {failed}: the verdict pass of golden_retrieval carries no signature of a key that is known here"]


def test_the_pointer_that_sql_moved_past_a_forged_verdict_is_found(releases: MadeReleases, database: Database) -> None:
    """Two roles together can do this, and no signature can be checked in SQL."""
    failed = releases.apply({"a": "three a"})
    digest = releases.judge(failed, {"golden_retrieval": "regression"})
    damaged(database, f"release {failed}: the verdict pass of golden_retrieval carries no signature")
    with database.transaction("gate") as c:
        c.execute("insert into judgement (release_id, gate, content_digest, verdict, signature) values (%s, 'golden_retrieval', %s, 'pass', 'home:00')", (failed, digest))
    with database.transaction("promoter") as c:
        c.execute("update active set release_id = %s", (failed,))
    try:
        assert f"release {failed}: the verdict pass of golden_retrieval carries no signature of a key that is known here" in verify(database).wrong
    finally:
        promote(database, 2)


def test_an_approval_that_no_reviewer_gave_is_found(releases: MadeReleases, database: Database) -> None:
    failed = releases.apply({"a": "three a"})
    releases.judge(failed, {"golden_retrieval": "regression"})
    ask_for_waiver(database, "golden_retrieval", "known", "ann")
    case = open_case(database, "golden_retrieval")
    apply_end(database, end(case, start(database, case)))  # as the decider's role can, whatever was decided
    found = [s for s in verify(database, reviews=database.owner_url).wrong if "carries no signature" not in s]
    assert found == [f"release {failed}: dr.reviewer is said to have accepted the verdict of golden_retrieval, and the review worker has no such decision"]


def test_guards_are_compared_for_every_space_that_is_there(database: Database) -> None:
    assert list(changed_guards(database)) == []
