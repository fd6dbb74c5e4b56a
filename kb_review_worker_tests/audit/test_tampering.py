"""Whatever a superuser does to the trail, verification names the first row that does not hold."""

import json

import psycopg
import pytest

from kb_audit.keys import new_key, read_public_keys
from kb_audit.seals import SealsUnreadable, append_seal, seal
from kb_review_worker_tests.audit.trails import AT, Trail

pytestmark = pytest.mark.anyio
EDITED = "update audit_event set body = replace(body, 'approve', 'reject') where seq = 7"


async def test_an_untouched_trail_is_intact(trail: Trail) -> None:
    await trail.write(20)
    await trail.sealer.seal()
    await trail.write(3, first=21)
    verdict = trail.verify()
    assert (verdict.status, verdict.rows, verdict.first, verdict.last, verdict.sealed_through) == ("intact", 23, 1, 23, 20)
    assert verdict.broken is None


async def test_what_is_stored_is_read_back_as_it_was_said(trail: Trail) -> None:
    await trail.write(1)
    ((number, text),) = trail.rows()
    said = json.loads(text)
    assert (number, said["event"], said["who"]["id"], said["at"]) == (1, "noted", "dr.1", "2026-11-25T08:15:00.250000Z")
    assert said["meaning"].startswith("I have read it")
    assert text == json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(("statements", "first_broken"), [
    pytest.param([EDITED], 7, id="a text"),
    pytest.param(["update audit_event set recorded_at = recorded_at + interval '1 microsecond' where seq = 5"], 5, id="a time"),
    pytest.param(["update audit_event set hash = sha256('x') where seq = 1"], 1, id="a hash"),
    pytest.param(["update audit_event set previous = sha256('x') where seq = 9"], 9, id="a link"),
    pytest.param(["delete from audit_event where seq = 6"], 6, id="a deleted row"),
    pytest.param(["delete from audit_event where seq in (3, 4)"], 3, id="two deleted rows"),
    pytest.param(["delete from audit_event where seq = 1"], 1, id="the first row deleted"),
    pytest.param(["delete from audit_event where seq = 6", "update audit_event set seq = seq - 1 where seq > 6"], 6, id="a gap closed"),
    pytest.param(["update audit_event set seq = -1 where seq = 4", "update audit_event set seq = 4 where seq = 8",
                  "update audit_event set seq = 8 where seq = -1"], 4, id="two rows swapped"),
    pytest.param(["update audit_event set seq = -seq where seq >= 5", "update audit_event set seq = 1 - seq where seq < 0",
                  "insert into audit_event (seq, previous, hash, recorded_at, body) select 5, previous, hash, recorded_at, "
                  "replace(body, '\"id\":\"', '\"id\":\"0') from audit_event where seq = 4"], 5, id="a row inserted"),
    pytest.param(["insert into audit_event (seq, previous, hash, recorded_at, body) select 13, hash, sha256('x'), now(), "
                  "replace(body, '\"id\":\"', '\"id\":\"0') from audit_event where seq = 12"], 13, id="a row added at the end"),
    pytest.param(["delete from audit_event where seq > 10"], 11, id="the end cut off"),
    pytest.param(["delete from audit_event where seq > 10", "delete from audit_seal"], 11, id="the end cut off with its seals"),
    pytest.param(["delete from audit_event", "delete from audit_seal"], 1, id="all of it gone"),
    pytest.param(["alter table audit_event alter column case_id drop expression", "update audit_event set case_id = 99 where seq = 8"], 8,
                 id="a row hidden from its case"),
    pytest.param(["update audit_seal set signature = sha256('x') || sha256('y')"], 12, id="a seal"),
])
async def test_verification_names_the_first_broken_row(trail: Trail, statements: list[str], first_broken: int) -> None:
    await trail.write(12)
    await trail.sealer.seal()
    trail.tamper(*statements)
    verdict = trail.verify()
    assert (verdict.status, verdict.broken and verdict.broken.number) == ("broken", first_broken), verdict


async def test_an_edited_row_with_a_fitting_hash_is_told_by_the_next_one(trail: Trail) -> None:
    await trail.write(12)
    trail.tamper(EDITED)
    trail.forge(7, last=7)
    verdict = trail.verify(with_file=False)
    assert verdict.broken and (verdict.broken.number, verdict.broken.found) == (7, "row 8 was linked to another row before it")


