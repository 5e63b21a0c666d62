"""Danish civil registration numbers (CPR-nummer)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, is_birthday, number, weighted_sum
from ft_platform.privacy.spans import Span

CANDIDATE = number(r"\d{6}[- ]?\d{4}")
CUES = cue("cpr|cpr-?(?:nr|nummer|nummeret|number|no)|personnummer|civil registration number|danish personal number")


def cpr_is_valid(digits: str) -> bool:
    """Day, month and year of birth; the seventh digit gives the century (CPR-kontoret, "Personnummeret i CPR"). The
    remainder by eleven is no longer asked for: since 2007 numbers without it are given out."""
    year, seventh = int(digits[4:6]), int(digits[6])
    if seventh < 4:
        century = 1900
    elif seventh in (4, 9):
        century = 2000 if year <= 36 else 1900
    else:
        century = 2000 if year <= 57 else 1800
    return is_birthday(century + year, int(digits[2:4]), int(digits[:2]))


def _score(digits: str, written: str) -> float:
    if not cpr_is_valid(digits):
        return 0.0
    has_old_check_digit = weighted_sum(digits, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    return 0.6 if "-" in written and has_old_check_digit else 0.3


class DkCprRecognizer:
    """Covered: ten digits that start with a date, beside words such as `CPR`; `DDMMYY-XXXX` without such a word where
    the check digit of most numbers from before 2007 is right.

    Not covered: persons born before 1900; newer numbers without such a word.
    """

    entity = "DK_CPR"
    digits = 10

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
