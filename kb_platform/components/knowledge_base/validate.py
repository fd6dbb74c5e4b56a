"""Reads one defs.yaml without Dagster's machinery: field, file and line of what is wrong, in one line each."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, to_knowledge_base
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase

TYPE = "kb_platform.components.KnowledgeBase"


def read_knowledge_base(path: Path) -> KnowledgeBase:
    """Return the knowledge base that a defs.yaml describes.

    Raises:
        ConfigError: with one line for every wrong field: file:line: field: what is wrong.
    """
    text = _read(path)
    node, value = _compose(path, text), yaml.safe_load(text)
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise ConfigError(f"type is {value.get('type') if isinstance(value, dict) else value!r}", where=f"{path}:1", expected=TYPE)
    try:
        model = KnowledgeBaseModel.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        lines = [f"{path}:{_line(node, e['loc'])}: {'.'.join(map(str, e['loc']))}: {_sentence(e)}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    return to_knowledge_base(model, path.parent)


def check_embedding(kb: KnowledgeBase) -> None:
    """Read what `embedding` names; ConfigError says where in defs.yaml it is named."""
    from kb_platform.index.pipeline import pipelines_of

    try:
        pipelines_of(kb)
    except ConfigError as error:
        field, where = ("embedding",), ""
        if error.where != "embedding":
            field, where = ("embedding", "model"), error.where
        found = f"{where}: {error.found}" if where else error.found
        raise ConfigError(found, where=place_of(kb.folder / "defs.yaml", *field), expected=error.expected, action=error.action) from error


def place_of(path: Path, *field: str) -> str:
    """Return where a field of a defs.yaml stands, for messages: file:line: field."""
    return f"{path}:{_line(_compose(path, _read(path)), field)}: {'.'.join(field)}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(f"byte 0x{error.object[error.start]:02x} is not UTF-8", where=f"{path}:{line}", action="save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=str(path), expected="a readable file") from None


def _compose(path: Path, text: str) -> Any:
    try:
        return yaml.compose(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{error.problem}", where=f"{path}:{line}", expected="YAML") from None


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown field"
    if error["type"] == "value_error":  # a validator of ours: it says what was found
        return error["msg"].removeprefix("Value error, ")
    return error["msg"] if error["type"] == "missing" else f"{error['msg']} (found {error['input']!r})"


def _line(node: Any, location: tuple[Any, ...]) -> int:
    """Return the line of the deepest part of a field's path that the file has."""
    line, here = node.start_mark.line, node
    for step in ("attributes", *location):
        if isinstance(here, yaml.MappingNode):
            pair = next(((k, v) for k, v in here.value if k.value == step), None)
            if pair is None:
                break
            line, here = pair[0].start_mark.line, pair[1]
        elif isinstance(here, yaml.SequenceNode) and isinstance(step, int) and step < len(here.value):
            here = here.value[step]
            line = here.start_mark.line
    return line + 1
