"""Nothing phones home: what every process looks up, connects to and writes is recorded while a base is refreshed, served and searched."""

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kb_platform_tests.local.conftest import folder_for_all

RECORDER = Path(__file__).parent / "recorder"
KB = [sys.executable, "-c", "from kb_platform.cli import command; command()"]
EVERYTHING = """
import sys
import croniter, docx, lxml, matplotlib.pyplot, opening_hours, openai, pypdfium2, temporalio.client, trafilatura
import kb_platform.definitions
import kb_platform.index.llama_embedding, kb_platform.index.llama_nodes
import kb_platform.quality.deepeval_goldens, kb_platform.quality.deepeval_metrics
import kb_review_worker.worker, kb_review_worker.gateway.app
from kb_platform.index.embed import load_bundled_embedder
kb_platform.definitions.defs()
assert load_bundled_embedder().embed(["Vaccines stay cold."]).shape == (1, 384)
assert "openvino_telemetry" not in [name for name, module in sys.modules.items() if module]
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Yield a folder with a home folder of the account, a home of the platform, and a knowledge base."""
    with folder_for_all() as folder:
        for name in ("account", "tmp", "defs/small/documents"):
            (folder / name).mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        (folder / "defs/small/documents/fridge.md").write_text("# Fridge\n\nVaccines stay between 2 and 8 degrees.\n")
        attributes = {"name": "small", "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}]}
        (folder / "defs/small/defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": attributes}))
        yield folder


@pytest.fixture(scope="module")
def recorded(place: Path) -> set[tuple[str, str, str]]:
    """Return what was noted while everything that a user starts ran, as kind, what, and the process."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    environment = kept | {
        "HOME": str(place / "account"), "TMPDIR": str(place / "tmp"), "KB_HOME": str(place / "home"), "KB_DEFS": str(place / "defs"),
        "RECORD_TO": str(place / "record"), "PYTHONPATH": str(RECORDER), "PYTHONDONTWRITEBYTECODE": "1",
    }
    (place / "record").touch()
    (place / "record").chmod(0o666)  # Postgres runs as another account

    def run(*command: str) -> None:
        done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(*KB, "refresh", "small")
        run(*KB, "up")
        run(*KB, "search", "small", "Where are vaccines kept?")
        run(*KB, "verify", "small")
        run(sys.executable, "-c", EVERYTHING)
    finally:
        run(*KB, "down")
    return {tuple(line.split("\t")) for line in (place / "record").read_text().splitlines()}  # pyright: ignore[reportReturnType]


def test_the_recorder_sees_what_processes_do(recorded: set[tuple[str, str, str]], place: Path) -> None:
    assert {kind for kind, _, _ in recorded} == {"file", "host", "address"}
    assert any(what.startswith(str(place / "home")) for kind, what, _ in recorded if kind == "file")
    assert {"kb_platform.local.loopback_pages", "dagster._daemon", "kb_review_worker", "kb_review_worker.gateway"} <= {word for _, _, by in recorded for word in by.split()}


def test_no_name_is_looked_up_and_nothing_connects_beyond_loopback(recorded: set[tuple[str, str, str]]) -> None:
    assert [entry for entry in recorded if entry[0] != "file" and not _stays_here(entry[1])] == []


def test_nothing_is_written_outside_the_home_and_the_caches(recorded: set[tuple[str, str, str]], place: Path) -> None:
    ours = tuple(f"{place / name}/" for name in ("home", "tmp", "account/.cache")) + ("/dev/", "/proc/")
    elsewhere = {entry for entry in recorded if entry[0] == "file" and not f"{entry[1]}/".startswith(ours)}
    assert elsewhere == set()
    assert [str(path) for path in (place / "account").rglob("*") if path.is_file() and ".cache" not in path.parts] == []


def _stays_here(host: str) -> bool:
    if host.startswith("/") or host in ("", "None", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
