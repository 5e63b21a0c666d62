"""Postal addresses: street with house number, post boxes, and the unit, city and postal code that follow."""

import re
from collections.abc import Iterator

from ft_platform.privacy import streets
from ft_platform.privacy.context import before, holds_any
from ft_platform.privacy.names import common_words
from ft_platform.privacy.spans import Span

SENTENCE_END = re.compile(r"\w{5}\.\s")
YEAR = re.compile(r"(?:19|20)\d{2}(?!\w)")


class AddressRecognizer:
    """Covered: US and British style (`12 Main St Apt 4, Springfield, IL 62701`); German, Nordic, Romance, Slavic, Baltic and Hungarian
    street words with a number; post boxes, military addresses, `Apt. 12`; capitalized words with a number behind `address is`, `live at`.

    Not covered: a street without a number, a city or a postal code alone.
    """

    entity = "ADDRESS"

    def find(self, text: str) -> list[Span]:
        if not any(digit in text for digit in "0123456789"):
            return []
        lowered = text.lower()
        return [*self._us(text), *self._foreign(text, lowered), *self._boxes(text), *self._led(text, lowered)]

    def _us(self, text: str) -> Iterator[Span]:
        for match in streets.US_STREET.finditer(text):
            name = re.sub(r"^\S+\s+", "", match.group())
            if streets.NOT_NAMES.search(name.lower()) or SENTENCE_END.search(name):
                continue
            end = self._tail_end(text, match.end())
            is_weak = match.group("weak") is not None or YEAR.match(match.group()) is not None or not any(c.isupper() for c in name.rsplit(maxsplit=1)[0])
            supported = end > match.end() or streets.NEAR_CUES.search(before(text, match.start(), 40))
            yield Span(match.start(), end, self.entity, 0.8 if supported else 0.4 if is_weak else 0.7, "address")

    def _foreign(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.FRONT_HINTS):
            for match in streets.FRONT_STREET.finditer(text):
                if match.group("after") or match.group()[0].isdigit():
                    yield self._span(text, match, 0.7)
            for match in streets.FRONT_LOWER.finditer(text):
                yield self._span(text, match, 0.6)
        for match in streets.WORD_NUMBER.finditer(text):
            start = self._germanic_start(text, match)
            if start is not None:
                yield Span(start, self._tail_end(text, match.end()), self.entity, 0.7, "address")

    @staticmethod
    def _germanic_start(text: str, match: re.Match[str]) -> int | None:
        """Where `Brucker Bundesstrasse 31` or `Rákóczi út 13` starts; None if the word in front of the number is no street."""
        word = match.group(1).lower()
        if YEAR.search(match.group()):
            return None
        in_front = streets.IN_FRONT.search(text, max(0, match.start() - 60), match.start())
        if word in streets.SEPARATE:
            return in_front.start() if in_front and in_front.group()[-2:].strip() and not in_front.group()[0].isdigit() else None
        # `during 2019` and `Investigate 30` end like streets too.
        if not word.endswith(streets.GLUED) or word in common_words() or len(word) < 6:
            return None
        return in_front.start() if in_front else match.start()

    def _boxes(self, text: str) -> Iterator[Span]:
        for match in streets.BOX.finditer(text):
            yield self._span(text, match, 0.8)
        for match in streets.UNIT_ALONE.finditer(text):
            yield self._span(text, match, 0.6)

    def _led(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.LED_HINTS):
            for match in streets.LED.finditer(text):
                if streets.LED_CUE.search(before(text, match.start(), 60)) and not streets.NOT_NAMES.search(match.group().lower()):
                    yield self._span(text, match, 0.6)

    def _span(self, text: str, match: re.Match[str], score: float) -> Span:
        return Span(match.start(), self._tail_end(text, match.end()), self.entity, score, "address")

    @staticmethod
    def _tail_end(text: str, end: int) -> int:
        """Where unit, city and postal code behind a street end; `end` if none follow."""
        military = streets.MILITARY_TAIL.match(text, end)
        tail = military or streets.TAIL.match(text, end)
        return tail.end() if tail else end
