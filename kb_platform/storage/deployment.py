"""The database of a deployment: what concerns all its knowledge bases, in a schema beside theirs, with two roles of its own."""

from dataclasses import dataclass

from kb_platform.storage.database import Database, Role

SCHEMA = "deployment"  # knowledge bases have kb_<name>, reviews have review


@dataclass(frozen=True)
class DeploymentDatabase(Database):
    """Like the database of a knowledge base, under another name."""

    name: str = SCHEMA

    @property
    def schema(self) -> str:
        """Return the schema's name, which is also the prefix of its roles."""
        return SCHEMA

    @property
    def login_roles(self) -> tuple[Role, ...]:
        """Return the roles that log in."""
        return "reader", "writer"

    @property
    def versions(self) -> str:
        """Return the folder of its migrations."""
        return "deployment"
