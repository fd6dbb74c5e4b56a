"""`kb demo`: four days of the sample knowledge base, told as they happen, and every claim checked.

It runs in a home of its own (`<KB_HOME>/demo`), which it empties first: nothing of yours is touched. The sample's files are copied
there, so that a day's delivery can be laid over them as a shared folder would change overnight.
"""

import datetime as dt
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from kb_platform.cli import session
from kb_platform.cli.output import Json, console, show_json, working
from kb_platform.cli.releasing import point_to
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

SAMPLE = "handbook"
QUESTION = "At what temperature must vaccines be kept?"
STORY = ("day 1: the first load", "day 2: edits, additions, deletions", "day 3: a broken export",
         "day 4: the export is mended, and services have moved out")


@dataclass
class Claims:
    """What the demo says, and whether it was so."""

    quiet: bool
    checked: list[dict[str, Any]] = field(default_factory=list)

    def check(self, sentence: str, holds: bool) -> None:
        """Note one claim and print it."""
        self.checked.append({"claim": sentence, "holds": holds})
        if not self.quiet:
            console.print(f"  {'[green]yes[/green]' if holds else '[red]NO[/red]'}  {sentence}", highlight=False, markup=True)

    @property
    def hold(self) -> bool:
        """Return whether every claim was so."""
        return all(c["holds"] for c in self.checked)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Start Dagster's pages on what the demo has made, and leave them running.")] = False,
    as_json: Json = False,
) -> None:
    """Run the sample knowledge base through a load, changes, a bad delivery and a review. Exit code 0 only if all of it held."""
    from kb_platform.cli.demo_review import require_reviews, reviewed_and_promoted

    require_reviews()
    claims = Claims(as_json)
    with _own_home() as home, session.database_running(quiet=as_json):
        kb = _begun_on_day_1(session.knowledge_base(SAMPLE))
        days = _days(kb, claims, range(1, 4), [])
        _look_back(kb, days, claims)
        days = _days(kb, claims, range(4, 5), days)
        review = reviewed_and_promoted(kb, days[-1]["release"], claims)
        pages = _pages(quiet=as_json) if keep else None
    if as_json:
        show_json({"holds": claims.hold, "days": days, "review": review, "claims": claims.checked, "web": pages})
    else:
        console.print("\n[green]all of it held[/green]" if claims.hold else "\n[red]not all of it held[/red]", markup=True)
        _say_what_is_left(home, pages)
    raise typer.Exit(0 if claims.hold else 1)


def _say_what_is_left(home: Path, pages: str | None) -> None:
    """Print where the demo's database, objects and documents are, how to look at them, and how to be rid of them."""
    size = sum(_size(path) for path in home.rglob("*")) / 2**20
    kb = f"KB_HOME={home} KB_DEFS={home / 'defs'} kb"
    console.print(f"left: {home} ({size:.0f} MB: database, objects, a copy of the sample); nothing else was touched", highlight=False, soft_wrap=True)
    does, command = (f"Dagster: {pages}; stop it", "down") if pages else ("look around", "up")
    console.print(f"{does}: {kb} {command}", highlight=False, soft_wrap=True)
    console.print(f"remove it: {kb} down --wipe && rm -r {home}", highlight=False, soft_wrap=True)


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:  # gone meanwhile: its database may be running still
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _pages(*, quiet: bool) -> str:
    from kb_platform.local import supervisor

    with session.staying_up(), working("starting Dagster", quiet=quiet) as tell:
        return supervisor.up(session.settings(), report=tell).pages


@contextmanager
def _own_home() -> Iterator[Path]:
    """Give the demo a home and a folder of definitions, made anew."""
    from kb_platform.local import supervisor
    from kb_platform.settings import Settings

    home = Settings().home / "demo"
    chosen = Settings(home=home, defs=home / "defs", database_url=None, object_store=str(home / "objects"), review_database_url=None,
                      review_temporal_address=None)
    supervisor.down(chosen, wipe=True)
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(_sample(), home / "defs" / SAMPLE)
    with session.use(chosen):
        yield home


def _sample() -> Path:
    from kb_platform.settings import SHIPPED_DEFS

    folder = SHIPPED_DEFS / SAMPLE
    if not folder.is_dir():
        raise StateError("the sample knowledge base is not installed", where=str(folder))
    return folder


