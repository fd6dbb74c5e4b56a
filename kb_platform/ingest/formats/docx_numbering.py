"""Word's automatic numbering: the label that each numbered paragraph shows on the page, counted as Word counts.

Paragraphs refer to a numbering (w:num), which is an instance of an abstract one; instances share their counters unless they start
anew. ISO/IEC 29500-1, 17.9.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from kb_platform.ingest.formats.docx_names import W, is_on, value
from kb_platform.ingest.formats.lists import counted

_FORMS = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_PLACEHOLDER = re.compile(r"%([1-9])")
_LEVELS = 9
BULLET = "-"


@dataclass(frozen=True)
class _Level:
    start: int = 1
    form: str = "decimal"
    text: str = ""
    legal: bool = False
    restart: int | None = None  # 0: never
    style: str = ""


@dataclass
class _Abstract:
    levels: dict[int, _Level] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Numbering:
    abstract: _Abstract
    starts: dict[int, int]
    levels: dict[int, _Level]


class Numberings:
    """The numberings of a document, and how far each has counted."""

    def __init__(self, root: Any) -> None:
        """Read numbering.xml's root; None where a document has none."""
        self._numberings: dict[str, _Numbering] = {}
        self._started: set[str] = set()
        if root is not None:
            abstracts = _abstracts(root)
            for num in root.iter(f"{W}num"):
                abstract = abstracts.get(value(num.find(f"{W}abstractNumId")))
                if abstract is not None:
                    self._numberings[num.get(f"{W}numId") or ""] = _Numbering(abstract, *_overrides(num))

    def label(self, numbering: str, depth: int, style: str = "") -> str:
        """Return the label of the next paragraph at a depth, "-" for a bullet, "" for a paragraph without a number; count it."""
        found = self._numberings.get(numbering)
        if found is None:
            return ""
        levels = found.abstract.levels | found.levels
        if style:  # a style may stand for one level of its numbering
            depth = next((n for n, level in levels.items() if level.style == style), depth)
        level = levels.get(depth, _Level(text=f"%{depth + 1}."))
        self._count(numbering, found, levels, depth, level)
        if level.form == "bullet":
            return BULLET
        if level.form == "none":
            return _PLACEHOLDER.sub("", level.text).strip()
        return _PLACEHOLDER.sub(lambda m: self._shown(found, levels, int(m[1]) - 1, level), level.text).strip()

    def _count(self, numbering: str, found: _Numbering, levels: dict[int, _Level], depth: int, level: _Level) -> None:
        counters = found.abstract.counters
        if numbering not in self._started:
            self._started.add(numbering)
            for n, start in found.starts.items():
                counters[n] = start - 1
        counters[depth] = counters.get(depth, level.start - 1) + 1
        for deeper in [n for n in counters if n > depth]:
            restart = levels.get(deeper, _Level()).restart
            if restart != 0 and (restart is None or depth < restart):
                del counters[deeper]

    def _shown(self, found: _Numbering, levels: dict[int, _Level], depth: int, asked: _Level) -> str:
        level = levels.get(depth, _Level())
        number = found.abstract.counters.get(depth, level.start)
        if level.form == "decimalZero":
            return f"{number:02d}"
        return counted(number, "1" if asked.legal else _FORMS.get(level.form, "1"))


def _abstracts(root: Any) -> dict[str, _Abstract]:
    found: dict[str, _Abstract] = {}
    by_style: dict[str, _Abstract] = {}
    linked: dict[str, str] = {}
    for element in root.iter(f"{W}abstractNum"):
        name = element.get(f"{W}abstractNumId") or ""
        found[name] = _Abstract({_depth(level): _level(level) for level in element.iter(f"{W}lvl")})
        if style := value(element.find(f"{W}styleLink")):
            by_style[style] = found[name]
        if style := value(element.find(f"{W}numStyleLink")):
            linked[name] = style
    return found | {name: by_style[style] for name, style in linked.items() if style in by_style}


def _overrides(num: Any) -> tuple[dict[int, int], dict[int, _Level]]:
    starts, levels = dict[int, int](), dict[int, _Level]()
    for override in num.iter(f"{W}lvlOverride"):
        start, level = value(override.find(f"{W}startOverride")), override.find(f"{W}lvl")
        if level is not None:
            levels[_depth(override)] = _level(level)
        if start.isdigit():
            starts[_depth(override)] = int(start)
    return starts, levels


def _depth(element: Any) -> int:
    text = element.get(f"{W}ilvl") or "0"
    return min(int(text), _LEVELS - 1) if text.isdigit() else 0


def _level(element: Any) -> _Level:
    start, restart = value(element.find(f"{W}start")), value(element.find(f"{W}lvlRestart"))
    return _Level(
        start=int(start) if start.isdigit() else 1 if not start else 0, form=value(element.find(f"{W}numFmt")) or "decimal",
        text=value(element.find(f"{W}lvlText")), legal=bool(is_on(element.find(f"{W}isLgl"))),
        restart=int(restart) if restart.isdigit() else None, style=value(element.find(f"{W}pStyle")),
    )
