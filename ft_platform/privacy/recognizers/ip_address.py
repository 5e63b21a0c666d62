"""Internet addresses, version 4 and 6."""

import ipaddress
import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
V6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:])")
# `192 . 168 . 17 . 44`, `192[.]168[.]17[.]44`, or cut once by the end of a line.
SPACED = re.compile(
    r"(?<![\w.])\d{1,3}(?:(?:[ ]\.[ ]|[ ]?[\[(]\.[\])][ ]?)\d{1,3}){3}(?![\w]|[ ]?\.[ ]?\d)"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){0,2}(?:\.\n|\n\.)\d{1,3}(?:\.\d{1,3}){0,2}(?![\w]|\.\d)"
)
PARTED = re.compile(r"[^\d.]")
VERSION_CUES = cue("version|ver|v|release|firmware|build|section|chapter|driver")


class IpAddressRecognizer:
    """Covered: what Python's `ipaddress` accepts (RFC 791, RFC 4291), also with blanks or brackets around
    the dots, or over two lines. Not counted: version numbers, loopback and unspecified addresses."""

    entity = "IP_ADDRESS"
    hint = r"[0-9][.][0-9]{1,3}[.][0-9]|[0-9](?: [.] |[.]\n|\n[.]| ?[\[(][.])|:[0-9A-Fa-f]{0,4}:"
    digits = 1

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in V4.finditer(text):
            if self._is_someones(match.group()) and not VERSION_CUES.search(before(text, match.start(), 12)):
                spans.append(Span(match.start(), match.end(), self.entity, 0.9, "ip_address"))
        for match in SPACED.finditer(text):
            if self._is_someones(PARTED.sub("", match.group())):
                spans.append(Span(match.start(), match.end(), self.entity, 0.7, "ip_address"))
        if ":" in text:
            # `a::b` is an address and also C++: four hex digits and one decimal digit are asked for.
            spans += [
                Span(m.start(), m.end(), self.entity, 0.9, "ip_address")
                for m in V6.finditer(text)
                if len(m.group().replace(":", "")) >= 4
                and any(c.isdigit() for c in m.group())
                and self._is_someones(m.group())
            ]
        return spans

    @staticmethod
    def _is_someones(value: str) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return not (address.is_loopback or address.is_unspecified or address.is_multicast)
