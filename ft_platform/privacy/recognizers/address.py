"""Postal addresses: street with house number, post boxes, and the unit, city, region, postal code and country that
follow."""

import re
from collections.abc import Iterator

from ft_platform.privacy import streets
from ft_platform.privacy.address_lines import whole_address
from ft_platform.privacy.context import before, holds_any
from ft_platform.privacy.names import common_words, looks_like_name
from ft_platform.privacy.spans import Span

SENTENCE_END = re.compile(r"\w{5}\.\s")
YEAR = re.compile(r"(?:19|20)\d{2}(?!\w)")
AT = re.compile(r"(?:at|in|to|on|address|is|visit|from|near|of|:)\s+$")


class AddressRecognizer:
    """Covered: US and British style (`12 Main St Apt 4, Springfield, IL 62701`); German, Nordic, Romance, Slavic,
    Baltic and Hungarian street words with a number and what stands behind it (`12-3`, `10/5`, `2º B`, `3. tv`); any
    capitalized words with a number, a postal code and a town (`Am Markt 3, 04109 Leipzig`); unknown words between two
    numbers (`20789 Allika 46`); post boxes, military addresses; `Apt. 12` with the street in front of it; street
    corners; capitalized words with a number behind `address is`, `live at`; `ZIP code: 62701`.

    Not covered: a street without a number, a city or a postal code alone.
    """

    entity = "ADDRESS"
    hint = rf"(?:^|[^0-9A-Za-z_])[0-9]|(?i:corner of|intersection of|{'|'.join(streets.CODE_HINTS)})"

    def find(self, text: str) -> list[Span]:
        lowered = text.lower()
        spans = list(self._corners(text, lowered))
        if any(digit in text for digit in "0123456789"):
            for find in (
                self._us,
                self._foreign,
                self._between_numbers,
                self._before_town,
                self._boxes,
                self._led,
                self._codes,
            ):
                spans += find(text, lowered)
        return spans + list(self._other_streets(text, spans)) if spans and " and " in text else spans

    def _us(self, text: str, lowered: str) -> Iterator[Span]:
        for match in streets.US_STREET.finditer(text):
            name = re.sub(r"^\S+\s+", "", match.group())
            if streets.NOT_NAMES.search(name.lower()) or SENTENCE_END.search(name):
                continue
            span = self._span(text, match, 0.7)
            is_weak = (
                match.group("weak") is not None
                or YEAR.match(match.group()) is not None
                or not any(c.isupper() for c in name.rsplit(maxsplit=1)[0])
            )
            supported = span.end > match.end() or streets.NEAR_CUES.search(before(text, match.start(), 40))
            yield Span(span.start, span.end, self.entity, 0.8 if supported else 0.4 if is_weak else 0.7, "address")

    def _foreign(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.FRONT_HINTS) or lowered.startswith(streets.FRONT_STARTS):
            for match in streets.FRONT_STREET.finditer(text):
                if match.group("after") or match.group()[0].isdigit():
                    yield self._span(text, match, 0.7)
            for match in streets.FRONT_LOWER.finditer(text):
                yield self._span(text, match, 0.6)
        for match in streets.WORD_NUMBER.finditer(text):
            start = self._germanic_start(text, match)
            if start is not None:
                yield Span(*whole_address(text, start, match.end(), has_unit=False), self.entity, 0.7, "address")

    @staticmethod
    def _germanic_start(text: str, match: re.Match[str]) -> int | None:
        """Where `Brucker Bundesstrasse 31` or `Rákóczi út 13` starts; None if the word in front of the number is no
        street."""
        word = match.group(1).lower()
        if YEAR.search(match.group()):
            return None
        in_front = streets.IN_FRONT.search(text, max(0, match.start() - 60), match.start())
        if word in streets.SEPARATE:
            if in_front and in_front.group()[-2:].strip() and not in_front.group().strip().isdigit():
                return in_front.start()
            return None
        # `during 2019` and `Investigate 30` end like streets too.
        if not word.endswith(streets.GLUED) or word in common_words() or len(word) < 6:
            return None
        return in_front.start() if in_front else match.start()

    def _between_numbers(self, text: str, lowered: str) -> Iterator[Span]:
        for match in streets.BETWEEN_NUMBERS.finditer(text):
            words = match.group("name").split()
            if streets.NOT_NAMES.search(match.group("name").lower()) or not any(
                looks_like_name(w, places=True) for w in words if w[0].isupper()
            ):
                continue
            span = self._span(text, match, 0.6)
            supported = (
                span.end > match.end()
                or AT.search(before(text, match.start(), 12))
                or text[: match.start()].rstrip(" ").endswith("\n")
            )
            yield Span(
                span.start,
                span.end,
                self.entity,
                0.75 if supported else 0.4 if YEAR.match(match.group()) else 0.55,
                "address",
            )
        for match in streets.BETWEEN_NUMBERS_LOWER.finditer(text):
            unknown = all(looks_like_name(w.capitalize(), places=True) for w in match.group("name").split())
            if unknown and AT.search(before(text, match.start(), 12)):
                yield self._span(text, match, 0.55)

    def _before_town(self, text: str, lowered: str) -> Iterator[Span]:
        for match in streets.BEFORE_TOWN.finditer(text):
            front = streets.STREET_IN_FRONT.search(text, max(0, match.start() - 60), match.start())
            if front and self._can_be_street(front["street"]) and self._can_be_street(match["town"]):
                end = match.start("town") - 1
                yield Span(*whole_address(text, front.start(), end, has_unit=True), self.entity, 0.7, "address")

    def _boxes(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.BOX_HINTS):
            for match in streets.BOX.finditer(text):
                yield self._span(text, match, 0.8, has_unit=True)
        for match in streets.UNIT_ALONE.finditer(text):
            yield self._span(text, match, 0.6, has_unit=True)

    def _led(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.LED_HINTS):
            for match in streets.LED.finditer(text):
                if streets.LED_CUE.search(before(text, match.start(), 60)) and self._can_be_street(match.group()):
                    yield self._span(text, match, 0.6)

    @staticmethod
    def _can_be_street(words: str) -> bool:
        return not streets.NOT_NAMES.search(words.lower()) and any(
            looks_like_name(w, places=True) for w in words.split()
        )

    def _codes(self, text: str, lowered: str) -> Iterator[Span]:
        if holds_any(lowered, streets.CODE_HINTS):
            for match in streets.NAMED_CODE.finditer(text):
                yield Span(match.start(1), match.end(1), self.entity, 0.75, "address")

    def _corners(self, text: str, lowered: str) -> Iterator[Span]:
        if "corner of" in lowered or "intersection of" in lowered:
            for match in streets.CORNER.finditer(text):
                yield Span(match.start(), match.end("second"), self.entity, 0.7, "address")

    def _other_streets(self, text: str, spans: list[Span]) -> Iterator[Span]:
        """The first of two streets, and the word between them."""
        for span in spans:
            if text[span.start - 5 : span.start] == " and ":
                match = streets.OTHER_STREET.search(text[max(0, span.start - 60) : span.start])
            else:
                match = None
            if match and any(looks_like_name(w, places=True) for w in match.group("street").split()):
                yield Span(
                    max(0, span.start - 60) + match.start("street"), span.end, self.entity, span.score, "address"
                )

    def _span(self, text: str, match: re.Match[str], score: float, has_unit: bool = False) -> Span:
        military = streets.MILITARY_TAIL.match(text, match.end())
        if military:
            return Span(match.start(), military.end(), self.entity, score, "address")
        return Span(*whole_address(text, match.start(), match.end(), has_unit), self.entity, score, "address")
