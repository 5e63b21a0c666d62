"""E-mail addresses."""

import re

from ft_platform.privacy.spans import Span

# A practical part of RFC 5322 dot-atom addresses; 64 characters before the @ by RFC 5321, section 4.5.3.1.1. Letters of
# any script (RFC 6531). Without the look-behind a long run of letters would be searched once per letter.
ADDRESS = re.compile(r"(?<![\w.%+'-])[\w.%+'-]{1,64}@(?:[^\W_](?:[\w-]{0,62})\.){1,5}[^\W\d_]{2,24}(?![\w@])")
SPELLED = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}\s?[\[(]\s?at\s?[\])]\s?(?:[^\W_][\w-]{0,62}\s?(?:\.|[\[(]\s?dot\s?[\])])\s?){1,4}[A-Za-z]{2,24}(?!\w)",
    re.IGNORECASE,
)


class EmailRecognizer:
    """Covered: `name@host.tld` in any script, `name [at] host.tld`. Not covered: quoted local parts, hosts without a
    dot."""

    entity = "EMAIL"
    hint = r"@|[\[(]\s?(?i:at)\s?[\])]"

    def find(self, text: str) -> list[Span]:
        spans = (
            [Span(m.start(), m.end(), self.entity, 1.0, "email") for m in ADDRESS.finditer(text)] if "@" in text else []
        )
        if "[" in text or "(" in text:
            spans += [Span(m.start(), m.end(), self.entity, 0.7, "email") for m in SPELLED.finditer(text)]
        return spans
