"""`kb golden suggest`: drafts of golden queries from the headings of documents, in files that no gate reads."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.goldens import golden, goldens_of
from kb_platform.cli.output import Json, Name, WrongUsage, console, count_of, show_json
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.session import knowledge_base
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from kb_platform.components.knowledge_base.deliverable import Deliverable
    from kb_platform.quality.golden import Golden
    from kb_platform.quality.golden_drafts import Drafts, ReadDocument

FOLDER = "drafts"
HEAD = """# Drafted from headings by `kb golden suggest`: no gate reads them outside the folder golden/.
# Ask each as a user would, in other words than the document's; see that the quote answers it; delete the others.
"""


def register(_app: typer.Typer) -> None:
    """Add the command to the group."""
    golden.command()(suggest)


def suggest(
    name: Name,
    source: Annotated[str | None, typer.Option("--source", help="Only documents of this source.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Drafts at most.")] = 20,
    out: Annotated[Path | None, typer.Option("--out", help="A new file, .yaml; drafts/suggested-N.yaml beside defs.yaml if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Draft golden queries from the headings of documents, for you to reword and confirm; no model is asked.

    The sources are read as they are now: no release is needed, and nothing is started. No gate reads drafts until you move their file
    into the folder golden/. What stands there or in drafts/ is not suggested again, and no file is ever overwritten.
    """
    kb = knowledge_base(name)
    names = [each.name for each in kb.sources]
    if source is not None and source not in names:
        raise WrongUsage(f"no source {source!r}", where=kb.name, expected=f"one of {', '.join(names)}")
    path = _free_file(kb) if out is None else _checked(kb, out)
    drafts, failed = _drafts(kb, source, count, quiet=as_json)
    if drafts.goldens:
        _write(path, drafts.goldens)
    if as_json:
        show_json(_as_object(name, path, drafts, failed))
    else:
        _show(kb, path, drafts, failed)


def _drafts(kb: KnowledgeBase, source: str | None, count: int, *, quiet: bool) -> "tuple[Drafts, int]":
    """Return the drafts, and how many documents could not be used."""
    from kb_platform.components.knowledge_base.deliverable import Deliverable
    from kb_platform.quality.golden_drafts import draft_goldens

    known = [*goldens_of(kb, required=False), *_drafted(kb)]
    chosen = replace(kb, sources=tuple(each for each in kb.sources if source in (None, each.name)))
    with progress_bars("reading the sources", quiet=quiet) as progress:
        deliverable = Deliverable(chosen, progress)
        drafts = draft_goldens(kb.name, _read(deliverable), known, count)
    return drafts, len(deliverable.failed)


def _read(deliverable: "Deliverable") -> "Iterator[ReadDocument]":
    from kb_platform.quality.golden_drafts import ReadDocument

    return (ReadDocument(key, document.title, document.text) for key, document in deliverable.documents(None))


def _drafted(kb: KnowledgeBase) -> "list[Golden]":
    """Return what was suggested before and lies in drafts/ still; a draft may have the id of a golden that it was copied to."""
    from kb_platform.quality.golden import golden_files, read_goldens

    return [draft for path in golden_files(kb.folder / FOLDER) for _, draft in read_goldens(path)]


def _free_file(kb: KnowledgeBase) -> Path:
    """Return a name that is free among the drafts and the goldens, so that moving the file there takes no other one's place."""
    folders = (kb.folder / FOLDER, kb.folder / "golden")
    number = next(n for n in count_up(1) if not any((folder / f"suggested-{n}.yaml").exists() for folder in folders))
    return folders[0] / f"suggested-{number}.yaml"


def _checked(kb: KnowledgeBase, out: Path) -> Path:
    path = out.absolute()
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise WrongUsage(f"--out {out}", expected="a name that ends in .yaml")
    if path.resolve().is_relative_to((kb.folder / "golden").resolve()):
        raise WrongUsage(f"--out {out}", where=kb.name, expected="a file outside the folder golden/: what lies there is judged by")
    if path.exists():
        raise ConfigError("is there already", where=str(path), action="name another file with --out")
    return path


def _write(path: Path, goldens: "tuple[Golden, ...]") -> None:
    from kb_platform.quality.golden_writing import write_drafts

    try:
        write_drafts(path, HEAD, goldens)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", where=str(path), expected="a file in a folder that can be written to") from error


def _as_object(name: str, path: Path, drafts: "Drafts", failed: int) -> dict[str, Any]:
    from kb_platform.quality.golden_writing import golden_row

    return {"knowledge_base": name, "release": None, "file": str(path) if drafts.goldens else None, "documents": drafts.documents, "failed": failed,
            "left": drafts.left, "repeated": drafts.repeated, "drafts": [golden_row(draft) for draft in drafts.goldens]}


def _show(kb: KnowledgeBase, path: Path, drafts: "Drafts", failed: int) -> None:
    read = f"{count_of(drafts.documents, 'document')} as the sources have them now{f', {failed} could not be used' if failed else ''}"
    if not drafts.goldens:
        console.print(f"nothing to suggest from {read}: no heading has a sentence below it that stands there alone and that no golden quotes", soft_wrap=True)
        return
    named = sorted({draft.expected[0].document for draft in drafts.goldens})
    console.print(f"drafted {count_of(len(drafts.goldens), 'golden query', 'golden queries')} on {count_of(len(named), 'document')}, from {read}; "
                  f"{drafts.left} more could be\nnext: reword them in {path}, delete those that nobody would ask, then mv {path} {kb.folder / 'golden'}/",
                  soft_wrap=True)
