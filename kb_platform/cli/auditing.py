"""`kb audit`: the trail of reviews by people, checked and taken away. It is read with a role that may read it, and never written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb_platform.cli.output import (
    INCONCLUSIVE,
    REGRESSION,
    ROWS,
    Json,
    Name,
    console,
    show_fields,
    show_json,
    show_text,
    working,
    writing,
)
from kb_platform.cli.session import database_running, settings
from kb_platform.knowledge.errors import ConfigError, StateError, TransientError

if TYPE_CHECKING:
    from kb_audit.keys import PublicKeys
    from kb_audit.trail import CaseTrail
    from kb_audit.verification import Verdict

EXIT_OF_STATUS = {"intact": 0, "broken": REGRESSION, "unproven": INCONCLUSIVE}

audit = typer.Typer(name="audit", help="The audit trail of reviews by people.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit)


@audit.command()
def verify(as_json: Json = False) -> None:
    """Check every row of the trail, the seals and the kept histories, and name the first row that does not hold.

    Exit codes: 0 intact, 3 broken, 4 nothing contradicts, but what would prove it (keys, the file of seals, a seal) is not at hand; 1 error.
    """
    with _trail(quiet=as_json) as url, working("checking the trail", quiet=as_json):
        verdict = _verify(url)
    if as_json:
        show_json(asdict(verdict))
    else:
        _show(verdict)
    raise typer.Exit(EXIT_OF_STATUS[verdict.status])


@audit.command()
def export(
    name: Name, case: Annotated[int, typer.Option("--case", help="The case, by its number in `kb review list`.", min=1, max=ROWS, metavar="CASE")],
    html: Annotated[Path | None, typer.Option("--html", help="Write it as one HTML file; it opens offline.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Print all that the trail has of one case, with the histories of its reviews; the whole trail is checked first.

    Exit codes: those of `kb audit verify`; 1 error, such as a case that the trail does not know.
    """
    from kb_audit.reading import reading
    from kb_audit.trail import render_page, trail_of

    with _trail(quiet=as_json) as url:
        verdict = _verify(url)
        with reading(url) as trail:
            found = trail_of(trail, name, case, verdict)
    if not found.entries:
        raise StateError(f"the trail knows no case {case} of {name}", where="review.audit_event", expected="a case that was handed to a reviewer",
                         action=f"`kb review list {name} --all` lists the cases")
    if html:
        with writing(html) as part:
            part.write_text(render_page(found), encoding="utf-8")
    if as_json:
        show_json(found.as_json())
    else:
        show_trail(found)
        if html:
            console.print(f"written to {html}", highlight=False)
    raise typer.Exit(EXIT_OF_STATUS[verdict.status])


@audit.command("new-key")
def new_key(
    key_id: Annotated[str, typer.Argument(help="A name for the key, such as the year.", metavar="ID")], as_json: Json = False,
) -> None:
    """Make a key that seals the trail, and print it with its public half. The first is a secret of the review worker."""
    with _installed():
        from kb_audit.keys import new_key as make
    try:
        made = make(key_id)
    except ValueError as error:
        raise ConfigError(str(error), where="kb audit new-key") from None
    if as_json:
        show_json({"KB_REVIEW_AUDIT_KEY": made.secret, "KB_REVIEW_AUDIT_PUBLIC_KEYS": made.public})
    else:
        print(f"KB_REVIEW_AUDIT_KEY={made.secret}\nKB_REVIEW_AUDIT_PUBLIC_KEYS={made.public}")


def show_trail(found: "CaseTrail") -> None:
    """Print the trail of a case, and whether the whole trail holds."""
    for entry in found.entries:
        who = entry["who"].get("id", "")
        console.print(f"{entry['number']:>6}  {entry['at'][:19].replace('T', ' ')} UTC  {entry['event']:<18} {who}", markup=False, highlight=False, soft_wrap=True)
        show_text(entry["meaning"], 8)
    _show(found.verdict)


def _show(verdict: "Verdict") -> None:
    show_fields([("trail", verdict.status), ("rows", f"{verdict.first} to {verdict.last} ({verdict.rows} checked)"),
                 ("sealed up to", str(verdict.sealed_through or "nothing")), ("last hash", verdict.head)])
    if verdict.broken:
        console.print(f"first broken row: {verdict.broken.number}: {verdict.broken.found}", markup=False, highlight=False, soft_wrap=True)
    for doubt in verdict.doubts:
        console.print(f"not proven: {doubt}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _trail(*, quiet: bool) -> Iterator[str]:
    """Yield the address of the trail's database, with one clear error for whatever is not there."""
    import psycopg

    from kb_platform.local.environment import database_url

    with _installed():
        from kb_audit.reading import NoTrail
        from kb_audit.seals import SealsUnreadable
    chosen = settings()
    try:
        if chosen.review_database_url:
            yield chosen.review_database_url.get_secret_value()
        else:
            with database_running(quiet=quiet):
                yield database_url(chosen)
    except NoTrail:
        raise StateError("there is no audit trail", where="schema `review` of the database", expected="one that kb-review-worker has migrated",
                         action="start the worker once, or set KB_REVIEW_DATABASE_URL to its database") from None
    except psycopg.OperationalError as error:
        raise TransientError(str(error).strip().splitlines()[0], where="the database of the audit trail") from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise StateError(str(error).splitlines()[0], where="the database of the audit trail",
                         action="`grant kb_review_auditor to ...` lets a role read the trail") from None
    except SealsUnreadable as error:
        raise StateError(str(error), action="restore the file of seals from a copy; it is only ever added to") from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=f"KB_REVIEW_AUDIT_SEALS: {chosen.review_audit_seals}") from None


def _verify(url: str) -> "Verdict":
    from kb_audit.reading import verify_database

    return verify_database(url, _keys(), settings().review_audit_seals)


def _keys() -> "PublicKeys":
    from kb_audit.keys import read_public_keys

    try:
        return read_public_keys(settings().review_audit_public_keys)
    except ValueError as error:
        raise ConfigError(str(error), where="KB_REVIEW_AUDIT_PUBLIC_KEYS") from None


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "cryptography":
            raise
        raise ConfigError("the audit trail's signatures need the package cryptography", action="install kb-platform[review]") from None
