"""`kb migrate`: every schema at its newest revision before anything of a new version starts."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.output import Json, console, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, settings
from kb_platform.knowledge.errors import ConfigError

if TYPE_CHECKING:
    from kb_platform.storage.database import Database

Reviews = Annotated[bool, typer.Option("--reviews/--no-reviews", help="Also migrate the review worker's schema. Default: --reviews.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


Roles = Annotated[bool, typer.Option("--roles", help="Print the SQL by which an administrator makes all roles, and do nothing else.")]


def migrate(reviews: Reviews = True, roles: Roles = False, as_json: Json = False) -> None:
    """Create or upgrade the schema and roles of every knowledge base, the deployment's schema, and the review worker's.

    May be run again, and while others do. Dagster's database is made where it is missing; its tables are Dagster's own. Every
    defs.yaml is read first: where one is wrong, nothing is migrated. Where the database's role may make no roles, an administrator runs
    what --roles prints, once for each new knowledge base; it holds no password in the clear.
    """
    from kb_platform.local.environment import database_url
    from kb_platform.local.review_schema import migrate_reviews
    from kb_platform.storage.database import Database
    from kb_platform.storage.deployment import DeploymentDatabase

    names = [knowledge_base(path.parent.name).name for path in sorted(settings().defs.glob("*/defs.yaml"))]
    if roles:
        _print_roles(names, as_json=as_json)
        return
    with database_running(quiet=as_json):
        url, elsewhere = database_url(settings()), settings().review_database_url
        done = {name: _migrated(Database(url, name)) for name in names}
        deployment = _migrated(DeploymentDatabase(url))
        review = migrate_reviews(elsewhere.get_secret_value() if elsewhere else url) if reviews else None
    if as_json:
        show_json({"knowledge_bases": done, "deployment": deployment, "review": review})
        return
    rows = [*done.values(), deployment, *([review] if review else [])]
    show_table(("schema", "before", "revision"), ((row["schema"], row["before"] or "none", row["revision"]) for row in rows))
    if reviews and review is None:
        console.print("[yellow]schema review is left alone:[/yellow] the extra `review` is not installed", highlight=False, markup=True)


def _print_roles(names: list[str], *, as_json: bool) -> None:
    from kb_platform.storage.role_script import role_script

    url = settings().database_url
    if url is None:
        raise ConfigError("KB_DATABASE_URL is not set", where="environment", expected="the server's URL: the embedded one needs no administrator")
    statements = list(role_script(url.get_secret_value(), names))
    if as_json:
        show_json({"knowledge_bases": names, "statements": statements})
    else:
        print("\n".join(statements))


def _migrated(database: "Database") -> dict[str, Any]:
    from kb_platform.storage.migrate import migrate as migrate_schema
    from kb_platform.storage.revisions import revision

    try:
        before = revision(database)
        migrate_schema(database)
        return {"schema": database.schema, "before": before, "revision": revision(database)}
    finally:
        database.dispose()
