"""`kb search`: reading what is promoted, or the candidate; evaluating.py measures it, tracing.py says where it came from."""

from typing import Annotated, Any

import typer

from kb_platform.cli.output import Json, Name, WrongUsage, show_json
from kb_platform.cli.releasing import ReleaseOption
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.serving.hits_text import as_object, print_hits


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(search)


def search(
    name: Name,
    text: Annotated[str, typer.Argument(help="The question.", metavar="TEXT")],
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many chunks.")] = 5,
    release: ReleaseOption = None,
    of_candidate: Annotated[bool, typer.Option("--candidate", help="Search the sealed candidate, which readers cannot: with the gate's role.")] = False,
    filters: Annotated[list[str] | None, typer.Option("--filter", help="Metadata that a document must have, KEY=VALUE; a list has each of its items. May be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Search the live release, a kept one, or the candidate: chunks with document, offsets, scores. Where `kb up` runs, its server answers."""
    kb = knowledge_base(name)
    if of_candidate and release is not None:
        raise WrongUsage("--candidate and --release name two releases", expected="one of them")
    where = _where(filters or [])
    if not text.strip():
        raise WrongUsage("the question is empty", expected="words to search for")
    from kb_platform.index.retrieve import Asked

    with database_running():
        retriever, readable = make_retriever(kb, "gate", _candidate(kb)) if of_candidate else make_retriever(kb, "reader", release)
        [prepared] = retriever.prepare([text], readable)
        [hits] = retriever.find([Asked(text, k, where)], [prepared], readable)
    found = [as_object(hit) for hit in hits]
    if as_json:
        show_json({"knowledge_base": name, "release": readable, "query": text, "unread": prepared.unread, "hits": found})
    else:
        print_hits(found, f"{readable}, the candidate: no reader sees it" if of_candidate else str(readable), prepared.unread)


def _candidate(kb: KnowledgeBase) -> int:
    """Return the sealed candidate; one that is still written has no term statistics, and may change under the search."""
    from kb_platform.storage.releases import candidate

    found = candidate(store(kb.name).database)
    if found is None or found.content_digest is None:
        what = "there is no candidate" if found is None else f"release {found.release_id} is not sealed yet"
        raise StateError(what, where=kb.name, expected="a sealed candidate", action=f"`kb refresh {kb.name}` seals what is new; see `kb releases {kb.name}`")
    return found.release_id


def _where(filters: list[str]) -> dict[str, str]:
    pairs = [f.partition("=") for f in filters]
    bad = next((f for f, pair in zip(filters, pairs, strict=True) if not pair[0] or not pair[1]), None)
    if bad is not None:
        raise WrongUsage(f"--filter {bad!r}", expected="KEY=VALUE")
    return {key: value for key, _, value in pairs}


def make_retriever(kb: KnowledgeBase, role: Any, release: int | None) -> tuple[Any, int]:
    """Return a retriever, and the release that it may read: the live one unless another is named."""
    from kb_platform.index.fusion import FusionParameters
    from kb_platform.index.retrieve import Retriever
    from kb_platform.resources import load_embedder
    from kb_platform.storage.search import readable_release

    database = store(kb.name).database
    readable = readable_release(database, release, role)
    return Retriever(database, load_embedder, FusionParameters.from_settings(kb.search), role=role), readable
