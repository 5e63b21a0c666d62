"""A coarser value of the same kind: age band, month or year, postal region, network. What cannot be made coarser is
redacted."""

import ipaddress
import re

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.dates import read_date
from ft_platform.privacy.hierarchies import age_band, zip_region
from ft_platform.use_case.settings.privacy import Privacy

US_ZIP = re.compile(r"(?:\b([A-Z]{2}),?\s+)?\b(\d{5})(?:-\d{4})?\s*$")
NUMBER = re.compile(r"(?<!\d)\d{1,3}(?!\d)")
PREFIXES = {4: 24, 6: 48}
"""Bits that are left of an IP address, as in the IP masking of Google Analytics: without the last octet (IPv4) or the
last 80 bits (IPv6)."""


class Generalize:
    """Covered: ages, dates, addresses that end in a US ZIP code, IP addresses."""

    reversible = False

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._privacy = privacy

    def replace(self, entity: str, original: str, person: str) -> str:
        return self._coarser(entity, original) or f"<{entity}>"

    def _coarser(self, entity: str, original: str) -> str | None:
        if entity == "AGE":
            number = NUMBER.search(original)
            return age_band(int(number.group()), self._privacy.age_band_years) if number else None
        if entity == "ADDRESS":
            return _region(original)
        if entity == "IP_ADDRESS":
            return _network(original)
        written = read_date(original)
        return written.coarser(self._privacy.generalize_dates_to) if written else None


def _region(address: str) -> str | None:
    found = US_ZIP.search(address)
    return " ".join(part for part in (found.group(1), zip_region(found.group(2))) if part) if found else None


def _network(address: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return None
    return str(ipaddress.ip_network((parsed, PREFIXES[parsed.version]), strict=False))
