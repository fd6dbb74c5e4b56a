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
    node = _compose(path)
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise ConfigError(f"type is {value.get('type') if isinstance(value, dict) else value!r}", where=f"{path}:1", expected=TYPE)
    try:
        model = KnowledgeBaseModel.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        lines = [f"{path}:{_line(node, e['loc'])}: {'.'.join(map(str, e['loc']))}: {_sentence(e)}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    return to_knowledge_base(model, path.parent)


def _compose(path: Path) -> Any:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{error.problem}", where=f"{path}:{line}", expected="YAML") from None


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown field"
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
