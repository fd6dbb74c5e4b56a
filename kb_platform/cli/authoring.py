"""`kb new`, `kb validate`: a knowledge base's YAML, written and checked."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_platform.cli.output import WARNINGS, Json, Name, WrongUsage, console, count_of, show_json
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.session import NAME, knowledge_base, settings
from kb_platform.knowledge.errors import ConfigError

if TYPE_CHECKING:
    from kb_platform.components.knowledge_base.inspection import Inspection

DEFS = """# docs/configure-a-knowledge-base.md says what to decide, docs/yaml-reference.md has every key.
type: kb_platform.components.KnowledgeBase
attributes:
  name: {name}
  description: {about}
  start_date: "{start}"
  sources:
    - name: documents
      kind: {kind}
      path: {path}
      # searchable: [synonyms]   # metadata fields that join the text index
  # embedding: {{model: ~/models/e5-small, query_prefix: "query: ", passage_prefix: "passage: "}}   # a change is built beside
  gate:
    floors: {{}}                 # for example {{all: 0.8, critical: 0.95}}: Success@5 on the golden queries
"""
GOLDEN = """# Golden queries: what a good index must find. With none, promotion rests on the integrity gates alone;
# as soon as there is one, the golden gate is required. 200 or more make a loss of five points provable.
#
#  - id: {name}-001
#    question: What would a user ask?
#    slices: [lookup]
#    severity: normal            # or critical
#    expected:
#      - document: id-of-the-document
#        quote: a sentence from it that answers the question
version: 1
goldens: []
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(new)
    app.command()(validate)


