"""The table of the chart's values, from the comments of values.yaml: `# -- text` stands above the key that it is about."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "kb-platform"
README = CHART / "README.md"
SECTION = re.compile(r"(<!-- values: [^\n]*-->\n).*?(<!-- end of values -->)", re.DOTALL)
KEY = re.compile(r"^( *)([A-Za-z]\w*):")
COMMENT = re.compile(r"^ *# -- (.*)$")


def described(text: str) -> dict[str, str]:
    """Return what the comments say about values, by the value's dotted path.

    Raises:
        ValueError: a comment stands above no key.
    """
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    waiting = ""
    for line in text.splitlines():
        comment, key = COMMENT.match(line), KEY.match(line)
        if comment:
            waiting = comment[1]
        elif key:
            indent = len(key[1])
            path = [*(part for part in path if part[0] < indent), (indent, key[2])]
            if waiting:
                found[".".join(name for _, name in path)] = waiting
            waiting = ""
        elif waiting:
            raise ValueError(f"`# -- {waiting}` stands above no key, but above {line!r}")
    return found


def leaves(values: dict[str, Any], known: dict[str, str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and default of what is described, and of every other leaf."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if path in known or not isinstance(value, dict) or not value:
            yield path, value
        if isinstance(value, dict) and not _is_one_value(path, known):
            yield from leaves(value, known, f"{path}.")


def _is_one_value(path: str, known: dict[str, str]) -> bool:
    return path in known and not any(other.startswith(f"{path}.") for other in known)


def table() -> str:
    """Return the table.

    Raises:
        ValueError: a value is not described, or what is described is no value.
    """
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    known = described(text)
    found = dict(leaves(yaml.safe_load(text), known))
    if odd := found.keys() ^ known.keys():
        raise ValueError(f"values.yaml: without a comment, or a comment without a value: {', '.join(sorted(odd))}")
    rows = [f"| `{path}` | `{_shown(value)}` | {known[path]} |" for path, value in found.items()]
    return "\n".join(["| value | default | |", "|---|---|---|", *rows, ""])


def _shown(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()


def readme() -> str:
    """Return the chart's README with the table as it should be."""
    return SECTION.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", README.read_text(encoding="utf-8"))
