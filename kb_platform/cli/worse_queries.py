"""What got worse, query by query, with what the live release and what the candidate found: shown when a golden gate does not pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from kb_platform.cli.output import console, count_of

PRINTED, PLACES = 3, 3  # queries, and places of each list; --json has all that were stored, with their words


def worse_queries(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the worst queries with both result lists, and how many got worse in all; empty for other gates' evidence."""
    worse = [change for change in evidence.get("worse", ()) if "results" in change]
    return {"worse_count": evidence["worse_count"], "worse": worse} if worse else {}


def show_worse(said: Mapping[str, Any]) -> None:
    """Print the worst queries of one gate's report, the largest losses first: citations, that fit into a narrow terminal."""
    worse = said.get("worse", ())
    for change in worse[:PRINTED]:
        slices = ", ".join((change["severity"], *change["slices"]))
        console.print(f"\n[bold]{escape(change['query'])}[/bold] ({escape(slices)}): {escape(change['question'])}", highlight=False, markup=True)
        _show_places("live", change["results"]["live"])
        _show_places("candidate", change["results"]["candidate"])
    if worse:
        counted = f"{count_of(said['worse_count'], 'query', 'queries')} got worse"
        console.print(f"\n{counted}; `kb report` says by how much, --json has the passages of {len(worse)}\n", highlight=False)


def _show_places(name: str, hits: Sequence[Mapping[str, Any]]) -> None:
    for place, hit in enumerate(hits[:PLACES], 1):
        cited = f"{hit['doc_id']}:{hit['start']}-{hit['end']}"
        console.print(f"  {name if place == 1 else '':<9}  {place}. {escape(cited)} ({hit['score']:.3f})", highlight=False, soft_wrap=True, markup=True)
    if not hits:
        console.print(f"  {name:<9}  nothing", highlight=False)
