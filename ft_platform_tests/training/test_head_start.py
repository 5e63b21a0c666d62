"""Where a label head starts."""

import math

import pytest
import torch

from ft_platform.training import head_start
from ft_platform.training.head_start import at_label_tokens, at_typical_tokens

WORDS = torch.eye(8)
"""An output layer in which a token's weights say which it is."""
LABELS = [[0], [1, 2]]


def test_a_label_starts_at_the_mean_of_its_tokens_less_that_over_labels():
    starts = at_label_tokens(WORDS.to(torch.bfloat16), LABELS)
    of_tokens = torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]])
    assert torch.equal(starts[:, :3], of_tokens - of_tokens.mean(0)) and starts.dtype == torch.float32


def test_typical_tokens_are_weighted_by_their_tf_idf_above_the_mean():
    # Token 5 is in every text: worth nothing. Token 3 is in both texts of label 0, 4 and 6 are in one of label 1 each.
    texts, answers = [[5, 3, 3], [5, 3], [5, 4], [5, 6]], [0, 0, 1, 1]
    starts = at_typical_tokens(WORDS, LABELS, texts, answers)
    typical = torch.zeros(2, 8)
    typical[0, 3], typical[1, 4], typical[1, 6] = 1.0, 0.5, 0.5
    assert torch.allclose(starts, (at_label_tokens(WORDS, LABELS) + typical - typical.mean(0)) / 2)


def test_a_token_that_is_rare_elsewhere_counts_more_and_frequent_ones_by_their_logarithm():
    found = head_start._tfidf([[1, 1, 2], [2, 3], [3, 3]], 4).toarray()
    row = [0, (1 + math.log(2)) * math.log(3), math.log(3 / 2), 0]
    assert found[0].tolist() == pytest.approx([value / math.hypot(*row) for value in row])
    assert found[2].tolist() == [0, 0, 0, 1]


def test_only_the_most_typical_tokens_count(monkeypatch):
    monkeypatch.setattr(head_start, "TYPICAL", 1)
    starts = at_typical_tokens(WORDS, LABELS, [[3, 3, 3, 4], [6]], [0, 1])
    assert starts[0, 4] == 0 < starts[0, 3]


def test_a_label_without_a_text_of_its_own_starts_at_its_words():
    starts = at_typical_tokens(WORDS, [*LABELS, [7]], [[3], [4], []], [0, 1, 1])
    assert starts[2].argmax() == 7 and torch.isfinite(starts).all()


def test_texts_are_told_apart_before_the_first_step():
    draw = torch.Generator().manual_seed(0)
    words = torch.randn(60, 32, generator=draw)
    labels = [[0], [1], [2]]
    topics = [range(3, 20), range(20, 40), range(40, 60)]
    texts = [[topic[i % len(topic)] for i in range(n, n + 6)] for n in range(30) for topic in topics]
    answers = [number % 3 for number in range(90)]
    states = torch.stack([words[text].mean(0) for text in texts])

    def right(starts: torch.Tensor) -> int:
        return int(((states @ starts.T).argmax(1) == torch.tensor(answers)).sum())

    assert right(at_typical_tokens(words, labels, texts, answers)) > 70 > 45 > right(at_label_tokens(words, labels))
