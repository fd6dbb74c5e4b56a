"""Everything up, everything down, and how it stands: what the command line calls.

`up` may be repeated at any time: what runs as it should is left alone, what died is started, and what was started with other
settings (or with the address Postgres had before) is started anew. An interrupted `up` leaves running what it had started; the
next `up` or `down` finds it.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kb_platform.local import dagster_pages, ports, programs, review_service, search_api
from kb_platform.local.dagster_home import write_dagster_home
from kb_platform.local.environment import database_url, ensure_database, environment, is_embedded
from kb_platform.local.lock import exclusive
from kb_platform.local.loopback_pages import NAMES
from kb_platform.local.orphans import fail_orphaned_runs
from kb_platform.local.places import make_home
from kb_platform.local.postgres import Report, running_postgres, silent, stop_postgres
from kb_platform.local.programs import Program
from kb_platform.local.review_service import GATEWAY, TEMPORAL, WORKER, ReviewService, port_of
from kb_platform.local.search_api import SEARCH_API
from kb_platform.settings import Settings, inherited_environment

WEBSERVER, DAEMON = ("webserver", "daemon")
PATIENCE = 600  # seconds; a quiet machine needs twenty


@dataclass(frozen=True)
class Service:
    """One of the servers: its process, None while it does not run; where it answers; its log."""

    name: str
    pid: int | None
    address: str
    log: Path | None


@dataclass(frozen=True)
class Standing:
    """How a home stands. `code_locations` is empty unless the webserver answers; `note` says why reviews or the search API do not run here."""

    services: tuple[Service, ...]
    code_locations: tuple[dagster_pages.CodeLocation, ...]
    note: str = ""

    @property
    def pages(self) -> str:
        """Return the URL of Dagster's pages, or "" while they are not served."""
        return self.address(WEBSERVER)

    @property
    def reviews(self) -> str:
        """Return the URL of the reviewers' pages, or "" while they are not served."""
        return self.address(GATEWAY)

    @property
    def search(self) -> str:
        """Return the URL of the search API, or "" while it is not served."""
        return self.address(SEARCH_API)

    def address(self, name: str) -> str:
        """Return where a service answers, or "" while it does not run."""
        return next((s.address for s in self.services if s.name == name and s.pid), "")


def up(settings: Settings, *, workspace: Path | None = None, report: Report = silent, patience: float = PATIENCE) -> Standing:
    """Start what does not run, and return once all of it answers.

    Code that does not load is no reason to fail: the pages show why, and so do the returned `code_locations`.

    Args:
        settings: the home, and how it is served.
        workspace: another workspace file than the platform's own.
        report: is told in a few words what is being waited for.
        patience: seconds for each process to answer.

    Raises:
        StateError: something cannot run here, or stopped while starting.
        TransientError: something did not answer in time.
    """
    make_home(settings.home)
    ensure_database(settings, report)
    with exclusive(settings.home / "dagster" / "lock"):
        programs.on_free_ports(lambda: _everything_up(settings, workspace, report, patience))
    return status(settings, patience)


def _everything_up(settings: Settings, workspace: Path | None, report: Report, patience: float) -> None:
    reviews = review_service.prepare(settings)  # before Dagster's variables, which name its address
    _all_up(settings, reviews, [*_dagster(settings, workspace), *_searching(settings)], report, patience)


def reviews_up(settings: Settings, report: Report = silent, patience: float = PATIENCE) -> Standing:
    """Start reviews by people without Dagster, beside a database that runs.

    Raises:
        StateError: something cannot run here, or stopped while starting.
        TransientError: something did not answer in time.
    """
    with exclusive(settings.home / "dagster" / "lock"):
        programs.on_free_ports(lambda: _all_up(settings, review_service.prepare(settings), (), report, patience))
    return status(settings)


def reviews_down(settings: Settings) -> None:
    """Stop reviews by people, and nothing else."""
    with exclusive(settings.home / "dagster" / "lock"):
        _stop_reviews(settings.home)


def _stop_reviews(home: Path) -> None:
    programs.stop(home, (WORKER, GATEWAY))
    programs.stop(home, (TEMPORAL,))


def _all_up(settings: Settings, reviews: ReviewService | None, beside: Sequence[Program], report: Report, patience: float) -> None:
    """Start reviews and what runs beside them, at once, but for what does not start without Temporal; return when all run and answer."""
    first = [review_service.temporal(reviews)] if reviews else []
    _start(settings.home, [*first, *beside], report)
    _wait(settings.home, first, report, patience)
    then = _reviewing(settings, reviews)
    _start(settings.home, then, report)
    _wait(settings.home, [*then, *beside], report, patience)
    for program in [*first, *then, *beside]:  # only now: one that cannot listen needs some seconds to find out
        programs.require_running(settings.home, program)


def _start(home: Path, wanted: Sequence[Program], report: Report) -> None:
    for program in wanted:
        programs.ensure(home, program, report)


