"""TF-IDF vectors of texts, fitted on the training split only."""

from collections.abc import Sequence
from typing import Any

MAX_FEATURES = 300_000


def tfidf_vectorizer(terms: Sequence[str] | None = None) -> Any:
    """Word 1- and 2-grams with sublinear term frequency. Words of every script count, single letters too.

    Args:
        terms: it may use; None: the most frequent ones in the texts it is fitted on.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=r"(?u)\b\w+\b",
        max_features=MAX_FEATURES,
        vocabulary=terms,
    )
