"""Texts with the terms of an identity replaced by their counterparts: `he` by `she`, and `she` by `he`.

Covered: whole words in the spelling of the list, in small letters, capitals and with a first capital. Not covered:
grammar that would have to follow (a term that stands for two, such as `her`, becomes the first of them), inflections
that the list lacks, names in ids."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from ft_platform.use_case.settings.fairness import Swap

SPOKEN = ("system", "user", "assistant", "rejected")
"""Roles whose content is words; the others hold JSON."""


class TermSwap:
    """The exchange of one list of terms, both ways.

    Args:
        swap: name and pairs.
    """

    def __init__(self, swap: Swap) -> None:
        self.name = swap.name
        self._other: dict[str, str] = {}
        for first, second in swap.terms:
            self._other.setdefault(first.casefold(), second)
            self._other.setdefault(second.casefold(), first)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        terms = sorted(self._other, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, terms))})(?!\w)", re.IGNORECASE)

    def finds(self, text: str) -> bool:
        """Whether a term stands in the text."""
        return self._pattern.search(text) is not None

    def text(self, text: str) -> str:
        """The text with every term replaced."""
        return self._pattern.sub(lambda found: self._counterpart(found[0]), text)

    def _counterpart(self, found: str) -> str:
        other = self._other.get(found.casefold())
        if other is None:  # a letter that matches without being the same when folded, e.g. the Kelvin sign
            return found
        if len(found) > 1 and found.isupper():
            return other.upper()
        if found[0].isupper():
            return other[0].upper() + other[1:]
        return other.lower()

    def messages(self, messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """A conversation with every term replaced in what people and the model say; calls of tools stay as they are."""
        return [
            {**message, "content": self.text(message["content"] or "")} if message["role"] in SPOKEN else dict(message)
            for message in messages
        ]
