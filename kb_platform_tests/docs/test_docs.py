"""What README and docs/ say is so: reference pages, links, commands, knowledge bases in YAML."""

import re
import shlex
from pathlib import Path

import click
import pytest

from kb_platform.components.knowledge_base.validate import read_knowledge_base
from kb_platform_tests.docs.references import DOCS, PAGES, commands

ROOT = DOCS.parent
PROSE = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(p for p in DOCS.rglob("*.md") if p.name not in PAGES)])
COMMANDS = dict(commands())
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    .*$", re.MULTILINE)
STANDS_FOR = {"N": "1", "W": "0.5", "DAY": "2026-01-01"}  # what pages write for a number, a weight, a day
INLINE = re.compile(r"`(?:\.venv/bin/)?kb ([^`\n]+)`")
SHELLS = re.compile(r" [>|] .*")  # where the output goes is not the command's matter
LINE = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?kb (.*)$", re.MULTILINE)


def _split(words: str) -> tuple[click.Command, str, list[str]]:
    """Return the command that a line calls, and what follows."""
    parts = shlex.split(SHELLS.sub("", words), comments=True)
    for length in (2, 1):
        name = " ".join(["kb", *parts[:length]])
        if len(parts) >= length and name in COMMANDS:
            return COMMANDS[name], name, parts[length:]
    raise AssertionError(f"kb {words}: no such command")


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_are_what_the_code_says(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == PAGES[page](), "run `make docs`"


@pytest.mark.parametrize("path", [*PROSE, *(DOCS / page for page in PAGES)], ids=lambda p: p.name)
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    targets = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in targets if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.name)
def test_commands_in_blocks_can_be_run_as_they_stand(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    blocks = [*(body for _, body in FENCE.findall(text)), "\n".join(INDENTED.findall(FENCE.sub("", text)))]
    for words in (line for block in blocks for line in LINE.findall(block)):
        command, name, arguments = _split(words)
        command.make_context(name, [STANDS_FOR.get(a, a) for a in (re.sub(r"^\[|\]$", "", a) for a in arguments)])


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.name)
def test_commands_named_in_sentences_exist_with_their_options(path: Path) -> None:
    for words in INLINE.findall(path.read_text(encoding="utf-8")):
        if words.startswith("--"):
            continue
        command, _, arguments = _split(words)
        known = {opt for parameter in command.params for opt in parameter.opts} | {"--help"}
        assert {a for a in arguments if a.startswith("-")} <= known, words


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.name)
def test_complete_knowledge_bases_are_valid(path: Path, tmp_path: Path) -> None:
    for kind, body in FENCE.findall(path.read_text(encoding="utf-8")):
        if kind == "yaml" and "type: kb_platform" in body:
            (tmp_path / "defs.yaml").write_text(body, encoding="utf-8")
            assert read_knowledge_base(tmp_path / "defs.yaml").sources


def test_every_decision_is_in_the_index() -> None:
    decisions = {p.name for p in (DOCS / "adr").glob("0*.md")}
    assert decisions == {link for link in LINK.findall((DOCS / "adr" / "README.md").read_text(encoding="utf-8")) if link.startswith("0")}
