"""Polish identity numbers (PESEL)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, is_birthday, number, weighted_sum
from ft_platform.privacy.spans import Span

CANDIDATE = number(r"\d{2}[0-3]\d{8}")
CUES = cue("pesel|nr pesel|numer pesel|polish (?:national )?(?:id|identity)(?: number)?")
WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)


def pesel_is_valid(digits: str) -> bool:
    """Year, month (plus 20 from 2000 on) and day of birth; the weighted sum is a multiple of ten.

    Source: ustawa o ewidencji ludności of 24 September 2010, article 15; gov.pl, "Co to jest numer PESEL"."""
    month = int(digits[2:4])
    return weighted_sum(digits, WEIGHTS) % 10 == 0 and is_birthday(
        1900 + month // 20 * 100 + int(digits[:2]), month % 20, int(digits[4:6])
    )


def _score(digits: str, written: str) -> float:
    return 0.6 if pesel_is_valid(digits) else 0.0


class PlPeselRecognizer:
    """Covered: eleven digits in one piece that start with a date, with valid check digit. Not covered: persons born
    before 1900."""

    entity = "PL_PESEL"
    digits = 11

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
