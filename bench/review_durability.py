"""Measure what waiting reviews cost, and whether decisions survive kill -9 of Temporal, of the review worker and of the gateway.

    python bench/review_durability.py [--reviews 1000] [--quiet 60] [--json]

Everything is what `kb up` starts, in a home of its own that is removed: Postgres, Temporal's server, worker, gateway. A refresh finds
so many documents that cannot be read, each becomes a case, and each case is handed over to Temporal. When all of them wait and the
processes have come to rest, their processor time is taken over a quiet window. Then every review is decided through the gateway's REST
interface, sixteen at a time, each request sent until it has its receipt and every tenth once more; meanwhile Temporal, the worker, the gateway and
then all three are killed with SIGKILL and started again. At last the platform applies the decisions, twice.

    decided       reviews with one decision, and that the one for which there was a receipt
    applied_once  cases with one effect, one end and one signature in the audit trail, and one accepted Update in Temporal's history
    audit_ok      the trail holds, row by row, and all of it is sealed

Exit code 0 if all were decided and applied once, and the trail holds.
"""

import argparse
import gzip
import json
import os
import signal
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from refresh_overhead import own_home

from kb_audit.keys import read_public_keys
from kb_audit.reading import reading, verify_database
from kb_platform.cli import session
from kb_platform.cli.refreshing import refresh_once
from kb_platform.local import programs
from kb_platform.local.environment import environment
from kb_platform.local.review_service import GATEWAY, TEMPORAL, WORKER, platform_variables, reviewers_file
from kb_platform.local.supervisor import reviews_up
from kb_platform.resources.reviews import review_address, review_database_url
from kb_platform.review.decisions import apply_decisions
from kb_platform.review.hand_off import hand_off
from kb_platform.settings import Settings, export
from kb_platform.storage.review_cases import list_cases
from kb_platform.storage.review_ledger import cases_to_start, unfinished_reviews
from kb_platform.storage.review_outcomes import outcomes

NAME, REVIEWER = "waiting", "second.reviewer"
AT_ONCE, PAGE, TWICE = 16, 50, 10
KILLS = ((0.2, (TEMPORAL,)), (0.4, (WORKER,)), (0.6, (GATEWAY,)), (0.8, (TEMPORAL, WORKER, GATEWAY)))
ACCEPTED = "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED"
REST, PATIENCE = 20.0, 1800.0  # seconds


@dataclass
class Delivery:
    """What is known of the decisions under way."""

    receipts: dict[int, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    recovered: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


def define(folder: Path, reviews: int) -> None:
    """Write a knowledge base of documents that cannot be read, and one that can."""
    documents = folder / "defs" / NAME / "documents"
    documents.mkdir(parents=True)
    (documents / "readable.md").write_text("# Opening hours\n\nThe archive is open on weekdays from eight to four.\n")
    for number in range(reviews):
        (documents / f"broken-{number:05}.pdf").write_bytes(b"%PDF-1.7\n" + str(number).encode())
    body = {"name": NAME, "start_date": "2026-01-01", "sources": [{"name": "files", "kind": "files", "path": "documents"}]}
    (folder / "defs" / NAME / "defs.yaml").write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}))


def hand_over(home: Settings, http: httpx.Client, reviews: int) -> float:
    """Start a review for each case, and return the seconds until all of them wait for a person."""
    kb, store, address = session.knowledge_base(NAME), session.store(NAME), review_address()
    if address is None:
        raise SystemExit("no Temporal is known")
    began = time.perf_counter()
    while cases_to_start(store.database, 1):
        trouble = hand_off(store, kb, address).trouble
        if trouble and "not done in" not in trouble:  # a hand-off is bounded in time, on purpose
            raise SystemExit(trouble)
    while http.get("/cases").raise_for_status().json()["total"] < reviews:
        until(began)
    return time.perf_counter() - began


