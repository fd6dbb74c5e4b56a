"""The releases before a report's: which of their figures may stand beside each other, and reading a report that is stored.

Means over different golden sets are means over different questions: they are never put in one line.
"""

from collections.abc import Iterable
from itertools import groupby

from kb_platform.knowledge.errors import StateError
from kb_platform.quality.comparability import why_not_comparable
from kb_platform.release.reports.evaluation_report import VERSION, EvaluationReport, assemble_report
from kb_platform.storage.database import Database
from kb_platform.storage.gates import gate_results
from kb_platform.storage.releases import Release, candidate, get_release, live_release
from kb_platform.storage.reports import PastRelease, past_releases, stored_report

SHOWN = 50  # releases: more points than a plot of this size can tell apart


def why_apart(release: PastRelease, golden_hash: str | None) -> str | None:
    """Return why a release's figures may not stand beside those of a golden set; None where they may."""
    return why_not_comparable({"golden_hash": release.golden_hash}, {"golden_hash": golden_hash})


def runs_of_one_golden_set(releases: Iterable[PastRelease]) -> list[list[PastRelease]]:
    """Return measured releases in groups that follow each other and share a golden set: what a plot may join by a line."""
    measured = (release for release in releases if release.metrics)
    return [list(group) for _, group in groupby(measured, key=lambda release: release.golden_hash)]


def history(database: Database) -> list[PastRelease]:
    """Return the newest releases, oldest first."""
    return past_releases(database, SHOWN)


def read_report(database: Database, name: str, release_id: int | None) -> EvaluationReport:
    """Return a release's report: of the candidate, else the live one, where none is named.

    Raises:
        StateError: there is no such release, or no gate has judged the content that it holds.
    """
    release = _chosen(database, release_id)
    stored = stored_report(database, release.release_id)
    if stored and stored.get("version") == VERSION:
        return EvaluationReport.from_dict(stored)
    results = gate_results(database, release.release_id)
    if not results:
        raise StateError(f"release {release.release_id} was not judged ({release.status})", where=name,
                         action=f"`kb refresh {name}` judges the candidate; `kb releases {name}` lists the others")
    return assemble_report(name, release, release.verdict, results)


def _chosen(database: Database, release_id: int | None) -> Release:
    if release_id is not None:
        return get_release(database, release_id)
    waiting, live = candidate(database), live_release(database)
    if waiting is not None:
        return waiting
    if live is None:
        raise StateError("nothing was judged yet", where=database.name, action="refresh first")
    return get_release(database, live)
