"""German social insurance numbers (Versicherungsnummer of the pension insurance)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, is_birthday, number, weighted_sum
from ft_platform.privacy.spans import Span

# Area numbers: VKVV, annex; those of the Bundesversicherungsanstalt are 40 higher than the regional ones.
REGIONS = (2, 3, 4, *range(8, 22), 23, 24, 25, 26, 28, 29)
AREAS = frozenset({*REGIONS, *(region + 40 for region in REGIONS), 38, 39, 80, 81, 82, 89})
CANDIDATE = number(r"\d{2}[ ]?[0-3]\d[01]\d{3}[ ]?[A-Z][ ]?\d{2}[ ]?\d")
CUES = cue(
    "sv-?nummer|svnr|sv-nr|rvnr|rv-nummer|vsnr|sozialversicherungsnummer|rentenversicherungsnummer|versicherungsnummer"
    "|versicherungs-?nr|sozialversicherung|rentenversicherung|social (?:insurance|security)(?: number)?"
)


def social_insurance_is_valid(compact: str) -> bool:
    """Area, day, month and year of birth, first letter of the name at birth (as 01 to 26), serial number, check digit:
    the digits of the products with 2 1 2 5 7 1 2 1 2 1 2 1 add up to it modulo ten.

    Source: section 147 SGB VI; VKVV (Verordnung über die Versicherungsnummer), section 2 and annex."""
    day, month, year = (int(compact[place : place + 2]) for place in (2, 4, 6))
    digits = f"{compact[:8]}{ord(compact[8]) - ord('A') + 1:02d}{compact[9:11]}"
    return (
        int(compact[:2]) in AREAS
        and any(is_birthday(century + year, month, day) for century in (1900, 2000))
        and weighted_sum(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), cross=True) % 10 == int(compact[11])
    )


def _score(compact: str, written: str) -> float:
    return 0.0 if not social_insurance_is_valid(compact) else 0.85 if written.isupper() else 0.4


class DeSocialInsuranceRecognizer:
    """Covered: `15 070649 C 103` with existing area, date and valid check digit; lower case only beside words such as
    `Rentenversicherungsnummer`.

    Not covered: numbers with an invented day, given out where the real one is unknown.
    """

    entity = "DE_SOCIAL_INSURANCE"
    digits = 8

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
