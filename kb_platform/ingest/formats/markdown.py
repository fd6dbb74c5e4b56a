"""Markdown: front matter becomes metadata; HTML and Liquid tags are markup, their words stay."""

import re
from html import unescape
from typing import Any

import yaml

from kb_platform.ingest.clean import decode
from kb_platform.ingest.formats import Parsed

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_SILENT = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|\{%.*?%\}|\{#.*?#\}", re.DOTALL | re.IGNORECASE)
_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(r"</?(?:p|div|li|ul|ol|tr|table|br|section|header|footer|nav|main|article|form|dl|dt|dd)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_FIRST = re.compile(r"^#{1,2}\s+(.+?)\s*#*$", re.MULTILINE)


def read(content: bytes) -> Parsed:
    """Return the text without markup of other languages, the front matter's title or the first heading, and its other keys."""
    text = decode(content).replace("\r\n", "\n")
    front, text = _front_matter(text)
    text = _plain(text)
    heading = _FIRST.search(text)
    title = front.pop("title", "") or (heading[1] if heading else "")
    return Parsed(str(title), text, {k: _value(v) for k, v in front.items() if v not in (None, "", [], {})})


def _front_matter(text: str) -> tuple[dict[str, Any], str]:
    match = _FRONT.match(text)
    if match is None:
        return {}, text
    try:
        found = yaml.safe_load(match[1])
    except yaml.YAMLError:
        return {}, text
    return (dict(found), text[match.end():]) if isinstance(found, dict) else ({}, text)


def _plain(text: str) -> str:
    if "<" not in text and "{%" not in text:
        return text
    text = _SILENT.sub(" ", text)
    text = _HEADING.sub(lambda m: f"\n\n{'#' * int(m[1])} {' '.join(_TAG.sub(' ', m[2]).split())}\n\n", text)
    return unescape(_TAG.sub("", _BLOCK.sub("\n", text)))


def _value(value: Any) -> str | list[str]:
    return [str(v) for v in value] if isinstance(value, list) else str(value)
