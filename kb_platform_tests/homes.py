"""Homes for tests: one Postgres for a folder of tests, and the settings and environment of its home while a module's tests run.

Modules of several folders take turns in one process, in whatever order: what a module sets is undone when it ends. Each knowledge base
that a module has written to is verified then, as `kb verify` does; a test that damages one on purpose says with `damaged` what is found.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from kb_contracts.keys import read_keys
from kb_platform.cli import session
from kb_platform.local.environment import ensure_database, environment, gate_keys
from kb_platform.local.supervisor import down
from kb_platform.resources import close_stores
from kb_platform.settings import Settings, environment_kept, export
from kb_platform.storage.database import Database
from kb_platform.storage.verify import verify
from kb_platform_tests.made_folders import made_folder

_verified: dict[Path, dict[str, int]] = {}  # by home and schema: how many rows had been written when it was verified
_damaged: dict[str, tuple[str, ...]] = {}


def damaged(database: Database, *said: str) -> None:
    """Say that a knowledge base stays damaged, on purpose, and in which sentences (regular expressions) verifying it finds that."""
    _damaged[database.name] = (*_damaged.get(database.name, ()), *said)


@contextmanager
def environment_put_back() -> Iterator[None]:
    """Put back the environment as it was."""
    with environment_kept():
        yield


@contextmanager
def serving_home(prefix: str, defs: Path | None = None) -> Iterator[Settings]:
    """Yield the settings of a new home whose Postgres runs; its knowledge bases lie in `defs`, or else in a folder beside it."""
    with made_folder(prefix) as folder:
        (folder / "defs").mkdir()
        chosen = Settings(home=folder / "home", defs=defs or folder / "defs", database_url=None, object_store=str(folder / "objects"))
        try:
            with ExitStack() as serving:
                with environment_put_back(), session.use(chosen):
                    serving.enter_context(session.database_running())
                yield chosen
        finally:
            down(chosen, wipe=True)


@contextmanager
def at_home(chosen: Settings) -> Iterator[None]:
    """Let this process work in a home, with its variables; leave no connection behind, and verify what was written to."""
    with environment_put_back(), session.use(chosen):
        export(environment(chosen))
        try:
            yield
        finally:
            close_stores()
        verify_all(chosen)


def verify_all(chosen: Settings) -> None:
    """Verify every knowledge base of a home that was written to since it was verified."""
    url, known = ensure_database(chosen), _verified.setdefault(chosen.home, {})
    for schema, written in rows_written(url).items():
        if known.get(schema) != written:
            database = Database(url, schema.removeprefix("kb_"), gate_keys=read_keys(gate_keys(chosen) or ""))
            try:
                wrong = verify(database).wrong
            finally:
                database.dispose()
            known[schema] = written
            _check(database.name, wrong)


def rows_written(url: str) -> dict[str, int]:
    """Return how many rows were ever written to each knowledge base's tables, by schema."""
    with psycopg.connect(url, autocommit=True) as c:
        return dict(c.execute("""select n.nspname, (select sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint from pg_stat_all_tables where schemaname = n.nspname)
                                 from pg_namespace n where n.nspname like 'kb\\_%' and to_regclass(n.nspname || '.judgement') is not null""").fetchall())


def _check(name: str, wrong: tuple[str, ...]) -> None:
    expected = _damaged.get(name, ())
    surprising = [sentence for sentence in wrong if not any(re.search(said, sentence) for said in expected)]
    assert not surprising, f"kb verify {name}: {surprising}"
    missed = [said for said in expected if not any(re.search(said, sentence) for sentence in wrong)]
    assert not missed, f"kb verify {name} holds, where a test said that it would find: {missed}"
