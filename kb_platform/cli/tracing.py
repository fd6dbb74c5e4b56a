"""`kb trace`: where a chunk came from, in the order in which it came: source, delivery, document, vector, release, gates."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from kb_platform.cli.output import ROWS, Json, Name, console, show_fields, show_json, show_text
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import StateError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(
    name: Name, chunk: Annotated[int, typer.Argument(help="A chunk id, as `kb search` shows it.", metavar="CHUNK", min=1, max=ROWS)],
    left_out: Annotated[bool, typer.Option("--left-out", help="Read the document once more, and show what of it is not in the index, and why.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a chunk came from: document, day, source object, space, release, run, gates."""
    from kb_platform.ingest.left_out_texts import left_out_texts
    from kb_platform.storage.inspect_release import trace_chunk

    kb = knowledge_base(name)
    with database_running():
        opened = store(kb.name)
        found = trace_chunk(opened.database, chunk)
        if found and left_out:
            found["left_out_texts"] = [entry._asdict() for entry in left_out_texts(opened.objects, found["raw_file"], found["doc_id"])]
    if found is None:
        raise StateError(f"no chunk {chunk}", where=name, action="chunk ids are what `kb search` prints")
    if as_json:
        show_json(found)
    else:
        show_trace(found)


def show_trace(found: dict[str, Any]) -> None:
    """Print what a chunk says and where that stands, then its way from the source to the releases that show it."""
    last, gates = found["last_release"], found["gates"] or {}
    console.print(f"[bold]{escape(found['title'])}[/bold]", highlight=False, markup=True)
    cited = f"{found['source']}/{found['doc_id']}:{found['start']}-{found['end']}"
    console.print(f"   [cyan]{escape(cited)}[/cyan]", highlight=False, soft_wrap=True, markup=True)
    show_text(found["content"], 3)
    console.print()
    show_fields((
        ("found at", found["source_object"]),
        ("delivered", f"{found['day']}, capture {found['capture']}, run {found['capture_run']}"),
        ("raw file", found["raw_file"]),
        *((("read with", "; ".join(found["warnings"])),) if found["warnings"] else ()),
        *((("left out", "; ".join(found["left_out"])),) if found["left_out"] else ()),
        ("vector", f"{found['model']}, space {found['space']}"),
        ("written in", f"release {found['first_release']} ({found['release_status']}), run {found['run']}"),
        ("judged", ", ".join(f"{gate} {verdict}" for gate, verdict in sorted(gates.items())) or "by no gate"),
        ("shown by", f"releases {found['first_release']} " + (f"to {last}" if last else "and later")),
    ))
    for entry in found.get("left_out_texts", ()):
        console.print(f"\nleft out, {entry['kind']}: {entry['number']}", highlight=False, markup=False)
        for piece in entry["pieces"]:
            show_text(piece, 3, bullet="- ")
