"""What makes a golden set say less than it seems to: stale goldens, duplicates, questions that their documents give away."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kb_platform.quality.golden import Golden
from kb_platform.quality.passages import PassageState, ReadTexts, ResolvedPassage, golden_state
from kb_platform.quality.text_match import FoldedText, find_quote, fold_text

LEAK_WORDS = 4  # a shorter question stands in many documents by chance


@dataclass(frozen=True)
class GoldenWarning:
    """One finding: a code for machines, the golden that it is about, a sentence."""

    code: str
    golden: str
    message: str


def check_goldens(
    goldens: Sequence[Golden], resolved: Mapping[str, Sequence[ResolvedPassage]], read: ReadTexts
) -> list[GoldenWarning]:
    """Return all findings, by golden id. `resolved` and `read` are about one release (resolve_goldens)."""
    found = [*duplicates(goldens), *stale(resolved), *leaks(goldens, read)]
    return sorted(found, key=lambda warning: (warning.golden, warning.code))


def duplicates(goldens: Iterable[Golden]) -> Iterator[GoldenWarning]:
    """Yield goldens that ask what another one asks: case, punctuation at the end and white space aside."""
    first: dict[str, str] = {}
    for golden in goldens:
        other = first.setdefault(_folded(golden.question), golden.id)
        if other != golden.id:
            yield GoldenWarning("duplicate", golden.id, f"asks the same as {other}: it counts twice")


def stale(resolved: Mapping[str, Sequence[ResolvedPassage]]) -> Iterator[GoldenWarning]:
    """Yield goldens of which no passage stands any more, and those that lost some of their passages."""
    for golden, passages in resolved.items():
        lost = [passage for passage in passages if not passage.fresh]
        if not lost:
            continue
        is_stale = len(lost) == len(passages)
        head = f"is stale ({golden_state(passages)})" if is_stale else f"has lost {len(lost)} of {len(passages)} passages"
        yield GoldenWarning("stale" if is_stale else "partly_stale", golden, f"{head}: {'; '.join(map(_what_became, lost))}")


def _what_became(passage: ResolvedPassage) -> str:
    expected = passage.expected
    if expected.quote is None:
        return f"there is no document {expected.document!r}"
    if passage.state is PassageState.CHANGED:
        where = passage.locations[0]
        return f"{where.document.doc_id}:{where.start}-{where.end} has {passage.similarity:.0%} of the quote's words"
    return f"the quote is not in {expected.document!r}, nor elsewhere"


def leaks(goldens: Iterable[Golden], read: ReadTexts) -> Iterator[GoldenWarning]:
    """Yield goldens whose question stands word for word in an expected document: any search finds those, they test little."""
    asking: dict[str, list[tuple[Golden, str]]] = {}
    for golden in goldens:
        if question := _telling(golden.question):
            for document in {passage.document for passage in golden.expected}:
                asking.setdefault(document, []).append((golden, question))
    leaked: dict[str, str] = {}
    for key, text in read(asking) if asking else ():
        folded = fold_text(text)
        for golden, question in asking[key.doc_id]:
            if next(find_quote(folded, question), None):
                leaked.setdefault(golden.id, key.doc_id)
    for golden_id, document in leaked.items():
        yield GoldenWarning("leak", golden_id, f"its question stands word for word in {document!r}")


def gives_away(question: str, document: FoldedText) -> bool:
    """Return whether a question stands word for word in a document."""
    asked = _telling(question)
    return bool(asked) and any(find_quote(document, asked))


def _telling(question: str) -> str:
    """Return a question as it is looked for; nothing where it is so short that it stands in many documents by chance."""
    folded = _folded(question)
    return folded if len(folded.split()) >= LEAK_WORDS else ""


def _folded(question: str) -> str:
    return fold_text(question).text.strip(" ?.!")
