"""The whole trail of one case, as an auditor takes it away: every entry with its hash, and the histories that the entries speak of."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kb_audit.chain import Row
from kb_audit.entries import utc
from kb_audit.reading import PostgresTrail
from kb_audit.verification import HISTORY_EXPORTED, Verdict


@dataclass(frozen=True)
class CaseTrail:
    """All that is known of a case. Payloads in histories are as Temporal stored them: encrypted, where there were keys."""

    knowledge_base: str
    case: int
    verdict: Verdict
    entries: tuple[dict[str, Any], ...]
    histories: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as one object."""
        return {"knowledge_base": self.knowledge_base, "case": self.case, "verification": asdict(self.verdict), "entries": self.entries,
                "histories": self.histories}


def trail_of(trail: PostgresTrail, knowledge_base: str, case: int, verdict: Verdict) -> CaseTrail:
    """Return the trail of a case; its entries are empty where there is none."""
    rows = list(trail.rows_of(knowledge_base, case))
    return CaseTrail(knowledge_base, case, verdict, tuple(_entry(row) for row in rows), tuple(_histories(trail, rows)))


def render_page(found: CaseTrail) -> str:
    """Return it as one HTML file: no script, no address outside itself."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kb_audit", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("trail.html.j2").render(trail=found, verdict=found.verdict, steps=_steps)


def _entry(row: Row) -> dict[str, Any]:
    return {"number": row.number, "recorded_at": utc(row.recorded_at), **row.entry, "previous": row.previous.hex(), "hash": row.hash.hex()}


def _histories(trail: PostgresTrail, rows: list[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row.event == HISTORY_EXPORTED:
            run = str(row.entry.get("run"))
            content = trail.history(row.review, run)
            yield {"review": row.review, "run": run, "history": json.loads(gzip.decompress(content)) if content else None}


def _steps(history: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Return number, time and kind of each of Temporal's events."""
    return [(str(event.get("eventId", "")), str(event.get("eventTime", "")), str(event.get("eventType", "")).removeprefix("EVENT_TYPE_"))
            for event in (history or {}).get("events", [])]
