"""BLEU: how many word 1- to 4-grams of the answers are in the references, times a penalty for short answers, over the
whole test split, in [0, 100].

Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, 2002, as sacrebleu computes it
(`corpus_bleu`: tokenization 13a, exponential smoothing; Post, A Call for Clarity in Reporting BLEU Scores, 2018).
"""

import re
from collections import Counter

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs

ORDERS = 4
SEPARATED = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""Signs that become words of their own: tokenization 13a of mteval-v13a."""
ENTITIES = (("<skipped>", ""), ("-\n", ""), ("\n", " "), ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def words(text: str) -> list[str]:
    for written, meant in ENTITIES:
        text = text.replace(written, meant)
    text = f" {text} "
    for pattern, replacement in SEPARATED:
        text = pattern.sub(replacement, text)
    return text.split()


def ngram_counts(reference: str, answer: str) -> list[int]:
    """Per order n-grams in both and in the answer, then words of answer and reference. Shape `(10,)`."""
    a, r = words(answer), words(reference)
    numbers = []
    for n in range(1, ORDERS + 1):
        in_answer, in_reference = (Counter(zip(*(text[i:] for i in range(n)), strict=False)) for text in (a, r))
        numbers += [(in_answer & in_reference).total(), in_answer.total()]
    return [*numbers, len(a), len(r)]


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array([ngram_counts(r, a) for r, a in zip(outputs.references, outputs.answers, strict=True)], float)


def score(sums: np.ndarray) -> np.ndarray:
    both, of_answer = sums[..., 0:8:2], sums[..., 1:8:2]
    answer_words, reference_words = sums[..., 8], sums[..., 9]
    # The k-th order without a common n-gram counts as 1 / 2^k of one.
    missing = (both == 0) & (of_answer > 0)
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), both)
    used = of_answer > 0
    logs = np.log(np.where(used, smoothed / np.maximum(of_answer, 1), 1.0))
    # Where answers are too short for an order, or nothing is common at all, sacrebleu gives 0.
    precision = np.where(used.all(axis=-1) & (both[..., 0] > 0), np.exp(logs.mean(axis=-1)), 0.0)
    penalty = np.where(answer_words >= reference_words, 1.0, np.exp(1 - reference_words / np.maximum(answer_words, 1)))
    return 100 * precision * penalty


METRIC = Metric("bleu", "BLEU", "generation", 0.0, 100.0, True, 4, statistics, score)
