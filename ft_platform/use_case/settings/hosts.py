"""Which `Host` headers are addressed to a server: the defence against web pages that point their own name at this
machine (DNS rebinding)."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AUTHORITY = re.compile(
    r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?)(?::([0-9]{1,5}))?", re.IGNORECASE
)
"""`host` or `host:port`, as in RFC 9110, 7.2; without user names, `%`, and the trailing dot, which makes another name
of the same host."""


class Authority(NamedTuple):
    """Name in lower case, without the brackets of an IPv6 address, and port where one is given."""

    name: str
    port: int | None


def authority(text: str | None) -> Authority | None:
    """What a `Host` header, or the part of an address behind `//`, names; None if it names nothing clearly."""
    found = AUTHORITY.fullmatch(text or "")
    if found is None:
        return None
    return Authority(found[1].strip("[]").lower(), int(found[3]) if found[3] else None)


def is_loopback(address: str) -> bool:
    """Whether an address or name leads to this machine only."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address in LOOPBACK
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


@dataclass(frozen=True)
class Hosts:
    """Names that a server answers to.

    Attributes:
        named: what the installation names, besides this machine's own. Without a port: at any port.
    """

    named: frozenset[Authority] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> "Hosts":
        """From names that `Environment.web_hosts` has checked."""
        return cls(frozenset(found for name in names if (found := authority(name))))

    def includes(self, header: str | None, server: tuple[str, int | None] | None) -> bool:
        """Whether a request with this `Host` header is meant for this server.

        Args:
            server: address and port at which the request arrived. This machine's own names count for requests from this
                machine only.
        """
        found = authority(header)
        if found is None:
            return False
        if self.names(found):
            return True
        address, port = server or ("", None)
        return is_loopback(address) and found.name in LOOPBACK and (found.port or 80) == port

    def names(self, found: Authority) -> bool:
        """Whether the installation names this host."""
        return found in self.named or Authority(found.name, None) in self.named
