"""What is shown of a case, whatever it is about."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CaseMaterial:
    """`text` is what is decided about, in Markdown or, where `previous` stands in its place until now, such that both compare by lines."""

    text: str
    previous: str = ""
    reasons: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
