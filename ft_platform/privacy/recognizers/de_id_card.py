"""Serial numbers of German identity cards and passports."""

from ft_platform.privacy.context import alternatives, cue, holds_any
from ft_platform.privacy.id_numbers import find_numbers, number
from ft_platform.privacy.recognizers.passport import check_digit
from ft_platform.privacy.spans import Span

WORDS = alternatives("ausweis|reisepass|passnummer|pass-nr|identity card|id card|id-card")
# Bundesministerium des Innern, "Seriennummer": digits and consonants without B, D, Q, S; the first is a letter.
CANDIDATE = number(r"[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z\d]{8}(?:\d[ ]?D?)?")
CUES = cue(
    "(?:personal)?ausweis(?:es|nummer|-?nr\\.?)?|perso(?:nummer|-?nr\\.?)?|reisepass(?:es|nummer|-?nr\\.?)?"
    "|passnummer|pass-nr|(?:german )?(?:identity|id)[ -]card"
)


def serial_is_valid(serial: str) -> bool:
    """Nine characters of which two or more are digits; the check digit, where it is written behind them, is right
    (Personalausweisverordnung, annex 3; ICAO Doc 9303-3, section 4.9)."""
    return sum(c.isdigit() for c in serial[:9]) > 1 and (len(serial) == 9 or check_digit(serial[:9]) == int(serial[9]))


def _score(serial: str, written: str) -> float:
    return 0.3 if serial_is_valid(serial.removesuffix("D")) else 0.0


class DeIdCardRecognizer:
    """Covered: `T22000129` or, with its check digit, `T220001293`, beside words such as `Personalausweis`,
    `Ausweisnummer`, `Reisepass`.

    Not covered: identity cards from before November 2010; a number without such a word.
    """

    entity = "DE_ID_CARD"
    hint = rf"(?i:{'|'.join(WORDS)})"
    digits = 2

    def find(self, text: str) -> list[Span]:
        return find_numbers(text, self.entity, CANDIDATE, CUES, _score) if holds_any(text.lower(), WORDS) else []
