"""`kb golden import|export`: golden sets from and to the formats of other tools."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from kb_platform.cli.goldens import FileOption, SliceOption, content_hash, golden, golden_file, goldens_of
from kb_platform.cli.output import Json, Name, WrongUsage, console, count_of, show_json
from kb_platform.cli.session import knowledge_base
from kb_platform.knowledge.errors import ConfigError, StateError

if TYPE_CHECKING:
    from kb_platform.quality.golden import Golden


def register(_app: typer.Typer) -> None:
    """Add the commands to the group."""
    golden.command("import")(import_goldens)
    golden.command()(export)


def import_goldens(
    name: Name,
    queries: Annotated[Path | None, typer.Option("--queries", help="BEIR's queries.jsonl, or topics: id, tab, question.")] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="Judgments: BEIR's three columns or TREC's four.")] = None,
    deepeval: Annotated[Path | None, typer.Option("--deepeval", help="deepeval's goldens as JSON, in place of the other two.")] = None,
    min_grade: Annotated[int, typer.Option("--min-grade", min=1, help="Least grade of a document that answers.")] = 1,
    slices: SliceOption = None,
    file: FileOption = None,
    as_json: Json = False,
) -> None:
    """Write a query set, or deepeval's goldens, into a new file of the golden folder.

    Judgments name documents and no passages: what comes from them expects whole documents, and a hit anywhere in one answers.
    """
    from kb_platform.quality.golden_writing import write_goldens

    kb = knowledge_base(name)
    origin, goldens = _read(queries, qrels, deepeval, min_grade, slices or [])
    path = golden_file(kb.folder / "golden", file or f"{origin.stem}.jsonl", {".jsonl"})
    write_goldens(path.parent, path, goldens)
    if as_json:
        show_json({"knowledge_base": name, "imported": len(goldens), "file": str(path)})
    else:
        console.print(f"imported {count_of(len(goldens), 'golden query', 'golden queries')} into {path}\nnext: kb golden check {name}", soft_wrap=True)


def export(
    name: Name,
    folder: Annotated[Path, typer.Option("--to", help="Folder to write into.")],
    format_: Annotated[str, typer.Option("--format", help="beir, trec or deepeval.")] = "beir",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Write the golden set for other tools: queries and judgments of documents (beir, trec), or with quotes (deepeval)."""
    from kb_platform.quality.golden_formats import write_beir, write_trec

    writers = {"beir": write_beir, "trec": write_trec, "deepeval": _write_deepeval}
    if format_ not in writers:
        raise WrongUsage(f"--format {format_!r}", expected=f"one of {', '.join(writers)}")
    goldens = goldens_of(knowledge_base(name))
    files = _written(writers[format_], goldens, folder, force=force)
    if as_json:
        show_json({"knowledge_base": name, "exported": len(goldens), "golden_hash": content_hash(goldens), "files": [str(f) for f in files]})
    else:
        console.print(f"exported {count_of(len(goldens), 'golden query', 'golden queries')} to {', '.join(map(str, files))}", soft_wrap=True)


def _read(
    queries: Path | None, qrels: Path | None, deepeval: Path | None, min_grade: int, slices: list[str]
) -> "tuple[Path, list[Golden]]":
    """Return the file that gives the set its name, and the goldens; every slice named is added to each."""
    from kb_platform.quality.deepeval_goldens import from_json
    from kb_platform.quality.golden_formats import from_query_set
    from kb_platform.quality.located_files import read_text
    from kb_platform.quality.trec_files import read_query_set

    if queries and qrels and not deepeval:
        return queries, from_query_set(read_query_set(queries, qrels), min_grade=min_grade, slices=slices)
    if deepeval and not queries and not qrels:
        found = from_json(read_text(deepeval), str(deepeval))
        if not found:
            raise ConfigError("holds no golden", where=str(deepeval), expected="a list of goldens")
        return deepeval, [replace(g, slices=tuple(sorted({*g.slices, *slices}))) for g in found]
    raise WrongUsage("there is no set to import, or more than one", expected="--queries and --qrels, or --deepeval")


def _written(write: "Callable[[Sequence[Golden], Path], list[Path]]", goldens: "Sequence[Golden]", folder: Path, *, force: bool) -> list[Path]:
    """Write the files aside, then move them into the folder, all of them or, where one is there already, none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=folder) as draft:
            files = {file: folder / file.relative_to(draft) for file in write(goldens, Path(draft))}
            there = [str(target) for target in files.values() if target.exists()]
            if there and not force:
                raise StateError("is there already", where=", ".join(there), action="--force overwrites it, --to names another folder")
            for file, target in files.items():
                target.parent.mkdir(exist_ok=True)
                file.replace(target)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", where=str(folder), expected="a folder that can be written to") from error
    return list(files.values())


def _write_deepeval(goldens: "Sequence[Golden]", folder: Path) -> list[Path]:
    from kb_platform.quality.deepeval_goldens import to_json

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "goldens.json"
    path.write_text(to_json(goldens), encoding="utf-8")
    return [path]
