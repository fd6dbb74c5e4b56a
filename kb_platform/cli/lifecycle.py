"""`kb up`, `kb down`, `kb status`, `kb env`: the servers of the embedded default."""

import shlex
from typing import Annotated, Any

import typer

from kb_platform.cli.output import Json, console, show_json, show_table, working
from kb_platform.cli.session import settings, staying_up


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(status)
    app.command()(down)
    app.command()(env)


def up(as_json: Json = False) -> None:
    """Start Postgres, Dagster's webserver and daemon on loopback, and wait until they answer."""
    from kb_platform.local import supervisor

    with staying_up(), working("starting", quiet=as_json) as tell:
        standing = supervisor.up(settings(), report=tell)
    _show(standing, as_json)


def status(as_json: Json = False) -> None:
    """Show what runs. Exit code 0 if all of it does, else 1."""
    from kb_platform.local import supervisor

    standing = supervisor.status(settings())
    _show(standing, as_json)
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
    """Print the database's addresses (owner, and one URL a role of each knowledge base) and the web pages'. Holds passwords."""
    from kb_platform.local import supervisor
    from kb_platform.local.environment import database_url, environment
    from kb_platform.storage.database import LOGIN_ROLES, Database

    url, standing = database_url(settings()), supervisor.status(settings())
    names = sorted(path.parent.name for path in settings().defs.glob("*/defs.yaml"))
    roles = {name: {role: Database(url, name).url(role) for role in LOGIN_ROLES} for name in names}
    found: dict[str, Any] = {"database_url": url, "roles": roles, "web": standing.pages or None, "home": str(settings().home),
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


def _show(standing: Any, as_json: bool) -> None:
    if as_json:
        services = {s.name: {"pid": s.pid, "address": s.address, "log": s.log} for s in standing.services}
        show_json({"running": all(s.pid for s in standing.services), "web": standing.pages or None, "services": services})
        return
    show_table(("service", "state", "address", "log"), ((s.name, "running" if s.pid else "stopped", s.address, s.log) for s in standing.services))
    if standing.pages:
        console.print(f"Dagster: {standing.pages}")
