"""Vectors of texts from their character n-grams: TF-IDF, brought to a few dimensions by a truncated SVD (latent
semantic analysis).

Deerwester et al., Indexing by latent semantic analysis, JASIS 41 (1990). Learned from a sample of the texts, by one
thread, so that the same texts give the same vectors. On the 10,003 questions of BANKING77, of the pairs with a cosine
of at least 0.9 (2,038) 96 % have the same of 77 intents (`benchmarks/leakage.py --questions`).
"""

from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.splitting.paraphrases.vector_file import packed_vectors
from ft_platform.splitting.texts import user_column

SAMPLE_TEXTS = 20_000
"""Texts that are learned from: 20 cpu-seconds, 0.3 GB."""
MAX_FEATURES = 30_000
DIMENSIONS = 256
SEEN_ONCE = 500
"""Below so many texts n-grams count that occur in one only."""


def fitted(texts: list[str]) -> tuple[Any, np.ndarray] | None:
    """The vectorizer of scikit-learn and the matrix of shape `(features, dimensions)`, float32; None where there is no
    n-gram in the texts."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    least = 1 if len(texts) < SEEN_ONCE else 2
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=least, max_features=MAX_FEATURES
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's word for an empty vocabulary
        return None
    dimensions = min(DIMENSIONS, min(weights.shape) - 1)
    if dimensions < 1:
        return None
    with threadpool_limits(1):
        found: Any = TruncatedSVD(dimensions, random_state=0).fit(weights)
    return vectorizer, np.ascontiguousarray(found.components_.T, np.float32)


class NgramVectors:
    """Batches with `messages` to vectors of the user's words (`engines.BatchFunction`).

    Args:
        vectorizer, matrix: as `fitted` gives them.
    """

    def __init__(self, vectorizer: Any, matrix: np.ndarray) -> None:
        self._vectorizer = vectorizer
        self._matrix = matrix

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        weights = self._vectorizer.transform(user_column(batch.column("messages")).to_pylist())
        return packed_vectors(weights @ self._matrix)
