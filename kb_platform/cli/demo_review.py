"""The demo's fourth day: an inconclusive candidate goes to a reviewer, is approved, is promoted; the audit trail is printed.

Real servers, as `kb up` starts them: Temporal, the review worker, the gateway. The reviewer is the second person of this machine's
file, and decides through the gateway's REST interface, as another front end would. What Dagster's two sensors do every 30 seconds is
done here at once.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kb_platform.cli import session
from kb_platform.cli.output import console, working
from kb_platform.cli.releasing import point_to
from kb_platform.knowledge.errors import ConfigError, StateError, TransientError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.review_cases import CaseKind

if TYPE_CHECKING:
    from kb_audit.trail import CaseTrail
    from kb_platform.review.gateway import ReviewGateway

REVIEWER, AUDITOR = "second.reviewer", "auditor"
REASON = "these services have moved, and their chapters with them"
T = TypeVar("T")
PATIENCE, POLL = 60.0, 0.2  # seconds


class Checks(Protocol):
    """Notes claims."""

    quiet: bool

    def check(self, sentence: str, holds: bool) -> None:
        """Note one claim."""


@dataclass(frozen=True)
class People:
    """The gateway, as each person of this machine."""

    url: str
    passphrases: dict[str, str] = field(repr=False)

    @contextmanager
    def asking(self, who: str) -> Iterator["ReviewGateway"]:
        """Yield the gateway as one of them."""
        from httpx import BasicAuth

        from kb_platform.review.gateway import review_gateway

        with review_gateway(self.url, BasicAuth(who, self.passphrases[who])) as gateway:
            yield gateway


def require_reviews() -> None:
    """Refuse to begin a demo that could not be told to its end.

    Raises:
        ConfigError: something that reviews need is not installed.
    """
    from kb_platform.local.review_service import missing

    if lacking := missing():
        raise ConfigError(lacking, where="kb demo", expected="the extras `local` and `review`")


@contextmanager
def reviews_running(*, quiet: bool) -> Iterator[People]:
    """Let reviews run on this machine meanwhile."""
    from kb_platform.local import supervisor
    from kb_platform.local.environment import environment
    from kb_platform.local.review_service import reviewers_file
    from kb_platform.settings import export

    chosen = session.settings()
    try:
        with working("starting Temporal, the review worker and its gateway", quiet=quiet) as tell:
            standing = supervisor.reviews_up(chosen, tell)
        export(environment(chosen))
        people = json.loads(reviewers_file(chosen.home).read_text())["reviewers"]
        yield People(standing.reviews, {person["id"]: person["passphrase"] for person in people})
    finally:
        supervisor.reviews_down(chosen)


def reviewed_and_promoted(kb: KnowledgeBase, release: int, claims: Checks) -> dict[str, Any]:
    """Have the candidate reviewed, promote it, and check the trail; return what --json prints of it."""
    from kb_platform.storage.releases import live_release

    database = session.store(kb.name).database
    with reviews_running(quiet=claims.quiet) as people, people.asking(REVIEWER) as gateway:
        case = _handed_over(kb, gateway)
        claims.check(f"the verdict became case {case['case']}, and waits for a reviewer in Temporal", case["status"] == "waiting")
        refusal = _refused(people, case)
        claims.check("an auditor may read the case and not decide it", bool(refusal) and live_release(database) != release)
        receipt = gateway.decide(case, "approve", case["digest"], REASON)
        claims.check(f"{REVIEWER} approved exactly the content {case['digest'][:12]}...", receipt["event_id"] != "")
        effect = _applied(kb, case["review"])
        point_to(kb.name, release)
        claims.check(f"the approval let release {release} be promoted: it is live", effect == "accepted" and live_release(database) == release)
        trail = _until("the audit trail is sealed", lambda: _sealed_trail(kb, case["case"]))
    _show(trail, claims, case["review"])
    return {"case": case["case"], "review": case["review"], "reviewer": REVIEWER, "receipt": receipt, "trail": trail.as_json()["verification"],
            "events": [entry["event"] for entry in trail.entries]}


def _handed_over(kb: KnowledgeBase, gateway: "ReviewGateway") -> dict[str, Any]:
    from kb_platform.resources.reviews import review_address
    from kb_platform.review.hand_off import hand_off

    address = review_address()
    assert address is not None
    done = hand_off(session.store(kb.name), kb, address)
    if done.trouble:
        raise TransientError(done.trouble, where=kb.name)

    def found() -> dict[str, Any] | None:
        cases = gateway.cases(kb.name, kind=CaseKind.INCONCLUSIVE_VERDICT.value)
        return gateway.read(cases[0]["id"]) if cases else None

    return _until("the case is on the reviewers' list", found)


def _refused(people: People, case: dict[str, Any]) -> str:
    with people.asking(AUDITOR) as gateway:
        gateway.read(case["id"])
        try:
            gateway.decide(case, "approve", case["digest"], REASON)
        except StateError as error:
            return str(error)
    return ""


def _applied(kb: KnowledgeBase, review: str) -> str:
    from kb_platform.resources.reviews import review_database_url
    from kb_platform.review.decisions import apply_decisions

    database = session.store(kb.name).database

    def effect() -> str | None:
        return next((end.effect for end in apply_decisions(database, review_database_url()).applied if end.review_id == review), None)

    return str(_until("the decision is written down", effect))


def _sealed_trail(kb: KnowledgeBase, case: int) -> "CaseTrail | None":
    """Return the case's trail once a seal covers its end; rows that come after it, such as that of the kept history, have theirs in a minute."""
    from kb_audit.keys import read_public_keys
    from kb_audit.reading import reading, verify_database
    from kb_audit.trail import trail_of
    from kb_platform.resources.reviews import review_database_url
    from kb_platform.settings import Settings

    url, exported = review_database_url(), Settings()
    verdict = verify_database(url, read_public_keys(exported.review_audit_public_keys), exported.review_audit_seals)
    with reading(url) as rows:
        found = trail_of(rows, kb.name, case, verdict)
    ended = next((entry["number"] for entry in found.entries if entry["event"] == "ended"), None)
    return found if verdict.status == "broken" or (ended and ended <= (verdict.sealed_through or 0)) else None


def _show(trail: "CaseTrail", claims: Checks, review: str) -> None:
    from kb_platform.cli.auditing import show_trail

    if not claims.quiet:
        console.print(f"\n[bold]the audit trail of {review}[/bold]", highlight=False, soft_wrap=True, markup=True)
        show_trail(trail)
    who = {entry["event"]: entry["who"].get("id") for entry in trail.entries}
    claims.check("the trail holds, row by row and seal by seal, with the refused attempt and the signature",
                 trail.verdict.status == "intact" and who.get("denied") == AUDITOR and who.get("ended") == REVIEWER)


def _until(what: str, look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise TransientError(f"not within {PATIENCE:.0f} s: {what}", where=str(session.settings().home / "logs"), action="see the logs there")
        time.sleep(POLL)
    return found
