"""One function a route: who asks and whether they may, what is asked, and the answer on the wire."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request

from kb_platform.index.retrieve import Asked
from kb_platform.serving.bases import Base
from kb_platform.serving.callers import Caller
from kb_platform.serving.hits_text import as_object
from kb_platform.serving.messages import (
    LARGEST_CHUNK,
    AsOf,
    ChunkMessage,
    DocumentMessage,
    FeedbackKept,
    FeedbackRequest,
    HitMessage,
    K,
    KnowledgeBases,
    OriginMessage,
    Place,
    ProblemMessage,
    Question,
    ReleaseId,
    ReleaseList,
    ReleaseMessage,
    Result,
    SearchAnswer,
    SearchRequest,
    Text,
)
from kb_platform.serving.metrics import FEEDBACK
from kb_platform.serving.problems import Problem
from kb_platform.serving.questions import Pin, pinned_release
from kb_platform.serving.services import CallerOf, Services, ServicesOf
from kb_platform.storage import reading
from kb_platform.storage.reading import ChunkText, Origin, ReadableRelease

LARGEST_TEXT = 1_000_000  # characters of a document in one answer
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": ProblemMessage.model_json_schema()}}} for status, text in {
        400: "Not HTTP as it should be", 401: "No valid key", 403: "This key has no such grant", 404: "No such knowledge base, release, document or chunk",
        408: "The body came too slowly", 413: "Too large", 421: "Not from this machine", 422: "Not understood", 429: "Too many questions: `Retry-After` says when",
        503: "Too much to do, or the database does not answer: `Retry-After` says when"}.items()
}



def _known_parameters(request: Request) -> None:
    """Refuse what no route reads: `filters` in place of `filter`, passed over, would answer a question that nobody asked."""
    said = request.app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = [parameter["name"] for parameter in said.get("parameters", ()) if parameter["in"] == "query"]
    if unknown := next((name for name in request.query_params if name not in known), ""):
        raise Problem(422, "invalid", "Not understood", f"query.{unknown}: expected {', '.join(known) or 'no parameter'}")


router = APIRouter(prefix="/v1", responses=PROBLEMS, dependencies=[Depends(_known_parameters)])
Name = Annotated[str, Path(alias="kb", pattern=r"^[a-z][a-z0-9_]{0,47}$", description="The knowledge base.")]


async def _reader(caller: CallerOf, services: ServicesOf, name: Name) -> Caller:
    caller.require("read", name)
    services.pay(caller)
    return caller


def _pin(release: ReleaseId | None = None, as_of: AsOf | None = None) -> Pin:
    if release is not None and as_of is not None:
        raise Problem(422, "invalid", "Not understood", "expected at most one of `release` and `as_of`")
    return release if release is not None else as_of


Reader = Depends(_reader)
PinOf = Annotated[Pin, Depends(_pin)]


@router.get("")
async def list_knowledge_bases(caller: CallerOf, services: ServicesOf) -> KnowledgeBases:
    """List the knowledge bases that you may read."""
    services.pay(caller)
    return KnowledgeBases(knowledge_bases=[name for name in await services.read(services.bases.names) if caller.may("read", name)])


@router.get("/{kb}/search", dependencies=[Reader])
async def search(
    name: Name, services: ServicesOf, question: Annotated[Question, Query()], k: Annotated[K, Query()] = 5,
    filter: Annotated[list[Text] | None, Query(description="Metadata that a document must have, KEY=VALUE; may be given again.")] = None,  # noqa: A002
    pin: PinOf = None,
) -> SearchAnswer:
    """Search for one question."""
    pairs = [text.partition("=") for text in filter or []]
    if not all(key and value for key, _, value in pairs):
        raise Problem(422, "invalid", "Not understood", "query.filter: expected KEY=VALUE")
    try:
        request = SearchRequest(question=question, k=k, filters={key: value for key, _, value in pairs})
    except ValueError:
        raise Problem(422, "invalid", "Not understood", "query.filter: expected few and short ones") from None
    return await _search(name, services, request, pin)


@router.post("/{kb}/search")
async def search_many(name: Name, caller: CallerOf, services: ServicesOf, sent: SearchRequest) -> SearchAnswer:
    """Search for one question or several, all in the same release."""
    caller.require("read", name)
    services.pay(caller, len(sent.texts))
    return await _search(name, services, sent, sent.release if sent.release is not None else sent.as_of)


async def _search(name: str, services: Services, sent: SearchRequest, pin: Pin) -> SearchAnswer:
    answer = await services.ask(name, [Asked(text, sent.k, sent.filters) for text in sent.texts], pin)
    results = [Result(question=text, hits=[HitMessage(**as_object(hit)) for hit in hits], unread=list(unread))
               for text, hits, unread in zip(sent.texts, answer.hits, answer.unread, strict=True)]
    return SearchAnswer(knowledge_base=name, release=answer.release, results=results)


@router.get("/{kb}/chunks/{chunk}", dependencies=[Reader])
async def read_chunk(name: Name, services: ServicesOf, chunk: Annotated[int, Path(ge=1, le=LARGEST_CHUNK)], pin: PinOf = None) -> ChunkMessage:
    """Read a chunk, with its document's metadata and its place in it."""
    return await services.read(lambda: chunk_message(services.bases.open(name), pin, chunk))


