"""Attacks on a knowledge base from SQL, as every role: what was judged stays what it was, and what failed is not promoted.

Release 1 was live, release 2 is live, release 3 is sealed and failed its golden gate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.release.waivers import ask_for_waiver
from kb_platform.storage.database import LOGIN_ROLES, Database
from kb_platform.storage.releases import live_release
from kb_platform.storage.review_ledger import mark_started, register_review
from kb_platform.storage.review_outcomes import apply_end
from kb_platform_tests.storage.made_releases import SPACE, MadeReleases
from kb_platform_tests.storage.made_reviews import end, open_case

DIGEST3 = "(select content_digest from release where release_id = 3)"
PARTITION = f"chunk_{SPACE.space_id}"
COPY_CHUNK = "insert into chunk overriding system value select * from chunk where id = (select min(id) from chunk)"
COPY_DOCUMENT = "insert into document_version overriding system value select * from document_version where id = (select min(id) from document_version)"

OUTCOME = ("insert into review_outcome (review_id, run_id, status, reviewer_id, digest, effect, ended_at) "
           "select '{0}', 'r', '{1}', who, {3}, '{4}', now() from (select '{2}' as who) x")

ATTACKS = {
    # the pointer
    "point to what failed": "update active set release_id = 3",
    "point by upsert": "insert into active (release_id) values (3) on conflict (one) do update set release_id = excluded.release_id",
    "point by merge": "merge into active a using (values (3)) v(r) on true when matched then update set release_id = v.r",
    "a second pointer": "insert into active (one, release_id) values (false, 3)",
    "point without the key": "update active set release_id = 3, promotable = false",
    "point nowhere": "update active set release_id = 99",
    "no pointer": "delete from active",
    "truncate the pointer": "truncate active",
    "lower the bar and point": "with x as (update release set required_gates = '{coverage,index_recall,embedding_health}' "
                               "where release_id = 3 returning 1) update active set release_id = 3 where exists (select 1 from x)",
    # verdicts
    "a pass that is a regression": "update judgement set verdict = 'pass' where release_id = 3 and gate = 'golden_retrieval'",
    "a new pass that is a regression": f"insert into judgement (release_id, gate, content_digest, passed, verdict, signature) values (3, 'x', {DIGEST3}, true, 'regression', 's')",
    "a verdict of another gate": "update judgement set gate = 'golden_retrieval', verdict = 'pass' where release_id = 3 and gate = 'coverage'",
    "a verdict of another release": f"update judgement set release_id = 3, content_digest = {DIGEST3} where release_id = 2",
    "a verdict about other content": "insert into judgement (release_id, gate, content_digest, verdict, signature) values (3, 'golden_retrieval', '\\x00', 'pass', 's')",
    "flip a verdict of live": "update judgement set verdict = 'regression' where release_id = 2",
    "a new verdict of live": "insert into judgement (release_id, gate, content_digest, verdict, signature) select 2, 'y', content_digest, 'pass', 's' from release where release_id = 2",
    "delete a verdict of live": "delete from judgement where release_id = 2",
    "truncate verdicts": "truncate judgement",
    "take a verdict back": "delete from judgement where release_id = 3",
    "another metric": "update judgement set metric = 1",
    "another signature": "update judgement set signature = 'x'",
    "a verdict without a signature": f"insert into judgement (release_id, gate, content_digest, verdict) values (3, 'golden_retrieval', {DIGEST3}, 'pass')",
    "verdicts through the view": "update gate_result set verdict = 'pass' where release_id = 3",
    # releases
    "count gates by hand": "update release set gates_passed = 4 where release_id = 3",
    "make it promotable": "update release set promotable = true where release_id = 3",
    "call it promoted": "update release set status = 'promoted' where release_id = 3",
    "say it was promoted": "update release set promoted_at = now() where release_id = 3",
    "say it never was": "update release set promoted_at = null where release_id = 2",
    "retire live": "update release set status = 'retired' where release_id = 2",
    "reopen live": "update release set status = 'building' where release_id = 2",
    "reopen a kept one": "update release set status = 'building' where release_id = 1",
    "discard live": "update release set status = 'discarded' where release_id = 2",
    "discard what others build on": "update release set status = 'discarded' where release_id = 1",
    "lower the bar": "update release set required_gates = '{coverage,index_recall,embedding_health}' where release_id = 3",
    "lower the bar of live": "update release set required_gates = '{}' where release_id = 2",
    "another digest": "update release set content_digest = '\\x00' where release_id = 3",
    "another digest of live": "update release set content_digest = null where release_id = 2",
    "another pipeline of live": "update release set pipeline = 'x' where release_id = 2",
    "another size of live": "update release set chunk_count = 1 where release_id = 2",
    "another verdict of live": "update release set verdict = 'regression' where release_id = 2",
    "another report of live": "update release set report = '{\"x\": 1}' where release_id = 2",
    "another id": "update release set release_id = 9 where release_id = 3",
    "another base": "update release set base_release = null where release_id = 2",
    "delete a release": "delete from release where release_id = 1",
    "truncate releases": "truncate release cascade",
    "a release far ahead": "insert into release (release_id, space_id, pipeline) select 50, space_id, pipeline from release where release_id = 2",
    "a second candidate": "insert into release (release_id, base_release, space_id, pipeline) select 4, 3, space_id, pipeline from release where release_id = 2",
    "a release born sealed": "insert into release (release_id, base_release, status, space_id, pipeline, content_digest) "
                             "select 4, 3, 'sealed', space_id, pipeline, content_digest from release where release_id = 2",
    # rows
    "copy a chunk": COPY_CHUNK,
    "copy a document": COPY_DOCUMENT,
    "rewrite a chunk": "update chunk set content = 'poison' where valid_from = 1",
    "another vector": "update chunk set embedding = (select embedding from chunk order by id desc limit 1) where valid_from = 1",
    "rewrite by merge": "merge into chunk k using (select min(id) as id from chunk) v on k.id = v.id when matched then update set content = 'poison'",
    "retitle a document": "update document_version set title = 'poison'",
    "other metadata": "update document_version set metadata = '{\"a\": 1}'",
    "close a chunk of live": "update chunk set valid_to = 2 where valid_to = 2147483647",
    "close a chunk with the candidate": "update chunk set valid_to = 3 where valid_to = 2147483647",
    "reopen a chunk": "update chunk set valid_to = 2147483647 where valid_to = 2",
    "move a chunk": "update chunk set valid_from = 3",
    "move a document": "update document_version set valid_from = 3",
    "close a document of live": "update document_version set valid_to = 3 where valid_to = 2147483647",
    "delete chunks of live": "delete from chunk where valid_from = 1",
    "delete all chunks": "delete from chunk",
    "delete documents": "delete from document_version where valid_from = 1",
    "delete a document of a sealed one": "delete from document_version where valid_from = 3",
    "truncate chunks": "truncate chunk",
    "truncate documents": "truncate document_version cascade",
    "delete passages": "delete from passage where version_id = (select min(id) from document_version)",
    "move passages": "update passage set start_char = start_char + 1",
    "a passage more": "insert into passage (version_id, ordinal, start_char, end_char, content_hash, dup_no) "
                      "select version_id, 7, 0, 9, content_hash, dup_no from passage order by version_id limit 1",
    "truncate passages": "truncate passage",
    "other term frequencies": "update term_df set df = 0",
    "delete term frequencies": "delete from term_df where valid_from = 1",
    "more term frequencies": "insert into term_df values (77, 2, 5)",
    "truncate term frequencies": "truncate term_df",
    "another space": "update embedding_space set spec = '{}'",
    "truncate vectors": "truncate vector",
    "poison a vector": "update vector set embedding = (select embedding from vector order by text_hash limit 1)",
    "forget what came": "delete from known_document",
    "say that something else came": "update known_document set raw_digest = '\\x00'",
    "say that it was deleted": "update known_document set deleted = not deleted",
    "other digests of documents": "update document_digest set digest = '\\x00'",
    "forget digests of documents": "delete from document_digest where valid_from = 1",
    "digests of documents for live": "insert into document_digest values ('docs', 'a', 2, '\\x00', 1)",
    "truncate digests of documents": "truncate document_digest",
    "truncate what was touched": "truncate touched",
    "an older digest": "update release set digest_version = 1 where release_id = 3",
    "another count of chunks": "update release set chunk_count = 0 where release_id = 3",
    "forget what was touched": "delete from touched",
    "something else was touched": "update touched set doc_id = 'x' where doc_id = 'a'",
    "another index of live": "update release set index_no = 7 where release_id = 2",
    "hide a chunk from searches": "update chunk set index_no = 7 where valid_from = 1",
    "hide a chunk in its partition": f"update {PARTITION} set index_no = 7 where valid_from = 1",
    "rewrite a chunk in its partition": f"update {PARTITION} set content = 'poison' where valid_from = 1",
    "close a chunk in its partition": f"update {PARTITION} set valid_to = 2 where valid_to = 2147483647",
    "delete from the partition": f"delete from {PARTITION} where valid_from = 1",
    "copy into the partition": f"insert into {PARTITION} select * from {PARTITION} where id = (select min(id) from {PARTITION})",
    "truncate the partition": f"truncate {PARTITION}",
    "drop the live space": f"select drop_space('{SPACE.space_id}')",
    # the horizon
    "a horizon past live": "update gc_horizon set release_id = 3",
    "a horizon back": "update gc_horizon set release_id = -1",
    "no horizon": "delete from gc_horizon",
    "another horizon": "insert into gc_horizon values (false, 1)",
    "truncate the horizon": "truncate gc_horizon",
    # the logs
    "forge a promotion": "insert into promotion_log (from_release, to_release, by_user) values (2, 3, 'somebody')",
    "rewrite promotions": "update promotion_log set by_user = 'somebody'",
    "delete promotions": "delete from promotion_log",
    "truncate promotions": "truncate promotion_log",
    "rewrite a delivery": "update capture set file = 'elsewhere'",
    "delete a delivery": "delete from capture",
    "truncate deliveries": "truncate capture cascade",
    "rewrite a case": "update review_case set digest = '\\x00'",
    "delete a case": "delete from review_case",
    "a case born decided": "insert into review_case (kind, subject, digest, state) values ('stale_golden', 'z', '\\x00', 'decided')",
    "truncate cases": "truncate review_case",
    "call a case decided": "update review_case set state = 'decided' where state = 'open'",
    "call a case expired": "update review_case set state = 'expired' where state = 'open'",
    # reviews: release 3's waiver was asked for by ann, and is review w; the document's review q has ended
    "somebody else asked": "update review_case set asked_by = 'bob' where kind = 'waiver'",
    "ask anew": "update review_case set changed_at = now() where kind = 'waiver'",
    "a waiver of an integrity gate": "insert into review_case (kind, subject, digest, release_id, asked_by, request) "
                                     f"values ('waiver', 'coverage', {DIGEST3}, 3, 'ann', 'why not')",
    "a waiver of a gate that is not required": "insert into review_case (kind, subject, digest, release_id, asked_by, request) "
                                               f"values ('waiver', 'latency', {DIGEST3}, 3, 'ann', 'why not')",
    "a waiver of other content": "insert into review_case (kind, subject, digest, release_id, asked_by, request) "
                                 "values ('waiver', 'golden_retrieval', '\\x00', 3, 'ann', 'why not')",
    "a waiver that nobody asked for": f"insert into review_case (kind, subject, digest, release_id) values ('waiver', 'golden_retrieval', {DIGEST3}, 3)",
    "accept out of nowhere": "insert into acceptance (review_id) values ('nothing')",
    "accept without a decision": "insert into acceptance (review_id) values ('w')",
    "accept by hand": f"insert into acceptance (review_id, release_id, gate, content_digest, verdict) values ('w', 3, 'golden_retrieval', {DIGEST3}, 'regression')",
    "accept what oneself asked for": OUTCOME.format("w", "approved", "Ann", DIGEST3, "accepted") + "; insert into acceptance (review_id) values ('w')",
    "accept what was rejected": OUTCOME.format("w", "rejected", "bob", DIGEST3, "accepted") + "; insert into acceptance (review_id) values ('w')",
    "accept a document as a gate": "insert into acceptance (review_id) values ('q')",
    "decide about other content": OUTCOME.format("w", "approved", "bob", "'\\x00'::bytea", "accepted"),
    "decide twice": OUTCOME.format("q", "approved", "bob", "(select digest from review_case where kind = 'quarantined_document')", "document_kept"),
    "decide about no case": OUTCOME.format("nothing", "approved", "bob", DIGEST3, "accepted"),
    "decide as nobody": OUTCOME.format("w", "approved", "", DIGEST3, "accepted").replace("'' as who", "null as who"),
    "another reviewer": "update review_outcome set reviewer_id = 'somebody'",
    "forget a decision": "delete from review_outcome",
    "truncate decisions": "truncate review_outcome cascade",
    "rewrite an acceptance": "update acceptance set gate = 'golden_retrieval'",
    "forget an acceptance": "delete from acceptance",
    "truncate acceptances": "truncate acceptance",
    "another opening": "update review_ledger set opened_at = now() where review_id = 'w'",
    "never started": "update review_ledger set started_at = null where review_id = 'w'",
    "a review of no opening": "insert into review_ledger (review_id, case_id, opened_at) select 'x', case_id, now() from review_case limit 1",
    "forget a review": "delete from review_ledger where review_id = 'w'",
    "truncate reviews": "truncate review_ledger cascade",
    "rewrite the audit": "update guard_change set by_user = 'somebody'",
    "delete the audit": "delete from guard_change",
    "truncate the audit": "truncate guard_change",
}
AS = (*LOGIN_ROLES, "owner", "owner, with replication's triggers only")

NOT_YOURS = {
    "switch a guard off": "alter table active disable trigger promote_guard",
    "switch all off": "set session_replication_role = replica",
    "drop a guard": "drop trigger promote_guard on active",
    "replace a guard": "create or replace function {schema}.promote_guard() returns trigger language plpgsql as 'begin return new; end'",
    "shadow a table in the schema": "create table {schema}.gate (a int)",
    "shadow a function in the schema": "create function {schema}.gates_passed(int) returns int language sql as 'select 9'",
    "shadow a function in public": "create function public.gates_passed(int) returns int language sql as 'select 9'",
    "become the owner": "set role kb",
    "become another": "set session authorization kb",
    "become another role of the base": "set role {other}",
    "grant oneself another role": "grant {other} to {own}",
    "make oneself superuser": "alter role {own} superuser",
    "see behind row security": "alter table chunk disable row level security",
    "lock readers out": "lock table active in access exclusive mode",
    "run a program": "copy (select 1) to program 'true'",
    "read a file": "select pg_read_file('/etc/hostname')",
    "switch the audit off": "alter event trigger {schema}_guard_change disable",
}


class NotRefused(AssertionError):
    pass


@pytest.fixture(scope="module")
def database(releases: MadeReleases) -> Database:
    """Three releases: was live, live, failed."""
    releases.release({"a": "one a", "b": "one b", "c": "one c"})
    releases.release({"a": "two a", "b": "two b", "c": None, "d": "two d"})
    failed = releases.apply({"a": "three a"}, failed={"e": "%PDF"})
    releases.judge(failed, {"golden_retrieval": "regression"})
    assert (failed, live_release(releases.database)) == (3, 2)
    ask_for_waiver(releases.database, "golden_retrieval", "known", "ann")
    for review, case in (("w", open_case(releases.database, "golden_retrieval")), ("q", open_case(releases.database, "docs/e"))):
        assert register_review(releases.database, review, case)
        mark_started(releases.database, review)
    apply_end(releases.database, end(case, "q"))
    with releases.database.transaction("owner") as c:
        c.execute("alter table active enable always trigger promote_guard")  # changes nothing, and is noted
    return releases.database


@contextmanager
def refused(database: Database, role: Any) -> Iterator[psycopg.Connection]:
    """Expect an error of the database; whatever happens, nothing is kept."""
    name, _, replica = role.partition(",")
    with pytest.raises(psycopg.Error) as error, database.transaction(name) as c:
        if replica:
            c.execute("set local session_replication_role = replica")
        yield c
        raise NotRefused
    assert not isinstance(error.value, psycopg.errors.SyntaxError | psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn), error.value


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_role_can_change_what_was_judged_or_promote_what_failed(database: Database, attack: str) -> None:
    before = everything(database)
    for role in AS:
        try:
            with refused(database, role) as c:
                done = c.execute(ATTACKS[attack])
                assert done.rowcount != 0, f"{attack} as {role}: the attack touches no row"
        except NotRefused:
            pytest.fail(f"{attack} as {role} was not refused")
    assert everything(database) == before


def everything(database: Database) -> list[tuple[Any, ...]]:
    with database.transaction("owner") as c:
        return c.execute("""select (select md5(string_agg(a::text, '|')) from active a), (select md5(string_agg(r::text, '|' order by r)) from release r),
                                   (select md5(string_agg(g::text, '|' order by g)) from gate_result g), (select count(*) from chunk),
                                   (select md5(string_agg(k::text, '|' order by k)) from review_case k), (select count(*) from acceptance),
                                   (select md5(string_agg(o::text, '|' order by o)) from review_outcome o),
                                   (select md5(string_agg(l::text, '|' order by l)) from review_ledger l),
                                   (select count(*) from promotion_log)""").fetchall()


@pytest.mark.parametrize("role", LOGIN_ROLES)
@pytest.mark.parametrize("attack", NOT_YOURS)
def test_a_role_cannot_get_at_the_guards_or_beyond_itself(database: Database, role: Any, attack: str) -> None:
    names = {"schema": database.schema, "own": f"{database.schema}_{role}", "other": f"{database.schema}_{'gate' if role != 'gate' else 'writer'}"}
    with refused(database, role) as c:
        c.execute(NOT_YOURS[attack].format(**names).encode())


@pytest.mark.parametrize("role", ["writer", "gate", "promoter", "owner"])
def test_names_that_shadow_those_of_the_guards_change_nothing(database: Database, role: Any) -> None:
    with refused(database, role) as c:
        c.execute(f"""create temp table gate_result as select 3 as release_id, g as gate, true as passed, r.content_digest, 'pass' as verdict
                      from {database.schema}.release r, unnest(r.required_gates) g where r.release_id = 3;
                      create temp table release as select * from {database.schema}.release;
                      update pg_temp.release set required_gates = '{{coverage}}';
                      create function pg_temp.gates_passed(pg_temp.release) returns int language sql as 'select 9';
                      create function pg_temp.always(text, text[]) returns bool language sql as 'select true';
                      create operator pg_temp.= (leftarg = text, rightarg = text[], function = pg_temp.always);
                      set local search_path = pg_temp, {database.schema}, pg_catalog""".encode())
        c.execute(f"update {database.schema}.active set release_id = 3".encode())


def test_a_reader_learns_nothing_of_what_was_not_promoted(database: Database) -> None:
    with database.transaction("reader") as c:
        assert not c.execute("select 1 from chunk where content like '%%three%%' or valid_from = 3").fetchall()
        assert not c.execute("select 1 from document_version where valid_from = 3").fetchall()
        assert not c.execute("select 1 from release where release_id = 3").fetchall()
    for statement in ("select readable_release(3)", "select * from term_statistics(3, '{1}')", "select * from term_statistics_rows(2, '{1}')",
                      "select * from passage", "select * from term_df", "select * from vector", "select * from gate_result", "select * from capture",
                      "select * from review_case", "select * from review_ledger", "select * from review_outcome", "select * from acceptance", "select * from guard_change", "select text_digest(3)", "select sealed_digest(r) from release r", "select * from digests_of_rows(3, false)", "select * from document_digest", "select * from judgement", "set local row_security = off; select * from chunk"):
        with refused(database, "reader") as c:
            c.execute(statement.encode())


def test_a_predicate_with_a_side_effect_is_not_shown_hidden_rows(database: Database) -> None:
    with database.transaction("reader") as c:
        c.execute("""create function pg_temp.leak(t text) returns bool language plpgsql cost 0.0000001 as
                     $$ begin if t like '%three%' then raise exception 'leaked'; end if; return true; end $$""")
        assert c.execute("select count(*) from chunk where pg_temp.leak(content)").fetchone() == (3,)


def test_roles_of_one_knowledge_base_have_nothing_of_another(database: Database) -> None:
    neighbour = session.store("neighbour").database
    for role in LOGIN_ROLES:
        for table in ("release", "chunk", "active", "gate_result"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), neighbour.transaction(role) as c:
                c.execute(f"select * from {database.schema}.{table}".encode())


def test_switching_a_guard_off_is_written_down_with_what_was_off(database: Database) -> None:
    with pytest.raises(NotRefused), database.transaction("owner") as c:
        c.execute("alter table active disable trigger promote_guard")
        c.execute("drop trigger log_guard on promotion_log")
        c.execute("alter table active enable always trigger promote_guard")
        noted = c.execute("select command, object, guards_off, by_user, by_platform from guard_change order by id desc limit 3").fetchall()
        raise NotRefused
    assert noted == [("ALTER TABLE", f"{database.schema}.active", [], "kb", False),
                     ("DROP TRIGGER (trigger)", f"log_guard on {database.schema}.promotion_log", ["active.promote_guard"], "kb", False),
                     ("ALTER TABLE", f"{database.schema}.active", ["active.promote_guard"], "kb", False)]


def test_every_guard_holds_in_replication_too(database: Database) -> None:
    with database.transaction("owner") as c:
        assert not c.execute("""select c.relname, g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
                                where c.relnamespace = %s::regnamespace and not g.tgisinternal and g.tgenabled <> 'A'""", (database.schema,)).fetchall()


@pytest.mark.parametrize("role", ["reader", "promoter"])
def test_no_function_is_open_to_everybody(database: Database, role: str) -> None:
    with database.transaction("owner") as c:
        allowed = {row[0] for row in c.execute("select proname from pg_proc where pronamespace = %s::regnamespace and has_function_privilege(%s, oid, 'execute')",
                                               (database.schema, f"{database.schema}_{role}")).fetchall()}
    reading = {"search", "readable_release", "term_statistics", "release_at", "read_document", "read_document_chunks", "read_chunk", "give_feedback"}
    assert allowed == (reading if role == "reader" else set())
