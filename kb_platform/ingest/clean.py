"""Text as the rest of the platform wants it: NFC, line feeds, nothing that cannot be seen.

Characters that a reader of the page cannot see are removed because they break word search and because instructions to a
language model can be hidden in them: zero-width and direction marks, Unicode tags, spare variation selectors. A joiner stays
where scripts need it (Persian, Indic scripts, emoji). What is visible is never changed beyond canonical composition and the
kinds of spaces.
"""

import re
import unicodedata

_LINE_ENDS = re.compile("[\r\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters
    "\u00ad\u200b\u200e\u200f\u2060-\u2064\ufeff"  # soft hyphen, zero width, direction marks
    "\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ufffe\uffff"  # embeddings, annotations, no characters
    "\ufe00-\ufe0d\U000e0000-\U000e0fff"  # variation selectors but those of emoji, tags
    "\ud800-\udfff]"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_JOINED = "\u0590-\u1dff\u2600-\u27bf\ufe0f\ua800-\uabff\U00011000-\U00011fff\U0001f000-\U0001faff"
_JOINERS = re.compile(f"(?:(?<=[{_JOINED}])([\u200c\u200d])[\u200c\u200d]*(?=[{_JOINED}]))|[\u200c\u200d]")
# the same for ASCII: no search for what cannot be in it
_PLAIN = {**dict.fromkeys([*range(9), *range(0x0E, 0x20), 0x7F]), **dict.fromkeys((0x0B, 0x0C, 0x0D), "\n")}
_BLANK_LINES = re.compile(r"\n{3,}")
_MOJIBAKE = re.compile(  # a lead byte of UTF-8, then one of the others, as Windows-1252 shows them
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
TITLE_LENGTH = 300


def clean_text(text: str) -> str:
    """Return normalised text; doing it twice changes nothing."""
    text = text.replace("\r\n", "\n")
    text = text.translate(_PLAIN) if text.isascii() else _composed(_UNSEEN.sub("", _LINE_ENDS.sub("\n", text)))
    lines = text.split("\n")  # no pattern for trailing spaces: it takes quadratic time on a long run of them
    return _BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _composed(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if "\u200c" in text or "\u200d" in text:
        text = unicodedata.normalize("NFC", _JOINERS.sub(lambda m: m[1] or "", text))
    return _SPACES.sub(" ", text)


def clean_line(text: str, length: int = TITLE_LENGTH) -> str:
    """Return cleaned text on one line of at most `length` characters, cut at a word where there is one."""
    line = " ".join(clean_text(text).split())
    if len(line) <= length:
        return line
    return line[:length].rsplit(" ", 1)[0].rstrip()


def looks_like_mojibake(text: str) -> bool:
    """Say whether UTF-8 seems to have been read as a Western code page and written again.

    The pairs that such a mistake leaves are possible in no language at this rate: three of them, more than one in five of all
    characters beyond ASCII.
    """
    if text.isascii():
        return False
    pairs = len(_MOJIBAKE.findall(text))
    return pairs >= 3 and 5 * pairs > sum(c > "\x7f" for c in text)
