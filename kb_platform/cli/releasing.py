"""`kb releases`, `kb promote`, `kb rollback`, `kb discard`: the pointer and what it may point to."""

from typing import Annotated, Any

import typer

from kb_platform.cli.output import Json, Name, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, settings, store
from kb_platform.knowledge.errors import StateError

ReleaseOption = Annotated[int | None, typer.Option("--release", help="A release id; see `kb releases`.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (releases, promote, rollback, discard):
        app.command()(command)


def releases(name: Name, as_json: Json = False) -> None:
    """List the releases, newest first, and which one is live."""
    from kb_platform.storage.releases import list_releases, live_release

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        live, found = live_release(database), list_releases(database)
    rows = [{"release": r.release_id, "live": r.release_id == live, "status": r.status, "verdict": r.verdict, "documents": r.document_count,
             "chunks": r.chunk_count, "digest": r.content_digest.hex() if r.content_digest else None, "required_gates": r.required_gates,
             "created_at": r.created_at, "promoted_at": r.promoted_at, "run": r.run_id} for r in found]
    if as_json:
        show_json({"knowledge_base": name, "live": live, "releases": rows})
        return
    show_table(("release", "live", "status", "verdict", "documents", "chunks", "digest", "promoted"),
               ((r["release"], "*" if r["live"] else "", r["status"], r["verdict"], r["documents"], r["chunks"],
                 (r["digest"] or "")[:12], r["promoted_at"]) for r in rows))
    if found and "golden_retrieval" not in found[0].required_gates:
        console.print("no golden queries yet: promotion rests on the integrity gates alone")


def promote(name: Name, release: ReleaseOption = None, as_json: Json = False) -> None:
    """Promote the candidate, if its gates have passed."""
    from kb_platform.storage.releases import candidate

    kb = knowledge_base(name)
    with database_running():
        open_release = candidate(store(kb.name).database)
        if release is None and open_release is None:
            raise StateError("there is no candidate", where=name, action="refresh first, or name a release with --release")
        _move(kb.name, release if release is not None else open_release.release_id, as_json)  # pyright: ignore[reportOptionalMemberAccess]


def rollback(name: Name, release: ReleaseOption = None, as_json: Json = False) -> None:
    """Point back to a kept release: the one that was live before, unless another is named."""
    from kb_platform.storage.releases import live_release, promotions

    kb = knowledge_base(name)
    with database_running():
        database = store(kb.name).database
        live = live_release(database)
        earlier = [m["from"] for m in promotions(database) if m["to"] == live and m["from"] is not None and m["from"] < (live or 0)]
        target = release if release is not None else (earlier[-1] if earlier else None)
        if target is None:
            raise StateError("there is nothing to roll back to", where=name, expected="a release that was live before")
        _move(kb.name, target, as_json)


def _move(name: str, release: int, as_json: bool) -> None:
    from kb_platform.storage.releases import live_release
    from kb_platform.storage.releases import promote as move_pointer

    database = store(name).database
    before = live_release(database)
    move_pointer(database, release)
    record_event(name, "promoted_release", {"release": release, "previous": before or 0})
    if as_json:
        show_json({"knowledge_base": name, "release": release, "previous": before})
    else:
        console.print(f"release {release} is live (before: {before})")


def discard(name: Name, release: ReleaseOption = None, as_json: Json = False) -> None:
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
        record_event(kb.name, "release_candidate", {"discarded": target, **counts})
    if as_json:
        show_json({"knowledge_base": name, "discarded": target, **counts})
    else:
        console.print(f"release {target} is discarded: {counts['rows_removed']} rows removed, {counts['rows_reopened']} reopened")


def record_event(name: str, asset: str, metadata: dict[str, Any]) -> None:
    """Show in Dagster's history of the asset what a command did outside a run."""
    import dagster as dg

    from kb_platform.local.dagster_home import open_instance

    with open_instance(settings()) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey([name, asset]), metadata=metadata))
