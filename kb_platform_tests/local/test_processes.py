"""Detached processes, with real ones."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from kb_platform.local import processes
from kb_platform.local.processes import ProcessRecord
from kb_platform_tests.local.conftest import python
from kb_platform_tests.waiting import wait_until

WAIT = "import signal; print('here', flush=True); signal.pause()"
START = """
import sys, os, signal
from pathlib import Path
from kb_platform.local import processes
folder = Path(sys.argv[1])
argv = [sys.executable, "-c", "import signal; signal.pause()"]
processes.start(argv, environment={}, log=folder / "log", folder=folder).save(folder / "record")
os.kill(os.getpid(), signal.SIGKILL)
"""

START_RECORDED = """
import sys, os, signal
from pathlib import Path
from kb_platform.local import processes
folder = Path(sys.argv[1])
if sys.argv[2:]:
    processes.ProcessRecord.save = lambda record, path: (print(record.pid, flush=True), os.kill(os.getpid(), signal.SIGKILL))
argv = [sys.executable, "-c", "import signal; print('began', flush=True); signal.pause()"]
processes.start(argv, environment={}, log=folder / "log", folder=folder, record_at=folder / "record")
"""


def start(folder: Path, code: str, environment: dict[str, str] | None = None) -> ProcessRecord:
    argv = [sys.executable, "-c", code]
    return processes.start(argv, environment=environment or {}, log=folder / "log", folder=folder, digest="d")


def wait_for(log: Path, text: str) -> None:
    wait_until(lambda: log.exists() and text in log.read_text(), f"{text} is in the log", every=0.02)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = start(tmp_path, WAIT)
    wait_for(tmp_path / "log", "here")
    yield record
    processes.stop(processes.session(record))


def test_a_record_read_again_knows_its_process(record: ProcessRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "record.json")
    again = processes.load(tmp_path / "record.json")
    assert again == record
    assert processes.is_running(again)


def test_a_record_that_is_missing_or_damaged_is_none(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_text("{")
    (tmp_path / "other").write_text('{"pid": 1, "colour": "red"}')
    assert [processes.load(tmp_path / name) for name in ("missing", "damaged", "other")] == [None, None, None]
    assert not processes.is_running(None)


def test_a_pid_that_another_program_has_now_is_never_signalled(record: ProcessRecord) -> None:
    earlier = replace(record, mark="another-boot:1")
    assert not processes.is_running(earlier)
    assert processes.session(earlier) == []
    processes.stop(processes.session(earlier))
    assert processes.is_running(record)


def test_a_stopped_process_is_gone_and_was_asked_first(tmp_path: Path) -> None:
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(print('asked'))); print('here', flush=True); signal.pause()"
    record = start(tmp_path, code)
    wait_for(tmp_path / "log", "here")
    assert processes.stop(processes.session(record))
    assert not processes.is_running(record)
    assert "asked" in (tmp_path / "log").read_text()


def test_a_process_that_does_not_listen_is_killed_and_that_is_told(tmp_path: Path) -> None:
    record = start(tmp_path, "import signal; signal.signal(15, signal.SIG_IGN); " + WAIT)
    wait_for(tmp_path / "log", "here")
    assert not processes.stop(processes.session(record), patience=0)
    assert not processes.is_running(record)


def test_children_of_a_killed_process_are_still_found_by_their_session(tmp_path: Path) -> None:
    record = start(tmp_path, f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAIT!r}]); " + WAIT)
    while (tmp_path / "log").read_text().count("here") < 2:
        pass
    os.kill(record.pid, signal.SIGKILL)
    while processes.is_running(record):
        pass
    (child,) = processes.session(record)
    processes.stop([child])
    assert processes.session(record) == []


def test_a_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    python(START, tmp_path).communicate()
    record = processes.load(tmp_path / "record")
    assert record is not None
    assert processes.is_running(record)
    processes.stop(processes.session(record))


def test_a_process_begins_when_its_record_is_there_and_never_if_its_starter_was_killed_before(tmp_path: Path) -> None:
    pid, _ = python(START_RECORDED, tmp_path, "killed").communicate()
    wait_until(lambda: not processes.is_live(int(pid)), "what nobody knows of has ended")
    assert ((tmp_path / "log").read_text(), processes.load(tmp_path / "record")) == ("", None)
    python(START_RECORDED, tmp_path).communicate()
    wait_for(tmp_path / "log", "began")
    record = processes.load(tmp_path / "record")
    assert processes.is_running(record)
    assert record is not None
    processes.stop(processes.session(record))


def test_what_a_process_prints_is_appended_to_a_log_only_its_owner_can_read(tmp_path: Path) -> None:
    for number in ("1", "2"):
        record = start(tmp_path, f"import os; print(os.environ['NUMBER'], {number})", {"NUMBER": number})
        while processes.is_running(record):
            pass
    assert (tmp_path / "log").read_text().split() == ["1", "1", "2", "2"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_log_that_grew_too_long_begins_anew_and_the_old_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT", 3)
    (tmp_path / "log").write_text("long")
    record = start(tmp_path, "print('new')")
    while processes.is_running(record):
        pass
    assert ((tmp_path / "log").read_text(), (tmp_path / "log.1").read_text()) == ("new\n", "long")


def test_a_pid_that_nobody_has_is_not_live() -> None:
    record = ProcessRecord(max(psutil.pids()) + 1_000_000, "")
    assert not processes.is_live(record.pid)
    assert not processes.is_running(record)
