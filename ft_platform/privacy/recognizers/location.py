"""Names of places: countries, states, cities, and unknown names that stand where a place stands."""

import re
from collections.abc import Iterator
from dataclasses import replace

from ft_platform.privacy.name_runs import Run, possessive, runs
from ft_platform.privacy.names import ORGANIZATION, is_given_name, is_known_name, word_set
from ft_platform.privacy.places import COUNTRY, EVERYDAY_CITIES, LONG, STATE, countries, names_by_first_word
from ft_platform.privacy.spans import Span

MOVING = (
    r"live[sd]?|living|mov(?:e|ed|es|ing)|born|rais(?:ed|ing)|grew up|grow(?:ing)? up"
    r"|based|located|resid\w+|stationed|stay(?:s|ed|ing)?|fl(?:y|ies|ew|ying|ight|ights)"
    r"|travel\w*|trip|drove|driv(?:e|es|ing)|arriv\w+|return\w*|went|go|goes|going|com(?:e|es|ing)|came|visit\w*|vacation\w*|holiday\w*|conference|tour\w*|head(?:ed|ing)"
    r"|relocat\w*|settled|deployed|shipped|sent|immigrated|emigrated|originally|native|year|songwriters"
)
IN = re.compile(
    r"(?:^|\s|[(,])(?:in|near|around|outside|throughout|across|within|downtown|inside|(?:north|south|east|west)(?:"
    r"[ -]?(?:east|west))?[ ]of)[ ]+(?:the[ ]+)?"
    r"(?:(?:city|town|village|state|suburbs?|area|county|country|outskirts)[ ]+of[ ]+)?$"
)
MOVED = re.compile(
    rf"(?<!\w)(?:{MOVING})(?!\w)[^.!?;\n]{{0,28}}?(?:^|\s)(?:at|from|to|for|via|through|in|into|towards?|of)[ ]+(?:the"
    r"[ ]+)?$"
)
VISITED = re.compile(
    r"(?<!\w)(?:visit(?:s|ed|ing)?|tour(?:ed|ing)?|leav(?:e|es|ing)|left|reach(?:ed|ing)?|(?:city|town|village|state|island"
    r"|county|province|region|hometown|home city|home town|capital)(?: of| is|:)?(?: [a-z]+['’]s?| the [a-z"
    r" ]{2,20}['’])?)[ ]+$"
)
CALLED_PLACE = re.compile(
    r"^(?:['’]s)?"
    r"[ ]+(?:bridge|airport|station|river|lake|valley|beach|county|city|island|village|castle|harbou?r|bay|mountains?"
    r"|country club|suburbs?|area|region|district|province|peninsula)(?!\w)|^[ ]+(?:was|is|has been)[ ]+(?:\w+"
    r"[ ]+){0,2}to visit"
)
FIELD = re.compile(
    r"(?:^|\n|[,;|{(])\s*\"?(?:where|venue|place|city|town|country|state|province|county"
    r"|place of birth|birthplace|location|ort|stadt|land|ville|pays|ciudad|país)\"?[ ]*[:=|][ ]*\"?$"
)
CODE_BEHIND = re.compile(
    r"[ ](?:\d{5}|(?!(?:19|20)\d\d)\d{4}(?:-\d{3})?|\d{3}[ ]\d{2})"
    r"(?![\w%-]|[.,:/]\d|[ ](?:[A-Z][a-z]|\d|people|times|euros?|dollars|miles|years))"
)
COUNTRY_NEXT = re.compile(rf"[ \t]*[,\n]{{1,2}}[ \t]*{COUNTRY.pattern}|,[ \t]*{STATE.pattern}")
AREAS = word_set(
    "county parish township province village island islands lake river valley mountain mountains bay beach peninsula"
)
"""What an area is called behind its name: `Seminole County`."""


