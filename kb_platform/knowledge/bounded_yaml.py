"""YAML that would take all memory or time: refused before anything is built from it.

Ten aliases of ten aliases of ten stand for millions of values in a few hundred characters, and 20,000 brackets are more than parsers can
nest. Both are found in the stream of events, which neither nests nor expands.
"""

from typing import Any

import yaml

from kb_platform.knowledge.errors import ConfigError

DEEPEST = 50
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
