"""Contact data that leads to nobody: domains, numbers and addresses that are set aside for documentation and
fiction."""

import re
from itertools import islice

from ft_platform.privacy.draw import Draw
from ft_platform.privacy.surrogates.words import BEGINNINGS, ENDINGS, GIVEN, SURNAMES, compound

DOMAIN_ENDING = ".example"
"""Top-level domain for documentation: no address in it can exist (RFC 2606, section 2)."""

DOCUMENTATION_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
"""RFC 5737. For IPv6 2001:db8::/32 (RFC 3849)."""

DOCUMENTATION_MAC = "00005e0053"
"""First 40 bits of the MAC addresses for documentation (RFC 7042, section 2.1.2)."""


def email(draw: Draw, original: str) -> str:
    """`nora.okafor7@ashford.example`; addresses of one domain share their new domain."""
    domain = re.split(r"@|[\[(]\s?at\s?[\])]", original.casefold())[-1].strip()
    shared = draw.for_text(domain)
    host = compound(shared.of(BEGINNINGS), shared.of(ENDINGS)).lower()
    return f"{draw.of(GIVEN).lower()}.{draw.of(SURNAMES).lower()}{draw.below(100)}@{host}{DOMAIN_ENDING}"


def phone(draw: Draw, original: str) -> str | None:
    """A number from a range for fiction in the form of the original: 555-0100 to 555-0199 (NANPA) in North America,
    07700 900000 to 900999 (Ofcom, "Telephone numbers for drama use") in the United Kingdom. None for other countries:
    their numbers may be somebody's."""
    body = re.split(r"\s?(?:x|ext)", original, maxsplit=1)[0]
    digits = "".join(c for c in body if c.isdigit())
    national = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    if len(national) == 10 and national[0] in "23456789" and (not body.strip().startswith("+") or len(digits) == 11):
        new = f"{2 + draw.below(8)}{draw.below(9)}{draw.below(10)}55501{draw.digits(2)}"
        return with_digits(body, digits[: len(digits) - 10] + new)
    if (len(digits) == 12 and digits.startswith("44")) or (
        len(digits) == 11 and digits[0] == "0" and digits[1] in "123578"
    ):
        return with_digits(body, ("44" if digits.startswith("44") else "0") + f"7700900{draw.digits(3)}")
    return None


def ip_address(draw: Draw, original: str) -> str:
    if ":" in original:
        return f"2001:db8::{draw.below(65536):x}:{draw.below(65536):x}"
    return f"{draw.of(DOCUMENTATION_NETWORKS)}.{1 + draw.below(254)}"


def mac_address(draw: Draw, original: str) -> str | None:
    new = f"{DOCUMENTATION_MAC}{draw.below(256):02x}"
    if sum(c.isalnum() for c in original) != len(new):
        return None
    letters = iter(new.upper() if original.isupper() else new)
    return "".join(next(letters) if c.isalnum() else c for c in original)


def with_digits(like: str, digits: str) -> str:
    """A text with its digits replaced, one by one."""
    new = iter(digits)
    return "".join("".join(islice(new, 1)) if c.isdigit() else c for c in like)
