"""What all messages share."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


def storable(text: str) -> str:
    """Replace the one character that Postgres keeps in no text: what people, models and documents write may hold it."""
    return text.replace("\0", "\ufffd")


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32,128}$")]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Storable = Annotated[str, AfterValidator(storable)]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(storable)]
Time = AwareDatetime


class Message(BaseModel):
    """A value on the wire: never changed once made, tolerant of fields that a later release added."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    schema_version: int = Field(default=1, ge=1)
