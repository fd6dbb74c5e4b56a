"""`kb repair`: files of the object store that were lost or cut off."""

from dataclasses import asdict
from functools import partial
from typing import Any

import typer

from kb_platform.cli.output import WARNINGS, Json, Name, console, count_of, show_json
from kb_platform.cli.progress_bars import progress_bars
from kb_platform.cli.session import database_running, knowledge_base, store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(repair)


def repair(name: Name, as_json: Json = False) -> None:
    """Read all raw and chunk files; fetch again from the sources what was lost, and name what they do not have any more.

    Exit code 5 if something is lost for good. Chunk files that cannot be read are removed: the next refresh makes them again.
    """
    from kb_platform.index.chunk_files import SCHEMA
    from kb_platform.index.version_hashes import version_hashes
    from kb_platform.ingest.repair import repair_source
    from kb_platform.storage.derived_files import remove_unreadable

    kb = knowledge_base(name)
    with database_running(quiet=as_json), progress_bars("reading the object store", quiet=as_json) as progress:
        opened = store(kb.name)
        sources = {source.name: asdict(repair_source(opened, source, partial(version_hashes, kb, source.name), progress)) for source in kb.sources}
        removed = remove_unreadable(opened.objects, SCHEMA.names)
    report = {"knowledge_base": name, "sources": sources, "chunk_files_removed": removed}
    show_json(report) if as_json else _show(name, report)
    raise typer.Exit(WARNINGS if any(file["lost"] for found in sources.values() for file in found["repaired"]) else 0)


def _show(name: str, report: dict[str, Any]) -> None:
    for source, found in report["sources"].items():
        console.print(f"{source}: {count_of(found['files'], 'raw file')} read, {len(found['repaired'])} written anew", highlight=False, soft_wrap=True)
        for file in found["repaired"]:
            later = f", {file['superseded']} were delivered again later" if file["superseded"] else ""
            console.print(f"  {file['file']}: {file['found']}; {count_of(file['fetched'], 'document')} fetched again{later}", highlight=False, soft_wrap=True)
            for doc_id in file["lost"]:
                console.print(f"    lost: {doc_id} (the source has it no more as it was)", highlight=False, soft_wrap=True)
    if removed := report["chunk_files_removed"]:
        console.print(f"{count_of(len(removed), 'chunk file')} could not be read and will be made again", highlight=False)
    if removed or any(found["repaired"] for found in report["sources"].values()):
        console.print(f"next: kb refresh {name}", highlight=False)