def new(
    name: Name,
    source: Annotated[Path, typer.Option("--from", help="Folder or .jsonl file of the documents.")],
    kind: Annotated[str | None, typer.Option("--kind", help="files or jsonl; found out if left out.")] = None,
    start_date: Annotated[str | None, typer.Option("--start-date", help="First day that can be refreshed, YYYY-MM-DD; today if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Write defs.yaml and a golden-set starter for documents that are there already."""
    from kb_platform.storage.database import Database

    Database("postgresql://", name)  # refuses names that cannot be a schema
    folder, path = settings().defs / name, _resolved(source)
    if folder.exists():
        raise ConfigError("is there already", where=str(folder), action="choose another name, or edit its defs.yaml")
    if not path.exists():
        raise ConfigError("no such file or folder", where=str(path), expected="documents")
    chosen, start = _checked_kind(_kind(path) if kind is None else kind), _start(start_date)
    (folder / "golden").mkdir(parents=True)
    text = DEFS.format(name=name, about=_quoted(f"{name}, read from {path.name}"), start=start, kind=chosen, path=_quoted(str(path)) + _extra_formats(path, chosen))
    (folder / "golden" / "golden.yaml").write_text(GOLDEN.format(name=name), encoding="utf-8")
    (folder / "defs.yaml").write_text(text, encoding="utf-8")
    knowledge_base(name)
    if as_json:
        show_json({"knowledge_base": name, "folder": str(folder), "kind": chosen})
    else:
        console.print(f"wrote {folder / 'defs.yaml'} and {folder / 'golden' / 'golden.yaml'}\nnext: kb refresh {name}", soft_wrap=True)


def _resolved(source: Path) -> Path:
    try:
        return source.expanduser().resolve()
    except RuntimeError as error:  # ~somebody who has no home, or links that lead to themselves
        raise WrongUsage(f"--from {str(source)!r}", expected="a path that leads somewhere") from error


def _extra_formats(path: Path, kind: str) -> str:
    """Return the line that has formats read which a source leaves alone by itself, where the folder holds them; for XML, articles."""
    from kb_platform.ingest.formats import EXTRA_MEDIA_TYPES

    if kind != "files" or not path.is_dir():
        return ""
    found = {file.suffix.lower(): file for file in path.rglob("*") if file.suffix.lower() in EXTRA_MEDIA_TYPES and file.is_file()}
    if ".xml" in found and not any(_is_article(file) for file in path.rglob("*.[xX][mM][lL]")):
        del found[".xml"]
    return f"\n      extra_formats: [{', '.join(suffix[1:] for suffix in EXTRA_MEDIA_TYPES if suffix in found)}]" if found else ""


def _is_article(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return b"<article" in opened.read(4096)
    except OSError:
        return False


def _kind(path: Path) -> str:
    names = ("documents.jsonl", "corpus.jsonl")
    return "jsonl" if path.suffix == ".jsonl" or path.is_dir() and any((path / n).is_file() for n in names) else "files"


def _checked_kind(kind: str) -> str:
    from kb_platform.ingest.sources import source_kinds

    if kind not in source_kinds():
        raise WrongUsage(f"--kind {kind!r}", expected=f"one of {', '.join(source_kinds())}")
    return kind


def _start(start_date: str | None) -> dt.date:
    today = dt.datetime.now(dt.UTC).date()
    try:
        start = today if start_date is None else dt.date.fromisoformat(start_date)
    except ValueError as error:
        raise WrongUsage(f"--start-date {start_date!r}", expected="YYYY-MM-DD") from error
    if start.year < 1970:
        raise WrongUsage(f"--start-date {start}", expected="a day from 1970 on")
    if start > today:
        raise WrongUsage(f"--start-date {start}", expected=f"{today} or earlier", action="a day that has not begun cannot be refreshed")
    return start


def _quoted(text: str) -> str:
    """Return a text in YAML's double quotes; what is not printed stands there as its number."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


WithoutSources = Annotated[bool, typer.Option("--without-sources", help="Look at the files alone: sources are not read, nor are quotes looked for.")]


def validate(name: Annotated[str | None, typer.Argument(help="One knowledge base; all if left out.", metavar="[NAME]")] = None,
             without_sources: WithoutSources = False, as_json: Json = False) -> None:
    """Find what a refresh would stumble over, all of it, with file and line; nothing is started or written.

    Settings and defs.yaml, the model, cron, sources that cannot be read, every mistake in golden files, slices without goldens, goldens
    whose document no source delivers, quotes that stand nowhere with the nearest passage.

    Exit codes: 0 nothing to say, 1 a refresh would fail, or every release be inconclusive; 5 warnings only, such as stale goldens.
    """
    from kb_platform.components.knowledge_base.inspection import inspect

    folders = [_folder(name)] if name else sorted(path.parent for path in settings().defs.glob("*/defs.yaml"))
    with progress_bars("reading the sources", quiet=as_json) as progress:
        found = {folder.name: inspect(folder, progress, sources=not without_sources) for folder in folders}
    valid = all(each.valid for each in found.values())
    if as_json:
        show_json({"valid": valid, "knowledge_bases": {n: _as_object(each) for n, each in found.items()}})
    elif not found:
        console.print(f"no knowledge bases in {settings().defs}: kb new NAME --from PATH", highlight=False, soft_wrap=True)
    for n, each in found.items() if not as_json else ():
        for finding in each.findings:
            console.print(f"{finding.level}: {finding}", highlight=False, soft_wrap=True)
        console.print(f"{n}: {_summary(each)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if not valid else WARNINGS if any(each.findings for each in found.values()) else 0)


def _folder(name: str) -> Path:
    """Return the folder of a knowledge base that may be wrong; ConfigError where there is none of that name."""
    folder = settings().defs / name
    if not NAME.fullmatch(name) or not (folder / "defs.yaml").is_file():
        knowledge_base(name)  # which says so
    return folder


def _summary(found: "Inspection") -> str:
    if not found.valid or found.kb is None:
        wrong = sum(finding.level == "error" for finding in found.findings)
        unseen = f"; {found.unseen}" if found.unseen else ""
        return f"{count_of(wrong, 'error')}, {count_of(len(found.findings) - wrong, 'warning')}{unseen}"
    goldens = count_of(found.goldens, "golden query", "golden queries") if found.goldens else "no golden queries yet: promotion rests on the integrity gates alone"
    warned = f", {count_of(len(found.findings), 'warning')}" if found.findings else ""
    return f"valid, {count_of(len(found.kb.sources), 'source')}, {goldens}{warned}"


def _as_object(found: "Inspection") -> dict[str, Any]:
    return {"valid": found.valid, "summary": _summary(found), "goldens": found.goldens,
            "findings": [{"level": f.level, "where": f.where, "message": f.message} for f in found.findings]}
