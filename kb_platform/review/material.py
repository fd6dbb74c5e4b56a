"""What a reviewer has to see of a case: exactly what is decided on, what was there before, why a person is asked, where it comes from.

It travels inside the encrypted message of the review, so that neither worker nor gateway reads a knowledge base's schema. It is
bounded; what is cut off is said to be.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import CaseKind
from kb_platform.review.case_material import CaseMaterial
from kb_platform.review.golden_material import stale_golden
from kb_platform.review.reading import PREVIEW, Preview, Reading
from kb_platform.storage.database import Database
from kb_platform.storage.document_texts import document_texts
from kb_platform.storage.gates import GateResult, gate_results
from kb_platform.storage.releases import get_release, live_release, newest_release
from kb_platform.storage.reports import release_changes
from kb_platform.storage.review_cases import StoredCase
from kb_platform.storage.review_material import changed_documents, failed_delivery

LONGEST = 100_000  # characters, which a message may have
LISTED = 200
MOST_REASONS = 100  # as a message may have
LONGEST_REASON = 2_000


def case_material(reading: Reading, case: StoredCase) -> CaseMaterial:
    """Return what the reviewer of a case has to see."""
    found = _WRITERS[CaseKind(case.kind)](reading, case)
    return CaseMaterial(
        _bounded(found.text), _bounded(found.previous), tuple(reason[:LONGEST_REASON] for reason in found.reasons[:MOST_REASONS]),
        found.sources[:MOST_REASONS])


def _bounded(text: str) -> str:
    cut = "\n\n(cut off: the rest is longer than a review shows)"
    return text if len(text) <= LONGEST else text[: LONGEST - len(cut)] + cut


def _verdict(reading: Reading, case: StoredCase) -> CaseMaterial:
    result = next((r for r in gate_results(reading.store.database, case.release_id or 0) if r.gate == case.subject), None)
    asked = (f"{case.asked_by} asks to let it pass: {case.request}",) if case.asked_by else ()
    return CaseMaterial("\n".join(_candidate(reading.store.database, case, result)), reasons=(*asked, *(result.reasons if result else ())))


def _candidate(database: Database, case: StoredCase, result: GateResult | None) -> Iterator[str]:
    number = case.release_id or 0
    release, live = get_release(database, number), live_release(database)
    yield f"# {case.subject}: may release {number} replace {f'release {live}' if live else 'nothing'}?"
    yield f"\nContent digest {release.content_digest.hex() if release.content_digest else 'none'}, case digest {case.digest.hex()}."
    if result is not None:
        yield f"\nVerdict {result.verdict}; measured {_number(result.metric)}, limit {_number(result.threshold)}."
    changes = release_changes(database, number)
    yield (f"\n## What the release changes\n\n{changes.documents_new} documents new, {changes.documents_changed} changed, "
           f"{changes.documents_deleted} deleted\n")
    for document in changed_documents(database, number, LISTED):
        yield f"- {document.change}: {document.source}/{document.doc_id} ({document.title})"
    if result is not None:
        yield from _worse(result)


def _worse(result: GateResult) -> Iterator[str]:
    worse = [change for change in result.evidence.get("worse", ()) if "results" in change]
    if worse:
        yield f"\n## Queries that got worse: {result.evidence.get('worse_count', len(worse))}\n"
    for change in worse:
        yield from _query(change)


def _query(change: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {change['query']} ({', '.join((change['severity'], *change['slices']))}): {change['question']}\n"
    yield "| | live release | candidate |\n|---|---|---|"
    lists: tuple[Sequence[Any], Sequence[Any]] = change["results"]["live"], change["results"]["candidate"]
    for place, hits in enumerate(zip_longest(*lists), 1):
        yield f"| {place} | {' | '.join(_hit(hit) for hit in hits)} |"


def _hit(hit: Mapping[str, Any] | None) -> str:
    words = hit["words"].replace("|", "\\|").replace("\n", " ") if hit else ""
    return f"{hit['doc_id']}:{hit['start']}-{hit['end']} {words}" if hit else ""


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _quarantined(reading: Reading, case: StoredCase) -> CaseMaterial:
    source, doc_id, database = case.facts["source"], case.facts["doc_id"], reading.store.database
    head = f"# {source}/{doc_id} cannot be read\n\nDigest of the delivery {case.digest.hex()}, of {case.facts['day']}."
    newest = newest_release(database)
    texts = document_texts(database, newest, [doc_id]) if newest else ()
    earlier = next((text for key, text in texts if key == (source, doc_id)), None)
    stands = "None: the knowledge base holds nothing of this document." if earlier is None else earlier
    delivery = failed_delivery(database, case.facts["capture"], doc_id)
    if delivery is None:
        return CaseMaterial(f"{head}\n\n## The version that is searchable now\n\n{stands}")
    try:
        shown = "\n".join(_delivered(reading.delivered(delivery.file, doc_id)))
    except StateError as error:  # the rest is worth a review all the same
        shown = f"\nIts bytes cannot be shown: {error}"
    text = f"{head}\n{shown}\n\n## The version that is searchable now\n\n{stands}"
    return CaseMaterial(text, reasons=(f"{source}/{doc_id}: {delivery.reason}",), sources=(delivery.source_object,))


def _delivered(document: Preview | None) -> Iterator[str]:
    if document is not None:
        yield f"\n{document.size:,} bytes, said to be {document.media_type}; title {document.title or 'none'}."
        if document.beginning:
            yield f"\n## As it was delivered, the first {PREVIEW:,} characters\n\n{document.beginning}"


def _stale(reading: Reading, case: StoredCase) -> CaseMaterial:
    return stale_golden(reading.store.database, case, reading.golden(case), reading.passages)


_WRITERS: dict[CaseKind, Callable[[Reading, StoredCase], CaseMaterial]] = {
    CaseKind.INCONCLUSIVE_VERDICT: _verdict, CaseKind.CHURN_OVER_LIMIT: _verdict, CaseKind.WAIVER: _verdict,
    CaseKind.QUARANTINED_DOCUMENT: _quarantined, CaseKind.STALE_GOLDEN: _stale,
}
