"""Writes the reference pages of docs/ from what the code says: commands, keys of defs.yaml, variables of the environment, the chart's values.

    python -m kb_platform_tests.docs.references          (make docs)

A test compares the pages with what this would write, so that they cannot drift.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kb_platform.cli import HELP, app
from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel
from kb_platform.index.fusion import FusionParameters
from kb_platform.settings import Settings
from kb_platform_tests.docs import umbrella
from kb_platform_tests.docs.chart_values import README, readme
from kb_platform_tests.storage.test_guard import ATTACKS, NOT_YOURS
from kb_platform_tests.storage.test_verify import CONTENT, GUARDS, JUDGED, RELEASES
from kb_review_worker.gateway.settings import GatewaySettings
from kb_review_worker.settings import Settings as ReviewSettings

DOCS = Path(__file__).parents[2] / "docs"
NOTE = "<!-- Written by `make docs` from the code. Edit the code. -->"
BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "min_length": "at least"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with the words that call it, groups within groups included."""

    def walk(words: str, command: Any) -> Iterator[tuple[str, click.Command]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield words, command
        for name, sub in (inner or {}).items():
            yield from walk(f"{words} {name}", sub)

    return walk("kb", typer.main.get_command(app))


def commands_page() -> str:
    """Return docs/commands.md."""
    parts = [NOTE, "# Commands", HELP.strip(), "Every command has `--help`, and, but for `kb mcp`, `--json`: one JSON object, and nothing else, on standard output. An error is one line on "
             "standard error; with `--json` it is an object with `error`, `found`, `where`, `expected` and `action`."]
    for words, command in commands():
        usage = " ".join([words, *(_short(p) for p in command.params)])
        rows = [f"| `{_name(p)}` | {_help(p)} |" for p in command.params if _name(p) != "--json"]
        parts += [f"## {words}", f"    {usage}", _prose(command.help or "")]
        parts += ["\n".join(["| | |", "|---|---|", *rows])] if rows else []
    return "\n\n".join(parts) + "\n"


def _name(parameter: Any) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else (parameter.metavar or parameter.name.upper()).strip("[]")


def _short(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _name(parameter) if parameter.required else f"[{_name(parameter)}]"
    value = _name(parameter) if parameter.is_flag else f"{_name(parameter)} {parameter.name.upper()}"
    return value if parameter.required else f"[{value}]"


def _help(parameter: Any) -> str:
    text = _cell(parameter.help or "")
    shown = parameter.default is not None and not callable(parameter.default) and parameter.default not in (False, ())
    return f"{text} Default: {parameter.default}." if parameter.param_type_name == "option" and shown else text


def yaml_page() -> str:
    """Return docs/yaml-reference.md."""
    parts = [NOTE, "# Keys of defs.yaml", "All stand under `attributes:`; unknown keys are errors. "
             "[configure-a-knowledge-base.md](configure-a-knowledge-base.md) explains how to choose them."]
    parts.append("\n".join(["| key | default | | meaning |", "|---|---|---|---|", *_keys(KnowledgeBaseModel, "")]))
    parts.append("## search\n\nUnder `search:`, from `kb_platform/index/fusion.py`, which says how the two scores become one:")
    told = dict(re.findall(r"^        (\w+): (.*?)(?=^        \w+: |^\s*$)", FusionParameters.__doc__ or "", re.DOTALL | re.MULTILINE))
    rows = [f"| `{f.name}` | {f.default} | {_cell(told[f.name])} |" for f in fields(FusionParameters)]
    parts.append("\n".join(["| key | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        inner, many = _nested(field)
        default = "required" if field.is_required() else "" if inner else f"`{_value(field.get_default(call_default_factory=True))}`"
        yield f"| `{prefix}{name}` | {default} | {_bounds(field)} | {_cell(field.description or '')} |"
        if inner:
            yield from _keys(inner, f"{prefix}{name}{'[]' if many else ''}.")


def _nested(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Return the model inside a field, also in a list or beside None, and whether it is a list."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind, kind is not field.annotation and type(None) not in get_args(field.annotation)
    return None, False


def _bounds(field: FieldInfo) -> str:
    found = [f"{sign} {getattr(m, name)}" for m in field.metadata for name, sign in BOUNDS.items() if getattr(m, name, None) is not None]
    kinds = (field.annotation, *get_args(field.annotation))
    options = [str(option) for kind in kinds if get_origin(kind) is Literal for option in get_args(kind)]
    return _cell(", ".join(found or options))


def _value(value: Any) -> str:
    """Return a default as YAML has it."""
    return "none" if value is None else yaml.safe_dump(value, default_flow_style=True, sort_keys=False).removesuffix("...\n").strip()


def settings_page() -> str:
    """Return docs/variables.md."""
    return "\n\n".join([
        NOTE, "# Variables of the environment",
        "All that `kb`, the code location and its runs read; an empty variable counts as unset. `kb env` prints those of a running home, "
        "together with Dagster's own.",
        _settings(Settings, "KB_"), "## The review worker", "What `kb-review-worker` reads; [review.md](review.md) says how it is run.",
        _settings(ReviewSettings, "KB_REVIEW_"),
        "## The review gateway", "What `kb-review-gateway` reads beside those of the worker that it needs: Temporal, the database, the keys, FHIR.",
        _settings(GatewaySettings, "KB_REVIEW_", without=ReviewSettings),
    ]) + "\n"


def _settings(settings: type[BaseModel], prefix: str, *, without: type[BaseModel] = BaseModel) -> str:
    own = {name: field for name, field in settings.model_fields.items() if name not in without.model_fields}
    rows = [f"| `{prefix}{name.upper()}` | {_setting(name, field)} | {_cell(field.description or '')} |" for name, field in own.items()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _setting(name: str, field: FieldInfo) -> str:
    if name == "defs":
        return "the shipped `kb_platform/defs`"
    return f"`{field.get_default()}`" if field.get_default() not in (None, "") else "none"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _prose(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def guards_page() -> str:
    """Return docs/guards.md: the attacks that the tests make, by every role, and what comes of them."""
    refused = [f"| {name} | `{_cell(' '.join(statement.split()))}` | every role, the owner | refused |" for name, statement in ATTACKS.items()]
    beyond = [f"| {name} | `{_cell(statement)}` | every role but the owner | refused |" for name, statement in NOT_YOURS.items()]
    found = [f"| {name} | `{_cell(statement)}` | a superuser, guards off | `kb verify`: {_cell(said)} |"
             for name, (statement, said) in {**CONTENT, **JUDGED, **RELEASES, **GUARDS}.items()]
    head = ["| attack | statement | as whom | outcome |", "|---|---|---|---|"]
    return "\n\n".join([NOTE, "# What the database prevents, and what is found", GUARDS_SAID, "## Prevented", "\n".join([*head, *refused, *beyond]),
                        "## Found by `kb verify`", "\n".join([*head, *found])]) + "\n"


GUARDS_SAID = """A role of a knowledge base (reader, writer, gate, promoter, collector, decider) can do what its grants say, and what a release shows or a gate has
said can be changed by none of them, nor by the owner of the tables, also under `session_replication_role = replica`: triggers refuse it.

Who owns the tables can switch the triggers off. That is not prevented: it is written down (`guard_change`, where the owner is a superuser), and what was done
meanwhile is found: `kb verify` recomputes every digest from the rows, checks every signature, the chain of promotions, what each release is called
and how far is collected, that spaces are described as their ids say, and compares every trigger, function, policy, grant, constraint and column with what this
version's migrations make. So is a verdict that the gate's role said without the key, past which the promoter's role
moved the pointer by SQL: the step that promotes checks signatures, and the database, which has no key, cannot. One of the two roles alone moves nothing. And so is an approval
that the decider's role wrote down and no reviewer gave: the review worker has no such decision. The asset check `verified` of `<kb>/maintenance` does so every day.

Neither prevented nor found: a superuser who also has the key of the signatures (`KB_GATE_KEYS`) and makes digests, verdicts and promotions that agree; a
superuser who changes the server's binaries or its catalogs by hand; what a source delivers, which is what gates and reviewers are for. Nor, with the guards off, what
is only told and carries no signature: the times and names in the log of promotions, reports, the text of a verdict's evidence, a verdict that is gone where an older
one of the same content counts then, feedback; nor what the next refresh goes by, such as which deliveries came and were applied: the gates see what comes of it.

The collector's role decides how many releases before the live one are kept (`retention` in the YAML, which the database does not know): it can collect all of them, and so
prevent a rollback, and nothing that is live or newer.

What refreshes, maintenance and the trail of reviews wait for are tables that only the roles may lock whose turn it can be. One lock is anybody's who can log in:
that of migrations, which are there before any table is. They wait for it for half an hour at most, and say so.

The tables below are the statements of the tests: each is tried by each role, and nothing has changed after it."""

PAGES = {"guards.md": guards_page, "commands.md": commands_page, "yaml-reference.md": yaml_page, "variables.md": settings_page}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
    umbrella.VALUES.write_text(umbrella.values(), encoding="utf-8")


if __name__ == "__main__":
    main()
