"""What marks of personal data say about one record, and about all that were looked at, without any of the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.evaluation.annotation.marks import (
    Mark,
    entities_to_mark,
    figures,
    placeholders_in,
    standing_marks,
    unconfirmed,
)
from ft_platform.lake.store import Lake
from ft_platform.people.person import Person
from ft_platform.privacy.marked_spans import MARKED
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Marked:
    """Marks of a use case.

    Attributes:
        figures: as `privacy.marks.figures`.
        waiting: of which one person says that they hide nothing.
        entities: what missed words can be.
    """

    marks: Sequence[Mark]
    figures: dict[str, Any]
    waiting: Sequence[Mark]
    entities: Sequence[str]

    def of(self, record: str) -> list[Mark]:
        """Marks of a record, oldest first."""
        return [one for one in self.marks if one.record_id == record]

    def to_confirm(self, person: Person) -> list[Mark]:
        """What waits for this person."""
        return [one for one in self.waiting if one.person.casefold() != person.name.casefold()]


def marked(lake: Lake, use_case: NamedUseCase) -> Marked:
    marks = standing_marks(lake, use_case)
    return Marked(marks, figures(marks), unconfirmed(lake, use_case), entities_to_mark(use_case))


def parts_of(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, and whether each is a placeholder."""
    pieces, end = [], 0
    for match in MARKED.finditer(text):
        pieces += [(text[end : match.start()], False), (match.group(), True)]
        end = match.end()
    return [(piece, is_one) for piece, is_one in [*pieces, (text[end:], False)] if piece]


def choices(texts: Sequence[str]) -> dict[str, str]:
    """`text-placeholder`, as in `1-0` -> the placeholder with the words around it, to choose from."""
    found = {}
    for (text, number), placeholder in placeholders_in(texts).items():
        same = [place for place, one in placeholders_in(texts).items() if one == placeholder]
        words = f"{placeholder}, number {same.index((text, number)) + 1}" if len(same) > 1 else placeholder
        found[f"{text}-{number}"] = words
    return found


def place_of(choice: str) -> tuple[int, int]:
    """The place that a choice names; one that no text has where it names none."""
    text, _, number = choice.partition("-")
    return (int(text), int(number)) if text.isdigit() and number.isdigit() else (-1, -1)


def in_words(found: dict[str, Any]) -> str:
    """Figures of marks, in a line."""
    looked = f"personal data was looked for in {found['records']:,} records with {found['words']:,} words"
    rate = found["per_1000_words"]
    share = f", {rate['value']:.2f} in 1,000 words ({rate['low']:.2f} to {rate['high']:.2f})" if rate else ""
    return f"{looked}; {found['missed']:,} places were missed{share}"
