"""What all kinds of sources have in common."""

import pytest

from kb_platform.ingest.doc_ids import MAX_BYTES, id_problem, shown
from kb_platform.ingest.globs import compile_glob, matches_any
from kb_platform.ingest.sources import Mark, find_deleted, open_source, settings_model, source_kinds
from kb_platform.knowledge.errors import ConfigError


def test_the_kinds_are_the_modules_of_the_folder() -> None:
    assert source_kinds() == ("files", "jsonl")
    for kind in source_kinds():
        assert settings_model(kind).model_fields["kind"].default == kind


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("ftp", {}, r"unknown kind of source 'ftp'; expected files or jsonl; correct defs\.yaml"),
        ("files", {}, "source of kind files: path: is missing"),
        ("files", {"path": "x", "globs": []}, "globs: is not known"),
        ("files", {"path": "x", "max_bytes": 0}, "max_bytes: expected more than 0"),
        ("files", {"path": "x", "extra_formats": ["exe"]}, "extra_formats.0: expected 'csv', 'tsv', 'xml', 'xlsx', 'pptx' or 'eml'"),
        ("jsonl", {"path": "x", "include": ["*"]}, "include: is not known"),
        ("__init__", {}, "unknown kind"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(kind: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_source(kind, options)
    assert "\n" not in str(caught.value)


def test_what_is_known_and_was_not_seen_is_deleted() -> None:
    known = {name: Mark(b"x") for name in "abc"}
    assert find_deleted(known, {"a", "d"}) == {"b", "c"}
    assert find_deleted({}, {"a"}) == set()


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.md", ["a.md", "x/y/a.md", ".md"], ["a.mdx", "md", "A.MD"]),
        ("guides/*.md", ["guides/a.md"], ["guides/x/a.md", "x/guides/a.md"]),
        ("guides/**", ["guides/a.md", "guides/x/a.md"], ["guide/a.md", "guides"]),
        ("drafts/", ["drafts/a.md", "drafts/x/a.md"], ["a/drafts/b.md"]),
        ("**/drafts/**", ["drafts/a", "x/y/drafts/z/a"], ["draft/a"]),
        ("/a.md", ["a.md"], []),
        ("a?c.[mt][!x]*", ["abc.md", "x/abc.toc"], ["ac.md", "a/c.md", "abc.mx"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a+(b).md", ["a+(b).md"], ["aab.md"]),
        ("[]]", ["]"], ["["]),
        ("a\nb*", ["a\nbc"], []),
    ],
)
def test_patterns_match_as_in_gitignore(pattern: str, matching: list[str], other: list[str]) -> None:
    compiled = [compile_glob(pattern)]
    assert [path for path in matching if not matches_any(path, compiled)] == []
    assert [path for path in other if matches_any(path, compiled)] == []


@pytest.mark.parametrize(
    ("doc_id", "problem", "printed"),
    [
        ("wards/ICU plan.md", "", "wards/ICU plan.md"),
        (" - odd", "", " - odd"),
        ("é", "", "é"),
        ("e\u0301", "", "e\u0301"),
        ("a\nb", "its id holds control characters", "a\\x0ab"),
        ("a\x00b", "its id holds control characters", "a\\x00b"),
        ("  ", "its id is blank", "  "),
        ("a\udcff", "its name is not UTF-8", "a\\xff"),
        ("a\ud800", "its name is not UTF-8", "'a\\ud800'"),
        ("x" * MAX_BYTES, "", "x" * MAX_BYTES),
        ("x" * (MAX_BYTES + 1), "its id is longer than 1024 bytes", "x" * (MAX_BYTES // 4)),
    ],
)
def test_ids_are_what_the_database_and_a_report_can_hold(doc_id: str, problem: str, printed: str) -> None:
    assert id_problem(doc_id) == problem
    assert shown(doc_id) == printed
    shown(doc_id).encode()
