"""What customers ask, day by day: sentences of the sample that no record has, and after the change new ones."""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ft_platform.rehearsal.loop.case import ROWS, SEED
from ft_platform.samples.feedback import sentences
from ft_platform.samples.phrases import say

LABELS = ("praise", "problem")


@dataclass(frozen=True)
class Asked:
    """A request with its right answer.

    Attributes:
        new: written after the change.
    """

    text: str
    label: str
    subject: str
    new: bool


class Stream:
    """Requests of one day after another. Equal seeds ask the same.

    Args:
        share: of the requests after the change that are new, in [0, 1].
    """

    def __init__(self, share: float, seed: int = SEED) -> None:
        self._rng, self._share = random.Random(f"loop:{seed}"), share
        self._usual, self._known, self._subjects = list[tuple[str, str]](), set[str](), 0

    def day(self, count: int, changed: bool) -> list[Asked]:
        asked = []
        for _ in range(count):
            new = self._rng.random() < self._share and changed
            self._subjects += 1
            text, label = self.new() if new else self._of_sample()
            asked.append(Asked(text, label, f"caller-{self._subjects:05d}", new))
        return asked

    def new(self) -> tuple[str, str]:
        """A sentence of after the change that was not said before, with its label."""
        material = _material()
        while True:
            label = self._rng.choice(LABELS)
            text = say(self._rng, self._rng.choice(material[label]), material["words"]).lower()
            if text not in self._known:
                self._known.add(text)
                return text, label

    def _of_sample(self) -> tuple[str, str]:
        if not self._usual:  # after all were said, they are said again
            self._usual = unused_sentences()
            self._rng.shuffle(self._usual)
        return self._usual.pop()


def unused_sentences() -> list[tuple[str, str]]:
    """Sentences of customers of whom no record is made, with their labels."""
    used = _used_reviews()
    return [
        (text, "praise" if rating > 0 else "problem") for review, _, rating, text in sentences() if review not in used
    ]


@cache
def _used_reviews() -> set[str]:
    import csv
    import io

    from ft_platform.samples.feedback import generate

    rows = csv.DictReader(io.StringIO(generate(ROWS, SEED)[0]))
    return {str(int(row["Customer"].removeprefix("C-")) - 1000) for row in rows}


@cache
def _material() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "later.yaml").read_text(encoding="utf-8"))
