"""What the models of defs.yaml share. They are pydantic's alone: commands read defs.yaml in a tenth of the time that Dagster takes to load."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def described(text: str) -> Any:
    """Return what keeps a description in the schema that editors show."""
    return Field(description=text)


class Strict(BaseModel):
    """Unknown keys are typos: refuse them."""

    model_config = ConfigDict(extra="forbid")
