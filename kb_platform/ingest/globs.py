"""Patterns over document ids, as in .gitignore.

`*` stays within a folder and `**` does not; a pattern without a slash is for the name at any depth, one with a slash for the
whole path; one that ends with a slash is for everything in that folder. (pathlib can match whole paths only since Python 3.13.)
"""

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def matches_any(path: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Say whether a path with forward slashes matches one of the compiled patterns."""
    return any(pattern.fullmatch(path) for pattern in patterns)


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Return a pattern that matches whole paths. Upper and lower case differ."""
    if pattern.endswith("/"):
        pattern += "**"
    anchored = "/" in pattern
    body = "".join(_translated(token) for token in _TOKEN.findall(pattern.removeprefix("/")))
    return re.compile(body if anchored else f"(?:.*/)?{body}", re.DOTALL)


def _translated(token: str) -> str:
    if token == "**/":
        return "(?:.*/)?"
    if token == "**":
        return ".*"
    if token == "*":
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token[0] == "[" and len(token) > 2:
        inside = token[1:-1].replace("\\", "\\\\")
        return f"(?!/)[{'^' + inside[1:] if inside[0] == '!' else inside}]"
    return re.escape(token)
