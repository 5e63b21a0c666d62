"""Measures of texts. Only figures and words that the anonymized train split holds too leave them."""

from collections.abc import Collection, Sequence

from ft_platform.evaluation.metrics.refusal_rate import refuses
from ft_platform.monitoring.measures import Column
from ft_platform.profiling.languages import is_installed, languages
from ft_platform.profiling.terms import terms_of


def words_of(text: str) -> set[str]:
    """Different words of a text that have a meaning of their own."""
    return {term for term in terms_of(text) if " " not in term}


def new_words(texts: Sequence[str], vocabulary: Collection[str]) -> list[float | None]:
    """Share of the words of each text that are not in the vocabulary, in [0, 1]; None without words."""
    found = [words_of(text) for text in texts]
    return [sum(word not in vocabulary for word in words) / len(words) if words else None for words in found]


def text_columns(texts: Sequence[str], answers: Sequence[str] | None) -> dict[str, Column]:
    """`language` of each text where the extra `language` is installed, and `refused` for answers that were written."""
    found: dict[str, Column] = {"language": languages(texts)} if is_installed() else {}
    return found if answers is None else {**found, "refused": [refuses(answer) for answer in answers]}
