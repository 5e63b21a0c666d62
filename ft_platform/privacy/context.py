"""Words around a finding: what tells a phone number from an order number."""

import re
from collections.abc import Iterable


def cue(words: str) -> re.Pattern[str]:
    """A pattern that finds any of the words, whole, in lower-cased text. `words` is an alternation:
    `phone|tel|call(?:ed)?`."""
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)")


def alternatives(words: str) -> tuple[str, ...]:
    """The words of an alternation: `plate|reg no`."""
    return tuple(words.split("|"))


def before(text: str, start: int, width: int) -> str:
    """The `width` characters in front of `start`, lower-cased."""
    return text[max(0, start - width) : start].lower()


def after(text: str, end: int, width: int) -> str:
    """The `width` characters behind `end`, lower-cased."""
    return text[end : end + width].lower()


def holds_any(lowered: str, words: Iterable[str]) -> bool:
    """Whether a lower-cased text holds one of the words at all: a cheap question before an expensive pattern."""
    return any(map(lowered.__contains__, words))
