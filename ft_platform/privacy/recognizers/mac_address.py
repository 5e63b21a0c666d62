"""Hardware addresses of network devices."""

import re

from ft_platform.privacy.spans import Span

# IEEE 802 (EUI-48): six pairs with one kind of separator, or three groups of four with dots (Cisco).
PAIRS = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w]|[:-]\w)")
DOTS = re.compile(r"(?<![\w.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?!\w|\.\w)")
GROUP = re.compile(r"\.[0-9A-Fa-f]{4}\.")
"""The middle of three groups: asked first, since few texts have one."""
NOBODYS = {"000000000000", "ffffffffffff"}


class MacAddressRecognizer:
    """Covered: `00:1A:2B:3C:4D:5E`, with hyphens, and `001a.2b3c.4d5e`. Not counted: all zeros and broadcast."""

    entity = "MAC_ADDRESS"
    hint = r"(?:[0-9A-Fa-f]{2}[:-]){5}|[.][0-9A-Fa-f]{4}[.]"

    def find(self, text: str) -> list[Span]:
        matches = list(PAIRS.finditer(text)) if text.count(":") >= 5 or text.count("-") >= 5 else []
        if GROUP.search(text):
            matches += [m for m in DOTS.finditer(text) if not m.group().replace(".", "").isdigit()]
        return [
            Span(m.start(), m.end(), self.entity, 0.95, "mac_address")
            for m in matches
            if re.sub(r"[:.-]", "", m.group()).lower() not in NOBODYS
        ]
