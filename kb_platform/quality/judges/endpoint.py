"""A model behind an OpenAI-compatible address, what its calls cost, and how a call can fail. No I/O is here: chat.py calls it."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from kb_platform.knowledge.errors import PermanentError

M = TypeVar("M", bound=BaseModel)
ResponseFormat = Literal["json_schema", "json_object", "text"]


@dataclass(frozen=True)
class Usage:
    """Requests that were sent, tokens as the endpoint counts them, and their price; None where no price was set."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """Return both together; the cost is unknown as soon as one part's is."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(self.requests + other.requests, self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, cost)


@dataclass(frozen=True)
class Endpoint:
    """Address and model. `url` ends before /chat/completions; prices are for a million tokens; `timeout` is one request's seconds."""

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    concurrency: int = 4
    response_format: ResponseFormat = "json_schema"
    input_price: float | None = None
    output_price: float | None = None

    def usage(self, input_tokens: int, output_tokens: int) -> Usage:
        """Return what one answered request used."""
        priced = self.input_price is not None and self.output_price is not None
        cost = (input_tokens * (self.input_price or 0) + output_tokens * (self.output_price or 0)) / 1e6 if priced else None
        return Usage(0, input_tokens, output_tokens, cost)


@dataclass(frozen=True)
class Judge:
    """The judge, and the model whose answers it judges."""

    judging: Endpoint
    answering: Endpoint


class Failure(StrEnum):
    """Why there is no vote."""

    NETWORK = "network"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    SERVER = "server_error"
    REFUSED = "refused"
    NOT_A_COMPLETION = "not_a_completion"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    WRONG_SCHEMA = "wrong_schema"
    WRONG_COUNT = "wrong_count"
    NO_ANSWER = "no_answer"
    NOT_ASKED = "not_asked"


class CallFailed(PermanentError):
    """A call that gave nothing usable, after all that may be tried again was. Its sentence holds nothing of what was sent."""

    def __init__(self, kind: Failure, found: str, *, where: str = "", expected: str = "", action: str = "") -> None:
        super().__init__(found, where=where, expected=expected, action=action)
        self.kind = kind


def format_request(style: ResponseFormat, schema: type[BaseModel] | None) -> dict[str, Any]:
    """Return the part of a request that asks for JSON."""
    if schema is None or style == "text":
        return {}
    if style == "json_object":
        return {"response_format": {"type": "json_object"}}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": schema.__name__, "schema": schema.model_json_schema()}}}


def parse_reply(text: str, schema: type[M]) -> M:
    """Return a reply as a value; around its outermost braces a model may have written what it likes (a fence, a greeting).

    Raises:
        CallFailed: it is no JSON, or JSON of another shape.
    """
    try:
        value = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError):
        raise CallFailed(Failure.NOT_JSON, f"the reply of {len(text)} characters holds no JSON object") from None
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field_name = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step in schema.model_fields) or "the whole"
        raise CallFailed(Failure.WRONG_SCHEMA, f"{field_name}: {first['type']}", expected=schema.__name__) from None
