"""What goes over the wire."""

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

LONGEST_QUESTION = 4000  # characters
MOST_QUESTIONS, MOST_HITS = 32, 2000  # of one request
MOST_FILTERS, LONGEST_FILTER = 16, 1000
LARGEST_RELEASE, LARGEST_CHUNK = 2**31 - 1, 2**63 - 1


def _can_be_stored(text: str) -> str:
    """Refuse what no database holds: NUL, and half characters, which JSON can write."""
    if "\0" in text or not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("expected characters of Unicode but NUL")
    return text


def _with_words(text: str) -> str:
    if not text.strip():
        raise ValueError("expected words")
    return text


def _in_one_sentence(sent: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Say what a value may be, rather than why it is none of each kind."""
    try:
        return read(sent)
    except ValidationError:
        raise ValueError(f"expected at most {LONGEST_FILTER} characters but NUL, a number, true or false") from None


# Lengths come first: after another check, pydantic calls characters items.
Text = Annotated[str, AfterValidator(_can_be_stored)]
Question = Annotated[str, Field(max_length=LONGEST_QUESTION), AfterValidator(_can_be_stored), AfterValidator(_with_words)]
Key = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_can_be_stored)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Value = Annotated[Annotated[str, Field(max_length=LONGEST_FILTER), AfterValidator(_can_be_stored)] | bool | Whole | Number, WrapValidator(_in_one_sentence)]
ReleaseId = Annotated[int, Field(ge=1, le=LARGEST_RELEASE, description="A release; the answer to a search names the one that it read.")]
AsOf = Annotated[AwareDatetime, Field(description="Read the release that was live at this time, RFC 3339 with its offset.")]
ChunkId = Annotated[int, Field(ge=1, le=LARGEST_CHUNK)]
K = Annotated[int, Field(ge=1, le=1000, description="How many chunks for each question.")]


class Sent(BaseModel):
    """What a client sends: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(Sent):
    """One question or several, asked of one release."""

    question: Question | None = None
    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_QUESTIONS)] | None = None
    k: K = 5
    filters: Annotated[dict[Key, Value], Field(max_length=MOST_FILTERS, description="Metadata that a document must have; a list has each of its items.")] = {}
    release: ReleaseId | None = None
    as_of: AsOf | None = None

    @property
    def texts(self) -> list[str]:
        """Return the questions."""
        return self.questions or [self.question or ""]

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.question is None) == (self.questions is None):
            raise ValueError("expected one of `question` and `questions`")
        if self.release is not None and self.as_of is not None:
            raise ValueError("expected at most one of `release` and `as_of`")
        if len(self.texts) * self.k > MOST_HITS:
            raise ValueError(f"expected at most {MOST_HITS} chunks in all: fewer questions, or a smaller `k`")
        return self


class FeedbackRequest(Sent):
    """What somebody says of what was found."""

    release: ReleaseId
    question: Annotated[str, Field(max_length=LONGEST_QUESTION), AfterValidator(_can_be_stored)] = ""
    helpful: bool | None = None
    chunks: Annotated[list[ChunkId], Field(max_length=100, description="The chunks that it is about.")] = []
    comment: Annotated[str, Field(max_length=4000), AfterValidator(_can_be_stored)] = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.helpful is None and not self.comment.strip():
            raise ValueError("expected `helpful`, a `comment`, or both")
        return self


class SameTextMessage(BaseModel):
    """Where else the text of a hit stands."""

    chunk: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int


class HitMessage(BaseModel):
    """A chunk that was found: `start` and `end` are characters of its document."""

    chunk: int
    source: str
    doc_id: str
    title: str
    start: int
    end: int
    score: float
    dense: float
    lexical: float
    content: str
    also_in: list[SameTextMessage] = Field(default=[], description="Other documents with the same text: they take one place together.")


class Result(BaseModel):
    """What was found for one question, the best first."""

    question: str
    hits: list[HitMessage]
    unread: list[str] = Field(default=[], description="Words of the question that the embedding model cannot read; they were compared as words only.")


class SearchAnswer(BaseModel):
    """The results, in the order of the questions, all of one release."""

    knowledge_base: str
    release: int
    results: list[Result]


class OriginMessage(BaseModel):
    """What is known of a document."""

    knowledge_base: str
    release: int
    source: str
    doc_id: str
    title: str
    metadata: dict[str, Any]
    media_type: str
    source_object: Annotated[str, Field(description="Where the source has it.")]
    day: dt.date


class ChunkMessage(OriginMessage):
    """A chunk, with its document."""

    chunk: int
    start: int
    end: int
    content: str


class Place(BaseModel):
    """Where a chunk stands in a document."""

    chunk: int
    start: int
    end: int


class DocumentMessage(OriginMessage):
    """A document of `length` characters: `text` is what it says from `start` on, `chunks` are all of it."""

    length: int
    start: int
    text: str
    chunks: list[Place]


class ReleaseMessage(BaseModel):
    """A release that was promoted once; its rows can be read while it is `readable`."""

    release: int
    live: bool
    readable: bool
    status: Literal["promoted", "retired", "discarded"]
    verdict: str | None
    documents: int | None
    chunks: int | None
    digest: str | None
    model: str
    sealed_at: dt.datetime | None
    promoted_at: dt.datetime


class ReleaseList(BaseModel):
    """The releases that were promoted once, the newest first. `live` is null before the first."""

    knowledge_base: str
    live: int | None
    releases: list[ReleaseMessage]


class KnowledgeBases(BaseModel):
    """What the caller may read."""

    knowledge_bases: list[str]


class FeedbackKept(BaseModel):
    """The number of what was kept."""

    feedback: int


class ProblemMessage(BaseModel):
    """What went wrong. `code` is for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str
