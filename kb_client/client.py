"""A client that waits for its answers."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx
from pydantic import BaseModel

from kb_client import calls
from kb_client.calls import Call, Pin, Value
from kb_client.errors import Busy
from kb_client.messages import Answer, Chunk, Document, Release, ReleaseList
from kb_client.retries import Attempts

Message = TypeVar("Message", bound=BaseModel)
TIMEOUT, PATIENCE = 30.0, 15.0  # seconds for an answer, and for all attempts at one


class Client:
    """Speaks to a search API. Threads may share it; it holds connections until it is closed.

    Args:
        url: where the API is, as `kb status` shows it.
        key: what `kb keys add` has printed; none is asked for on the loopback.
        timeout: seconds that one attempt may take.
        patience: seconds that all attempts may take; 0 means one attempt.
        transport: what carries requests, in place of the network's own.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = TIMEOUT, patience: float = PATIENCE, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=headers(key), timeout=timeout, transport=transport)
        self._patience = patience

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def knowledge_bases(self) -> Sequence[str]:
        """Return the names of what the key may read."""
        return self.send(calls.knowledge_bases()).knowledge_bases

    def knowledge_base(self, name: str) -> "KnowledgeBase":
        """Return a knowledge base to ask; nothing is sent yet."""
        return KnowledgeBase(self, name)

    def send(self, call: Call[Message]) -> Message:
        """Send a request, again and again where that may help, and return the answer.

        Raises:
            KbClientError: see errors.py.
        """
        attempts = Attempts(str(self._http.base_url), self._patience, repeatable=call.repeatable)
        while True:
            try:
                return calls.read_answer(call, self._http.request(call.method, call.path, params=call.params, json=call.body))
            except (httpx.TransportError, Busy) as error:
                failed = error
            time.sleep(attempts.wait_after(failed))


@dataclass(frozen=True)
class KnowledgeBase:
    """A knowledge base, read as of a release or time if it is pinned, else as it is live."""

    client: Client = field(repr=False)
    name: str
    pin: Pin = Pin()

    def pinned(self, release: int | None = None, *, as_of: dt.datetime | None = None) -> Self:
        """Return the same, read from one release: this one, the one of a time, or the one that is live now. For a conversation, say."""
        number = release if release is not None or as_of is not None else self.release().release
        return replace(self, pin=Pin(number, as_of))

    def search(
        self, question: str, *, k: int = 5, filters: Mapping[str, Value] | None = None, release: int | None = None, as_of: dt.datetime | None = None
    ) -> Answer:
        """Return the k best chunks for a question, of documents that have these metadata."""
        return self.search_many([question], k=k, filters=filters, release=release, as_of=as_of)[0]

    def search_many(
        self, questions: Sequence[str], *, k: int = 5, filters: Mapping[str, Value] | None = None, release: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> list[Answer]:
        """Return an answer for each of up to 32 questions, all of one release."""
        return calls.answers_of(self.client.send(calls.search(self.name, questions, k, filters, self.pin.or_else(release, as_of))))

    def chunk(self, number: int, *, release: int | None = None, as_of: dt.datetime | None = None) -> Chunk:
        """Return a chunk, with its place and what is known of its document."""
        return self.client.send(calls.chunk(self.name, number, self.pin.or_else(release, as_of)))

    def document(
        self, source: str, doc_id: str, *, start: int = 0, end: int | None = None, release: int | None = None, as_of: dt.datetime | None = None
    ) -> Document:
        """Return a document, or its characters from `start` to `end`."""
        return self.client.send(calls.document(self.name, source, doc_id, start, end, self.pin.or_else(release, as_of)))

    def releases(self) -> ReleaseList:
        """Return the releases that were promoted once, the newest first."""
        return self.client.send(calls.releases(self.name))

    def release(self, number: int | Literal["live"] = "live") -> Release:
        """Return one of them."""
        return self.client.send(calls.release(self.name, number))

    def give_feedback(
        self, release: int, *, question: str = "", helpful: bool | None = None, chunks: Sequence[int] = (), comment: str = ""
    ) -> int:
        """Say whether what a release found was of use, and why; return the number of what was kept."""
        return self.client.send(calls.feedback(self.name, release, question, helpful=helpful, chunks=chunks, comment=comment)).feedback


def headers(key: str | None) -> dict[str, str]:
    """Return what every request says."""
    return {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
