"""Reads one defs.yaml without Dagster's machinery: field, file and line of what is wrong, in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kb_platform.components.knowledge_base.schema import KnowledgeBaseModel, to_knowledge_base
from kb_platform.knowledge.bounded_yaml import built, refuse_overgrown, shown
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.knowledge.wrong_values import in_words

LARGEST = 1 << 20  # bytes of a defs.yaml
TYPE = "kb_platform.components.KnowledgeBase"


def read_knowledge_base(path: Path) -> KnowledgeBase:
    """Return the knowledge base that a defs.yaml describes.

    Raises:
        ConfigError: with one line for every wrong field: file:line: field: what is wrong.
    """
    node, value = read_yaml(path)
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise ConfigError(f"type is {shown(value.get('type') if isinstance(value, dict) else value)}", where=f"{path}:1", expected=TYPE)
    try:
        model = KnowledgeBaseModel.model_validate(value.get("attributes") or {})
    except ValidationError as error:
        lines = [f"{path}:{_line(node, e['loc'])}: {'.'.join(map(str, e['loc']))}: {_sentence(e)}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    return to_knowledge_base(model, path.parent)


def read_yaml(path: Path) -> tuple[Any, Any]:
    """Return the nodes of a file, which know their lines, and its value.

    Raises:
        ConfigError: it is no YAML, or more than a person would write.
    """
    text = _read(path)
    node = _compose(path, text)
    return node, _construct(path, text, node)


def read_of_its_folder(path: Path) -> KnowledgeBase:
    """Return the knowledge base of a defs.yaml, which must be called as its folder is.

    Raises:
        ConfigError: it has another name, or its YAML is wrong.
    """
    kb = read_knowledge_base(path)
    require_name_of_folder(kb.name, path.parent)
    return kb


def require_name_of_folder(name: str, folder: Path) -> None:
    """Refuse a knowledge base that has not the name of its folder: a copied one would write into the original's schema.

    Raises:
        ConfigError: the names differ.
    """
    if name != folder.name:
        raise ConfigError(f"found {name!r}", where=place_of(folder / "defs.yaml", "name"), expected=f"{folder.name!r}, as its folder is called",
                          action="rename one of them")


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


def place_of(path: Path, *field: str | int) -> str:
    """Return where a field of a defs.yaml stands, for messages: file:line: field."""
    return f"{path}:{_line(_compose(path, _read(path)), field)}: {'.'.join(map(str, field))}"


def _read(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigError(f"{size} bytes", where=f"{path}:1", expected=f"at most {LARGEST}: a knowledge base takes a few thousand")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(f"byte 0x{error.object[error.start]:02x} is not UTF-8", where=f"{path}:{line}", action="save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=str(path), expected="a readable file") from None


def _compose(path: Path, text: str) -> Any:
    with _yaml_errors(path, text):
        refuse_overgrown(text, str(path))
        return yaml.compose(text)


def _construct(path: Path, text: str, node: Any) -> Any:
    with _yaml_errors(path, text):
        return built(node, str(path))


@contextmanager
def _yaml_errors(path: Path, text: str) -> Iterator[None]:
    """Turn what a parser says into one line with the place."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{error.problem or error.context}", where=f"{path}:{mark.line + 1 if mark else 1}", expected="YAML") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"unacceptable character ({error.reason})",
                          where=f"{path}:{line}", expected="YAML") from None


def _sentence(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown field"
    says_all = error["type"] in ("value_error", "missing")  # a validator of ours says what was found
    return in_words(error) if says_all else f"found {shown(error['input'])}; {in_words(error)}"


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
