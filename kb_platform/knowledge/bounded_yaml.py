"""YAML that would take all memory or time: refused before anything is built from it.

Ten aliases of ten aliases of ten stand for millions of values in a few hundred characters, and 20,000 brackets are more than parsers can
nest. Both are found in the stream of events, which neither nests nor expands.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from kb_platform.knowledge.errors import ConfigError

DEEPEST = 50
LONGEST = 100  # characters of a value in a message
MOST = 100_000  # values; a knowledge base of a thousand sources has 10,000

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is compiled in


def refuse_overgrown(text: str, where: str, most: int = MOST) -> None:
    """Return if the text can be built.

    Raises:
        ConfigError: it is nested too deeply, or its aliases stand for too many values; `where` and the line say where.
        YAMLError: it is no YAML.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and how many values there were before it
    count = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.AliasEvent):
            inside_itself = any(anchor == event.anchor for anchor, _ in open_nodes)
            count += most + 1 if inside_itself else sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, count - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
        line = event.start_mark.line + 1
        if len(open_nodes) > DEEPEST:
            raise ConfigError(f"nested more than {DEEPEST} deep", where=f"{where}:{line}", expected="what a person would write")
        if count > most:
            raise ConfigError(f"it holds, or its aliases stand for, more than {most} values", where=f"{where}:{line}", action="write out what is meant")


def built(document: Any, file: str) -> Any:
    """Return the values of a document's node, as `yaml.safe_load` would; None of an empty document, which has no node.

    Raises:
        ConfigError: a value is not what its tag or its look says, as a date of a thirteenth month; `file` and its line say where.
        YAMLError: the nodes do not fit together, as an unknown tag or a key that is a list.
    """
    try:
        return SafeConstructor().construct_document(document) if document else None
    except (ValueError, ArithmeticError, TypeError, AttributeError, LookupError):  # what makes dates and numbers says nothing of lines
        wrong = next((scalar for scalar in _scalars(document) if not _can_be_built(scalar)), document)
        raise ConfigError(f"{shown(wrong.value)} cannot be read as {wrong.tag.rpartition(':')[2]}", where=f"{file}:{wrong.start_mark.line + 1}",
                          action="put it in quotes, or correct it") from None


def shown(value: Any) -> str:
    """Return a value for a message: its beginning, if it is long."""
    text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _scalars(node: Any) -> Iterator[Any]:
    """Yield the nodes that are neither list nor mapping; each once, however many aliases it has."""
    pending, seen = [node], set()
    while pending:
        here = pending.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, yaml.MappingNode):
            pending += [part for pair in here.value for part in pair]
        elif isinstance(here, yaml.SequenceNode):
            pending += here.value
        else:
            yield here


def _can_be_built(node: Any) -> bool:
    try:
        SafeConstructor().construct_document(node)
    except Exception:  # whatever it is: it is only asked where building all of them has failed
        return False
    return True
