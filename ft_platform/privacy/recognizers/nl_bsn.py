"""Dutch citizen service numbers (burgerservicenummer)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, number, weighted_sum
from ft_platform.privacy.spans import Span

CANDIDATE = number(r"\d{9}|\d{4}\.\d{2}\.\d{3}|\d{3}([ .-])\d{3}\1\d{3}")
CUES = cue("bsn|bsn-?nummer|burgerservicenummer|burgerservicenr|sofi-?nummer|sofinr|citizen service number")


def bsn_is_valid(digits: str) -> bool:
    """The weights 9 to 2 and -1 give a multiple of eleven (Rijksdienst voor Identiteitsgegevens, Logisch Ontwerp BSN,
    "elfproef")."""
    return weighted_sum(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(digits)) > 1


def _score(digits: str, written: str) -> float:
    # One number in eleven is valid by chance: the word must agree, or the groups of payslips, `1234.56.782`.
    return 0.0 if not bsn_is_valid(digits) else 0.6 if written[4] == "." else 0.3


class NlBsnRecognizer:
    """Covered: nine valid digits beside words such as `BSN`, or grouped `1234.56.782`.

    Not covered: eight digits, without the leading 0.
    """

    entity = "NL_BSN"
    digits = 9

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
