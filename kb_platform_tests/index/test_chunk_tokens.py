"""The model's tokens: counted once, cut between words."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from kb_platform.index.bundled_model import bundled_tokenizer
from kb_platform.index.tokens import LARGEST_UNIT, WINDOW, ModelTokenizer
from kb_platform.knowledge.errors import ConfigError


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return bundled_tokenizer()


def test_the_files_own_truncation_at_128_tokens_is_off(tokenizer: ModelTokenizer) -> None:
    assert tokenizer.count("dose " * 1000) == 1000
    assert [len(ids) for ids in tokenizer.ids(["dose " * 1000, "dose"])] == [1002, 3]


def test_text_that_spells_a_special_token_is_text(tokenizer: ModelTokenizer) -> None:
    *_, separator = tokenizer.ids(["a"])[0]
    assert tokenizer.ids(["a [SEP] b"])[0].count(separator) == 1
    assert tokenizer.count("[SEP]") > 1


def own_words(tokenizer: ModelTokenizer, text: str) -> dict[int, tuple[int, int]]:
    """Return end and number of tokens by the start of each word, as the tokenizer says when it is asked for the whole text."""
    encoding = tokenizer.tokenizer.encode(text, add_special_tokens=False)
    spans: dict[int, list[tuple[int, int]]] = {}
    for word, span in zip(encoding.word_ids, encoding.offsets, strict=True):
        spans.setdefault(word, []).append(span)
    return {found[0][0]: (found[-1][1], len(found)) for found in spans.values()}


def counted_words(tokenizer: ModelTokenizer, text: str) -> dict[int, tuple[int, int]]:
    words = tokenizer.words(text)
    return {words.starts[i]: (words.ends[i], words.before[i + 1] - words.before[i]) for i in range(len(words))}


MIXED = st.text(st.characters(max_codepoint=127) | st.sampled_from("\n\n  aAzZ09_-.'/\x00\x0b\x85\u2028\u0301é각\u200bﬁ"), max_size=120)


@given(MIXED)
@settings(max_examples=300, deadline=None)
def test_words_are_those_of_the_tokenizer_whatever_the_line_holds(tokenizer: ModelTokenizer, text: str) -> None:
    text = "x " + text  # the first unit begins at 0 in any case
    assert counted_words(tokenizer, text) == own_words(tokenizer, text)


def test_a_tokenizer_of_another_kind_is_asked_for_every_word(tmp_path: Path) -> None:
    other = Tokenizer(WordLevel({"a": 0, "?": 1}, unk_token="?"))
    other.pre_tokenizer = WhitespaceSplit()
    other.save(str(tmp_path / "tokenizer.json"))
    text = "a.b well-known a"
    assert counted_words(ModelTokenizer(tmp_path), text) == {0: (3, 1), 4: (14, 1), 15: (16, 1)}


@given(st.text(max_size=300), st.data())
@settings(max_examples=150, deadline=None)
def test_pieces_between_units_cost_what_they_cost_in_the_whole(tokenizer: ModelTokenizer, text: str, data: st.DataObject) -> None:
    words = tokenizer.words(text)
    if len(words) < 2:
        return
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    end = words.starts[last] if last < len(words) else len(text)
    whole = words.before[-1] == tokenizer.count(text)  # no unit was sliced: costs are exact, else they are bounds
    cost = words.before[last] - words.before[first]
    found = tokenizer.count(text[words.starts[first] : end])
    assert found == cost if whole else found <= cost


@pytest.mark.parametrize("word", ["qz" * 48, "각" * 33, "각" * 34, "\u0301" * 40 + "zq" * 45])
@pytest.mark.parametrize("ignored", ["\u200b", " "])
def test_a_word_before_a_long_ignored_stretch_costs_what_it_costs(tokenizer: ModelTokenizer, word: str, ignored: str) -> None:
    text = word + ignored * 300
    words = tokenizer.words(text)
    assert len(words) > 2
    assert words.before[1] >= tokenizer.count(text[: words.starts[1]])
    assert words.before[-1] >= tokenizer.count(text)


@given(st.text(st.sampled_from("ab한ﬁé\u0301\u200b กx"), max_size=1500), st.data())
@settings(max_examples=100, deadline=None)
def test_slices_of_endless_words_never_cost_more_than_announced(tokenizer: ModelTokenizer, text: str, data: st.DataObject) -> None:
    words = tokenizer.words(text)
    if not len(words):
        return
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    end = words.starts[last] if last < len(words) else len(text)
    assert tokenizer.count(text[words.starts[first] : end]) <= words.before[last] - words.before[first]
    assert max(b - a for a, b in zip(words.before, words.before[1:], strict=False)) <= LARGEST_UNIT


@pytest.mark.parametrize("unit", ["dose of aspirin, ", "中文", '{"k":[1,2]},', "line\n"])
def test_a_text_longer_than_a_window_is_counted_like_a_short_one(tokenizer: ModelTokenizer, unit: str) -> None:
    text = unit * (3 * WINDOW // len(unit))
    words = tokenizer.words(text)
    assert words.before[-1] == tokenizer.count(text)
    assert all(text[start:end] == text[start:end].strip() for start, end in zip(words.starts, words.ends, strict=True))


@given(st.text(max_size=200), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_truncation_keeps_whole_words_within_the_limit(tokenizer: ModelTokenizer, text: str, limit: int) -> None:
    head = tokenizer.truncate(text, limit)
    assert text.startswith(head)
    assert tokenizer.count(head) <= limit
    assert head == text or tokenizer.count(text) > limit


def test_a_folder_without_a_tokenizer_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.json"):
        ModelTokenizer(tmp_path).count("a")
