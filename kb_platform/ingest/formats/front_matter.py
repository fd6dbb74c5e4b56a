"""The YAML block at the head of a Markdown file, read as strings and lists of strings.

YAML's BaseLoader makes nothing but strings, lists and mappings: `date: 2018-07-31` and `answer: no` stay what the author typed,
and no tag can construct an object. Aliases are refused, for a few lines of them expand to gigabytes.
"""

import json
import re
from typing import Any

import yaml

_BLOCK = re.compile(r"\A---[ \t]*\n(.*?)(?<=\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_MAX_CHARACTERS = 1 << 16
_NOTHING = ("", "~", "null", "Null", "NULL")


def split_front_matter(text: str) -> tuple[dict[str, str | list[str]], str]:
    """Return the block's keys and the text behind it. A block that is no YAML mapping is text; nothing is lost."""
    match = _BLOCK.match(text)
    if match is None or len(match[1]) > _MAX_CHARACTERS:
        return {}, text
    found = _mapping(match[1])
    if found is None:
        return {}, text
    values = {str(key): _value(value) for key, value in found.items()}
    return {key: value for key, value in values.items() if value}, text[match.end() :]


def _mapping(block: str) -> dict[Any, Any] | None:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(block, Loader=yaml.BaseLoader)):
            return None
        found = yaml.load(block, Loader=yaml.BaseLoader)  # noqa: S506  makes strings, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if found is None or found == "":
        return {}
    return found if isinstance(found, dict) else None


def _value(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [text for text in map(_text, value) if text]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return "" if value in _NOTHING else value
    return json.dumps(value, ensure_ascii=False)
