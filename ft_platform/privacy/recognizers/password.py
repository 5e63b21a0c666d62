"""Passwords and PINs that a text gives away."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.spans import Span

WORDS = ("passw", "passcode", "passphrase", "pwd", "passwort", "kennwort", "contraseña", "pin")
PASSWORD = re.compile(
    r"\b(?:password|passwd|passcode|passphrase|pwd|pass ?word|passwort|kennwort|contraseña)\b"
    r"(?:\s+(?:is|was|to|ist|es)\b|\s*[:=]|\s+(?=[\"'“`]))\s*[:=]?\s*([\"'“`]?)(\S{4,128})",
    re.IGNORECASE,
)
PIN = re.compile(
    r"\bpin(?:\s?(?:code|number|no\.?))?\b(?:\s+(?:is|was)\b|\s*[:=#])\s*(\d{4,8})(?!\d|[.,]\d)", re.IGNORECASE
)
QUOTES = "\"'“”`"


class PasswordRecognizer:
    """Covered: what follows `password is`, `pwd:`, `PIN =` if it is quoted, holds a digit or a sign, or follows `:` or
    `=`.

    Not covered: a plain word (`my password is sunshine` looks like `my password is wrong`).
    """

    entity = "PASSWORD"
    hint = (
        r"(?i:pass ?w|passcode|passphrase|pwd|kennwort)"
        r"|(?i:pin(?:\s?(?:code|number|no[.]?))?(?:\s+(?:is|was)|\s*[:=#]))\s*[0-9]{4}"
    )

    def find(self, text: str) -> list[Span]:
        if not holds_any(text.lower(), WORDS):
            return []
        spans = [span for m in PASSWORD.finditer(text) if (span := self._span(m))]
        return spans + [Span(m.start(1), m.end(1), self.entity, 0.8, "password") for m in PIN.finditer(text)]

    def _span(self, match: re.Match[str]) -> Span | None:
        value = match.group(2).rstrip(".,;:!?)" + QUOTES)
        looks_secret = any(not c.isalpha() for c in value[1:]) and not re.fullmatch(
            r"[A-Za-z]+['’][a-z]+|[xX*/.\-]+|<[A-Z_]+.*", value
        )
        said_so = match.group(1) != "" or re.search(r"[:=]\s*$", match.group()[: match.start(2) - match.start()])
        if len(value) < 4 or not (looks_secret or (said_so and not re.fullmatch(r"[xX*/.\-]+|<[A-Z_]+.*", value))):
            return None
        return Span(match.start(2), match.start(2) + len(value), self.entity, 0.8 if looks_secret else 0.6, "password")
