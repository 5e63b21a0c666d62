"""In which order records without a label are shown to experts: those first whose label teaches a model most.

The model is the word-count baseline (TF-IDF + logistic regression), fitted on the labelled records: the smaller the
margin between its two likeliest labels, the more it learns from the right one (margin sampling; Settles, Active
Learning Literature Survey, 2009, 3.1). A record like one that is shown already adds little and is put off. Chosen
after BADGE (arXiv:1906.03671) and k-center (arXiv:1708.00489) on the same vectors needed no fewer labels on two public
sets; what it saves is measured by `benchmarks/annotation.py`. Not covered: what a language model would be unsure of,
and labels that no record has yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.errors import DataError
from ft_platform.evaluation.annotation.order import CHOSEN
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts

ALIKE = 0.5
"""Cosine from which two texts count as alike: about half of their words and pairs of words."""


def by_small_margin(
    labelled: LabelledTexts, texts: Sequence[str], most: int, chosen: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Places of the texts to show, the most useful one first. Shape `(min(most, texts),)`.

    Args:
        chosen: settings of the baseline, where an evaluation has tuned them.

    Raises:
        DataError: the labelled records have one label only.
    """
    from threadpoolctl import threadpool_limits

    if len(set(labelled.labels)) < 2:
        raise DataError("the labelled records have one label only", "Label some of another one in the source")
    with threadpool_limits(1):
        order = np.argsort(_margins(labelled, texts, dict(chosen or CHOSEN)), kind="stable")
        return _spread(texts, order, most)


def _margins(labelled: LabelledTexts, texts: Sequence[str], chosen: dict[str, Any]) -> np.ndarray:
    """Probability of the likeliest label minus that of the second, in [0, 1]. Shape `(texts,)`."""
    from sklearn.linear_model import LogisticRegression

    vectorizer = tfidf_vectorizer()
    weight = chosen.get("class_weight", "none")
    model = LogisticRegression(
        C=chosen.get("C", 1.0), class_weight=None if weight == "none" else weight, max_iter=1000, tol=1e-3
    ).fit(vectorizer.fit_transform(labelled.texts), labelled.labels)
    likeliest: np.ndarray = np.sort(model.predict_proba(vectorizer.transform(list(texts))), axis=1)
    return likeliest[:, -1] - likeliest[:, -2]


def _spread(texts: Sequence[str], order: np.ndarray, most: int) -> np.ndarray:
    """The first places of `order` that are not like one before; where these are not enough, the first of the others."""
    vectors = tfidf_vectorizer().fit_transform(list(texts))
    nearest = np.zeros(len(order))
    shown: list[int] = []
    for place in order.tolist():
        if len(shown) == most:
            break
        if nearest[place] < ALIKE:
            shown.append(place)
            nearest = np.maximum(nearest, (vectors @ vectors[place].T).toarray().ravel())
    chosen = set(shown)
    put_off = [place for place in order.tolist() if place not in chosen]
    return np.array([*shown, *put_off][:most], dtype=np.int64)
