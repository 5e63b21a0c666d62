"""The network behind `privacy.ner: built_in` while it learns, as an objective of the platform's own training loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # noqa: TID253

from ft_platform.privacy.casing import truecase
from ft_platform.privacy.ner.built_in.network import GAP, STRIDES, TAGS, WIDTH
from ft_platform.privacy.ner.built_in.words import (
    FLAGS,
    HASHES,
    LISTS,
    PREFIXES,
    SHAPES,
    SUFFIXES,
    WORDS,
    rows_of,
    tokens,
)

CASES: tuple[tuple[float, Callable[[str], str]], ...] = (
    (0.04, str.lower),
    (0.03, str.upper),
    (0.02, str.title),
    (0.05, lambda word: truecase(word.lower())),
)
"""Share of texts that are read in another case while learning, and how their words are then; the last is how texts in
one case are read later."""
NO_WORD, NO_LISTS = 0.15, 0.1
"""Share of tokens whose spelling, and whose lists, are hidden while learning: names that nobody knows are told by their
endings, their shape and what stands around them."""
DROPOUT = 0.2


@dataclass(frozen=True)
class Sentence:
    """Tokens, and the number in `TAGS` of each."""

    words: list[str]
    tags: list[int]


def sentence(text: str, spans: Sequence[tuple[int, int, str]]) -> Sentence:
    """Args: spans: `(start, end, tag)`, without overlaps."""
    found = tokens(text)
    tags = [0] * len(found)
    ordered = iter(sorted(spans))
    span = next(ordered, None)
    for place, (start, end, _) in enumerate(found):
        while span and span[1] <= start:
            span = next(ordered, None)
        if span and span[0] <= start and end <= span[1]:
            tags[place] = TAGS.index(span[2])
    return Sentence([w for _, _, w in found], tags)


class Tagger(torch.nn.Module):
    """Embeddings of a word, then gated convolutions over its neighbours: 9 words on both sides decide."""

    def __init__(self) -> None:
        super().__init__()
        table = torch.nn.Embedding
        self.word, self.prefix = table(WORDS, 64), table(PREFIXES, 32)
        self.suffix, self.shape = table(SUFFIXES, 32), table(SHAPES, 16)
        for one in (self.word, self.prefix, self.suffix, self.shape):
            torch.nn.init.normal_(one.weight, std=0.5)
            torch.nn.init.zeros_(one.weight[0])
        self.mix = torch.nn.Linear(64 + 32 + 32 + 16 + FLAGS, WIDTH)
        self.first = torch.nn.LayerNorm(WIDTH)
        self.layers = torch.nn.ModuleList(
            [torch.nn.Conv1d(WIDTH, 2 * WIDTH, 3, dilation=d, padding=d) for d in STRIDES]
        )
        self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(WIDTH) for _ in STRIDES])
        self.last = torch.nn.LayerNorm(WIDTH)
        self.out = torch.nn.Linear(WIDTH, len(TAGS))
        self.drop = torch.nn.Dropout(DROPOUT)

    @property
    def device(self) -> torch.device:
        return self.out.weight.device

    def forward(self, hashes: torch.Tensor, flags: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Logits (tokens, tags) of sentences in a row with gaps between them.

        Args:
            hashes: (tokens, `HASHES`) int64.
            flags: (tokens, `FLAGS`).
            there: (tokens, 1): 0 in a gap.
        """
        told = (hashes[:, :1] > 0).float()
        x = torch.cat(
            [
                (self.word(hashes[:, 0]) + self.word(hashes[:, 1])) * told,
                self.prefix(hashes[:, 2]),
                self.suffix(hashes[:, 3]) + self.suffix(hashes[:, 4]),
                self.shape(hashes[:, 5]),
                flags,
            ],
            -1,
        )
        x = self.drop(self.first(torch.relu(self.mix(x)))) * there
        for layer, norm in zip(self.layers, self.norms, strict=True):
            y, gate = layer((norm(x) * there).T[None])[0].T.chunk(2, -1)
            x = (x + self.drop(y * torch.nn.functional.hardsigmoid(gate))) * there
        return self.out(self.last(x))


class TagLoss:
    """Cross entropy of every token's tag (`training.objectives.Objective`)."""

    shared_tokens, metric, spread = 0, "f1", 0.0
    MEASURED = ("recall", "precision", "f1")

    def loss(self, model: Any, rows: Sequence[Sentence]) -> torch.Tensor:
        logits, tags, _ = self._logits(model, rows, model.training)
        return torch.nn.functional.cross_entropy(logits, tags, ignore_index=-100, reduction="sum")

    def measure(self, model: Any, rows: Sequence[Sentence]) -> tuple[float, list[Any]]:
        logits, tags, lengths = self._logits(model, rows, False)
        loss = torch.nn.functional.cross_entropy(logits, tags, ignore_index=-100, reduction="sum")
        named = logits.softmax(-1)[:, 1:3].sum(-1) > 0.2
        right = ((tags == 1) | (tags == 2)).float() * lengths
        return float(loss), [
            [float((right * named).sum()), float(right.sum()), float((named * (tags >= 0) * lengths).sum())]
        ]

    def metrics(self, measured: Sequence[Any]) -> dict[str, float]:
        hit, right, found = (sum(one[i] for one in measured) for i in range(3))
        recall, precision = hit / max(right, 1), hit / max(found, 1)
        return {"recall": recall, "precision": precision, "f1": 2 * hit / max(right + found, 1)}

    def ask(self, model: Any) -> dict[str, float]:
        return {}

    def weight(self, rows: Sequence[Sentence]) -> float:
        return sum(map(self.length, rows))

    def kept(self, rows: Sequence[Sentence]) -> int:
        return sum(map(self.length, rows))

    def length(self, row: Sentence) -> int:
        return len(row.words)

    def _logits(
        self, model: Any, rows: Sequence[Sentence], learns: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        cases = torch.rand(len(rows)).tolist() if learns else [1.0] * len(rows)
        words = [_recased(row.words, case) for row, case in zip(rows, cases, strict=True)]
        total = GAP + sum(len(row) + GAP for row in words)
        hashes, flags = torch.zeros(total, HASHES, dtype=torch.int64), torch.zeros(total, FLAGS)
        there, tags, lengths = torch.zeros(total, 1), torch.full((total,), -100), torch.zeros(total)
        place = GAP
        for row, own in zip(rows, words, strict=True):
            end = place + len(own)
            ours, told = rows_of(own)
            hashes[place:end], flags[place:end] = torch.from_numpy(ours.astype(np.int64)), torch.from_numpy(told)
            there[place:end], tags[place:end] = 1.0, torch.tensor(row.tags)
            lengths[place:end] = torch.tensor([len(w) for w in own], dtype=torch.float32)
            place = end + GAP
        if learns:
            hidden, unlisted = torch.rand(total) < NO_WORD, torch.rand(total) < NO_LISTS
            hashes[hidden, :2] = 0
            flags[unlisted, LISTS] = 0.0
        return model(hashes, flags, there), tags, lengths


def _recased(words: list[str], draw: float) -> list[str]:
    for share, cased in CASES:
        if draw < share:
            return [cased(word) for word in words]
        draw -= share
    return words
