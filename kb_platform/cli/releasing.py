"""`kb releases`, `kb history`, `kb promote`, `kb rollback`, `kb discard`: the pointer, where it was, and what it may point to."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import RELEASES, By, Json, Name, as_text, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, settings, store, who
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.knowledge.reviews import Effect

if TYPE_CHECKING:
    from kb_platform.release.promote import PromotionReport
    from kb_platform.storage.releases import Release
    from kb_platform.storage.review_outcomes import Outcome

ReleaseOption = Annotated[int | None, typer.Option("--release", min=1, max=RELEASES, help="A release id; see `kb releases`.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (releases, history, promote, rollback, discard):
        app.command()(command)


def releases(name: Name, as_json: Json = False) -> None:
    """List the releases, newest first, and which one is live."""
    from kb_platform.storage.guard_changes import guard_changes
    from kb_platform.storage.releases import list_releases, live_release
    from kb_platform.storage.review_outcomes import acceptances, outcomes_with

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        live, found, changes = live_release(database), list_releases(database), guard_changes(database)
        accepted, blocked = acceptances(database), outcomes_with(database, Effect.BLOCKED)
    rows = [{"release": r.release_id, "live": r.release_id == live, "status": r.status, "space": r.space_id, "verdict": r.verdict, "documents": r.document_count,
             "chunks": r.chunk_count, "digest": r.content_digest.hex() if r.content_digest else None, "required_gates": r.required_gates,
             "created_at": r.created_at, "promoted_at": r.promoted_at, "run": r.run_id,
             "accepted": [asdict(a) for a in accepted if a.release == r.release_id]} for r in found]
    if as_json:
        show_json({"knowledge_base": name, "live": live, "releases": rows, "guard_changes": [asdict(change) for change in changes]})
        return
    if not found:
        console.print(f"no releases yet: kb refresh {name}")
        return
    show_table(("release", "status", "verdict", "documents", "chunks", "digest", f"promoted, {kb.timezone}"),
               ((r["release"], "live" if r["live"] else r["status"], r["verdict"], r["documents"], r["chunks"],
                 (r["digest"] or "")[:8], r["promoted_at"]) for r in rows), kb.timezone)
    if "golden_retrieval" not in found[0].required_gates:
        console.print("no golden queries yet: promotion rests on the integrity gates alone")
    for a in accepted:
        asked = f", asked for by {a.asked_by}" if a.asked_by else ""
        console.print(f"release {a.release}: {a.gate} ({a.verdict}) accepted by {a.reviewer}{asked}{f': {a.reason}' if a.reason else ''} [{a.review_id or 'kb refresh --accept-churn'}]",
                      markup=False, highlight=False, soft_wrap=True)
    _show_blocked(name, found[0], blocked)
    if changes:
        console.print(f"[red]the database's guards were changed by hand[/red]: {len(changes)} times, last {as_text(changes[-1].at, kb.timezone)} ({kb.timezone}) by "
                      f"{escape(changes[-1].by_user)} ({escape(changes[-1].command)} {escape(str(changes[-1].object))}); see the table guard_change", soft_wrap=True, markup=True)


def history(name: Name, as_json: Json = False) -> None:
    """List every move of the pointer, the newest first: when, from which release to which, for whom, by which role, and what people had let pass."""
    from kb_platform.storage.releases import promotions
    from kb_platform.storage.review_outcomes import acceptances

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        moves, accepted = promotions(database)[::-1], acceptances(database)
    rows = [{**move, "rollback": move["from"] is not None and move["to"] < move["from"],
             "accepted": [asdict(a) for a in accepted if a.release == move["to"]]} for move in moves]
    if as_json:
        show_json({"knowledge_base": name, "moves": rows})
        return
    if not rows:
        console.print(f"nothing was promoted yet: kb refresh {name}")
        return
    show_table((f"when, {kb.timezone}", "from", "to", "", "for", "by", "let pass"),
               ((r["at"], r["from"], r["to"], "rollback" if r["rollback"] else "", r["on_behalf_of"], r["by"], ", ".join(f"{a['gate']} by {a['reviewer']}" for a in r["accepted"]))
                for r in rows), kb.timezone)


def _show_blocked(name: str, newest: "Release", blocked: "list[Outcome]") -> None:
    """Print what reviewers said against the candidate, and how to be rid of it: nothing is discarded by a review."""
    said = [o for o in blocked if o.release == newest.release_id and newest.status == "sealed"]
    for o in said:
        console.print(f"release {o.release}: {o.status.replace('_', ' ')} by {o.reviewer}: {o.reason}", markup=False, highlight=False, soft_wrap=True)
    if said:
        console.print(f"fix forward with the next refresh, or: kb discard {name}", markup=False, highlight=False, soft_wrap=True)


def promote(name: Name, release: ReleaseOption = None, by: By = None, as_json: Json = False) -> None:
    """Promote the candidate, if its gates have passed."""
    from kb_platform.storage.releases import candidate

    kb = knowledge_base(name)
    with database_running():
        open_release = candidate(store(kb.name).database)
        if release is None and open_release is None:
            raise StateError("there is no candidate", where=name, action="refresh first, or name a release with --release")
        _move(kb.name, release if release is not None else open_release.release_id, by, as_json)  # pyright: ignore[reportOptionalMemberAccess]


def rollback(name: Name, release: ReleaseOption = None, by: By = None, as_json: Json = False) -> None:
    """Point back to a kept release: the one that was live before, unless another is named."""
    from kb_platform.storage.releases import live_release, promotions

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        live = live_release(database)
        earlier = [m["from"] for m in promotions(database) if m["to"] == live and m["from"] is not None and m["from"] < (live or 0)]
        target = release if release is not None else (earlier[-1] if earlier else None)
        if target is None:
            raise StateError(f"no release before {live} was live" if live else "nothing is live", where=name, expected="one to roll back to",
                             action=f"forward again, or to another: kb promote {name} --release N")
        _move(kb.name, target, by, as_json)


def point_to(name: str, release: int, by: str | None = None) -> "PromotionReport":
    """Move the pointer, and let Dagster's pages know. Unless `by` says who does it, it is this account.

    Raises:
        GateRefusal: the database refuses it; the message says why.
    """
    from kb_platform.components.knowledge_base.metadata import metadata_of
    from kb_platform.components.knowledge_base.report_metadata import release_history
    from kb_platform.release.promote import move_pointer

    opened = store(name)
    moved = move_pointer(opened, release, _who(by).get("account", ""))
    if moved.moved:
        record_event(name, "promoted_release", metadata_of(moved) | release_history(opened.database), by)
    return moved


def _move(name: str, release: int, by: str | None, as_json: bool) -> None:
    moved = point_to(name, release, by)
    if as_json:
        show_json({"knowledge_base": name, "release": release, "previous": moved.previous})
    else:
        console.print(f"release {release} is live" + (f" (before: {moved.previous or 'none'}{', a rollback' if release < (moved.previous or 0) else ''})" if moved.moved else " already"))


def discard(name: Name, release: ReleaseOption = None, by: By = None, as_json: Json = False) -> None:
    """Undo the newest release whole; its days are applied again by the next refresh. The live one must be rolled back first."""
    from kb_platform.storage.releases import candidate
    from kb_platform.storage.releases import discard as undo

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        open_release = candidate(database)
        target = release if release is not None else (open_release.release_id if open_release else None)
        if target is None:
            raise StateError("there is no candidate to discard", where=name, action="name a release with --release")
        counts = undo(database, target)
        record_event(kb.name, "release_candidate", {"discarded": target, **counts}, by)
    if as_json:
        show_json({"knowledge_base": name, "discarded": target, **counts})
    else:
        console.print(f"release {target} is discarded: {counts['rows_removed']} rows removed, {counts['rows_reopened']} reopened")


def record_event(name: str, asset: str, metadata: dict[str, Any], by: str | None = None) -> None:
    """Show in Dagster's history of the asset what a command did outside a run, and who: the database knows a role alone."""
    import dagster as dg

    from kb_platform.local.dagster_home import open_instance

    with open_instance(settings()) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey([name, asset]), metadata=_who(by) | metadata))


def _who(by: str | None) -> dict[str, str]:
    try:
        return {"account": who(by)}
    except ConfigError:  # as under an id that has no name: the move is made, and is recorded without
        return {}
