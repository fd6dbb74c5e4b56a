"""Equations as a line of text, from Word's OMML and from MathML: structure that carries meaning is written out.

A fraction gets its slash and brackets, a root its sign, raised and lowered parts theirs. Element names of the two languages do not
collide, so that one walk reads both.
"""

from collections.abc import Callable
from typing import Any

from kb_platform.ingest.formats.raised import lowered, raised

_SILENT = {"annotation", "annotation-xml", "rPr", "ctrlPr", "fPr", "naryPr", "dPr", "radPr", "sSupPr", "sSubPr", "mPr", "accPr", "barPr", "funcPr",
           "limLowPr", "limUppPr", "sSubSupPr", "sPrePr", "boxPr", "groupChrPr", "eqArrPr", "phantPr", "phant", "mphantom", "del", "moveFrom"}


def formula_text(element: Any) -> str:
    """Return an equation (an lxml element) as text."""
    return " ".join(_text(element).split())


def _name(element: Any) -> str:
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def _text(element: Any) -> str:
    name = _name(element)
    if name in _SILENT or not name:
        return ""
    if name in _SHAPES:
        return _SHAPES[name](element)
    own = element.text or "" if name in ("t", "mi", "mn", "mo", "mtext", "ms") else ""
    return own + "".join(map(_text, element))


def _part(element: Any, name: str) -> str:
    return next((_text(child) for child in element if _name(child) == name), "")


def _parts(element: Any) -> list[str]:
    return [_text(child) for child in element if _name(child)]


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) == 1 or text.replace(".", "").isalnum() else f"({text})"


def _setting(element: Any, properties: str, name: str, default: str) -> str:
    for child in element:
        if _name(child) == properties:
            for setting in child:
                if _name(setting) == name:
                    return next((v for k, v in setting.attrib.items() if k.endswith("val")), default)
    return default


def _fraction(element: Any) -> str:
    if _name(element) == "f" and _setting(element, "fPr", "type", "") == "noBar":
        return f"{_part(element, 'num')} over {_part(element, 'den')}"
    if _name(element) == "f":
        return f"{_grouped(_part(element, 'num'))}/{_grouped(_part(element, 'den'))}"
    return "/".join(map(_grouped, _parts(element)))


def _scripts(element: Any) -> str:
    base, sub, sup = (_part(element, part) for part in ("e", "sub", "sup"))
    if _name(element) == "sPre":
        return f"{raised(sup)}{lowered(sub)}{base}"
    return f"{base.rstrip()}{lowered(sub)}{raised(sup, base)}"


def _mathml_scripts(element: Any) -> str:
    parts, name = _parts(element), _name(element)
    base, rest = (parts or [""])[0], [*parts[1:], "", ""]
    if name in ("msup", "mover"):
        return base + raised(rest[0], base)
    sub, sup = rest[0], rest[1] if name in ("msubsup", "munderover") else ""
    return f"{base}{lowered(sub)}{raised(sup, base)}"


def _root(element: Any) -> str:
    degree = _part(element, "deg").strip()
    return f"{raised(degree) if degree else ''}√({_part(element, 'e')})"


def _mathml_root(element: Any) -> str:
    parts = _parts(element)
    if _name(element) == "mroot":
        return f"{raised((parts + ['', ''])[1])}√({parts[0] if parts else ''})"
    return f"√({''.join(parts)})"


def _nary(element: Any) -> str:
    sign = _setting(element, "naryPr", "chr", "∫")
    return f"{sign}{lowered(_part(element, 'sub'))}{raised(_part(element, 'sup'))} {_part(element, 'e')}"


def _delimited(element: Any) -> str:
    inner = _setting(element, "dPr", "sepChr", "|").join(_text(child) for child in element if _name(child) == "e")
    return f"{_setting(element, 'dPr', 'begChr', '(')}{inner}{_setting(element, 'dPr', 'endChr', ')')}"


def _rows(element: Any) -> str:
    rows = [child for child in element if _name(child) in ("mr", "mtr", "e")]
    return "; ".join(", ".join(_parts(row)) if _name(row) != "e" else _text(row) for row in rows)


def _limit(element: Any) -> str:
    place = lowered if _name(element) == "limLow" else raised
    return f"{_part(element, 'e').strip()}{place(_part(element, 'lim'))}"


def _function(element: Any) -> str:
    return f"{_part(element, 'fName')} {_part(element, 'e')}"


def _fenced(element: Any) -> str:
    return f"{element.get('open', '(')}{', '.join(_parts(element))}{element.get('close', ')')}"


def _semantics(element: Any) -> str:
    return _parts(element)[0] if len(element) else ""


_SHAPES: dict[str, Callable[[Any], str]] = {
    "f": _fraction, "mfrac": _fraction, "sSup": _scripts, "sSub": _scripts, "sSubSup": _scripts, "sPre": _scripts, "msup": _mathml_scripts,
    "msub": _mathml_scripts, "msubsup": _mathml_scripts, "mover": _mathml_scripts, "munder": _mathml_scripts, "munderover": _mathml_scripts,
    "rad": _root, "msqrt": _mathml_root, "mroot": _mathml_root, "nary": _nary, "d": _delimited, "m": _rows, "mtable": _rows, "eqArr": _rows,
    "func": _function, "limLow": _limit, "limUpp": _limit, "mfenced": _fenced, "semantics": _semantics, "mspace": lambda _: " ",
}
