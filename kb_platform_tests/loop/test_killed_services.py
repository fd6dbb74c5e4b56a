"""Kill -9 of what `kb up` starts, and of `kb up` itself, with runs under way and others in the queue: another `kb up` brings all of it back.

The moments are not timed: the test holds the lock that the runs need, sees one of them go on and others wait, and kills then.
"""

import datetime as dt
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
import psycopg
import pytest

from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.components.knowledge_base.sensors import ALONE
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.local import review_service, search_api
from kb_platform.local.dagster_home import open_instance
from kb_platform.local.environment import database_url
from kb_platform.local.supervisor import status, up
from kb_platform.resources import close_stores
from kb_platform.settings import Settings, inherited_environment
from kb_platform.storage.captured_files import captured_files
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.homes import at_home, serving_home
from kb_platform_tests.loop.pages import LAUNCH, ask
from kb_platform_tests.waiting import wait_until

NAME, DOCUMENTS, FIRST = "ward_manual", 5, dt.date(2026, 3, 1)
AT_ONCE = 4  # runs that dagster.yaml lets go on at once
SERVICES = ("daemon", "webserver", "postgres", "search-api", "temporal", "review-worker", "review-gateway")
MODULES = {"dagster._daemon": "daemon", "kb_platform.local.loopback_pages": "webserver", "kb_platform.serving": "search-api",
           "kb_review_worker": "review-worker", "kb_review_worker.gateway": "review-gateway"}
ROUNDS = itertools.count()
WAITS = f"select exists (select from pg_locks where relation = 'kb_{NAME}.turn_of_capture'::regclass and not granted)"


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    if lacking := review_service.missing() or search_api.missing():
        pytest.skip(lacking)
    with serving_home("kb-services-") as chosen, at_home(chosen):
        yield chosen


@pytest.fixture(scope="module")
def kb(home: Settings) -> KnowledgeBase:
    made = write_kb(home.home.parent, NAME, {"0.md": said(0, "nobody")}, gate={"max_churn_share": 1})  # each round changes all documents
    session.store(NAME)
    return made


def said(page: int, killed: str) -> str:
    return f"# Page {page}\n\nWho was killed here was {killed}, on page {page}.\n"


def up_killed_at(home: Settings, moment: int) -> subprocess.CompletedProcess[str]:
    places = {"KB_HOME": str(home.home), "KB_DEFS": str(home.defs), "KB_OBJECT_STORE": home.object_store}
    return subprocess.run([sys.executable, "-m", "kb_platform_tests.loop.killed_up", str(moment)], capture_output=True, text=True,
                          env=inherited_environment(places, but="DAGSTER_"), check=False)


def kill(home: Settings, names: Sequence[str]) -> None:
    """End servers at once, Postgres with all its backends; what the others have started is left alone, as a kill by hand would."""
    victims = [psutil.Process(service.pid) for service in status(home).services if service.name in names and service.pid]
    victims += [child for p in victims if p.name() == "postgres" for child in p.children(recursive=True)]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims)


def serving(home: Settings) -> Counter[str]:
    """Count the servers of a home by name, as the system knows them: those that no record names, too."""
    found = Counter[str]()
    for process in psutil.process_iter():
        with suppress(psutil.Error, IndexError):
            line = process.cmdline()
            ours = any(str(home.home.resolve()) in said for said in (*line, *process.environ().values()))
            if ours and line[1] == "-m":
                found[MODULES.get(line[2], "other")] += 1
            elif ours and Path(line[0]).name in ("postgres", "temporal"):
                found[Path(line[0]).name] += 1
    return +Counter({name: count for name, count in found.items() if name in SERVICES})


def launch(pages: str, day: str) -> str:
    """Start a day's ingest by hand in the pages, with no embed and no release after it; return its run."""
    selector = {"repositoryLocationName": "kb_platform", "repositoryName": "__repository__", "jobName": f"{NAME}_ingest",
                "assetSelection": None, "assetCheckSelection": None}
    tags = [{"key": "dagster/partition", "value": day}, {"key": ALONE, "value": "true"}]
    params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = ask(pages, LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["runId"]


@contextmanager
def held_up(home: Settings) -> Iterator[psycopg.Connection]:
    """Hold the lock that entering a capture needs, as long as the server lives."""
    with suppress(psycopg.OperationalError), psycopg.connect(database_url(home)) as connection:
        connection.execute(f"lock table kb_{NAME}.turn_of_capture in exclusive mode".encode())
        yield connection


def attempts(instance: dg.DagsterInstance, run: str) -> list[dg.DagsterRunStatus]:
    """Return the statuses of a run and of those that tried it again."""
    again = instance.get_runs(dg.RunsFilter(tags={"dagster/root_run_id": run}))
    first = instance.get_run_by_id(run)
    return [r.status for r in ([first] if first else []) + list(again)]


def texts(kb: KnowledgeBase) -> set[str]:
    """Return what a reader sees, and see to it that nothing is there twice."""
    with session.store(kb.name).database.transaction("reader") as c:
        rows = [row[0] for row in c.execute("select content from chunk")]
    assert len(rows) == len(set(rows))
    return set(rows)


@pytest.mark.endurance  # short forms are in local/test_supervisor.py and local/test_processes.py
@pytest.mark.parametrize("victims", [*((name,) for name in SERVICES), ("kb up",), SERVICES], ids=lambda v: v[0] if len(v) == 1 else "all")
def test_what_is_killed_comes_back_queued_runs_end_and_nothing_is_doubled(
    home: Settings, kb: KnowledgeBase, victims: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    killed, pages = request.node.callspec.id, up(home).pages
    number = next(ROUNDS)  # the days of one come after those of the one before, which are closed then
    for page in range(DOCUMENTS):
        (kb.folder / "documents" / f"{page}.md").write_text(said(page, killed))
    before = sum(c.documents for c in captured_files(session.store(NAME).database, "docs"))
    with open_instance(home) as instance:
        with held_up(home) as lock:
            runs = [launch(pages, f"{FIRST + dt.timedelta(number * (AT_ONCE + 1) + n)}") for n in range(AT_ONCE + 1)]
            wait_until(lambda: lock.execute(WAITS.encode()).fetchone() == (True,), "a run waits for the lock")
            assert dg.DagsterRunStatus.QUEUED in {status for run in runs for status in attempts(instance, run)}
            kill(home, victims)
        close_stores()
    if len(victims) > 1 or victims == ("kb up",):
        kill(home, SERVICES)
        moment = 0
        while (done := up_killed_at(home, moment := moment + 1)).returncode == -9:
            pass
        assert done.returncode == 0, done.stderr
        assert moment > 3  # each attempt finds more of it running than the one before
    standing = up(home)
    assert {service.name: service.pid is not None for service in standing.services} == dict.fromkeys(SERVICES, True)
    assert serving(home) == Counter(dict.fromkeys(SERVICES, 1))

    with open_instance(home) as instance:
        for run in runs:
            wait_until(lambda run=run: dg.DagsterRunStatus.SUCCESS in attempts(instance, run), "the run, or another try of it, has succeeded")
            ended = Counter(attempts(instance, run))
            assert ended[dg.DagsterRunStatus.SUCCESS] == 1
            assert set(ended) <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    database = session.store(NAME).database
    assert sum(c.documents for c in captured_files(database, "docs")) == before + DOCUMENTS
    report = refresh_once(kb, None, None, quiet=True)  # what the runs have captured and chunked goes live
    assert report["promoted"], report
    seen = texts(kb)
    assert len(seen) == DOCUMENTS
    assert all(any(f"was {killed}, on page {page}." in text for text in seen) for page in range(DOCUMENTS))
