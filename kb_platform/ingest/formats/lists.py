"""Lists as Markdown: how an ordered one counts, and items without blank lines between them, so that the chunker sees one list."""

import re

MARK = r"(?:-|(?:\d{1,4}\.)*\d{1,9}[.)]|[A-Za-z][.)]|[ivxlcdmIVXLCDM]{2,9}[.)]) "
_LOOSE = re.compile(rf"^( *{MARK}[^\n]*)\n[ \t\n]*\n(?= *{MARK})", re.MULTILINE)
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"),
          (1, "i"))
_LARGEST_ROMAN = 3999
FORMATS = {"lower-alpha": "a", "lower-latin": "a", "upper-alpha": "A", "upper-latin": "A", "lower-roman": "i", "upper-roman": "I", "decimal": "1"}
"""CSS's and JATS's names of numberings, as HTML's `type` writes them."""


def tight_lists(text: str) -> str:
    """Return the text without blank lines between list items that follow each other."""
    return _LOOSE.sub(r"\1\n", text)


def counted(number: int, form: str) -> str:
    """Return a number as a list shows it: `form` is 1, a, A, i or I, as in HTML."""
    if form in ("a", "A") and number > 0:
        letters = ""
        while number > 0:
            number, rest = divmod(number - 1, 26)
            letters = chr(97 + rest) + letters
        return letters.upper() if form == "A" else letters
    if form in ("i", "I") and 0 < number <= _LARGEST_ROMAN:
        roman = ""
        for value, sign in _ROMAN:
            count, number = divmod(number, value)
            roman += sign * count
        return roman.upper() if form == "I" else roman
    return str(number)
