"""`kb up`, `kb down`, `kb status`, `kb env`: the servers of the embedded default."""

import shlex
from typing import Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import Json, console, show_json, show_table, working
from kb_platform.cli.session import settings, staying_up
from kb_platform.settings import export


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(status)
    app.command()(down)
    app.command()(env)


def up(as_json: Json = False) -> None:
    """Start Postgres, Dagster, the search API and reviews by people (Temporal, worker, gateway) on loopback, and wait until they answer."""
    from kb_platform.local import supervisor

    with staying_up(), working("starting", quiet=as_json) as tell:
        standing = supervisor.up(settings(), report=tell)
    _show(standing, as_json)


def status(as_json: Json = False) -> None:
    """Show what runs. Exit code 0 if all of it does, else 1."""
    from kb_platform.local import supervisor

    standing = supervisor.status(settings())
    _show(standing, as_json, _window())
    raise typer.Exit(0 if all(service.pid for service in standing.services) else 1)


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove the data, objects and logs, for good.")] = False, as_json: Json = False,
) -> None:
    """Stop everything that was started for this KB_HOME."""
    from kb_platform.local import supervisor

    with working("stopping", quiet=as_json) as tell:
        supervisor.down(settings(), wipe=wipe, report=tell)
    _show(supervisor.status(settings()), as_json)


def env(as_json: Json = False) -> None:
    """Print the addresses of the database (owner, and one URL a role of each knowledge base), of reviews and of the pages. Holds passwords."""
    from kb_platform.local import supervisor
    from kb_platform.local.environment import database_url, environment
    from kb_platform.local.review_service import platform_variables, reviewers_file
    from kb_platform.storage.database import LOGIN_ROLES, Database

    url, standing = database_url(settings()), supervisor.status(settings())
    names = sorted(path.parent.name for path in settings().defs.glob("*/defs.yaml"))
    roles = {name: {role: Database(url, name).url(role) for role in LOGIN_ROLES} for name in names}
    found: dict[str, Any] = {"database_url": url, "roles": roles, "web": standing.pages or None, "home": str(settings().home),
                             "reviews": standing.reviews or None, "reviewers": str(reviewers_file(settings().home)),
                             "review_variables": platform_variables(settings()),
                             "object_store": settings().object_store_url, "defs": str(settings().defs)}
    if as_json:
        show_json(found)
        return
    for key, value in environment(settings()).items():
        console.print(f"export {key}={shlex.quote(value)}", highlight=False, markup=False, soft_wrap=True)
    for name, urls in roles.items():
        for role, address in urls.items():
            console.print(f"# {name} {role}: {address}", highlight=False, soft_wrap=True)
    console.print(f"# web: {standing.pages or 'not running'}", highlight=False)
    console.print(f"# reviews: {standing.reviews or 'not running'}", highlight=False)


def _window() -> str:
    """Return whether texts may be embedded now, without starting anything: changes by hand are known to the database alone."""
    from kb_platform.knowledge.errors import KbError
    from kb_platform.knowledge.gpu_window import scheduled
    from kb_platform.local.environment import database_url, environment
    from kb_platform.resources import close_stores
    from kb_platform.resources.gpu_window import utc_now, window_now

    try:
        database_url(settings())
        export(environment(settings()))
        return str(window_now())
    except KbError:
        return f"{scheduled(settings().gpu_window, utc_now())} by its hours; what was changed by hand is not known without the database"
    finally:
        close_stores()


def _unloadable() -> dict[str, str]:
    """Return why knowledge bases cannot be loaded, as far as their YAML tells; the pages show them so, and `kb validate` looks closer."""
    from kb_platform.cli.session import knowledge_base
    from kb_platform.knowledge.errors import KbError

    found = {}
    for path in sorted(settings().defs.glob("*/defs.yaml")):
        try:
            knowledge_base(path.parent.name)
        except KbError as error:
            found[path.parent.name] = str(error)
    return found


def _show(standing: Any, as_json: bool, window: str = "") -> None:
    broken = _unloadable()
    if as_json:
        services = {s.name: {"pid": s.pid, "address": s.address, "log": s.log} for s in standing.services}
        locations = {location.name: location.error for location in standing.code_locations}
        show_json({"running": all(s.pid for s in standing.services), "web": standing.pages or None, "reviews": standing.reviews or None,
                   "search": standing.search or None, "services": services, "code_locations": locations, "not_loaded": broken, "note": standing.note or None, "steps": settings().steps, **({"gpu_window": window} if window else {})})
        return
    show_table(("service", "state", "address"), ((s.name, "running" if s.pid else "stopped", s.address) for s in standing.services))
    console.print(f"\nlogs: {settings().home / 'logs'}", highlight=False, soft_wrap=True)
    if window:
        console.print(f"GPU window: {window} (kb gpu-window status)", highlight=False, soft_wrap=True)
    if settings().steps != "in_process":
        console.print(f"steps that embed: {settings().steps} (KB_STEPS)", highlight=False)
    _show_addresses(standing)
    for location in standing.code_locations:
        if location.error:
            console.print(f"[red]{escape(location.name)} did not load:[/red] {escape(location.error.strip())}", highlight=False, soft_wrap=True, markup=True)
    for name, reason in broken.items():
        console.print(f"[red]{escape(name)} does not load, the others do:[/red] {escape(reason)}", highlight=False, soft_wrap=True, markup=True)


def _show_addresses(standing: Any) -> None:
    if standing.pages:
        console.print(f"Dagster: {standing.pages}")
    if standing.search:
        console.print(f"search API: {standing.search} (docs/connect-an-application.md)", highlight=False, soft_wrap=True)
    if standing.reviews:
        from kb_platform.local.review_service import reviewers_file

        console.print(f"reviews: {standing.reviews}; who may sign in: {reviewers_file(settings().home)}", highlight=False, soft_wrap=True)
    if standing.note:
        console.print(f"[yellow]{escape(standing.note)}[/yellow]", highlight=False, soft_wrap=True, markup=True)
