"""What is sent, and what comes back: the same for both clients. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from kb_client.errors import Busy, Forbidden, KbClientError, NotFound, Refused, Unauthorized, UnexpectedAnswer
from kb_client.messages import Answer, Chunk, Document, FeedbackKept, KnowledgeBases, Release, ReleaseList, SearchAnswer

Message = TypeVar("Message", bound=BaseModel)
Value = str | int | float | bool
KINDS: Mapping[int, type[Refused]] = {401: Unauthorized, 403: Forbidden, 404: NotFound}


@dataclass(frozen=True)
class Pin:
    """Which release to read: this one, the one that was live at this time, or the live one."""

    release: int | None = None
    as_of: dt.datetime | None = None

    def or_else(self, release: int | None, as_of: dt.datetime | None) -> "Pin":
        """Return what a call says, or else this."""
        return self if release is None and as_of is None else Pin(release, as_of)

    @property
    def sent(self) -> dict[str, Any]:
        """Return it as it is sent.

        Raises:
            ValueError: both are given, or the time has no zone.
        """
        if self.release is not None and self.as_of is not None:
            raise ValueError("expected at most one of release and as_of")
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError("expected a time with its zone: as_of=datetime(..., tzinfo=...)")
        return {"release": self.release} if self.release is not None else {"as_of": self.as_of.isoformat()} if self.as_of else {}


@dataclass(frozen=True)
class Call(Generic[Message]):
    """One request. What is not `repeatable` has an effect, and is not sent again once it may have arrived."""

    method: Literal["GET", "POST"]
    path: str
    message: type[Message]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    repeatable: bool = True


def search(name: str, questions: Sequence[str], k: int, filters: Mapping[str, Value] | None, pin: Pin) -> Call[SearchAnswer]:
    """Return the request of some questions."""
    return Call("POST", f"{_base(name)}/search", SearchAnswer, body={"questions": list(questions), "k": k, "filters": dict(filters or {}), **pin.sent})


def chunk(name: str, number: int, pin: Pin) -> Call[Chunk]:
    """Return the request of a chunk."""
    return Call("GET", f"{_base(name)}/chunks/{number}", Chunk, pin.sent)


def document(name: str, source: str, doc_id: str, start: int, end: int | None, pin: Pin) -> Call[Document]:
    """Return the request of a document."""
    part = {"start": start} | ({"end": end} if end is not None else {})
    return Call("GET", f"{_base(name)}/documents/{quote(source, safe='')}/{quote(doc_id, safe='')}", Document, part | pin.sent)


def releases(name: str) -> Call[ReleaseList]:
    """Return the request of all releases."""
    return Call("GET", f"{_base(name)}/releases", ReleaseList)


def release(name: str, number: int | Literal["live"]) -> Call[Release]:
    """Return the request of one release."""
    return Call("GET", f"{_base(name)}/releases/{number}", Release)


def feedback(name: str, number: int, question: str, *, helpful: bool | None, chunks: Sequence[int], comment: str) -> Call[FeedbackKept]:
    """Return what gives feedback."""
    body = {"release": number, "question": question, "helpful": helpful, "chunks": list(chunks), "comment": comment}
    return Call("POST", f"{_base(name)}/feedback", FeedbackKept, body=body, repeatable=False)


def knowledge_bases() -> Call[KnowledgeBases]:
    """Return the request of what may be read."""
    return Call("GET", "/v1", KnowledgeBases)


def _base(name: str) -> str:
    return f"/v1/{quote(name, safe='')}"


def answers_of(found: SearchAnswer) -> list[Answer]:
    """Return an answer for each question."""
    return [Answer(knowledge_base=found.knowledge_base, release=found.release, question=r.question, hits=r.hits, unread=r.unread) for r in found.results]


def read_answer(call: Call[Message], response: httpx.Response) -> Message:
    """Return what came back.

    Raises:
        KbClientError: it is a refusal, or nothing that this client knows.
    """
    if not response.is_success:
        raise error_of(response)
    try:
        return call.message.model_validate_json(response.content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UnexpectedAnswer(f"{call.method} {call.path}: not what a search API answers, at {where or 'its beginning'}") from None


def error_of(response: httpx.Response) -> KbClientError:
    """Return the error that an answer is."""
    try:
        said = response.json()
    except ValueError:
        said = None
    told = said if isinstance(said, dict) else {}
    status, title, detail = response.status_code, str(told.get("title") or response.reason_phrase), str(told.get("detail") or "")
    if status in (429, 503):
        return Busy(title, detail, retry_after(response))
    if 400 <= status < 500:
        return KINDS.get(status, Refused)(status, str(told.get("code") or "unknown"), title, detail)
    return UnexpectedAnswer(f"{title} ({status})")


def retry_after(response: httpx.Response) -> float | None:
    """Return how many seconds an answer asks to wait; None where it does not say, or gives a date."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdigit() else None
