"""`kb golden list|check|add`: what the golden set asks, and what of it still stands in the live release."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb_platform.cli.output import WARNINGS, Json, Name, WrongUsage, console, count_of, show_json, show_table
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from kb_platform.quality.golden import Golden
    from kb_platform.quality.passages import ReadTexts

FileOption = Annotated[str | None, typer.Option("--file", help="Name of the file in the golden folder to write to.")]
SliceOption = Annotated[list[str] | None, typer.Option("--slice", help="A slice; may be given again.")]

golden = typer.Typer(no_args_is_help=True, help="List, add, check, import and export golden queries.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(golden, name="golden")


@golden.command("list")
def list_goldens(
    name: Name,
    state: Annotated[str | None, typer.Option("--state", help="present, moved, changed or deleted.")] = None,
    slice_name: Annotated[str | None, typer.Option("--slice", help="Only this slice.")] = None,
    as_json: Json = False,
) -> None:
    """List the golden queries, and what became of their passages in the live release.

    present: a passage stands where it was. moved: it stands in another document. changed: a similar one stands there. deleted:
    nothing like it is left. The last two are stale: the gate leaves them out.
    """
    _check_state(state)
    kb = knowledge_base(name)
    goldens = goldens_of(kb)
    _check_slice(slice_name, goldens)
    with database_running():
        live, states = _states(kb, goldens)
    rows = [
        {"id": g.id, "question": g.question, "slices": list(g.slices), "severity": g.severity.value, "state": states.get(g.id),
         "documents": sorted({p.document for p in g.expected})}
        for g in goldens if (state in (None, states.get(g.id))) and (slice_name is None or slice_name in g.slices)
    ]  # fmt: skip
    counts = dict(Counter(states.values()))
    if as_json:
        show_json({"knowledge_base": name, "release": live, "golden_hash": content_hash(goldens), "goldens": rows, "states": counts})
        return
    show_table(("golden", "severity", "slices", "state", "question"),
               ((r["id"], r["severity"], ", ".join(r["slices"]), r["state"], r["question"]) for r in rows))
    told = f"release {live}: {', '.join(f'{count} {state}' for state, count in sorted(counts.items()))}" if live else "nothing is promoted yet: their state is unknown"
    console.print(f"{len(rows)} of {count_of(len(goldens), 'golden query', 'golden queries')} shown, set {content_hash(goldens)[:12]}; {told}", soft_wrap=True)


@golden.command()
def check(name: Name, as_json: Json = False) -> None:
    """Check the golden files, and against the live release: stale goldens, duplicates, questions that stand in their document.

    Every mistake of every file is named, with file, line and field.

    Exit codes: 0 nothing to say, 5 warnings only, 1 a file is wrong.
    """
    from kb_platform.components.knowledge_base.inspection import inspect_goldens
    from kb_platform.quality.golden_check import check_goldens, duplicates
    from kb_platform.quality.passages import resolve_goldens

    kb = knowledge_base(name)
    located, wrong = inspect_goldens(kb.folder)
    if not located and not wrong:
        goldens_of(kb)  # which says so
    places = {each.golden.id: each.where for each in reversed(located)}  # of an id that is used twice, the first
    goldens = sorted((each.golden for each in located if places[each.golden.id] == each.where), key=lambda each: each.id)
    with database_running():
        live, read = _live_texts(kb)
        found = check_goldens(goldens, resolve_goldens(goldens, read), read) if live else list(duplicates(goldens))
    rows = [{"code": w.code, "golden": w.golden, "where": places[w.golden], "message": w.message} for w in found]
    if as_json:
        show_json({"knowledge_base": name, "release": live, "goldens": len(goldens), "golden_hash": None if wrong else content_hash(goldens),
                   "errors": [{"where": f.where, "message": f.message} for f in wrong], "warnings": rows})
    else:
        lines = [*(f"{f.level}: {f}" for f in wrong), *(f"{row['where']}: {row['golden']} {row['message']}" for row in rows)]
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        against = f"checked against release {live}" if live else "nothing is promoted yet: not checked against documents"
        mistakes = f"{count_of(len(wrong), 'error')}, " if wrong else ""
        console.print(f"{count_of(len(goldens), 'golden query', 'golden queries')}, {mistakes}{count_of(len(rows), 'warning')}; {against}", soft_wrap=True)
    raise typer.Exit(1 if wrong else WARNINGS if rows else 0)


@golden.command()
def add(
    name: Name,
    question: Annotated[str, typer.Option("--question", help="What a user would ask.")],
    document: Annotated[str, typer.Option("--document", help="Id of the document that answers, as `kb search` shows it.")],
    quote: Annotated[str, typer.Option("--quote", help="Words of that document that answer, as they stand there.")],
    source: Annotated[str | None, typer.Option("--source", help="Its source, where two have a document of this id.")] = None,
    golden_id: Annotated[str | None, typer.Option("--id", help="Id; the next free number if left out.")] = None,
    slices: SliceOption = None,
    critical: Annotated[bool, typer.Option("--critical", help="A lost answer is worse than others.")] = False,
    answer: Annotated[str | None, typer.Option("--answer", help="Reference answer.")] = None,
    file: FileOption = None,
    as_json: Json = False,
) -> None:
    """Add one golden query, if its quote stands in the live release; the file's comments and layout stay as they are."""
    from kb_platform.quality.golden import SUFFIXES, ExpectedPassage, Golden, Severity
    from kb_platform.quality.golden_writing import append_golden

    kb = knowledge_base(name)
    folder, known = kb.folder / "golden", goldens_of(kb, required=False)
    path = golden_file(folder, file or "golden.yaml", SUFFIXES)
    expected = ExpectedPassage(document, quote.strip(), source)
    made = Golden(golden_id or _free_id(name, known), question.strip(), (expected,), tuple(sorted(set(slices or ()))),
                  Severity.CRITICAL if critical else Severity.NORMAL, answer)
    with database_running():
        _refuse_absent(kb, made)
    _refuse_repeated(made, known)
    append_golden(folder, path, made)
    if as_json:
        show_json({"knowledge_base": name, "id": made.id, "file": str(path)})
    else:
        console.print(f"added {made.id} to {path}", soft_wrap=True)


