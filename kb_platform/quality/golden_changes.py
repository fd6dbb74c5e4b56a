"""Changes one golden in the file that it stands in, as a careful person would: every other line stays as it is.

The result is read back, and must hold the other goldens as they were and this one as it shall be, before it takes the file's place.
"""

import difflib
import io
import json
from pathlib import Path

from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.golden import Golden, located_goldens, read_goldens
from kb_platform.quality.golden_writing import alone, as_block, draft, golden_row, last_line
from kb_platform.quality.located_files import YamlFile, read_text


def golden_patch(folder: Path, golden: Golden, becomes: Golden | None) -> str:
    """Return the change as a unified diff against the file, for `patch -p0` or a review of code."""
    path, line = _place(folder, golden)
    before, after = read_text(path), _changed(path, line, golden, becomes)
    name = str(path.relative_to(folder.parent))
    lines = difflib.unified_diff(_lines(before), _lines(after), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def change_golden(folder: Path, golden: Golden, becomes: Golden | None) -> Path:
    """Put another golden in a golden's place, or none; return the file.

    Raises:
        ConfigError: it is not there as it was any more, or the file is such that this cannot be done safely.
    """
    with alone(folder):
        path, line = _place(folder, golden)
        wanted = [found for _, g in read_goldens(path) if (found := becomes if g.id == golden.id else g)]
        with draft(path) as text:
            text.write_text(_changed(path, line, golden, becomes), encoding="utf-8")
            if [g for _, g in read_goldens(text)] != wanted:
                raise ConfigError(f"{golden.id} cannot be changed safely", where=str(path), action="change it by hand")
    return path


def _place(folder: Path, golden: Golden) -> tuple[Path, int]:
    found = located_goldens(folder).get(golden.id)
    if found is None or found[0] != golden:
        raise ConfigError(f"golden {golden.id} is not there as it was reviewed", where=str(folder), action="nothing has to be changed")
    path, line = found[1].rsplit(":", 2)[:2]
    return Path(path), int(line)


def _changed(path: Path, line: int, golden: Golden, becomes: Golden | None) -> str:
    text = read_text(path)
    if path.suffix.lower() == ".jsonl":
        lines = _lines(text)
        lines[line - 1 : line] = [json.dumps(golden_row(becomes), ensure_ascii=False) + "\n"] if becomes else []
        return "".join(lines)
    node = YamlFile(path).node_of("goldens")
    items = node.value
    number = next(n for n, (_, g) in enumerate(read_goldens(path)) if g.id == golden.id)
    if node.flow_style or len(items) == 1 and becomes is None:
        raise ConfigError(f"{golden.id} cannot be taken out of its file safely", where=str(path), action="change it by hand")
    first, last = items[number].start_mark.line, last_line(items[number])
    lines = text.splitlines(keepends=True)
    lines[first : last + 1] = [as_block(becomes, node.start_mark.column)] if becomes else []
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """Split where JSONL and `patch` do: U+2028 and its like stand inside a line, where YAML and str.splitlines break it."""
    return io.StringIO(text).readlines()
