"""Dagster's own tools work from the repository's root, with nothing set."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kb_platform.local.dagster_pages import CodeLocation, code_locations
from kb_platform_tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
CHAIN = ("raw_documents", "chunks", "embeddings", "vector_index")
HANDBOOK = {f"handbook/documents/{step}" for step in CHAIN} | {"handbook/release_candidate", "handbook/promoted_release", "handbook/maintenance"}


@pytest.fixture
def bare() -> dict[str, str]:
    """Return an environment in which nothing of the platform or of Dagster is set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KB_", "DAGSTER_", "VIRTUAL_ENV"))}


def run(*command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / command[0], *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_dg_lists_every_asset_of_the_handbook(bare: dict[str, str]) -> None:
    done = run("dg", "list", "defs", "--json", environment=bare)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert {asset["asset_key"] for asset in listed["assets"]} == HANDBOOK
    assert {asset["group_name"] for asset in listed["assets"]} == {"handbook"}


@pytest.mark.parametrize("what", ["defs", "yaml"])
def test_dg_finds_nothing_to_complain_of(what: str, bare: dict[str, str]) -> None:
    done = run("dg", "check", what, environment=bare)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [("dagster-webserver", "-w", "workspace.yaml"), ("dg", "dev")], ids=lambda c: c[0])
def test_the_pages_show_the_code_location(command: tuple[str, ...], bare: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [TOOLS / command[0], *command[1:], "-p", port], cwd=ROOT, env=bare, stdout=log, stderr=log, start_new_session=True
        )

    def loads() -> tuple[CodeLocation, ...]:
        assert server.poll() is None, (tmp_path / "log").read_text()
        return code_locations(f"http://127.0.0.1:{port}")

    try:
        loaded = wait_until(loads, "the code is loaded")
        assert [(location.name, location.error) for location in loaded] == [("kb_platform", None)]
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # not SIGINT, which whatever a shell started in the background ignores
        try:
            server.wait(PATIENCE / 10)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
