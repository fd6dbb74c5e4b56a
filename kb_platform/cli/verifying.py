"""`kb verify`: whether a knowledge base is what it says it is."""

from dataclasses import asdict
from typing import Annotated

import typer

from kb_platform.cli.output import REGRESSION, Json, Name, console, count_of, show_json, show_text, working
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import StateError

SHOWN = 20  # of what is wrong; --json has all


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    name: Name,
    release: Annotated[int | None, typer.Option("--release", help="Check the content of this release only; left out: all that are kept.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute digests from every row, check signatures, promotions and guards, and name the first thing that is wrong.

    Exit codes: 0 all holds, 3 something does not, 1 error. docs/guards.md says what is prevented, what is found here, and what is neither.
    """
    from kb_platform.resources.reviews import decisions_url
    from kb_platform.storage.verify import verify as check

    kb = knowledge_base(name)
    with database_running(quiet=as_json), working("checking every row, signature and guard", quiet=as_json):
        done = check(store(kb.name).database, release, decisions_url())
    if release is not None and not done.releases:
        raise StateError(f"release {release} is not kept, or was never sealed", where=name, action=f"see `kb releases {name}`")
    if as_json:
        show_json({"knowledge_base": name, "holds": done.holds, **asdict(done)})
    else:
        console.print(f"{count_of(len(done.releases), 'release')}, {count_of(done.documents, 'document')}, {count_of(done.verdicts, 'verdict')}, "
                      f"{count_of(done.promotions, 'promotion')}: " + ("all as it was sealed, signed and shipped" if done.holds else "[red]not all holds[/red]"), markup=True)
        if done.unsigned:
            console.print(f"{count_of(done.unsigned, 'verdict')} from before verdicts were signed")
        for sentence in done.wrong[:SHOWN]:
            show_text(sentence, 2, bullet="- ")
        if len(done.wrong) > SHOWN:
            console.print(f"  and {len(done.wrong) - SHOWN} more: --json has them")
    if not done.holds:
        raise typer.Exit(REGRESSION)
