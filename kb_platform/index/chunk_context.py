"""What the model reads in front of a chunk: where in its document the chunk stands, within a fixed number of tokens."""

from collections.abc import Sequence

from kb_platform.index.tokens import ModelTokenizer
from kb_platform.knowledge.documents import Document


def declared_values(document: Document, fields: Sequence[str]) -> list[str]:
    """Return the values of the declared metadata fields, in the order of the fields."""
    found = (document.metadata.get(field, ()) for field in fields)
    return [" ".join(value.split()) for values in found for value in ([values] if isinstance(values, str) else values) if value.strip()]


def context_of(title: str, path: Sequence[str], declared: Sequence[str], tokenizer: ModelTokenizer, room: int) -> str:
    """Return title and headings on one line, declared values on a second, in at most `room` tokens.

    The title comes first, then the nearest heading, then those further out. Declared values (synonyms, codes) get what is left,
    but at least a third, and are dropped whole.
    """
    names = list(dict.fromkeys(" ".join(part.split()) for part in (title, *path) if part.strip()))
    place = _place(names, tokenizer, room - room // 3 if declared else room)
    values = _values(declared, tokenizer, room - tokenizer.count(place)) if declared else ""
    return "\n".join(line for line in (place, values) if line)


def _place(names: Sequence[str], tokenizer: ModelTokenizer, room: int) -> str:
    whole = " > ".join(names)
    if tokenizer.count(whole) <= room:
        return whole
    if len(names) == 1:
        return tokenizer.truncate(whole, room)
    kept = [tokenizer.truncate(names[0], room // 2)]
    for name in reversed(names[1:]):
        left = room - tokenizer.count(" > ".join(kept)) - 1
        fitting = tokenizer.truncate(name, left) if len(kept) == 1 else name
        if not fitting or tokenizer.count(fitting) > left:
            break
        kept.insert(1, fitting)
    return " > ".join(name for name in kept if name)


def _values(declared: Sequence[str], tokenizer: ModelTokenizer, room: int) -> str:
    kept: list[str] = []
    for value in dict.fromkeys(declared):
        if tokenizer.count("; ".join([*kept, value])) > room:
            break
        kept.append(value)
    return "; ".join(kept)
