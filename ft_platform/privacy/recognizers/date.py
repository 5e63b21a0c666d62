"""Calendar dates."""

import re

from ft_platform.privacy.recognizers.date_of_birth import DATE
from ft_platform.privacy.spans import Span

TIME = re.compile(
    r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[ ]?[ap]\.?m\.?|[+-]\d{2}:?\d{2})?(?!\d)", re.IGNORECASE
)


class DateRecognizer:
    """Covered: numeric and written dates with day, month and year, with the time behind them. Looked for only where
    `privacy.entities` names DATE.

    Not covered: years and weekdays alone, dates without a year.
    """

    entity = "DATE"
    digits = 4
    optional = True

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in DATE.finditer(text):
            time = TIME.match(text, match.end())
            spans.append(Span(match.start(), time.end() if time else match.end(), self.entity, 0.7, "date"))
        return spans
