"""What is worth an alert in a knowledge base's database: gates that stop a candidate, files that cannot be read."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kb_platform.knowledge.alerts import Alert, AlertKind
from kb_platform.release.gates import GATES
from kb_platform.storage.captures import unreadable_documents
from kb_platform.storage.database import Database
from kb_platform.storage.gates import GateResult, gate_results
from kb_platform.storage.releases import Release, candidate, live_release


@dataclass(frozen=True)
class Conditions:
    """Alerts about what is so now, and all keys that are: whatever is not among them any more is told again when it comes back."""

    alerts: tuple[Alert, ...]
    keys: frozenset[str]


def gates_failed(database: Database) -> Conditions:
    """Return an alert for each required gate that stops the sealed candidate, unless a person has let it pass."""
    release = candidate(database)
    if release is None or release.content_digest is None:
        return Conditions((), frozenset())
    live = live_release(database)
    stopping = [r for r in gate_results(database, release.release_id) if r.gate in release.required_gates and not r.passed and r.accepted_by is None]
    return _conditions(_gate(database.name, release, live, result) for result in stopping)


def _gate(name: str, release: Release, live: int | None, result: GateResult) -> Alert:
    unit = GATES[result.gate].unit if result.gate in GATES else ""
    measured = "" if result.metric is None else f" (measured {result.metric:.3g}{unit}" + ("" if result.threshold is None else f", limit {result.threshold:.3g}{unit}") + ")"
    readers = "readers see nothing yet" if live is None else f"readers still see release {live}"
    text = (f"{name}: the gate {result.gate} says {result.verdict} of release {release.release_id}{measured}; {readers}. "
            f"See `kb report {name} --release {release.release_id}`.")
    key = f"gate/{release.release_id}/{(release.content_digest or b'').hex()[:16]}/{result.gate}/{result.verdict}"
    facts = {"release": release.release_id, "gate": result.gate, "verdict": result.verdict, "metric": result.metric, "limit": result.threshold}
    return Alert(AlertKind.GATE_FAILED, name, (key,), text, facts)


def files_unreadable(database: Database, told: Collection[str]) -> Conditions:
    """Return an alert for each source with files that cannot be read and were not told of: how many, and never which."""
    by_key = {f"unreadable/{hashlib.sha256(document.encode(errors='surrogateescape')).hexdigest()[:12]}": document.partition("/")[0]
              for document in unreadable_documents(database)}
    fresh = {key: source for key, source in by_key.items() if key not in told}
    every, alerts = Counter(by_key.values()), []
    for source, count in Counter(fresh.values()).items():
        keys = tuple(sorted(key for key in fresh if fresh[key] == source))
        text = (f"{database.name}: {count} more {'file' if count == 1 else 'files'} of source {source} cannot be read, {every[source]} in all; what was "
                f"readable of them before stays searchable. See `kb review list {database.name}`.")
        alerts.append(Alert(AlertKind.FILE_UNREADABLE, database.name, keys, text, {"source": source, "files": count, "in_all": every[source]}))
    return Conditions(tuple(alerts), frozenset(by_key))


def _conditions(alerts: Iterable[Alert]) -> Conditions:
    found = tuple(alerts)
    return Conditions(found, frozenset(key for alert in found for key in alert.keys))
