"""The weights that a label head starts with, from what the base model's output layer has for tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags

TYPICAL = 100
"""Tokens of the train side's texts that stand for a label. With 10, 100 and 1,000 a task with noisy labels came to
macro-F1 0.726, 0.755 and 0.750 (`benchmarks/recipe_tricks.py`)."""

MOST_TEXTS = 20_000
"""Of more texts evenly many are read: more say hardly more, and a million would take gigabytes."""


def at_label_tokens(words: torch.Tensor, labels: Sequence[Sequence[int]]) -> torch.Tensor:
    """What the model would write scores highest: the mean over each label's tokens, less the mean over labels.

    Args:
        words: the output layer's weights `(vocabulary, width)`.
        labels: token ids of each label.

    Returns:
        Weights of a head, `(labels, width)`, float32.
    """
    starts = torch.stack([words[list(ids)].detach().float().mean(0) for ids in labels])
    return starts - starts.mean(0)


def at_typical_tokens(
    words: torch.Tensor, labels: Sequence[Sequence[int]], texts: Sequence[Sequence[int]], answers: Sequence[int]
) -> torch.Tensor:
    """The mean of `at_label_tokens` and of the same for the tokens that are typical of each label's texts: those whose
    TF-IDF is most above its mean over all texts, weighted by how much. (Nearest centroid of TF-IDF, Rocchio 1971, in
    the space of the output layer.)

    Args:
        texts: token ids of each text.
        answers: number of each text's label.
    """
    order = sorted(range(len(texts)), key=answers.__getitem__)
    found = _tfidf([texts[number] for number in order], len(words))
    mean = np.bincount(found.indices, found.data, minlength=len(words)) / len(texts)
    ends = np.searchsorted([answers[number] for number in order], np.arange(len(labels) + 1))
    starts = at_label_tokens(words, labels)
    typical = []
    for label in range(len(labels)):
        of_label = found[ends[label] : ends[label + 1]]
        total = np.bincount(of_label.indices, of_label.data, minlength=len(mean))
        above = total / max(of_label.shape[0], 1) - mean
        tokens = np.flatnonzero(above > 0)
        tokens = tokens[np.argsort(-above[tokens], kind="stable")[:TYPICAL]]
        if not len(tokens):  # no text, or none that differs: its own words say more
            typical.append(words[list(labels[label])].detach().float().mean(0))
            continue
        weights = torch.from_numpy(above[tokens] / above[tokens].sum()).float().to(words.device)
        typical.append(weights @ words[torch.from_numpy(tokens).to(words.device)].detach().float())
    of_texts = torch.stack(typical)
    return (starts + of_texts - of_texts.mean(0)) / 2


def _tfidf(texts: Sequence[Sequence[int]], vocabulary: int) -> Any:
    """Rows of length 1, `(texts, vocabulary)`, sparse; a token of every text has 0."""
    ends = np.cumsum([0, *map(len, texts)])
    ids = np.fromiter((token for text in texts for token in text), dtype=np.int64, count=ends[-1])
    counts = csr_matrix((np.ones(len(ids)), ids, ends), shape=(len(texts), vocabulary))
    counts.sum_duplicates()
    counts.data = 1 + np.log(counts.data)
    of_token = np.bincount(counts.indices, minlength=vocabulary).clip(min=1)
    weighted = csr_matrix(counts @ diags(np.log(len(texts) / of_token)))
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
    return csr_matrix(diags(1 / np.where(lengths > 0, lengths, 1)) @ weighted)
