"""The golden gate's parameters in defs.yaml are those of GateParameters, with its defaults and its limits."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from kb_platform.components.knowledge_base.gate_schema import GoldenGateModel
from kb_platform.components.knowledge_base.validate import read_knowledge_base
from kb_platform.knowledge.errors import ConfigError
from kb_platform.quality.gate_parameters import GateParameters
from kb_platform.quality.metrics import MEASURES

ROOT = Path(__file__).parents[2]
SET = {
    "floors": {"all": 0.9, "critical": {"Success@5": 0.95, "RR@10": 0.8}}, "primary": "R@10", "secondary": ["nDCG@10", "RR@10"],
    "min_effect": 0.01, "alpha": 0.04, "suspicion": 0.3, "min_queries": 40, "max_stale_share": 0.3, "max_newly_stale_share": 0.2,
    "critical_losses": 2, "resamples": 2000, "seed": 1,
}


def write(folder: Path, gate: object) -> Path:
    body = {"name": "t", "start_date": "2026-01-01", "sources": [{"name": "docs", "kind": "files", "path": "documents"}], "gate": gate}
    path = folder / "defs.yaml"
    path.write_text(yaml.safe_dump({"type": "kb_platform.components.KnowledgeBase", "attributes": body}, sort_keys=False))
    return path


def test_every_parameter_can_be_set_and_reaches_the_gate(tmp_path: Path) -> None:
    assert set(SET) == {f.name for f in fields(GateParameters)} == set(GoldenGateModel.model_fields)
    found = GateParameters(**read_knowledge_base(write(tmp_path, SET)).gate)
    assert found == GateParameters(**{**SET, "secondary": ("nDCG@10", "RR@10")})


def test_what_is_not_set_has_the_gates_own_default(tmp_path: Path) -> None:
    assert GateParameters(**read_knowledge_base(write(tmp_path, {})).gate) == GateParameters()


def test_the_measures_are_those_that_are_computed() -> None:
    schema = GoldenGateModel.model_json_schema()["properties"]["primary"]
    assert tuple(schema["enum"]) == MEASURES


def test_every_parameter_is_documented() -> None:
    documented = (ROOT / "docs" / "yaml-reference.md").read_text()
    assert [field.name for field in fields(GateParameters) if f"| `gate.{field.name}` |" not in documented] == []


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"floors": {"all": 95}}, "floors.all: found Success@5: 95; expected 0 to 1"),
        ({"floors": {"all": {"Hit@5": 0.5}}}, "floors.all: found Hit@5: 0.5; expected 0 to 1, on one of nDCG@10"),
        ({"floors": {"all": "high"}}, "floors.all: found Success@5: 'high'; expected 0 to 1"),
        ({"floors": [0.9]}, "gate.floors: a mapping from slices"),
        ({"primary": "Hit@5"}, "gate.primary: found 'Hit@5'; expected 'nDCG@10'"),
        ({"alpha": 0}, "gate.alpha: found 0; expected more than 0"),
        ({"critical_losses": 0}, "gate.critical_losses: found 0; expected at least 1"),
        ({"resamples": 10}, "gate.resamples: found 10; expected at least 1000"),
        ({"alhpa": 0.05}, "gate.alhpa: unknown field"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_line(tmp_path: Path, gate: object, sentence: str) -> None:
    path = write(tmp_path, gate)
    with pytest.raises(ConfigError) as caught:
        read_knowledge_base(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}:10: gate.")
    assert "\n" not in str(caught.value)
