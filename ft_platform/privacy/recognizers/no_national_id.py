"""Norwegian national identity numbers (fødselsnummer) and D-numbers of foreigners."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, is_birthday, number, weighted_sum
from ft_platform.privacy.spans import Span

CANDIDATE = number(r"[0-7]\d{5}[ ]?\d{5}")
CUES = cue(
    "f[øo]dselsnummer(?:et)?|f[øo]dselsnr|fnr|f\\.nr|personnummer|d-nummer(?:et)?"
    "|norwegian (?:national )?(?:id|identity)"
)


def national_id_is_valid(digits: str) -> bool:
    """Day (plus 40 in D-numbers), month and year of birth, an individual number that fits the century, two check
    digits modulo eleven.

    Source: Skatteetaten, "Fødselsnummer"; folkeregisterforskriften, section 2-2-1. From 2032 on, first check digits
    that this rule refuses may be given out too."""
    year, individual = int(digits[4:6]), int(digits[6:9])
    if individual < 500 or (individual >= 900 and year >= 40):
        century = 1900
    else:
        century = 2000 if year < 40 else 1800
    return (
        weighted_sum(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted_sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
        and is_birthday(century + year, int(digits[2:4]), int(digits[:2]) % 40)
    )


def _score(digits: str, written: str) -> float:
    return 0.65 if national_id_is_valid(digits) else 0.0


class NoNationalIdRecognizer:
    """Covered: eleven digits that start with a date, with two valid check digits, in one piece or `DDMMYY XXXXX`.

    Not covered: persons born before 1900; numbers for tests, whose month is raised by 40 or 80.
    """

    entity = "NO_NATIONAL_ID"
    digits = 11

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
