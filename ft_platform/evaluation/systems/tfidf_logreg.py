"""TF-IDF + logistic regression, tuned on the validation split: the strong and cheap alternative to a language model."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.evaluation.systems.logistic_regression import Answers, answered, tuned_regression
from ft_platform.evaluation.systems.tfidf import MAX_FEATURES, tfidf_vectorizer

REGULARIZATION = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class LabelledTexts:
    texts: list[str]
    labels: list[str]


def tfidf_logreg(
    train: LabelledTexts, validation: LabelledTexts, test_texts: list[str]
) -> tuple[Answers, dict[str, Any]]:
    """The answers to the test records, and the setting with the best macro-F1 on the validation split.

    Raises:
        DataError: the training split has one label only.
    """
    from threadpoolctl import threadpool_limits

    vectorizer, model, chosen = fitted(train, validation)
    started = time.monotonic()
    with threadpool_limits(1):
        predicted, confidence = answered(model, vectorizer.transform(test_texts))
    return (predicted, confidence, time.monotonic() - started), chosen


def shared_terms(texts: Sequence[str], persons: Sequence[str]) -> list[str]:
    """The terms of the vectorizer that at least two of these persons use, sorted; the most frequent `MAX_FEATURES`."""
    cut, first, shared, texts_with = tfidf_vectorizer().build_analyzer(), dict[str, str](), set[str](), Counter[str]()
    for text, person in zip(texts, persons, strict=True):
        terms = set(cut(text))
        texts_with.update(terms)
        shared.update(term for term in terms if first.setdefault(term, person) != person)
    return sorted(sorted(shared, key=lambda term: (-texts_with[term], term))[:MAX_FEATURES])


def fitted(
    train: LabelledTexts, validation: LabelledTexts, terms: Sequence[str] | None = None
) -> tuple[Any, Any, dict[str, Any]]:
    """Vectorizer and regression of the training records, and the setting with the best macro-F1 on the others.

    Args:
        terms: it may learn; None: all in the training records.

    Raises:
        DataError: the training split has one label only.
    """
    from threadpoolctl import threadpool_limits

    # One thread: the matrices are small, and with another busy process two BLAS threads that wait for each other took
    # 20 times as long.
    with threadpool_limits(1):
        vectorizer = tfidf_vectorizer(terms)
        features = vectorizer.fit_transform(train.texts)
        held_out = vectorizer.transform(validation.texts) if validation.texts else None
        model, _, chosen = tuned_regression(
            {"tfidf": (features, held_out)}, REGULARIZATION, train.labels, validation.labels
        )
    return vectorizer, model, chosen