def golden_file(folder: Path, name: str, suffixes: Collection[str]) -> Path:
    """Return a file of the golden folder, where it is read, called as one that ends in `suffixes`.

    Raises:
        WrongUsage: it would lie elsewhere, or be hidden, or is called as no golden file is.
    """
    path = folder / name
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)) or path.name.startswith(".") or path.suffix.lower() not in suffixes:
        raise WrongUsage(f"--file {name}", expected=f"a file in the golden folder that ends in {', '.join(sorted(suffixes))}")
    return path


def _check_state(state: str | None) -> None:
    from kb_platform.quality.passages import PassageState

    if state is not None and state not in set(PassageState):
        raise WrongUsage(f"--state {state!r}", expected=f"one of {', '.join(PassageState)}")


def _check_slice(name: str | None, goldens: "Sequence[Golden]") -> None:
    known = sorted({each for g in goldens for each in g.slices})
    if name is not None and name not in known:
        raise WrongUsage(f"--slice {name!r}", expected=f"one of {', '.join(known)}" if known else "none: no golden query has a slice")


def goldens_of(kb: KnowledgeBase, *, required: bool = True) -> "Sequence[Golden]":
    """Return the golden queries; StateError where there are none and some are required."""
    from kb_platform.quality.golden import load_golden_set

    found = load_golden_set(kb.folder / "golden")
    if found is None and required:
        raise StateError("there are no golden queries", where=str(kb.folder / "golden"), action=f"`kb golden suggest {kb.name}` drafts some, `kb golden add {kb.name}` adds one")
    return found.goldens if found else ()


def content_hash(goldens: "Sequence[Golden]") -> str:
    """Return the set's hash: reports of one hash may be compared."""
    from kb_platform.quality.golden import GoldenSet

    return GoldenSet.of(list(goldens)).content_hash


def _live_texts(kb: KnowledgeBase) -> "tuple[int | None, ReadTexts]":
    from kb_platform.release.golden_scores import documents_of
    from kb_platform.storage.releases import live_release

    database = store(kb.name).database
    live = live_release(database)
    return live, lambda ids: documents_of(database, live or 0, ids)


def _states(kb: KnowledgeBase, goldens: "Sequence[Golden]") -> tuple[int | None, dict[str, str]]:
    from kb_platform.quality.passages import golden_state, resolve_goldens

    live, read = _live_texts(kb)
    if live is None:
        return None, {}
    return live, {golden_id: golden_state(passages).value for golden_id, passages in resolve_goldens(goldens, read).items()}


def _free_id(name: str, known: "Sequence[Golden]") -> str:
    taken = {g.id for g in known}
    return next(free for n in range(1, len(taken) + 2) if (free := f"{name}-{n:03}") not in taken)


def _refuse_absent(kb: KnowledgeBase, made: "Golden") -> None:
    from kb_platform.quality.passages import PassageState, resolve_goldens

    live, read = _live_texts(kb)
    if live is None:
        raise StateError("nothing is promoted yet", where=kb.name, action="refresh first: a quote is looked up in the live release")
    (passage,) = resolve_goldens([made], read)[made.id]
    if passage.state is PassageState.PRESENT:
        return
    (wanted,) = made.expected
    if wanted.document not in {key.doc_id for key, _ in read([wanted.document])}:
        raise ConfigError(f"there is no document {wanted.document!r} in release {live}", where=kb.name, expected="an id as `kb search` shows it")
    near = [f"{at.document.doc_id}:{at.start}-{at.end}" for at in passage.locations]
    expected = f"words as they stand there; {passage.state} at {', '.join(near)}" if near else "words of it"
    raise ConfigError(f"the quote does not stand in {wanted.document!r} of release {live}", where=kb.name, expected=expected)


def _refuse_repeated(made: "Golden", known: "Sequence[Golden]") -> None:
    from kb_platform.quality.golden_check import duplicates

    repeated = [warning for warning in duplicates([*known, made]) if warning.golden == made.id]
    if repeated:
        raise ConfigError(repeated[0].message, where=made.id, expected="a question that no golden asks yet")
