"""chrF: F-score (beta 2) of character 1- to 6-grams of answer and reference, over the whole test split, in [0, 100].

Popovic, chrF: character n-gram F-score for automatic MT evaluation, 2015, as sacrebleu computes it (`corpus_chrf`).
"""

from collections import Counter

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs

ORDERS = 6
BETA_SQUARED = 4


def ngram_counts(reference: str, answer: str) -> list[int]:
    """N-grams in answer, in reference and in both, per order. Shape `(18,)`."""
    a, r = "".join(answer.split()), "".join(reference.split())
    numbers = []
    for n in range(1, ORDERS + 1):
        in_answer = Counter(a[i : i + n] for i in range(len(a) - n + 1))
        in_reference = Counter(r[i : i + n] for i in range(len(r) - n + 1))
        # sacrebleu does not count the answer's n-grams where the reference is too short to have any.
        numbers += [in_answer.total() if in_reference else 0, in_reference.total(), (in_answer & in_reference).total()]
    return numbers


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array([ngram_counts(r, a) for r, a in zip(outputs.references, outputs.answers, strict=True)], float)


def score(sums: np.ndarray) -> np.ndarray:
    in_answer, in_reference, in_both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    used = (in_answer > 0) & (in_reference > 0)
    orders = np.maximum(used.sum(axis=-1), 1)
    precision = np.where(used, in_both / np.maximum(in_answer, 1), 0).sum(axis=-1) / orders
    recall = np.where(used, in_both / np.maximum(in_reference, 1), 0).sum(axis=-1) / orders
    denominator = BETA_SQUARED * precision + recall
    return 100 * (1 + BETA_SQUARED) * precision * recall / np.where(denominator > 0, denominator, 1)


def chrf(reference: str, answer: str) -> float:
    """Score of one record in [0, 100]."""
    return float(score(np.array(ngram_counts(reference, answer), float)))


METRIC = Metric("chrf", "chrF", "generation", 0.0, 100.0, True, 3, statistics, score)
