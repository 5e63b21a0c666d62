"""TF-IDF and logistic regression as a file that runs no code: words and pairs of words in JSON, numbers in safetensors.

It computes what scikit-learn's `TfidfVectorizer` and `LogisticRegression` compute (`evaluation.systems.tfidf_logreg`)
with NumPy alone, so that a server needs neither scikit-learn nor torch, and opens no pickle."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.own_files import TERM_WEIGHTS, TERMS
from ft_platform.models.guards.plain_json import read_object
from ft_platform.models.guards.tensor_files import read_header

FORM = 2
"""Of the first, the terms could be of one person alone."""
WORD = re.compile(r"\b\w+\b")
"""As `tfidf_vectorizer` cuts texts."""
NO_TERMS = json.dumps({"form": FORM, "terms": []}).encode()
"""What an erasure leaves of the words of a checkpoint that learned from erased rows: it can no longer be loaded."""
SHAPES = "idf", "weights", "intercept"


class TextClassifier:
    """Scores labels of texts.

    Args:
        terms: words, and pairs of words with a blank between.
        idf: of each term, `(terms,)`.
        weights: `(terms, labels)`.
        intercept: `(labels,)`.
    """

    device, dtype = "cpu", "float32"

    def __init__(self, terms: Sequence[str], idf: np.ndarray, weights: np.ndarray, intercept: np.ndarray) -> None:
        self.terms, self.idf, self.weights, self.intercept = terms, idf, weights, intercept
        self._places = {term: place for place, term in enumerate(terms)}

    @classmethod
    def of(cls, vectorizer: Any, regression: Any, labels: Sequence[str]) -> "TextClassifier":
        """What a fitted `tfidf_vectorizer` and a `LogisticRegression` on its vectors know, labels in this order. Of two
        labels scikit-learn keeps one row, the log-odds: each label gets half of it."""
        rows, intercept = regression.coef_, regression.intercept_
        if len(rows) == 1:
            rows, intercept = np.concatenate([-rows, rows]) / 2, np.concatenate([-intercept, intercept]) / 2
        places = [list(regression.classes_).index(label) for label in labels]
        terms = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
        numbers = (vectorizer.idf_, rows[places].T, intercept[places])
        return cls(terms, *(np.ascontiguousarray(one, dtype=np.float32) for one in numbers))

    def log_probabilities(self, texts: Iterable[str], on_rows: Callable[[int], None] = lambda done: None) -> np.ndarray:
        """Log-probability of every label of each text. Shape `(texts, labels)`, float64."""
        found = []
        for done, text in enumerate(texts, 1):
            scores = self._scores(text)
            scores -= scores.max()
            found.append(scores - math.log(np.exp(scores).sum()))
            on_rows(done)
        return np.array(found).reshape(len(found), len(self.intercept))

    def of_prompts(self, prompts: Iterable[Sequence[int]], on_rows: Callable[[int], None] = lambda done: None) -> Any:
        """The same of prompts of `models.characters`."""
        return self.log_probabilities(("".join(map(chr, prompt)) for prompt in prompts), on_rows)

    def _scores(self, text: str) -> np.ndarray:
        counts = Counter(place for term in _terms_of(text) if (place := self._places.get(term)) is not None)
        intercept = self.intercept.astype(np.float64)
        if not counts:
            return intercept
        places = np.fromiter(counts, dtype=np.int64)
        values = (1 + np.log(np.fromiter(counts.values(), dtype=np.float64))) * self.idf[places]
        return values / np.linalg.norm(values) @ self.weights[places] + intercept

    def save(self, folder: Path) -> None:
        """The same bytes for the same numbers."""
        from safetensors.numpy import save_file

        said = json.dumps({"form": FORM, "terms": list(self.terms)}, ensure_ascii=False)
        (folder / TERMS).write_text(said, encoding="utf-8")
        save_file({name: getattr(self, name) for name in SHAPES}, folder / TERM_WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "TextClassifier":
        """That of a checkpoint.

        Raises:
            BaseModelError: a file is damaged, or numbers and words do not fit one another.
        """
        from safetensors.numpy import load_file

        said = read_object(folder / TERMS)
        read_header(folder / TERM_WEIGHTS)
        terms, tensors = said.get("terms"), load_file(folder / TERM_WEIGHTS)
        fits = isinstance(terms, list) and set(tensors) == set(SHAPES) and said.get("form") == FORM
        fits = fits and all(isinstance(term, str) for term in terms or [])
        if not fits or not _fit(len(terms or []), *(tensors[name] for name in SHAPES)):
            raise BaseModelError(
                f"{TERMS} and {TERM_WEIGHTS} of checkpoint {folder.name} do not belong together, or hold values that"
                " are not finite",
                "Train again",
            )
        return cls(terms or [], *(tensors[name] for name in SHAPES))


def _fit(terms: int, idf: np.ndarray, weights: np.ndarray, intercept: np.ndarray) -> bool:
    shapes = idf.shape == (terms,) and weights.shape == (terms, *intercept.shape) and intercept.ndim == 1
    return shapes and all(one.dtype == np.float32 and np.isfinite(one).all() for one in (idf, weights, intercept))


def _terms_of(text: str) -> Iterator[str]:
    words = WORD.findall(text.lower())
    yield from words
    for pair in pairwise(words):
        yield " ".join(pair)
