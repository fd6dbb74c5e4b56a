"""What the models of defs.yaml share.

Descriptions go through `Resolver.default`: Dagster drops those of plain pydantic fields from the schema that editors show.
"""

from typing import Any

import dagster as dg
from pydantic import ConfigDict


def described(text: str, **more: Any) -> Any:
    """Return a resolver that keeps the description in the component's schema."""
    return dg.Resolver.default(description=text, **more)


class Strict(dg.Model):
    """Unknown keys are typos: refuse them."""

    model_config = ConfigDict(extra="forbid")
