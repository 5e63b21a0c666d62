"""What recognizers of identity numbers share: weighted sums, days of birth, and the score with and without a word in
front."""

import re
from collections.abc import Callable, Sequence
from datetime import date

from ft_platform.privacy.context import before
from ft_platform.privacy.spans import Span

NAMED = 0.95
"""Score of a valid number behind a word that names it."""
BORN = range(1900, 2036)
"""Years of birth that count. Fixed, without a clock: equal texts give equal findings."""
CUE_WIDTH = 50


def number(pattern: str) -> re.Pattern[str]:
    """A pattern that is no part of a longer number, word, amount or path. It should start with a digit or letter."""
    return re.compile(rf"(?<![\w$€£+/-])(?<!\d[.,])(?:{pattern})(?![\w/-]|[.,]\d)", re.IGNORECASE)


def weighted_sum(digits: str, weights: Sequence[int], cross: bool = False) -> int:
    """The sum of digit times weight. `cross`: of the digits of each product (18 counts as 9)."""
    products = (int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return sum(sum(divmod(product, 10)) for product in products) if cross else sum(products)


def is_birthday(year: int, month: int, day: int) -> bool:
    """Whether somebody who is alive can be born on it."""
    try:
        return date(year, month, day).year in BORN
    except ValueError:
        return False


def find_numbers(
    text: str,
    entity: str,
    candidate: re.Pattern[str],
    cues: re.Pattern[str],
    score: Callable[[str, str], float],
) -> list[Span]:
    """Valid numbers in a text.

    Args:
        score: (letters and digits of the number in capitals, the number as written) -> score where no word names it;
            0.0 if it is not valid.
    """
    spans = []
    for match in candidate.finditer(text):
        written = match.group()
        alone = score("".join(filter(str.isalnum, written)).upper(), written)
        if alone:
            named = cues.search(before(text, match.start(), CUE_WIDTH))
            spans.append(Span(*match.span(), entity, NAMED if named else alone, entity.lower()))
    return spans
