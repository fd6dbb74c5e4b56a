"""One module a format: `read(content)` returns a title (may be empty), text with Markdown headings, and metadata."""

from typing import NamedTuple


class Parsed(NamedTuple):
    """What a format's reader found."""

    title: str
    text: str
    metadata: dict[str, str | list[str]] = {}  # noqa: RUF012  never mutated
