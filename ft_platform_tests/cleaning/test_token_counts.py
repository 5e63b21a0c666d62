"""Bounds in tokens are those of the tokenizer that is named."""

from pathlib import Path

import pytest

from ft_platform.cleaning.token_counts import tokenizer_fingerprint
from ft_platform.errors import ConfigError
from ft_platform.use_case.settings.cleaning import Cleaning
from ft_platform_tests.cleaning.test_filters import quality
from ft_platform_tests.tables import use_case

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base model whose tokens are words and punctuation marks, and whose chat template would add two markers."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "[BOS]": 1, "[EOS]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 1), ("[EOS]", 2)]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one", "too_few_tokens"),
        ("one two", None),
        ("one two three four", None),
        ("one, two, three", "too_many_tokens"),
    ],
)
def test_texts_outside_the_bounds_are_removed(folder: Path, text: str, reason: str | None) -> None:
    for named in (folder, folder / "tokenizer.json"):
        assert quality(text, tokenizer=str(named), min_tokens=2, max_tokens=4) == reason


def test_one_bound_is_enough(folder: Path) -> None:
    assert quality("one", tokenizer=str(folder), max_tokens=4) is None
    assert quality("one two three four five", tokenizer=str(folder), min_tokens=2) is None


def test_without_a_tokenizer_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="need `tokenizer`"):
        use_case(cleaning={"max_tokens": 10})
    with pytest.raises(ValueError, match="`min_tokens` must be below `max_tokens`"):
        use_case(cleaning={"min_tokens": 10, "max_tokens": 10, "tokenizer": "x"})


def test_a_missing_or_broken_tokenizer_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be a tokenizer\.json or a folder"):
        quality("one two", tokenizer=str(folder / "none"), min_tokens=2)
    (folder / "broken.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not a tokenizer"):
        quality("one two", tokenizer=str(folder / "broken.json"), min_tokens=2)


def test_another_tokenizer_under_the_same_name_makes_another_result(folder: Path) -> None:
    cleaning = Cleaning(tokenizer=str(folder))
    first = tokenizer_fingerprint(cleaning)
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")
    assert tokenizer_fingerprint(cleaning) != first and set(first) == {"tokenizer_sha256"}
    assert tokenizer_fingerprint(Cleaning()) == {}
