"""Polish tax numbers (numer identyfikacji podatkowej)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, number, weighted_sum
from ft_platform.privacy.spans import Span

CANDIDATE = number(
    r"[1-9]\d{9}|[1-9]\d{2}(?:-\d{3}-\d{2}-\d{2}|-\d{2}-\d{2}-\d{3}| \d{3} \d{2} \d{2}| \d{2} \d{2} \d{3})"
)
CUES = cue("nip|numer nip|nr nip|numer identyfikacji podatkowej|numer podatkowy|polish tax (?:id|number)")


def nip_is_valid(digits: str) -> bool:
    """The last digit is the remainder by eleven of the others with the weights 6 5 7 2 3 4 5 6 7; 10 is not given out.

    Source: ustawa o zasadach ewidencji i identyfikacji podatników of 13 October 1995; the Ministry of Finance's
    description of structure and check digit."""
    return weighted_sum(digits[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(digits[9])


def _score(digits: str, written: str) -> float:
    return 0.0 if not nip_is_valid(digits) else 0.6 if "-" in written else 0.3


class PlNipRecognizer:
    """Covered: ten valid digits beside words such as `NIP`; without one, grouped `123-456-32-18` or `123-45-67-819`.
    Companies have such numbers too."""

    entity = "PL_NIP"
    digits = 10

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
