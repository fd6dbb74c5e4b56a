"""`kb serve`, `kb mcp`, `kb keys`, `kb feedback`: what applications ask, who may, and what they say of it."""

import asyncio
import datetime as dt
import math
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from kb_platform.cli.output import By, Json, Name, WrongUsage, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, settings, store, who
from kb_platform.knowledge.api_keys import GRANT, new_key
from kb_platform.knowledge.errors import ConfigError, StateError

keys = typer.Typer(name="keys", help="Keys of applications for the search API.", no_args_is_help=True)
LONGEST_NAME = 100


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(mcp)
    app.command()(feedback)
    app.add_typer(keys)


def serve(as_json: Json = False) -> None:
    """Serve the search API and its tools for models (MCP) in the foreground, until Ctrl-C. `kb up` serves it in the background."""
    from kb_platform.local import programs, search_api

    if lacking := search_api.missing():
        raise ConfigError(lacking)
    home = settings().home
    with database_running(quiet=as_json):
        if settings().serve_port == 0 and programs.running(home, search_api.SEARCH_API):
            raise StateError(f"`kb up` serves it already at {search_api.url(settings())}", where=str(home), action="ask there, or set KB_SERVE_PORT")
        _run(as_json=as_json)


def _run(*, as_json: bool) -> None:
    from kb_platform.local.search_api import foreground_ports
    from kb_platform.serving.logs import write_json_lines
    from kb_platform.serving.process import asks_for_keys, run

    asked, chosen = asks_for_keys(settings()), settings()

    def ready(url: str) -> None:
        if as_json:
            show_json({"url": url, "mcp": f"{url}/mcp", "openapi": f"{url}/v1/openapi.json", "asks_for_keys": asked})
        else:
            console.print(f"search API: {url}; {'callers show a key' if asked else 'no keys asked on the loopback'}; Ctrl-C ends it", highlight=False, soft_wrap=True)

    write_json_lines()
    asyncio.run(run(chosen.model_copy(update=foreground_ports(chosen)), ready))


def mcp() -> None:
    """Offer the tools `search` and `fetch` to a model's client (MCP) on standard input and output. `kb serve` offers them over HTTP, at /mcp."""
    from kb_platform.local import search_api

    if lacking := search_api.missing():
        raise ConfigError(lacking)
    from kb_platform.serving.over_stdio import run

    with database_running():
        run(settings())


@keys.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What the key is for, such as the application's name.", metavar="NAME")],
    grants: Annotated[list[str], typer.Option("--grant", help="A knowledge base that it may read and give feedback to; `NAME:read` reads alone; `*` is every one. May be given again.")],
    rate: Annotated[float | None, typer.Option("--rate", min=0.01, max=100_000, help="Questions a second; KB_SERVE_RATE if left out.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=3650, help="It ends by itself after so many days.")] = None,
    by: By = None, as_json: Json = False,
) -> None:
    """Make a key, and print it: it is kept as a hash, and shown this once."""
    from kb_platform.resources.gpu_window import open_deployment, utc_now
    from kb_platform.storage.api_keys import add_key

    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise WrongUsage("the name is empty" if not name.strip() else "the name is too long", expected=f"at most {LONGEST_NAME} characters")
    if rate is not None and not math.isfinite(rate):
        raise WrongUsage(f"--rate {rate}", expected="a number of questions a second")
    for grant in grants:
        _require_known(grant)
    made, ends = new_key(), utc_now() + dt.timedelta(days=days) if days else None
    with database_running(quiet=as_json):
        add_key(open_deployment(), made, name.strip(), grants, rate=rate, expires_at=ends, by=who(by))
    if as_json:
        show_json({"id": made.key_id, "name": name.strip(), "key": made.text, "grants": grants, "rate": rate, "expires_at": ends})
        return
    console.print(made.text, highlight=False, soft_wrap=True)
    console.print(f"key {made.key_id} for {escape(name.strip())}: it is not shown again; a running server knows it within seconds", highlight=False, soft_wrap=True)


def _require_known(grant: str) -> None:
    if not GRANT.fullmatch(grant):
        raise WrongUsage(f"--grant {grant!r}", expected="NAME, NAME:read, * or *:read")
    base = grant.removesuffix(":read")
    if base != "*":
        knowledge_base(base)


@keys.command("list")
def list_(as_json: Json = False) -> None:
    """List the keys that there ever were, the newest first."""
    from kb_platform.resources.gpu_window import open_deployment, utc_now
    from kb_platform.storage.api_keys import all_keys

    with database_running(quiet=as_json):
        found, now = all_keys(open_deployment()), utc_now()
    if as_json:
        show_json({"keys": [{"id": k.key_id, "name": k.name, "grants": k.grants, "rate": k.rate, "created_at": k.created_at, "expires_at": k.expires_at,
                             "revoked_at": k.revoked_at, "by": k.by, "state": k.ended(now) or "valid"} for k in found]})
        return
    if not found:
        console.print("no keys yet: kb keys add NAME --grant KNOWLEDGE_BASE", highlight=False)
        return
    show_table(("key", "for", "grants", "state", "ends, UTC"), (
        (k.key_id, k.name, ", ".join(k.grants), k.ended(now) or "valid", k.revoked_at or k.expires_at) for k in found))


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `kb keys list` shows it.", metavar="KEY")], by: By = None, as_json: Json = False,
) -> None:
    """Let a key end now; running servers refuse it within seconds."""
    from kb_platform.resources.gpu_window import open_deployment
    from kb_platform.storage.api_keys import revoke_key

    with database_running(quiet=as_json):
        revoke_key(open_deployment(), key, who(by))
    if as_json:
        show_json({"id": key, "state": "revoked"})
    else:
        console.print(f"key {key} is revoked: running servers refuse it within seconds", highlight=False)


def feedback(
    name: Name, limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many, the newest first.")] = 20, as_json: Json = False,
) -> None:
    """Show what applications said of what was found: of which release and chunks, of use or not, and why."""
    from kb_platform.storage.reading import list_feedback

    kb = knowledge_base(name)
    with database_running(quiet=as_json):
        found = list_feedback(store(kb.name).database, limit)
    if as_json:
        show_json({"knowledge_base": name, "feedback": [asdict(one) for one in found]})
        return
    if not found:
        console.print("no feedback yet", highlight=False)
        return
    show_table(("at, UTC", "release", "of use", "question", "comment", "chunks"), (
        (f.at, f.release, {True: "yes", False: "no", None: ""}[f.helpful], f.question, f.comment, " ".join(map(str, f.chunks))) for f in found))