def _begun_on_day_1(kb: KnowledgeBase) -> KnowledgeBase:
    """Let the copy's days begin with the first delivery: the pages show these days, and not the empty ones before."""
    path = kb.folder / "defs.yaml"
    first = kb.today() - dt.timedelta(len(STORY) - 1)
    path.write_text(path.read_text(encoding="utf-8").replace(str(kb.start_date), str(first)), encoding="utf-8")
    return session.knowledge_base(kb.name)


def _days(kb: KnowledgeBase, claims: Claims, numbers: range, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from kb_platform.cli.refreshing import refresh_once, show_report

    today, reports = kb.today(), list(before)
    for number in numbers:
        if number == 4:
            _mend(kb.folder)
        if number > 1:
            _deliver(kb.folder, number)
        if not claims.quiet:
            console.print(f"\n[bold]{STORY[number - 1]}[/bold]", markup=True)
        day = today - dt.timedelta(len(STORY) - number)
        report = refresh_once(kb, day.isoformat(), None, quiet=claims.quiet)
        reports.append(report)
        if not claims.quiet:
            show_report(report)
        _check_day(number, report, reports, claims)
    return reports


def _deliver(folder: Path, number: int) -> None:
    delivery = folder / "deliveries" / f"day{number}"
    gone = delivery / "deleted.txt"
    for name in gone.read_text(encoding="utf-8").split() if gone.is_file() else ():
        (folder / "documents" / name).unlink()
    shutil.copytree(delivery, folder / "documents", dirs_exist_ok=True, ignore=shutil.ignore_patterns("deleted.txt"))


def _mend(folder: Path) -> None:
    """Lay the documents as they were before the broken export."""
    shutil.rmtree(folder / "documents")
    shutil.copytree(_sample() / "documents", folder / "documents")
    _deliver(folder, 2)


def _check_day(number: int, report: dict[str, Any], reports: list[dict[str, Any]], claims: Claims) -> None:
    documents, vectors = report["documents"], report["vectors"]
    if number == 1:
        claims.check(f"{documents['new']} documents were loaded, release {report['release']} passed its gates and is live",
                     documents["new"] > 0 and report["promoted"] and report["verdict"] == "pass" and report["golden_gate"])
    elif number == 2:
        cost, first = vectors["computed"], reports[0]["vectors"]["computed"]
        claims.check(f"the refresh cost what changed: {cost} vectors computed, {first} on day 1", 0 < cost < first / 2)
        claims.check("documents were added, changed and deleted, the others untouched",
                     all(documents[kind] > 0 for kind in ("new", "changed", "deleted", "unchanged")))
        claims.check("the new release was compared with the live one, passed and was promoted", report["promoted"])
    elif number == 3:
        claims.check(f"the gate caught the bad delivery: {report['verdict']}", report["verdict"] in ("regression", "inconclusive"))
        claims.check(f"the pointer stayed on release {reports[1]['release']}",
                     not report["promoted"] and report["live_release"] == reports[1]["release"])
    else:
        claims.check(f"the gate cannot tell whether the deletions are meant: {report['verdict']}", report["verdict"] == "inconclusive")
        claims.check("nothing is promoted that a person has not seen", not report["promoted"])


def _look_back(kb: KnowledgeBase, days: list[dict[str, Any]], claims: Claims) -> None:
    from kb_platform.cli.queries import make_retriever
    from kb_platform.serving.hits_text import as_object, hits_text
    from kb_platform.storage.releases import live_release

    first, second, third = (day["release"] for day in days)
    retriever, live = make_retriever(kb, "reader", None)
    hits = retriever.search(QUESTION, live, k=3)
    if not claims.quiet:
        console.print(f"\n[bold]asked:[/bold] {QUESTION}", markup=True)
        print(hits_text([as_object(hit) for hit in hits], console.width), end="")
    claims.check(f"the answer cites release {live}, document and offsets", bool(hits) and live == second)
    claims.check(f"readers cannot search the unpromoted release {third}", _refused(kb, third))
    database = session.store(kb.name).database
    point_to(kb.name, first)
    claims.check(f"rollback: release {first} is live again", live_release(database) == first)
    claims.check(f"time travel: release {second} can still be searched", bool(retriever.search(QUESTION, second, k=1)))
    point_to(kb.name, second)


def _refused(kb: KnowledgeBase, release: int) -> bool:
    from kb_platform.storage.search import readable_release

    try:
        readable_release(session.store(kb.name).database, release, "reader")
    except StateError:
        return True
    return False