def _wait(home: Path, wanted: Sequence[Program], report: Report, patience: float) -> None:
    for program in wanted:
        programs.wait(home, program, report, patience)


def _reviewing(settings: Settings, reviews: ReviewService | None) -> Sequence[Program]:
    if reviews is None:
        return ()
    elsewhere = settings.review_database_url
    url = elsewhere.get_secret_value() if elsewhere else database_url(settings)
    return review_service.worker(reviews, url), review_service.gateway(reviews, url)


def _searching(settings: Settings) -> Sequence[Program]:
    return () if search_api.missing() else (search_api.search_api(settings, environment(settings)),)


def _dagster(settings: Settings, workspace: Path | None) -> Sequence[Program]:
    variables, own = environment(settings), write_dagster_home(settings.home)
    host, port, inherited = settings.dagster_host, _port(settings), inherited_environment({})
    url, python = _url(host, port), [sys.executable, "-m"]
    began = programs.record_path(settings.home, DAEMON)

    def cut_off_runs() -> str:
        return "recorded the runs that were cut off as failed" if fail_orphaned_runs(settings) else ""

    return (
        Program(WEBSERVER, "Dagster's webserver", [*python, _pages_module(host), "-h", host, "-p", str(port), "-w", str(workspace or own)],
                variables, inherited, lambda: dagster_pages.answers(url), "waiting for Dagster's pages to load the code"),
        Program(DAEMON, "Dagster's daemon", [*python, "dagster._daemon", "run", "-w", str(workspace or own)], variables, inherited,
                lambda: dagster_pages.daemon_lives(url, began.stat().st_mtime), "waiting for Dagster's daemon", cut_off_runs),
    )


def status(settings: Settings, patience: float = 0) -> Standing:
    """Return how the home stands, without starting anything; `patience` is how long pages that are served may take to answer."""
    home, found = settings.home, []
    if is_embedded(settings):
        postgres = running_postgres(home)
        address = f"127.0.0.1:{postgres.port}" if postgres else ""
        found.append(Service("postgres", postgres.pid if postgres else None, address, home / "logs" / "postgres.log"))
    url = _url(settings.dagster_host, _serving_port(settings) or 0)
    found += [_service(home, WEBSERVER, url), _service(home, DAEMON, "")]
    if not search_api.missing():
        found.append(_service(home, SEARCH_API, search_api.url(settings)))
    elsewhere, note = review_service.are_elsewhere(settings), review_service.missing()
    if not elsewhere and not note:
        addresses = {TEMPORAL: f"127.0.0.1:{port_of(home, 'temporal')}", WORKER: "", GATEWAY: f"http://127.0.0.1:{port_of(home, 'gateway')}"}
        found += [_service(home, name, address) for name, address in addresses.items()]
    standing = Standing(tuple(found), (), "; ".join(said for said in ("" if elsewhere else note, search_api.missing()) if said))
    if standing.pages and (patience or dagster_pages.answers(url)):
        return Standing(standing.services, dagster_pages.code_locations(url, patience), standing.note)
    return standing


def _service(home: Path, name: str, address: str) -> Service:
    record = programs.running(home, name)
    return Service(name, record.pid if record else None, address if record else "", programs.log_path(home, name))


def down(settings: Settings, *, wipe: bool = False, report: Report = silent) -> None:
    """Stop everything that was started for this home; `wipe` removes the home's data, objects and logs for good.

    Runs at hand are told to end, and recorded as interrupted, before their processes are killed.
    """
    home = settings.home
    if (home / "dagster").is_dir():
        with exclusive(home / "dagster" / "lock"):
            report("stopping Dagster")
            programs.stop(home, (WEBSERVER, DAEMON, SEARCH_API))
            report("stopping reviews")
            _stop_reviews(home)
    report("stopping Postgres")
    stop_postgres(home, wipe=wipe)
    if wipe:
        for name in ("dagster", "logs", "objects", "review"):
            shutil.rmtree(home / name, ignore_errors=True)
        if home.is_dir() and not any(home.iterdir()):
            home.rmdir()


def _pages_module(host: str) -> str:
    """Return what serves the pages: on the loopback ours, which heeds the name it is called by; elsewhere that is the matter of the proxy in front."""
    return "kb_platform.local.loopback_pages" if host in NAMES else "dagster_webserver"


def _port(settings: Settings) -> int:
    """Return the port to serve the pages on: the running webserver's own if it may stay there, else a free one."""
    return ports.for_server(_port_file(settings.home), runs=programs.running(settings.home, WEBSERVER) is not None, wanted=settings.dagster_port,
                            host=settings.dagster_host, variable="KB_DAGSTER_PORT")


def _port_file(home: Path) -> Path:
    return home / "dagster" / "port"


def _serving_port(settings: Settings) -> int | None:
    return ports.remembered(_port_file(settings.home))


def _url(host: str, port: int) -> str:
    return f"http://{ports.reachable(host)}:{port}"