def waiting_cases(http: httpx.Client, reviews: int) -> list[dict[str, Any]]:
    """Return the reviewers' list."""
    pages = range(1, (reviews + PAGE - 1) // PAGE + 1)
    return [case for page in pages for case in http.get("/cases", params={"page": page}).raise_for_status().json()["cases"]]


def processes(home: Settings) -> dict[str, psutil.Process]:
    """Return the three processes."""
    found = {name: programs.running(home.home, name) for name in (TEMPORAL, WORKER, GATEWAY)}
    return {name: psutil.Process(record.pid) for name, record in found.items() if record}


def at_rest(home: Settings, seconds: float) -> dict[str, float]:
    """Return percent of a core that each process takes over a quiet window, and its memory in megabytes."""
    time.sleep(REST)
    running = processes(home)
    before = {name: sum(process.cpu_times()[:2]) for name, process in running.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - began
    short = {TEMPORAL: "server", WORKER: "worker", GATEWAY: "gateway"}
    found: dict[str, float] = {}
    for name, process in running.items():
        found[f"{short[name]}_cpu_percent"] = round(100 * (sum(process.cpu_times()[:2]) - before[name]) / passed, 2)
        found[f"{short[name]}_memory_mb"] = round(process.memory_info().rss / 1e6)
    return found


def deliver(home: Settings, url: str, login: tuple[str, str], cases: list[dict[str, Any]]) -> Delivery:
    """Decide all cases while processes are killed."""
    done = Delivery()
    with httpx.Client(base_url=f"{url}/api/v1", auth=login, timeout=30, trust_env=False) as http, ThreadPoolExecutor(AT_ONCE + 1) as pool:
        killing = pool.submit(_kill, home, done, len(cases))
        try:
            for number, event in pool.map(lambda case: (case["case"], _decide(http, case, done)), cases):
                done.receipts[number] = event
            for case in cases[::TWICE]:
                if _decide(http, case, done) != done.receipts[case["case"]]:
                    raise SystemExit(f"case {case['case']}: another receipt for the same request")
        finally:
            done.ended.set()
        killing.result()  # a kill that failed is no success of those that were to be killed
    return done


def _decide(http: httpx.Client, case: dict[str, Any], done: Delivery) -> str:
    """Send a decision until it has a receipt, as an EHR or a front end would; return the id of its event."""
    began, said = time.perf_counter(), {"verdict": "approve", "digest": case["digest"], "reason": "it cannot be read"}
    while True:
        try:
            answer = http.post(f"/cases/{case['id']}/decision", json=said, headers={"Idempotency-Key": f"decision-{case['case']}"})
            done.answers[str(answer.status_code)] += 1
            if answer.status_code == 200:
                return answer.json()["event_id"]
            if answer.status_code != 202 and answer.status_code < 500:
                raise SystemExit(f"case {case['case']}: {answer.status_code} {answer.text}")
        except httpx.TransportError as error:
            done.answers[type(error).__name__] += 1
        until(began)


def _kill(home: Settings, done: Delivery, reviews: int) -> None:
    """Kill processes when so many decisions have their receipt, and start them again; no more when nobody decides any longer."""
    for share, names in KILLS:
        while done.answers["200"] < share * reviews:
            if done.ended.wait(0.02):
                return
        for name in names:
            os.kill(processes(home)[name].pid, signal.SIGKILL)
        time.sleep(1)
        began = time.perf_counter()
        reviews_up(home)
        done.recovered.append(round(time.perf_counter() - began, 1))


def apply_all() -> tuple[Counter[int], int]:
    """Apply the decisions as the sensor does. Return how often each case had an effect, and how many had one in a last round."""
    database, url, began, effects = session.store(NAME).database, review_database_url(), time.perf_counter(), Counter[int]()
    while unfinished_reviews(database):
        effects.update(end.case_id for end in apply_decisions(database, url).applied)
        until(began)
    return effects, len(apply_decisions(database, url).applied)


def trail(url: str, reviews: int) -> tuple[dict[str, Any], dict[str, Counter[str]]]:
    """Return what the audit trail says of itself, and the events of each review, once every history is kept and every row sealed."""
    began = time.perf_counter()
    while True:
        ours = platform_variables(session.settings())
        verdict = verify_database(url, read_public_keys(ours["KB_REVIEW_AUDIT_PUBLIC_KEYS"]), Path(ours["KB_REVIEW_AUDIT_SEALS"]))
        events: dict[str, Counter[str]] = {}
        with reading(url) as rows:
            for row in rows.rows():
                events.setdefault(row.review, Counter())[row.event] += 1
                if row.event == "history_exported":
                    kept = rows.history(row.review, str(row.entry["run"]))
                    history = json.loads(gzip.decompress(kept)) if kept else {"events": []}
                    events[row.review]["accepted updates"] += sum(event["eventType"] == ACCEPTED for event in history["events"])
        exported = sum(each["history_exported"] for each in events.values())
        if verdict.status == "broken" or (exported >= reviews and verdict.sealed_through == verdict.last):
            return {"audit_ok": verdict.status == "intact", "audit_rows": verdict.rows, "histories": exported}, events
        until(began, 5)


def until(began: float, pause: float = 0.5) -> None:
    """Wait a moment, within reason."""
    if time.perf_counter() - began > PATIENCE:
        raise SystemExit(f"not done within {PATIENCE:.0f} s")
    time.sleep(pause)


def run(reviews: int, quiet: float) -> dict[str, Any]:
    """Measure, and return the figures."""
    with own_home() as folder:
        home = session.settings()
        define(folder, reviews)
        refresh_once(session.knowledge_base(NAME), None, None, quiet=True)
        found = len(list_cases(session.store(NAME).database, ("open",)))
        if found != reviews:
            raise SystemExit(f"{found} cases instead of {reviews}")
        url = reviews_up(home).reviews
        export(environment(home))
        people = {p["id"]: p["passphrase"] for p in json.loads(reviewers_file(home.home).read_text())["reviewers"]}
        login = (REVIEWER, people[REVIEWER])
        with httpx.Client(base_url=f"{url}/api/v1", auth=login, timeout=30, trust_env=False) as http:
            handed_over = hand_over(home, http, reviews)
            cases = waiting_cases(http, reviews)
        size = sum(path.stat().st_size for path in (home.home / "review").glob("temporal.db*"))
        idle = at_rest(home, quiet)
        began = time.perf_counter()
        done = deliver(home, url, login, cases)
        delivered = time.perf_counter() - began
        effects, again = apply_all()
        told, events = trail(review_database_url(), reviews)
        ended = Counter(o.case_id for o in outcomes(session.store(NAME).database, [c["case"] for c in cases]) if o.status == "approved")
    by_case = {case["case"]: events.get(case["review"], Counter()) for case in cases}
    once = [n for n, seen in by_case.items() if effects[n] == ended[n] == seen["signed"] == seen["ended"] == seen["accepted updates"] == 1]
    return {
        "reviews": reviews, "decided": sum(ended[n] == 1 for n in done.receipts), "applied_once": len(once) if again == 0 else 0, **told, **idle,
        "hand_over_seconds": round(handed_over, 1), "deliver_seconds": round(delivered, 1), "recovered_seconds": done.recovered,
        "answers": dict(done.answers), "database_kb_per_review": round(size / reviews / 1024, 1), "quiet_seconds": quiet,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=1000, help="how many wait at once")
    parser.add_argument("--quiet", type=float, default=60, help="seconds over which the processor time of waiting is taken")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* is currently in beta", module="dagster")
    found = run(asked.reviews, asked.quiet)
    if asked.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24} {value}")
    raise SystemExit(0 if found["decided"] == found["applied_once"] == found["reviews"] and found["audit_ok"] else 1)


if __name__ == "__main__":
    main()
