import pytest
import yaml

from kb_platform.knowledge.bounded_yaml import Loader, built
from kb_platform.knowledge.errors import ConfigError


@pytest.mark.parametrize("value", ["2026-13-45", "2026-01-01 99:99:99", "!!timestamp soon", "!!int ''", "!!int 0b", "!!float x", "!!bool maybe"])
@pytest.mark.parametrize("text", ["a: 1\nb: {value}\n", "a: 1\n{value}: 2\n", "a: 1\nb:\n- [2, &x {value}]\n- *x\n"])
def test_what_is_not_what_it_looks_like_is_named_with_its_line(value: str, text: str) -> None:
    text = text.format(value=value) if "{value}:" not in text else text.replace("{value}", f"? {value}\n")
    with pytest.raises(ConfigError, match=r"^file\.yaml:[23]: '.*' cannot be read as (timestamp|int|float|bool); put it in quotes"):
        built(yaml.compose(text, Loader=Loader), "file.yaml")


def test_what_can_be_built_is_what_yaml_says() -> None:
    text = "{a: 2026-01-02, b: !!set {x}, c: [1, &x 2.5, *x], <<: {d: null, e: !!bool no}, f: 0b11}"
    assert built(yaml.compose(text, Loader=Loader), "file.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_an_empty_document_is_none(text: str) -> None:
    assert built(yaml.compose(text, Loader=Loader), "file.yaml") is None


def test_nodes_that_do_not_fit_together_are_yaml_errors() -> None:
    with pytest.raises(yaml.YAMLError, match="unhashable"):
        built(yaml.compose("? [a]\n: b\n", Loader=Loader), "file.yaml")
