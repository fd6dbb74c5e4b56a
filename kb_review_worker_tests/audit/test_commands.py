"""`kb audit` as an auditor types it."""

import html.parser
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from kb_audit.keys import read_public_keys, read_sealing_key
from kb_platform.cli import main
from kb_review_worker.storage.audit import PostgresAudit
from kb_review_worker.storage.histories import PostgresHistories
from kb_review_worker_tests.audit.trails import Trail, event

pytestmark = pytest.mark.anyio
HISTORY = json.dumps({"events": [{"eventId": "1", "eventTime": "2026-11-25T08:15:00Z", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}]})


@dataclass(frozen=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def kb(trail: Trail, *words: str, **more: str) -> Done:
    """Run the command, within this process, as one who has the public key and the file of seals."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("KB_")} | {"COLUMNS": "120"}
    ours = {"KB_HOME": str(trail.file.parent / "home"), "KB_REVIEW_DATABASE_URL": trail.url, "KB_REVIEW_AUDIT_PUBLIC_KEYS": trail.key.public,
            "KB_REVIEW_AUDIT_SEALS": str(trail.file)}
    typed = ["audit", *words]
    with patch.dict(os.environ, variables | ours | more, clear=True), patch.object(sys, "argv", ["kb", *typed]), \
            redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err, pytest.raises(SystemExit) as ended:
        main(typed)
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


async def test_verify_says_intact_broken_or_unproven_by_its_exit_code(trail: Trail) -> None:
    await trail.write(8)
    await trail.sealer.seal()
    done = kb(trail, "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "intact" in done.stdout and "1 to 8 (8 checked)" in done.stdout
    done = kb(trail, "verify", "--json", KB_REVIEW_AUDIT_PUBLIC_KEYS="")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (4, "unproven")

    trail.tamper("delete from audit_event where seq = 5")
    done = kb(trail, "verify", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["broken"] == {"number": 5, "found": "row 5 is missing"}
    assert "first broken row: 5: row 5 is missing" in kb(trail, "verify").stdout


async def test_an_auditors_login_can_verify(trail: Trail) -> None:
    await trail.write(2)
    await trail.sealer.seal()
    with psycopg.connect(trail.url) as connection:
        connection.execute("drop role if exists an_auditor")
        connection.execute("create role an_auditor login password 'secret' in role kb_review_auditor")
    url = trail.url.replace(trail.url.split("//")[1].split("@")[0], "an_auditor:secret")
    assert kb(trail, "verify", KB_REVIEW_DATABASE_URL=url).returncode == 0


async def test_export_prints_a_cases_whole_trail(trail: Trail, tmp_path: Path) -> None:
    await trail.write(8)
    await PostgresHistories(trail.database).keep(event(1), HISTORY)
    await PostgresAudit(trail.database).record(event(700, "<script>alert(1)</script>"))
    await trail.sealer.seal()
    done = kb(trail, "export", "handbook", "--case", "1", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert [entry["event"] for entry in found["entries"]] == ["noted", "noted", "history_exported"]
    assert [entry["number"] for entry in found["entries"]] == [1, 8, 9]
    assert (found["verification"]["status"], found["histories"][0]["history"]) == ("intact", json.loads(HISTORY))
    done = kb(trail, "export", "handbook", "--case", "1")
    assert done.stdout.count("noted") == 2 and "dr.1" in done.stdout

    page = tmp_path / "trail.html"
    assert kb(trail, "export", "handbook", "--case", "0").returncode == 2
    assert kb(trail, "export", "handbook", "--case", "1", "--html", str(page)).returncode == 0
    text = page.read_text()
    html.parser.HTMLParser().feed(text)
    assert "WORKFLOW_EXECUTION_STARTED" in text and "I have read it" in text
    assert "http" not in text.replace("https://id.example.org", "")


async def test_what_an_attacker_wrote_is_shown_and_not_run(trail: Trail, tmp_path: Path) -> None:
    await PostgresAudit(trail.database).record(event(1, "<script>alert(1)</script>"))
    await trail.sealer.seal()
    page = tmp_path / "trail.html"
    kb(trail, "export", "handbook", "--case", "1", "--html", str(page))
    assert "<script" not in page.read_text() and "&lt;script&gt;" in page.read_text()


async def test_what_cannot_be_checked_is_one_clear_line(trail: Trail, database_url: str) -> None:
    await trail.write(1)
    await trail.sealer.seal()
    for variables, line in [
        ({"KB_REVIEW_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "the database of the audit trail"),
        ({"KB_REVIEW_DATABASE_URL": database_url.rpartition("/")[0] + "/postgres"}, "there is no audit trail"),
        ({"KB_REVIEW_AUDIT_SEALS": "/nowhere/seals"}, "KB_REVIEW_AUDIT_SEALS: /nowhere/seals: cannot be read"),
        ({"KB_REVIEW_AUDIT_PUBLIC_KEYS": "x:y"}, "KB_REVIEW_AUDIT_PUBLIC_KEYS: key 1: expected `id:base64`"),
    ]:
        done = kb(trail, "verify", **variables)
        assert (done.returncode, done.stdout) == (1, "") and line in done.stderr, done.stderr
        assert "Traceback" not in done.stderr and "secret" not in done.stderr
    done = kb(trail, "export", "handbook", "--case", "77", "--json")
    assert done.returncode == 1 and "the trail knows no case 77" in json.loads(done.stdout)["found"]


async def test_a_new_key_fits_its_public_half(trail: Trail) -> None:
    made = json.loads(kb(trail, "new-key", "2027a", "--json").stdout)
    key = read_sealing_key(made["KB_REVIEW_AUDIT_KEY"])
    assert read_public_keys(made["KB_REVIEW_AUDIT_PUBLIC_KEYS"]).confirms("2027a", b"message", key.sign(b"message"))