async def test_a_chain_that_was_written_anew_contradicts_its_seals(trail: Trail) -> None:
    await trail.write(5)
    await trail.sealer.seal()
    await trail.write(5, first=6)
    await trail.sealer.seal()
    trail.tamper(EDITED)
    trail.forge(7)
    verdict = trail.verify()
    assert (verdict.status, verdict.broken and verdict.broken.number, verdict.sealed_through) == ("broken", 10, 5)
    assert "written anew" in str(verdict.broken)


async def test_forged_seals_do_not_help(trail: Trail) -> None:
    await trail.write(10)
    await trail.sealer.seal()
    trail.tamper(EDITED, "delete from audit_seal")
    trail.forge(7)
    with psycopg.connect(trail.url) as connection:
        row = connection.execute("select hash from review.audit_event where seq = 10").fetchone()
    assert row
    forged = seal("seal", 10, row[0], AT, new_key("2026a"))
    trail.tamper(f"insert into audit_seal (kind, seq, hash, sealed_at, key_id, signature) values "
                 f"('seal', 10, '\\x{forged.hash.hex()}', '{AT.isoformat()}', '2026a', '\\x{forged.signature.hex()}')")
    assert trail.verify().status == "broken"
    verdict = trail.verify(with_file=False)
    assert verdict.broken and "was not made with key 2026a" in verdict.broken.found


async def test_without_what_would_prove_it_a_trail_is_unproven(trail: Trail) -> None:
    await trail.write(3)
    assert "no seal confirms any row" in " ".join(trail.verify(with_file=False).doubts)
    await trail.sealer.seal()
    assert trail.verify().status == "intact"
    assert trail.verify(with_file=False).status == "unproven"
    assert trail.verify(keys=read_public_keys("")).status == "unproven"
    other = trail.verify(keys=read_public_keys(new_key("2027a").public))
    assert (other.status, other.sealed_through) == ("unproven", 0)
    assert "2026a" in " ".join(other.doubts)


async def test_a_new_key_takes_over_and_old_seals_still_count(trail: Trail) -> None:
    await trail.write(3)
    await trail.sealer.seal()
    old, trail.key = trail.key, new_key("2027a")
    await trail.write(3, first=4)
    await trail.sealer.seal()
    verdict = trail.verify(keys=read_public_keys(f"{trail.key.public}, {old.public}"))
    assert (verdict.status, verdict.sealed_through) == ("intact", 6)


async def test_a_line_that_a_crash_left_half_written_is_passed_over(trail: Trail) -> None:
    await trail.write(2)
    await trail.sealer.seal()
    with trail.file.open("ab") as file:
        file.write(b'{"kind": "seal", "numb')
    await trail.write(2, first=3)
    await trail.sealer.seal()
    assert trail.verify().sealed_through == 4
    with trail.file.open("ab") as file:
        file.write(b'{"kind": "nonsense"}\n')
    with pytest.raises(SealsUnreadable, match="line 4"):
        trail.verify()


async def test_a_seal_of_another_trail_does_not_fit(trail: Trail) -> None:
    await trail.write(2)
    append_seal(trail.file, seal("seal", 2, bytes(32), AT, trail.key))
    verdict = trail.verify()
    assert verdict.broken and verdict.broken.number == 2


@pytest.mark.parametrize("added", ['"event":"history_exported"', '"event":"history_exported","details":"none"', '"event":"e","details":' + "[" * 3000 + "]" * 3000])
async def test_an_entry_that_nobody_here_writes_is_named_and_stops_no_verification(trail: Trail, added: str) -> None:
    await trail.write(3)
    entry = f'{{"id":"x","review":"r","run":"n","knowledge_base":"k","case":1,{added}}}'
    async with trail.database.transaction() as c:
        await c.execute("insert into history (review_id, run_id, content) values ('r', 'n', '')")
        await c.execute("select audit_append(%s)", (entry,))
    await trail.sealer.seal()
    verdict = trail.verify()
    assert verdict.broken and verdict.broken.number == 4
