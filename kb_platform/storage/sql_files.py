"""The .sql files of the migrations, with the schema's and the roles' names put in."""

from importlib import resources


def render_sql(name: str, schema: str) -> bytes:
    """Return migrations/sql/<name>.sql for one schema. Names were checked when the knowledge base was named: [a-z][a-z0-9_]*."""
    text = resources.files("kb_platform.storage").joinpath("migrations", "sql", f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{schema}", schema).replace("{prefix}", schema).encode()
