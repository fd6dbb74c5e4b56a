"""Which gates there are, and which of them a knowledge base requires."""

import datetime as dt
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kb_platform.components.knowledge_base.validate import read_knowledge_base
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.knowledge_base import KnowledgeBase
from kb_platform.release.gates import ALWAYS_REQUIRED, GATES, Rank, may_block, required_gates

INTEGRITY = {name for name, gate in GATES.items() if gate.rank is Rank.INTEGRITY}
ADVISORY = {name for name, gate in GATES.items() if gate.rank is Rank.ADVISORY}
GOLDEN = "version: 1\ngoldens:\n  - {id: g, question: q, expected: [{document: d, quote: words}]}\n"


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    return KnowledgeBase("kb", tmp_path, (), dt.date(2026, 1, 1))


@pytest.fixture
def with_goldens(kb: KnowledgeBase) -> KnowledgeBase:
    (kb.folder / "golden").mkdir()
    (kb.folder / "golden" / "golden.yaml").write_text(GOLDEN)
    return kb


@pytest.mark.parametrize("gate", GATES.values(), ids=list(GATES))
def test_every_gate_can_measure_and_says_in_a_sentence_what_it_looks_at(gate) -> None:
    assert callable(gate._module().measure)
    assert gate.description.endswith(".") and gate.name.isidentifier()


def test_no_gate_module_is_without_its_entry() -> None:
    import kb_platform.release.gates as package

    modules = {path.stem for path in Path(package.__path__[0]).glob("*.py")} - {"__init__", "subject"}
    assert modules == set(GATES)


def test_an_integrity_gate_can_never_be_waived() -> None:
    assert INTEGRITY
    assert not any(GATES[name].waivable for name in INTEGRITY)


def test_all_gates_but_the_advisory_ones_are_required_by_default(with_goldens: KnowledgeBase) -> None:
    assert ALWAYS_REQUIRED[-1] in required_gates(with_goldens)
    assert not ADVISORY & set(required_gates(with_goldens))
    assert set(required_gates(with_goldens)) >= INTEGRITY


def test_the_golden_gate_is_required_as_soon_as_there_are_goldens_whatever_the_yaml_says(with_goldens: KnowledgeBase) -> None:
    kb = replace(with_goldens, required_gates=tuple(INTEGRITY))
    assert set(required_gates(kb)) == set(ALWAYS_REQUIRED)
    (kb.folder / "golden" / "golden.yaml").unlink()
    assert set(required_gates(kb)) == INTEGRITY


def test_a_gate_that_the_yaml_names_is_required_even_where_it_has_nothing_to_go_by(kb: KnowledgeBase) -> None:
    named = replace(kb, required_gates=(*INTEGRITY, "golden_retrieval"))
    assert "golden_retrieval" in required_gates(named)
    assert "golden_retrieval" not in required_gates(kb)


def test_a_gate_that_is_left_out_warns(kb: KnowledgeBase) -> None:
    few = replace(kb, required_gates=tuple(INTEGRITY))
    assert {name for name, gate in GATES.items() if may_block(gate, few)} == set(ALWAYS_REQUIRED)


@pytest.mark.parametrize(("names", "message"), [
    ([*INTEGRITY, "covrage"], r"defs\.yaml:5: gate\.required_gates: .*unknown gate covrage; expected one of coverage, "),
    (["coverage", "index_recall"], r"defs\.yaml:5: gate\.required_gates: .*embedding_health left out"),
    ([], r"defs\.yaml:5: gate\.required_gates: .*coverage, index_recall, embedding_health left out"),
    ("coverage", r"defs\.yaml:5: gate\.required_gates: "),
])
def test_a_wrong_list_of_required_gates_is_refused_with_file_and_line(tmp_path: Path, names: object, message: str) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(f"""type: kb_platform.components.KnowledgeBase
attributes:
  {{name: x, start_date: "2026-01-01", sources: [{{name: s, kind: files, path: .}}],
   gate: {{min_effect: 0.02,
     required_gates: {json.dumps(names)}}}}}
""")
    with pytest.raises(ConfigError, match=message):
        read_knowledge_base(path)


def test_the_table_of_gates_loads_without_the_database_and_the_model() -> None:
    script = "import sys, kb_platform.release.gates; print([m for m in ('numpy', 'psycopg', 'openvino', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
