"""`kb golden proposals`: the changes of golden files that reviewers approved."""

from typing import Annotated, Any

import typer

from kb_platform.cli.goldens import golden
from kb_platform.cli.output import Json, Name, console, show_json
from kb_platform.cli.session import database_running, knowledge_base, store
from kb_platform.knowledge.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add nothing to the app: the command belongs to `kb golden`."""


@golden.command()
def proposals(
    name: Name, apply: Annotated[str | None, typer.Option("--apply", help="Make the change of this golden in its file.")] = None,
    as_json: Json = False,
) -> None:
    """List the changes that reviews of stale goldens propose, as patches; the golden files stay as they are until you apply one."""
    from kb_platform.quality.golden_changes import change_golden
    from kb_platform.review.proposals import golden_proposals

    kb = knowledge_base(name)
    with database_running():
        found = list(golden_proposals(store(kb.name).database, kb))
    if apply is not None:
        chosen = next((p for p in found if p.change.golden.id == apply), None)
        if chosen is None:
            known = ", ".join(p.change.golden.id for p in found) or "none: nothing is proposed"
            raise ConfigError(f"no change of {apply} is proposed", where=name, expected=f"one of {known}")
        path = change_golden(kb.folder / "golden", chosen.change.golden, chosen.change.becomes)
        _show(as_json, {"knowledge_base": name, "golden": apply, "action": chosen.change.action, "file": str(path)},
              f"{apply}: {chosen.change.action}d in {path}")
        return
    rows = [_row(kb.folder / "golden", proposal) for proposal in found]
    patches = "\n".join(f"# {row['action']} {row['golden']}: approved by {row['reviewer']} [{row['review']}]\n{row['patch']}" for row in rows)
    _show(as_json, {"knowledge_base": name, "proposals": rows}, patches or "nothing is proposed")


def _row(folder: Any, proposal: Any) -> dict[str, Any]:
    from kb_platform.quality.golden_changes import golden_patch

    change, review = proposal.change, proposal.review
    try:
        patch = golden_patch(folder, change.golden, change.becomes)
    except ConfigError as error:
        patch = str(error)
    return {"golden": change.golden.id, "action": change.action, "reviewer": review.reviewer, "reason": review.reason, "review": review.review_id,
            "patch": patch}


def _show(as_json: bool, values: dict[str, Any], text: str) -> None:
    show_json(values) if as_json else console.print(text, markup=False, highlight=False, soft_wrap=True)
