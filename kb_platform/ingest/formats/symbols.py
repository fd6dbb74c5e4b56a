"""Characters of the Symbol and Wingdings fonts: their codes mean nothing without the font (a micro sign is an `m`).

Word writes them as w:sym, as text in that font, or as private-use characters U+F020 to U+F0FF. What has no known meaning is shown
as U+FFFD, and the reader of the document is told how often.
"""

import re

UNKNOWN = "\ufffd"
_GONE = "\0"  # a code without a sign
# Adobe's Symbol encoding from 0x20 on: https://www.unicode.org/Public/MAPPINGS/VENDORS/ADOBE/symbol.txt
_SYMBOL = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼" + _GONE * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪" + _GONE + "〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭" + _GONE
)
_WINGDINGS = {
    0x20: " ", 0x22: "✂", 0x28: "☎", 0x29: "✆", 0x2A: "✉", 0x36: "⌛", 0x37: "⌨", 0x3F: "✍", 0x40: "✍", 0x41: "✌", 0x43: "👍", 0x44: "👎", 0x45: "☜",
    0x46: "☞", 0x47: "☝", 0x48: "☟", 0x4A: "☺", 0x4B: "😐", 0x4C: "☹", 0x4D: "💣", 0x4E: "☠", 0x52: "☼", 0x53: "💧", 0x54: "❄", 0x58: "✠",
    0x6C: "●", 0x6D: "❍", 0x6E: "■", 0x6F: "□", 0x70: "□", 0x71: "❑", 0x72: "❒", 0x73: "⬧", 0x74: "⧫", 0x75: "◆", 0x76: "❖", 0x77: "⬥",
    0x78: "☒", 0x9E: "·", 0x9F: "•", 0xA0: "▪", 0xA1: "○", 0xA2: "○", 0xA3: "○", 0xA4: "◉", 0xA6: "○", 0xA7: "▪", 0xA8: "□", 0xAA: "✦", 0xAB: "★",
    0xD5: "⌫", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE3: "↖", 0xE4: "↗", 0xE5: "↙", 0xE6: "↘", 0xE7: "←", 0xE8: "→", 0xE9: "↑",
    0xEA: "↓", 0xEF: "⇦", 0xF0: "⇨", 0xF1: "⇧", 0xF2: "⇩", 0xF3: "⬄", 0xF4: "⇳", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
} | {0x80 + n: sign for n, sign in enumerate("⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿")}
_WINGDINGS_2 = {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0x98: "●", 0xA2: "■", 0xA3: "□", 0xA4: "□", 0xA1: "■"}
_WINGDINGS_3 = {0x66: "←", 0x67: "→", 0x68: "↑", 0x69: "↓", 0x6A: "↖", 0x6B: "↗", 0x6C: "↙", 0x6D: "↘", 0x70: "▲", 0x71: "▼", 0x72: "△", 0x73: "▽",
                0x74: "◀", 0x75: "▶", 0x7D: "►", 0xC6: "⇨"}
_FONTS: dict[str, dict[int, str]] = {
    "symbol": {0x20 + n: sign for n, sign in enumerate(_SYMBOL) if sign != _GONE}, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2,
    "wingdings 3": _WINGDINGS_3, "symbolmt": {}, "webdings": {0x61: "✓", 0x72: "✗", 0x63: "□", 0x67: "■", 0x6E: "●"},
}
_FONTS["symbolmt"] = _FONTS["symbol"]
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_BULLET = re.compile("(?m)^([ \t]*)[\uf0a7\uf0d8\uf0fc\uf076\uf06e\uf0a8\uf071\uf0b7\uf02d\uf0e0](?=[ \t])")


def is_symbol_font(name: str) -> bool:
    """Say whether text in this font shows other signs than its codes are."""
    return name.strip("'\" ").lower() in _FONTS


def in_symbol_font(text: str, font: str) -> str:
    """Return what text set in one of these fonts shows; a code without a known sign as U+FFFD, white space as it is."""
    signs = _FONTS[font.strip("'\" ").lower()]
    return "".join(c if c.isspace() else signs.get(ord(c) - 0xF000 if "\uf000" <= c <= "\uf0ff" else ord(c), UNKNOWN) for c in text)


def symbol(font: str, code: str) -> str:
    """Return the sign of a code in hexadecimal, with or without its F0; U+FFFD where font or code is unknown."""
    try:
        value = int(code, 16)
    except ValueError:
        return UNKNOWN
    if is_symbol_font(font):
        return _FONTS[font.strip("'\" ").lower()].get(value & 0xFF if 0xF000 <= value <= 0xF0FF else value, UNKNOWN)
    return chr(value) if 0x20 <= value < 0x110000 and not 0xD800 <= value <= 0xF8FF else UNKNOWN


def without_private_use(text: str) -> tuple[str, tuple[str, ...]]:
    """Return text without private-use characters, and warnings: those of no named font are read as Symbol's, others are marked.

    At the head of a line they are bullets.
    """
    if text.isascii() or not _PRIVATE.search(text):
        return text, ()
    text = _BULLET.sub(r"\1•", text)
    guessed = unknown = 0

    def sign(found: re.Match[str]) -> str:
        nonlocal guessed, unknown
        known = _FONTS["symbol"].get(ord(found[0]) - 0xF000)
        guessed, unknown = guessed + (known is not None), unknown + (known is None)
        return UNKNOWN if known is None else known

    text = _PRIVATE.sub(sign, text)
    said = ((guessed, "private-use characters of no named font were read as Symbol's"),
            (unknown, f"symbols of unknown meaning are shown as {UNKNOWN}"))
    return text, tuple(f"{count} {what}" for count, what in said if count)
