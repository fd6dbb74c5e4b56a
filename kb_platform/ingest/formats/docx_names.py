"""Names of WordprocessingML, and what an on-off property says."""

from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
WRAPPERS = frozenset(f"{W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "smartTag", "customXml"))


def value(element: Any) -> str:
    """Return an element's w:val; empty where there is no element, or no value."""
    return "" if element is None else element.get(f"{W}val") or ""


def is_on(element: Any) -> bool | None:
    """Return what a property says; None where it says nothing."""
    return None if element is None else value(element) not in ("0", "false", "off", "none")
