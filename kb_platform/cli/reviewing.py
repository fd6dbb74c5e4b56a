"""`kb review`: the cases that wait for a person, and what can be asked of a person."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.output import ROWS, Json, Name, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, store, who
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.review_cases import NOT_DECIDED, STATES, CaseKind

if TYPE_CHECKING:
    from kb_platform.storage.review_cases import StoredCase
    from kb_platform.storage.review_outcomes import Outcome

review = typer.Typer(name="review", help="Cases that wait for a person.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(review)


@review.command("list")
def list_(
    name: Name, everything: Annotated[bool, typer.Option("--all", help="Also those that were decided, superseded or withdrawn.")] = False,
    as_json: Json = False,
) -> None:
    """List the review cases, oldest first: what each is about, by ids, digests and numbers.

    A case whose review ended without a decision (expired, cancelled) stays on the list until it is asked again.
    """
    from kb_platform.storage.captures import unreadable_documents
    from kb_platform.storage.review_cases import list_cases
    from kb_platform.storage.review_ledger import backlog
    from kb_platform.storage.review_outcomes import outcomes

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        found, waiting = list_cases(database, STATES if everything else NOT_DECIDED), backlog(database)
        unreadable = unreadable_documents(database)
        ended = {o.case_id: o for o in outcomes(database, [case.case_id for case in found])}
    reasons = {c.case_id: unreadable_reason(c, unreadable) for c in found}
    if as_json:
        show_json({"knowledge_base": name, "cases": [as_object(case, ended.get(case.case_id), reasons.get(case.case_id)) for case in found], "backlog": asdict(waiting)})
        return
    show_table(("case", "kind and subject", "state", "digest", f"since, {kb.timezone}", "last review"),
               ((c.case_id, _about(c, reasons.get(c.case_id)), c.state, c.digest.hex()[:8], c.changed_at, _said(ended.get(c.case_id)))
                for c in found), kb.timezone)
    console.print(f"{waiting.open} open; {waiting.said()}", highlight=False, soft_wrap=True)


@review.command()
def sync(name: Name, as_json: Json = False) -> None:
    """Do at once what the sensors do by and by: hand cases over to Temporal, and apply what was decided. Promotes nothing."""
    from kb_platform.resources.reviews import review_address, review_database_url

    kb = knowledge_base(name)
    with database_running():
        address = review_address()
        if address is None:
            raise StateError("no review service is configured", where=name, expected="KB_REVIEW_TEMPORAL_ADDRESS, Temporal's host:port")
        from kb_platform.review.decisions import accepted_candidate, apply_decisions
        from kb_platform.review.hand_off import hand_off

        opened = store(kb.name)
        decided = apply_decisions(opened.database, review_database_url())
        done, promotable = hand_off(opened, kb, address), accepted_candidate(opened.database)
    if as_json:
        show_json({"knowledge_base": name, **asdict(done), "applied": [asdict(end) for end in decided.applied], "promotable": promotable is not None})
    else:
        console.print(f"{done.started} reviews started, {done.withdrawn} withdrawn, {len(decided.applied)} decisions applied", highlight=False)
        for end in decided.applied:
            console.print(f"case {end.case_id} ({end.kind} {end.subject}): {end.effect} {end.note}".rstrip(), markup=False, soft_wrap=True)
        if promotable:
            console.print(f"the candidate may be promoted: kb promote {name}", highlight=False)
    if trouble := done.trouble or decided.trouble:
        raise StateError(trouble, where=name)


@review.command("ask-waiver")
def ask_waiver(
    name: Name, gate: Annotated[str, typer.Argument(help="The gate that says regression.", metavar="GATE")],
    reason: Annotated[str, typer.Option("--reason", help="Why the release should pass all the same; the reviewer reads it.")],
    asked_by: Annotated[str | None, typer.Option("--asked-by", help="Who asks, as the reviewers' logins name people; left out: this account.")] = None,
    as_json: Json = False,
) -> None:
    """Ask that a regression be let pass: another person must approve it, for exactly this candidate. Integrity gates are never waived."""
    from kb_platform.release.waivers import ask_for_waiver

    kb = knowledge_base(name)
    with database_running():
        asked = ask_for_waiver(store(kb.name).database, gate, reason, who(asked_by, "--asked-by"))
    if as_json:
        show_json({"knowledge_base": name, **asdict(asked)})
    else:
        console.print(f"a waiver of {gate} for release {asked.release} is asked for by {asked.asked_by}; somebody else decides", highlight=False,
                      soft_wrap=True)


@review.command()
def reopen(name: Name, case: Annotated[int, typer.Argument(help="The case; see `kb review list`.", metavar="CASE", min=1, max=ROWS)], as_json: Json = False) -> None:
    """Ask again about a case whose review expired or was cancelled."""
    from kb_platform.storage.review_cases import reopen_case

    kb = knowledge_base(name)
    with database_running():
        if not reopen_case(store(kb.name).database, case):
            raise StateError(f"case {case} is not expired or cancelled", where=name, action="see `kb review list`")
    if as_json:
        show_json({"knowledge_base": name, "case": case, "state": "open"})
    else:
        console.print(f"case {case} is open again", highlight=False)


def unreadable_reason(case: "StoredCase", unreadable: Mapping[str, str]) -> str | None:
    """Return why the document of a case about quarantine cannot be read, while that is undecided."""
    return unreadable.get(case.subject) if case.kind == CaseKind.QUARANTINED_DOCUMENT and case.state in NOT_DECIDED else None


def _about(case: Any, reason: str | None) -> str:
    return "\n".join(filter(None, (case.kind.replace("_", " "), case.subject, reason)))


def _said(end: "Outcome | None") -> str | None:
    return f"{end.status}{f' by {end.reviewer}' if end.reviewer else ''}: {end.effect}" if end else None


def as_object(case: "StoredCase", end: "Outcome | None", reason: str | None) -> dict[str, Any]:
    """Return what --json prints of a case; `reason` says why its document cannot be read."""
    last = {"review": end.review_id, "status": end.status, "reviewer": end.reviewer, "reason": end.reason, "effect": end.effect,
            "note": end.note, "ended_at": end.ended_at} if end else None
    return {"case": case.case_id, "kind": case.kind, "subject": case.subject, "digest": case.digest.hex(), "state": case.state,
            "release": case.release_id, "facts": case.facts, "reason": reason, "created_at": case.created_at, "changed_at": case.changed_at,
            "asked_by": case.asked_by, "request": case.request, "last_review": last}
