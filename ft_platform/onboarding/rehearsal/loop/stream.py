"""What customers ask, day by day: sentences of the sample that no record has, and after the change posts that quote
another customer."""

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from ft_platform.sources.samples.feedback import sentences
from ft_platform.sources.samples.phrases import say

ROWS, SEED = 1400, 7
"""Of the demo's sample."""
CONTRADICTS = 0.8
"""Share of the posts that quote a sentence of the other label; the rest quote any. People answer to object."""
QUOTES, QUOTED_WORDS = 100, 10
"""How many sentences are quoted, again and again, and the most words of one: a post fits into `training.max_length`."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of a customer with its right label.

    Attributes:
        review: the customer who wrote it.
    """

    text: str
    label: str
    product: str
    review: str


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

    No sentence has two parts: some are only quoted, some only stand in `labelled`, and the others are asked, all of
    them before one is asked again.

    Args:
        share: of the requests after the change that are posts, in [0, 1].
        labelled: posts that a person labels.
    """

    def __init__(self, share: float, labelled: int, seed: int = SEED) -> None:
        self._rng, self._share, self._subjects = random.Random(f"loop:{seed}"), share, 0
        unused = unused_sentences()
        reviews = list(dict.fromkeys(one.review for one in unused))
        self._rng.shuffle(reviews)
        unused.sort(key=lambda one: reviews.index(one.review))  # customers stay together
        short = [one for one in unused if len(one.text.split()) <= QUOTED_WORDS]
        self._quotes = self._rng.sample(short, QUOTES)
        rest = [one for one in unused if one not in self._quotes]
        self.labelled = [replace(one, text=self._post(one)) for one in rest[:labelled]]
        self._usual, self._left, self._since = rest[labelled:], list[Sentence](), list[Sentence]()

    def day(self, count: int, changed: bool) -> list[Asked]:
        asked = []
        for _ in range(count):
            new = self._rng.random() < self._share and changed
            self._subjects += 1
            one = self._next()
            if changed:
                self._since.append(one)
            asked.append(Asked(self._post(one) if new else one.text, one.label, f"caller-{self._subjects:05d}", new))
        return asked

    def learned(self) -> None:
        """What was asked since the change is not asked again: a model may have learned it."""
        self._usual = [one for one in self._usual if one not in self._since]
        self._left = [one for one in self._left if one not in self._since]

    def _next(self) -> Sentence:
        if not self._left:
            self._left = self._rng.sample(self._usual, len(self._usual))
        return self._left.pop()

    def _post(self, answer: Sentence) -> str:
        contradicts = self._rng.random() < CONTRADICTS
        quote = self._rng.choice([one for one in self._quotes if not contradicts or one.label != answer.label])
        words = {"answer": ["\0"], "quote": ["\1"]}  # put in afterwards: a sentence may have the signs of a template
        post = say(self._rng, self._rng.choice(_posts()), words)
        return post.replace("\0", answer.text).replace("\1", quote.text)


def unused_sentences() -> list[Sentence]:
    """Sentences of customers of whom no record is made."""
    used = _used_reviews()
    return [
        Sentence(text, "praise" if rating > 0 else "problem", product, review)
        for review, product, rating, text in sentences()
        if review not in used
    ]


@cache
def _used_reviews() -> set[str]:
    import csv
    import io

    from ft_platform.sources.samples.feedback import generate

    rows = csv.DictReader(io.StringIO(generate(ROWS, SEED)[0]))
    return {str(int(row["Customer"].removeprefix("C-")) - 1000) for row in rows}


@cache
def _posts() -> list[str]:
    return yaml.safe_load((Path(__file__).parent / "later.yaml").read_text(encoding="utf-8"))["posts"]
