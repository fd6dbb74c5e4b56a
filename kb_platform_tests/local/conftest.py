"""Real homes: folders that the server's user may enter, whose servers are stopped and whose files are removed afterwards."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kb_platform.local.cluster import processes_in
from kb_platform.local.postgres import PostgresAddress, ensure_postgres, stop_postgres
from kb_platform_tests.homes import environment_put_back
from kb_platform_tests.made_folders import MEMORY, made_folder

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def own_environment() -> Iterator[None]:
    """Give these tests an environment without settings, and let Dagster's processes keep the modules they compile."""
    with environment_put_back():
        for name in [n for n in os.environ if n.startswith(("KB_", "DAGSTER_"))]:
            del os.environ[name]
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield


@pytest.fixture(autouse=True)
def environment_of_one_test() -> Iterator[None]:
    """Undo what one test exports."""
    with environment_put_back():
        yield


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """Yield a new folder that every user may enter (pytest's own are closed to others), in memory where there is room."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**31
    with made_folder("kb-test-", MEMORY if in_memory else None) as folder:
        yield folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a new folder that every user may enter."""
    with folder_for_all() as folder:
        yield folder


@pytest.fixture(scope="module")
def running_home() -> Iterator[Path]:
    """Return a home whose server runs, shared by a file's tests that only look."""
    with folder_for_all() as folder:
        ensure_postgres(folder / "home")
        yield folder / "home"
        stop_postgres(folder / "home", wipe=True)


@pytest.fixture
def new_home(open_folder: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that names homes; their servers are stopped at the end."""
    homes: list[Path] = []

    def make(name: str) -> Path:
        homes.append(open_folder / name)
        return homes[-1]

    yield make
    for home in homes:
        data = (home / "postgres" / "data").resolve()
        stop_postgres(home, wipe=True)
        assert processes_in(data) == []


@pytest.fixture
def home(new_home: Callable[[str], Path]) -> Path:
    """Return a home that does not exist yet."""
    return new_home("home")


@pytest.fixture(scope="session")
def stopped_home() -> Iterator[Path]:
    """Return a home whose server was made and stopped: copies of it are cheaper than initdb."""
    with folder_for_all() as folder:
        home = folder / "home"
        ensure_postgres(home)
        stop_postgres(home)
        (home / "postgres" / "port").unlink()
        yield home


@pytest.fixture
def made_home(home: Path, stopped_home: Path) -> Path:
    """Return a home of one test, whose server was made and does not run."""
    subprocess.run(["cp", "-a", stopped_home, home], check=True)  # with the owners of the files
    return home


def rows(address: PostgresAddress, statement: str, database: str = "kb") -> list:
    """Run one statement in a connection of its own and return what it returns."""
    with psycopg.connect(address.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def python(code: str, *arguments: str | Path) -> subprocess.Popen:
    """Start another Python process that runs `code` with the package at hand."""
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
