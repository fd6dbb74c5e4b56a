"""Which golden queries were lost or are not answered, by slice, with what both releases found: printed where a gate or a measure is looked into."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import console, count_of, show_table, show_text
from kb_platform.quality.named_ids import named_ids

PRINTED, PLACES = 3, 3  # queries, and places of each list; --json has all that were stored, with their words
NAMED = 12  # goldens that a line about a slice names

Worst = Annotated[int, typer.Option("--worst", min=0, max=200, help="How many of the lost or unanswered queries are printed with both result lists.", metavar="N")]


def lost_queries(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lost and the unanswered queries with both result lists, how many there are in all, and both by slice.

    Empty for the evidence of other gates than the golden one.
    """
    from kb_platform.quality.lost_queries import KINDS, lost_by_slice

    if "worse_count" not in evidence:
        return {}
    return {
        **{f"{kind}_count": evidence.get(f"{kind}_count", 0) for kind in KINDS},
        **{kind: [query for query in evidence.get(kind, ()) if query.get("results")] for kind in KINDS},
        "slices": [asdict(lost) for lost in lost_by_slice(evidence)],
    }


def show_lost(said: Mapping[str, Any], worst: int = PRINTED, names: tuple[str, str] = ("live", "candidate")) -> None:
    """Print what `lost_queries` returned: a table and the names by slice, then the worst queries, the largest losses first.

    Citations stand in lines of their own, that fit into a narrow terminal. `names` are what to call both releases.
    """
    from kb_platform.quality.lost_queries import worst_first

    if not said.get("worse_count") and not said.get("unanswered_count"):
        return
    _show_slices(said.get("slices", ()))
    chosen = worst_first(said)[:worst]
    for query in chosen:
        slices = ", ".join((query["severity"], *query["slices"]))
        console.print(f"\n[bold]{escape(query['query'])}[/bold] ({escape(slices)}): {escape(query['question'])}", highlight=False, markup=True)
        show_text(_moved(query), 2)
        if query["live"]:
            _show_places(names[0], query["results"]["live"])
        _show_places(names[1], query["results"]["candidate"])
    counted = f"{count_of(said['worse_count'], 'query', 'queries')} got worse, {(unanswered := said.get('unanswered_count', 0))} {'is' if unanswered == 1 else 'are'} not answered"
    console.print(f"\n{counted}; --json has the passages", highlight=False)


def _moved(query: Mapping[str, Any]) -> str:
    """Return by how much each measure moved; of a query that did not move, that no passage is among the first five chunks."""
    live = query["live"]
    moved = ", ".join(f"{m} {live[m]:.2f} to {value:.2f}" for m, value in query["candidate"].items() if m in live and value != live[m])
    return moved or f"not answered in the first five chunks{', as on live' if live else ''}"


def _show_slices(slices: Sequence[Mapping[str, Any]]) -> None:
    if not slices:
        return
    show_table(("slice", "goldens", "answered", "on live", "worse", "not answered"),
               ((s["slice"], s["goldens"], f"{s['answered']:.3f}", "" if s["live"] is None else f"{s['live']:.3f}", len(s["worse"]), len(s["unanswered"]))
                for s in slices))
    for s in slices if len(slices) == 1 else slices[1:]:  # the first is all of them
        parts = (f"{said} {named_ids(s[kind], NAMED)}" for said, kind in (("got worse:", "worse"), ("not answered:", "unanswered")) if s[kind])
        show_text(f"{s['slice']}: {'; '.join(parts)}", 0)


def _show_places(name: str, hits: Sequence[Mapping[str, Any]]) -> None:
    for place, hit in enumerate(hits[:PLACES], 1):
        cited = f"{hit['doc_id']}:{hit['start']}-{hit['end']}"
        console.print(f"  {name if place == 1 else '':<9}  {place}. {escape(cited)} ({hit['score']:.3f})", highlight=False, soft_wrap=True, markup=True)
    if not hits:
        console.print(f"  {name:<9}  nothing", highlight=False)
