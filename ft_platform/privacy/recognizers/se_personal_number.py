"""Swedish personal identity numbers (personnummer) and coordination numbers (samordningsnummer)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, is_birthday, number
from ft_platform.privacy.recognizers.credit_card import luhn_is_valid
from ft_platform.privacy.spans import Span

CANDIDATE = number(r"(?:19|20)?\d{6}[-+ ]?\d{4}")
CUES = cue(
    "personnummer(?:et)?|personnr|pers\\.?nr|pnr|p-nr|samordningsnummer|swedish (?:personal|id|identity)(?: number)?"
)


def personal_number_is_valid(digits: str) -> bool:
    """Year, month and day of birth (plus 60 in coordination numbers), Luhn over the last ten digits.

    Source: Skatteverket, SKV 704 "Personnummer" and SKV 707 "Samordningsnummer"; folkbokföringslag (1991:481), section
    18."""
    ten = digits[-10:]
    centuries = (int(digits[:2]),) if len(digits) == 12 else (19, 20)
    return luhn_is_valid(ten) and any(
        is_birthday(100 * century + int(ten[:2]), int(ten[2:4]), int(ten[4:6]) % 60) for century in centuries
    )


def _score(digits: str, written: str) -> float:
    if not personal_number_is_valid(digits):
        return 0.0
    # In one piece, one number of ten digits in 150 is valid by chance.
    return 0.65 if len(digits) == 12 or written[-5] in "-+" else 0.3


class SePersonalNumberRecognizer:
    """Covered: `YYMMDD-XXXX`, `YYMMDD+XXXX` from the age of 100 on, `YYYYMMDD-XXXX`, twelve digits, with valid check
    digit; ten digits in one piece beside words such as `personnummer`.

    Not covered: persons born before 1900; numbers of organizations; interim numbers with a letter.
    """

    entity = "SE_PERSONAL_NUMBER"
    digits = 10

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