@router.get("/{kb}/documents/{source}/{doc_id:path}", dependencies=[Reader])
async def read_document(
    name: Name, services: ServicesOf, source: Annotated[Text, Path()], doc_id: Annotated[Text, Path(min_length=1)],
    start: Annotated[int, Query(ge=0, lt=2**31, description="The first character of the text to return.")] = 0,
    end: Annotated[int | None, Query(ge=0, lt=2**31, description=f"The one after the last. At most {LARGEST_TEXT} are returned.")] = None, pin: PinOf = None,
) -> DocumentMessage:
    """Read a document: text, metadata, and where its chunks stand. Hits name it by `source` and `doc_id`."""
    return await services.read(lambda: document_message(services.bases.open(name), pin, source, doc_id, start, end))


@router.get("/{kb}/releases", dependencies=[Reader])
async def list_releases(name: Name, services: ServicesOf) -> ReleaseList:
    """List the releases that were promoted once, the newest first."""
    found = await services.read(lambda: reading.promoted_releases(services.bases.open(name).database))
    return ReleaseList(knowledge_base=name, live=next((r.release_id for r in found if r.live), None), releases=[_release(r) for r in found])


@router.get("/{kb}/releases/{release}", dependencies=[Reader])
async def read_release(
    name: Name, services: ServicesOf, release: Annotated[str, Path(pattern=r"^(live|[1-9][0-9]{0,9})$", description="A release's number, or `live`.")],
) -> ReleaseMessage:
    """Read about a release that was promoted once."""
    for found in await services.read(lambda: reading.promoted_releases(services.bases.open(name).database)):
        if found.live if release == "live" else found.release_id == int(release):
            return _release(found)
    raise Problem(404, "unknown_release", "No such release", "nothing was promoted yet" if release == "live" else f"release {release} was never promoted")


@router.post("/{kb}/feedback", status_code=201)
async def give_feedback(name: Name, caller: CallerOf, services: ServicesOf, sent: Annotated[FeedbackRequest, Body()]) -> FeedbackKept:
    """Say whether what a release found was of use. It is kept with the knowledge base, and shown by `kb feedback`."""
    caller.require("feedback", name)
    services.pay(caller)

    def keep() -> int:
        return reading.give_feedback(services.bases.open(name).database, sent.release, question=sent.question, helpful=sent.helpful,
                                     chunks=sent.chunks, comment=sent.comment, by_key=caller.name)

    kept = FeedbackKept(feedback=await services.read(keep))
    FEEDBACK.labels(name).inc()
    return kept


def chunk_message(base: Base, pin: Pin, chunk: int) -> ChunkMessage:
    """Return a chunk of the release that is read.

    Raises:
        Problem: it has no such chunk.
    """
    release = pinned_release(base, pin)
    found = reading.read_chunk(base.database, release, chunk)
    if found is None:
        raise Problem(404, "not_found", "No such chunk", f"release {release} has no chunk {chunk}")
    origin, text = found
    return ChunkMessage(**_origin(base, release, origin), chunk=text.chunk_id, start=text.start, end=text.end, content=text.content)


def document_message(base: Base, pin: Pin, source: str, doc_id: str, start: int = 0, end: int | None = None) -> DocumentMessage:
    """Return a document of the release that is read.

    Raises:
        Problem: it has no such document.
    """
    release = pinned_release(base, pin)
    found = reading.read_document(base.database, release, source, doc_id)
    if found is None:
        raise Problem(404, "not_found", "No such document", f"release {release} has no such document in a source of this name")
    origin, chunks = found
    text = joined(chunks)
    last = min(len(text) if end is None else end, start + LARGEST_TEXT)
    return DocumentMessage(**_origin(base, release, origin), length=len(text), start=start, text=text[start:last],
                           chunks=[Place(chunk=chunk.chunk_id, start=chunk.start, end=chunk.end) for chunk in chunks])


def joined(chunks: list[ChunkText]) -> str:
    """Return a document's text from its chunks: what lies between them is blank."""
    pieces: list[str] = []
    end = 0
    for chunk in chunks:
        pieces += (" " * (chunk.start - end), chunk.content[max(0, end - chunk.start):])
        end = max(end, chunk.end)
    return "".join(pieces)


def _origin(base: Base, release: int, origin: Origin) -> dict[str, Any]:
    return OriginMessage(knowledge_base=base.name, release=release, **asdict(origin)).model_dump()


def _release(found: ReadableRelease) -> ReleaseMessage:
    told = asdict(found)
    return ReleaseMessage(release=told.pop("release_id"), **told)

