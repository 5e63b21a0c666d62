"""ROUGE-L F1: longest common subsequence of words of answer and reference; mean over records.

Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004. Gives what the package rouge-score gives without
stemming on ASCII text; words of every script count here, where that package drops all letters but a-z.
"""

import re

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs

WORD = re.compile(r"[^\W_]+")


def common_subsequence(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, one bit per word of `a` (Hyyro, Bit-parallel LCS-length computation
    revisited, 2004)."""
    positions: dict[str, int] = {}
    for i, word in enumerate(a):
        positions[word] = positions.get(word, 0) | 1 << i
    mask = (1 << len(a)) - 1
    open_bits = mask
    for word in b:
        hits = open_bits & positions.get(word, 0)
        open_bits = ((open_bits + hits) | (open_bits - hits)) & mask
    return len(a) - open_bits.bit_count()


def rouge_l(reference: str, answer: str) -> float:
    """Score of one record in [0, 1]."""
    a, b = WORD.findall(reference.lower()), WORD.findall(answer.lower())
    return 2 * common_subsequence(a, b) / (len(a) + len(b)) if a and b else 0.0


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array([[rouge_l(r, a), 1.0] for r, a in zip(outputs.references, outputs.answers, strict=True)])


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric("rouge_l", "ROUGE-L", "generation", 0.0, 1.0, True, 2, statistics, score)