class LocationRecognizer:
    """Covered: countries, US states, 31,000 cities (GeoNames, 15,000 inhabitants and more); unknown capitalized words
    behind `in`, `moved to`, `city of`, `north of`, in front of `County`, `airport`, of a comma and a country or US
    state.

    Not covered: villages without such words; cities named like everyday words (`Reading`, `Nice`); nationalities.
    """

    entity = "LOCATION"

    def find(self, text: str) -> list[Span]:
        spans: list[Span] = []
        for run in runs(text):
            spans += self._known(text, run)
            spans += self._cued(text, run)
        return [self._with_code(text, span) for span in spans]

    @staticmethod
    def _with_code(text: str, span: Span) -> Span:
        """With the postal code that stands right behind a place that `in` leads to: `in Bjert 6091`."""
        code = CODE_BEHIND.match(text, span.end) if IN.search(text[max(0, span.start - 40) : span.start]) else None
        return replace(span, end=code.end()) if code else span

    def _known(self, text: str, run: Run) -> Iterator[Span]:
        """Known places in the run, the longest first at each word."""
        index = 0
        while index < len(run.words):
            start, end, word = run.words[index]
            if word.lower() in LONG and countries(text, start) > end:  # `Trinidad and Tobago` goes on behind the run
                yield Span(start, countries(text, start), self.entity, 0.75, "location")
            count, is_country = self._longest(run, index)
            if count:
                yield self._span(run, index, index + count, self._known_score(run, index, count, is_country))
            index += count or 1

    @staticmethod
    def _longest(run: Run, index: int) -> tuple[int, bool]:
        words = [w.lower() for _, _, w in run.words[index:]]
        words[-1] = words[-1][: len(words[-1]) - possessive(words[-1])]
        for name, is_country in names_by_first_word().get(words[0], ()):
            if tuple(words[: len(name)]) == name:
                return len(name), is_country
        return 0, False

    @staticmethod
    def _known_score(run: Run, index: int, count: int, is_country: bool) -> float:
        cued = bool(
            index == 0
            and (
                IN.search(run.before)
                or MOVED.search(run.before)
                or VISITED.search(run.before)
                or FIELD.search(run.before)
            )
        )
        if is_country:
            return 0.75
        if count > 1:
            return 0.65
        word = run.words[index][2]
        # `Jackson` is a city and a surname: it is a place only where it stands like one, alone.
        if (is_known_name(word) or run.starts_sentence) and not cued:
            return 0.3
        alone = len(run.names) == 1
        return 0.65 if cued else 0.55 if alone else 0.4

    def _cued(self, text: str, run: Run) -> list[Span]:
        """An unknown name where places stand."""
        before, unknown = run.before, not any(is_given_name(run.words[i][2]) for i in run.names)
        if (
            not run.names
            and len(run.words) > 1
            and MOVED.search(before)
            and not ORGANIZATION.search(text, run.start, run.end)
        ):
            return [Span(run.start, run.end, self.entity, 0.5, "location")]
        if len(run.words) == 1 and run.words[0][2].lower() in EVERYDAY_CITIES and MOVED.search(before):
            return [Span(run.start, run.end, self.entity, 0.55, "location")]
        last = len(run.words) - 1
        if (
            last > 0
            and run.names
            and run.names[0] < last < 4
            and run.words[last][2].lower() in AREAS
            and run.words[last][2][0].isupper()
        ):
            return [Span(run.words[run.names[0]][0], run.end, self.entity, 0.6, "location")]
        is_place = run.names or (len(run.words) == 1 and run.words[0][2].lower() in EVERYDAY_CITIES)
        if is_place and text[run.end : run.end + 1] in ("\n", ",") and COUNTRY_NEXT.match(text, run.end):
            return [Span(run.start, run.end, self.entity, 0.6, "location")]
        if run.names and run.names[0] == 0 and FIELD.search(before) and ORGANIZATION.search(text, run.start, run.end):
            # `Where: Upton Scudamore Country Club`: the words in front of the kind.
            last = next((i for i in range(len(run.words)) if i not in run.names), len(run.words)) - 1
            return [Span(run.start, run.words[last][1], self.entity, 0.55, "location")]
        if not run.names or run.names[0] > 1 or ORGANIZATION.search(text, run.start, min(len(text), run.end + 20)):
            return []
        strong = VISITED.search(before) or FIELD.search(before) or CALLED_PLACE.match(run.after)
        if strong or (unknown and (IN.search(before) or MOVED.search(before))):
            start, end = run.named()
            return [Span(start if run.names[0] == 0 else run.start, end, self.entity, 0.55, "location")]
        return []

    def _span(self, run: Run, first: int, after: int, score: float) -> Span:
        _, end, word = run.words[after - 1]
        return Span(run.words[first][0], end - possessive(word), self.entity, score, "location")
