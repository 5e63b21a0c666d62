"""Portuguese tax numbers of persons (número de identificação fiscal)."""

from ft_platform.privacy.context import cue
from ft_platform.privacy.id_numbers import find_numbers, number, weighted_sum
from ft_platform.privacy.spans import Span

# Autoridade Tributária, decreto-lei 14/2013: 1 to 3 and 45 are given to persons; 8 was given to sole traders.
CANDIDATE = number(r"(?:[1238]\d{2}|45\d)([ .]?)\d{3}\1\d{3}")
CUES = cue(
    "nif|n\\.i\\.f\\.|contribuinte|n[úu]mero fiscal|identifica[çc][ãa]o fiscal|n\\.?º fiscal|portuguese tax"
    "(?: id| number| identification number)?"
)


def nif_is_valid(digits: str) -> bool:
    """The last digit is eleven minus the remainder by eleven of the others with the weights 9 to 2; 10 and 11 become 0
    (decreto-lei 463/79; Autoridade Tributária)."""
    return -weighted_sum(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10 == int(digits[8])


def _score(digits: str, written: str) -> float:
    return 0.3 if nif_is_valid(digits) else 0.0  # one number in eleven is valid by chance


class PtNifRecognizer:
    """Covered: nine valid digits, in one piece or in threes, beside words such as `NIF` or `contribuinte`.

    Not covered: numbers of companies (5, 6, 9); a number without such a word.
    """

    entity = "PT_NIF"
    digits = 9

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score)
