"""The same as tools of the Model Context Protocol: `search` and `fetch`, which are what assistants look for.

An id that `search` returns names knowledge base, release and chunk, so that `fetch` reads what was found, whatever is promoted meanwhile.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from kb_platform.index.retrieve import Asked
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.wrong_values import in_words
from kb_platform.serving.callers import Caller
from kb_platform.serving.messages import LARGEST_CHUNK, LARGEST_RELEASE, MOST_FILTERS, K, Key, Question, ReleaseId, Value
from kb_platform.serving.problems import LONGEST, Problem, of_exception, problem_json
from kb_platform.serving.routes import chunk_message, document_message
from kb_platform.serving.services import Services

PATH = "/mcp"
LARGEST_TEXT = 50_000  # characters of a document that a model is given
ID = re.compile(r"([a-z][a-z0-9_]{0,47})/([1-9][0-9]{0,9})/([1-9][0-9]{0,18})")
INSTRUCTIONS = "Search knowledge bases of reviewed documents. Cite what you use by title, document and characters. `fetch` gives a whole document."
ONLY_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


class Found(BaseModel):
    """A chunk that was found; `id` is for `fetch`."""

    id: str
    title: str
    url: Annotated[str, Field(description="Where the document stands in its source, and the characters of the chunk.")]
    text: str
    score: float


class FoundList(BaseModel):
    """What one release of a knowledge base holds, the best first."""

    knowledge_base: str
    release: int
    results: list[Found]


class Fetched(BaseModel):
    """A document. `start` is its first character here, `length` how many it has."""

    id: str
    title: str
    url: str
    text: str
    start: int
    length: int
    metadata: dict[str, Any]


class _Tools(MCPServer):
    """Says what is wrong with arguments in words; the library hands on what pydantic says of itself, with its links."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None) -> Any:
        """Call a tool; ToolError where it cannot be."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            refused = error.__cause__
            if isinstance(error, UnexpectedToolError) or not isinstance(refused, ValidationError):
                raise
            said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {in_words(each)}" for each in refused.errors(include_url=False))
            raise ToolError(f"Error executing tool {name}: {said[:LONGEST]}") from refused


def build_tools(services: Services, version: str) -> MCPServer:
    """Return the tools over what is served."""
    tools = _Tools("kb-platform", title="Knowledge bases", version=version, instructions=INSTRUCTIONS)

    @tools.tool(title="Search a knowledge base", annotations=ONLY_READS)
    async def search(
        query: Annotated[Question, Field(description="A question or words, in plain language.")], context: Context,
        knowledge_base: Annotated[str | None, Field(description="Which one; may be left out where there is only one.")] = None, k: K = 5,
        filters: Annotated[dict[Key, Value] | None, Field(max_length=MOST_FILTERS, description="Metadata that a document must have.")] = None,
        release: ReleaseId | None = None,
    ) -> FoundList:
        """Find passages that answer a question, each with its document and the characters that it stands at."""
        return await _told(_search(services, _caller(context), Asked(query, k, filters), knowledge_base, release))

    @tools.tool(title="Fetch a document", annotations=ONLY_READS)
    async def fetch(id: Annotated[str, Field(description="An id that `search` returned.")], context: Context) -> Fetched:  # noqa: A002
        """Read the document of a passage, as it is in the release that was searched; of a very long one the part around the passage."""
        return await _told(_fetch(services, _caller(context), id))

    return tools


async def _told(answer: Any) -> Any:
    """Return an answer, or say what is wrong in the words of the HTTP interface."""
    try:
        return await answer
    except (Problem, KbError) as error:
        problem = of_exception(error)
        raise ToolError(f"{problem.title}: {problem.detail}" if problem.detail else problem.title) from None


async def _search(services: Services, caller: Caller, asked: Asked, base: str | None, release: int | None) -> FoundList:
    name = base if base is not None else await _only_one(services, caller)
    caller.require("read", name)
    services.pay(caller)
    answer = await services.ask(name, [asked], release)
    return FoundList(knowledge_base=name, release=answer.release, results=[
        Found(id=f"{name}/{answer.release}/{hit.chunk_id}", title=hit.title, url=f"{hit.source}/{hit.doc_id}:{hit.start}-{hit.end}", text=hit.content,
              score=hit.score) for hit in answer.hits[0]])


async def _only_one(services: Services, caller: Caller) -> str:
    names: Sequence[str] = [name for name in await services.read(services.bases.names) if caller.may("read", name)]
    if len(names) != 1:
        raise Problem(422, "invalid", "Which knowledge base?", f"name one: {', '.join(names)}" if names else "there is none that you may read")
    return names[0]


async def _fetch(services: Services, caller: Caller, id_: str) -> Fetched:
    parts = ID.fullmatch(id_)
    if parts is None or int(parts[2]) > LARGEST_RELEASE or int(parts[3]) > LARGEST_CHUNK:
        raise Problem(422, "invalid", "No such id", "expected one that `search` returned: knowledge base/release/chunk")
    name, release, chunk = parts[1], int(parts[2]), int(parts[3])
    caller.require("read", name)
    services.pay(caller)

    def read() -> Fetched:
        base = services.bases.open(name)
        found = chunk_message(base, release, chunk)
        start = max(0, (found.start + found.end - LARGEST_TEXT) // 2) if found.end > LARGEST_TEXT else 0
        document = document_message(base, release, found.source, found.doc_id, start, start + LARGEST_TEXT)
        return Fetched(id=id_, title=document.title, url=f"{document.source}/{document.doc_id}", text=document.text, start=start, length=document.length,
                       metadata=document.metadata)

    return await services.read(read)


def _caller(context: Context) -> Caller:
    """Return whom `Mounted` has let in; over stdio it is whoever has started the process."""
    request = context.request_context.request
    return request.state.caller if isinstance(request, Request) else Caller()


class Mounted:
    """The tools over streamable HTTP, for who has a key where keys are asked for. Each request stands for itself: no session is held."""

    def __init__(self, tools: MCPServer, services: Services) -> None:
        self._services = services
        checked_by_guard = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._app: ASGIApp = tools.streamable_http_app(streamable_http_path=PATH, json_response=True, stateless_http=True, transport_security=checked_by_guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        request = Request(scope)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            caller = await self._services.callers.caller(token if kind.lower() == "bearer" else None)
        except (Problem, KbError) as error:
            await problem_json(of_exception(error))(scope, receive, send)
            return
        state: Mapping[str, Any] = scope.get("state", {})
        await self._app({**scope, "state": {**state, "caller": caller, "said": {"caller": caller.name}}}, receive, send)
