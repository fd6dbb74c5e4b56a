"""Asking that a regression be let pass. Another person approves it or does not; the database holds the conditions."""

from dataclasses import dataclass

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import verdict_digest
from kb_platform.release.gates import GATES
from kb_platform.storage.database import Database
from kb_platform.storage.gates import gate_results
from kb_platform.storage.releases import candidate
from kb_platform.storage.review_cases import ask_waiver


@dataclass(frozen=True)
class AskedWaiver:
    """A waiver that waits for another person."""

    gate: str
    release: int
    digest: str
    asked_by: str


def ask_for_waiver(database: Database, gate: str, reason: str, asked_by: str) -> AskedWaiver:
    """Open a case for the present verdict of a gate about the sealed candidate.

    Raises:
        StateError: there is no such verdict, it is no regression, it cannot be waived, or it was asked or decided before.
    """
    if not reason.strip():
        raise StateError("a waiver without a reason", where=gate, expected="--reason with what the reviewer should know")
    if not asked_by.strip():
        raise StateError("nobody asks for the waiver", where=gate, expected="a name: another person than that one must approve it")
    if gate in GATES and not GATES[gate].waivable:
        raise StateError(f"{gate} is an integrity gate", where=database.name, expected="a gate of quality", action="repair what it found")
    release = candidate(database)
    if release is None or release.content_digest is None:
        raise StateError("there is no sealed candidate", where=database.name, action="refresh first")
    result = next((r for r in gate_results(database, release.release_id) if r.gate == gate), None)
    if result is None:
        raise StateError(f"{gate} has not judged release {release.release_id}", where=database.name, expected=f"one of {', '.join(GATES)}")
    if result.verdict != "regression":
        raise StateError(f"{gate} says {result.verdict} about release {release.release_id}", where=database.name, expected="regression")
    digest = verdict_digest(release.content_digest, result.golden_hash)
    facts = {"gate": gate, "metric": result.metric, "threshold": result.threshold, "content_digest": release.content_digest.hex(),
             "golden_hash": result.golden_hash}
    if not ask_waiver(database, gate, digest, release.release_id, facts, asked_by.strip(), reason.strip()):
        raise StateError(f"a waiver of {gate} for this content was asked for before", where=database.name, action="see `kb review list --all`")
    return AskedWaiver(gate, release.release_id, digest.hex(), asked_by.strip())
