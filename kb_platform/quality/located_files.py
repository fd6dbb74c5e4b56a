"""Reads YAML and JSONL so that a mistake can be named by file, line and field.

A loader that only builds values forgets where each stood; here the node tree is kept until the values have been checked. What
the values mean is decided elsewhere (golden.py, trec_files.py).
"""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from kb_platform.knowledge.bounded_yaml import Loader, built, refuse_overgrown, shown
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.wrong_values import in_words

M = TypeVar("M", bound=BaseModel)

LARGEST = 64 * 2**20  # bytes: ten thousand goldens are 3 MB; what is larger is no golden file

MOST = 5_000_000  # values, of a file of the largest size


def read_text(path: Path) -> str:
    """Return the file's text without a byte order mark; ConfigError when it is missing, not UTF-8 or too large."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(f"{size / 2**20:.0f} MiB", where=str(path), expected=f"at most {LARGEST // 2**20} MiB", action="split the file")
        raw = path.read_bytes()
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ConfigError("the file is UTF-16", where=f"{path}:1", action="save the file as UTF-8")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", where=str(path), expected="a readable file") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"byte 0x{error.object[error.start]:02x} is not UTF-8", where=f"{path}:{line}", action="save the file as UTF-8"
        ) from error


def jsonl_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for every line that is not blank; ConfigError at a line that holds no JSON object."""
    for number, line in jsonl_lines(path):
        yield number, json_object(line, f"{path}:{number}")


def jsonl_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) for every line that is not blank."""
    return ((number, line) for number, line in enumerate(read_text(path).split("\n"), start=1) if line.strip())


def json_object(line: str, where: str) -> dict[str, Any]:
    """Return the object of one line; ConfigError where it holds none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits")
        raise ConfigError(f"not JSON ({problem})", where=where, expected="one JSON object a line") from error
    if not isinstance(value, dict):
        raise ConfigError(f"found {type(value).__name__}", where=where, expected="one JSON object a line")
    return value


class YamlFile:
    """One YAML document: its values, and the line of each."""

    def __init__(self, path: Path) -> None:
        """Parse the file; ConfigError with the line for a syntax error, a key given twice or an empty file."""
        self.path = path
        try:
            text = read_text(path)
            refuse_overgrown(text, str(path), MOST)
            self._root = yaml.compose(text, Loader=Loader)
            if self._root is None:
                raise ConfigError("the file is empty", where=str(path), expected="`version: 1` and `goldens:`")
            self._refuse_repeated_keys()
            self.value: Any = built(self._root, str(path))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            raise ConfigError(f"not YAML ({error.problem or error.context})", where=where) from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"not YAML ({error})".replace("\n", " "), where=str(path)) from error

    def line_of(self, field: tuple[str | int, ...]) -> int:
        """Return the line (from 1) of a field, or of its nearest parent that is in the file."""
        node, line = self._root, self._root.start_mark.line
        for step in field:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1

    def node_of(self, key: str) -> Any:
        """Return the parser's node of a top-level key, which knows where it begins and ends; None where there is none."""
        found = _child(self._root, key)
        return found[1] if found else None

    def _refuse_repeated_keys(self) -> None:
        pending, seen = [self._root], set()
        while pending:
            node = pending.pop()
            if id(node) in seen:  # an alias
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                self._refuse_twice([key for key, _ in node.value])
                pending += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                pending += node.value

    def _refuse_twice(self, keys: list[yaml.Node]) -> None:
        names: set[Any] = set()
        for key in keys:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in names:
                where = f"{self.path}:{key.start_mark.line + 1}:{name}"
                raise ConfigError(f"the key {name!r} is given twice", where=where, action="keep one")
            names.add(name)


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    """Return (line, node) one step down: a list item by its number, a mapping's value by its key."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == step), None)
    return None


def validate(model: type[M], value: Any, file: YamlFile | tuple[Path, int]) -> M:
    """Return the value as a model; ConfigError naming file, line and field of the first mistake."""
    checked, mistakes = validated(model, value, file)
    if checked is None:
        first, more = mistakes[0], len(mistakes) - 1
        raise ConfigError(first.found, where=first.where, action=f"({more} more mistakes after it)" if more else "")
    return checked


def validated(model: type[M], value: Any, file: YamlFile | tuple[Path, int], at: tuple[str | int, ...] = ()) -> tuple[M | None, list[ConfigError]]:
    """Return the value as a model, or None with one error for each mistake; `at` is where in the file the value stands."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        return None, [_mistake(each, model, file, at) for each in error.errors(include_url=False)]


def _mistake(error: Any, model: type[BaseModel], file: YamlFile | tuple[Path, int], at: tuple[str | int, ...]) -> ConfigError:
    loc = (*at, *error["loc"])
    path, line = (file.path, file.line_of(loc)) if isinstance(file, YamlFile) else file
    field = ".".join(str(step) for step in loc) or "the whole"
    return ConfigError(_sentence(error, model), where=f"{path}:{line}:{field}")


def _sentence(error: Any, model: type[BaseModel]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"unknown field {error['loc'][-1]!r}"
        case "missing":
            return f"the field {error['loc'][-1]!r} is missing"
        case "model_type":
            return f"found {type(error['input']).__name__}; a mapping with {', '.join(model.model_fields)} belongs here"
        case "value_error":
            return f"{in_words(error)}, found {shown(error['input'])}"
        case _:
            return f"found {shown(error['input'])}; {in_words(error)}"
