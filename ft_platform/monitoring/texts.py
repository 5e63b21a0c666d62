"""Measures of texts. Only figures and words that the anonymized train split holds too leave them."""

from collections import Counter
from collections.abc import Collection, Sequence

from ft_platform.evaluation.metrics.refusal_rate import refuses
from ft_platform.monitoring.measures import Column
from ft_platform.records.profiling.languages import is_installed, languages
from ft_platform.records.profiling.terms import terms_of
from ft_platform.use_case.settings.privacy import Privacy

SCANNED = 1_000
"""Answers of a day that are searched for personal data: four seconds of a core."""


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


def personal_data(answers: Sequence[str], privacy: Privacy) -> dict[str, int]:
    """Entity -> how many of the first `SCANNED` answers hold it, as the use case's recognizers find it."""
    from ft_platform.privacy.scan import Scanner

    found = Scanner(privacy).find(answers[:SCANNED])
    return dict(sorted(Counter(entity for spans in found for entity in {one.entity for one in spans}).items()))
