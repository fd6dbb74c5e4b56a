"""`kb review show` and `kb review decide`: a case for those who operate, and for reviewers without a browser."""

import getpass
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_contracts.decisions import Verdict
from kb_platform.cli.output import ROWS, Json, Name, as_text, console, show_fields, show_json
from kb_platform.cli.reviewing import as_object, review, unreadable_reason
from kb_platform.cli.session import database_running, knowledge_base, settings, store
from kb_platform.knowledge.errors import ConfigError, StateError

if TYPE_CHECKING:
    from kb_platform.review.gateway import ReviewGateway

SHORTEST_DIGEST = 8  # characters of a digest that name it

Case = Annotated[int, typer.Argument(help="The case; see `kb review list`.", metavar="CASE", min=1, max=ROWS)]
As = Annotated[str | None, typer.Option("--as", help="Who you are in the file of local reviewers; its passphrase is asked for, or read from "
                                                     "standard input. Left out: KB_REVIEW_TOKEN says who.", metavar="ID")]


def register(_app: typer.Typer) -> None:
    """Add the commands to `kb review`."""
    review.command()(show)
    review.command()(decide)


def show(
    name: Name, case: Case, who: As = None,
    content: Annotated[bool, typer.Option("--content", help="Also what a reviewer reads, from the gateway; the audit trail says that you did.")] = False,
    as_json: Json = False,
) -> None:
    """Show a case: what it is about, how its review stands, how the last one ended; with --content, exactly what is decided about."""
    kb = knowledge_base(name)
    if who and not content:
        raise ConfigError("--as without --content", where="kb review show", expected="--content, which the gateway shows to reviewers only")
    with database_running():
        told = _told(kb.name, case)
        if content:
            with _gateway(who) as gateway:
                told["content"] = gateway.review_of(kb.name, case)
    if as_json:
        show_json({"knowledge_base": name, **told})
    else:
        _show(told, kb.timezone)


def decide(
    name: Name, case: Case, verdict: Annotated[Verdict, typer.Argument(help="approve, reject or request_changes.", metavar="VERDICT")],
    digest: Annotated[str, typer.Option("--digest", help="Of the content that you have read, or its first eight characters or more; `kb review show "
                                                         "--content` prints it. Other content is refused.", metavar="DIGEST")],
    reason: Annotated[str, typer.Option("--reason", help="Why; required unless you approve.")] = "",
    who: As = None, as_json: Json = False,
) -> None:
    """Decide a case and sign for it: that you have reviewed exactly the version with this digest. The receipt is printed.

    Nothing is promoted by it: Dagster's sensor applies the decision, or `kb review sync` does at once.
    """
    if verdict is not Verdict.APPROVE and not reason.strip():
        raise ConfigError("no reason is given", where="--reason", expected="why, as a verdict other than approve needs it")
    kb = knowledge_base(name)
    with _gateway(who) as gateway:
        found = gateway.review_of(kb.name, case)
        receipt = gateway.decide(found, verdict.value, _whole(digest, found), reason)
    if as_json:
        show_json({"knowledge_base": name, "case": case, "receipt": receipt})
    else:
        show_fields((("receipt", receipt["event_id"]), ("review", found["review"]), ("verdict", verdict.value), ("digest", found["digest"])))


def _told(name: str, case: int) -> dict[str, Any]:
    from kb_platform.storage.captures import unreadable_documents
    from kb_platform.storage.review_cases import find_case
    from kb_platform.storage.review_outcomes import outcomes

    database = store(name).database
    found = find_case(database, case)
    if found is None:
        raise StateError(f"no case {case}", where=name, action=f"`kb review list {name} --all` lists the cases")
    ended = outcomes(database, [case])
    return as_object(found, ended[-1] if ended else None, unreadable_reason(found, unreadable_documents(database)))


def _show(told: Mapping[str, Any], zone: str) -> None:
    last, content = told["last_review"] or {}, told.get("content", {})
    show_fields((label, as_text(value, zone)) for label, value in (
        ("case", told["case"]), ("kind", told["kind"].replace("_", " ")), ("subject", told["subject"]), ("state", told["state"]), ("digest", told["digest"]),
        ("release", told["release"]), (f"since, {zone}", told["changed_at"]), ("why it cannot be read", told["reason"]), ("asked by", told["asked_by"]),
        ("their reason", told["request"]), *((f"fact: {key.replace('_', ' ')}", value) for key, value in told["facts"].items()),
        ("last review", last.get("review")), ("ended as", last.get("status")), ("by", last.get("reviewer")), ("because", last.get("reason")),
        ("effect", last.get("effect")), ("review", content.get("review")), ("status", content.get("status")), ("due", content.get("due_at")),
        ("why it needs a person", "\n".join(content.get("reasons", ()))), ("sources", "\n".join(content.get("sources", ()))),
    ) if value not in (None, ""))
    for title, text in (("What is decided about", content.get("material")), ("The version before", content.get("previous"))):
        if text:
            console.print(f"\n[bold]{title}[/bold]", markup=True)
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _whole(digest: str, found: Mapping[str, Any]) -> str:
    """Return the digest that a person has named by its beginning; the gateway refuses one that is not the review's."""
    if len(digest) < SHORTEST_DIGEST:
        raise ConfigError(f"{digest!r} is too short", where="--digest", expected=f"at least {SHORTEST_DIGEST} characters of the digest")
    if not found["digest"].startswith(digest.lower()):
        raise StateError(f"the review is about {found['digest'][:12]}..., not {digest[:12]}", where=found["review"], expected="the content that you have read",
                         action="read it again with `kb review show --content`")
    return found["digest"]


@contextmanager
def _gateway(who: str | None) -> "Iterator[ReviewGateway]":
    from httpx import BasicAuth

    from kb_platform.review.gateway import review_gateway

    chosen = settings()
    url = chosen.review_gateway_url or _local_gateway()
    if who is None and chosen.review_token is None:
        raise ConfigError("nothing says who you are", where="--as", expected="the id of a local reviewer, or KB_REVIEW_TOKEN, your provider's access token")
    login = BasicAuth(who, _passphrase(who)) if who else chosen.review_token.get_secret_value() if chosen.review_token else ""
    with review_gateway(url, login) as gateway:
        yield gateway


def _local_gateway() -> str:
    from kb_platform.local.supervisor import status

    address = status(settings()).reviews
    if not address:
        raise StateError("the review gateway is not running", where=str(settings().home), action="start it with `kb up`, or set KB_REVIEW_GATEWAY_URL")
    return address


def _passphrase(who: str) -> str:
    return getpass.getpass(f"passphrase of {who}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
