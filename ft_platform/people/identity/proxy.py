"""A trusted proxy: what it says about who asks, and from where.

Covered: its headers are believed from the listed addresses only, with its secret where there is one, and each only
once; from anywhere else a request with such a header is refused. Not covered: a proxy that hands on these headers as
browsers send them.
"""

import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from ft_platform.errors import ConfigError
from ft_platform.people.identity.names import email_of, groups_of
from ft_platform.people.identity.refused import Refused
from ft_platform.people.person import Person
from ft_platform.use_case.settings.sign_in import Proxy

SECRET_HEADER = "X-Proxy-Secret"
DEFAULT_HEADERS = tuple(
    Proxy.model_fields[name].default.lower() for name in ("user_header", "email_header", "groups_header")
)


class TrustedProxy:
    """The proxy of an installation.

    Args:
        settings: None: there is none, and nobody's headers are believed.

    Raises:
        ConfigError: its secret is not in the environment.
    """

    def __init__(self, settings: Proxy | None, variables: Mapping[str, str] = os.environ) -> None:
        self.settings, self._secret = settings, ""
        if settings and settings.secret_variable:
            self._secret = variables.get(settings.secret_variable, "")
            if not self._secret:
                raise ConfigError(
                    [f"sign_in.proxy: the environment variable {settings.secret_variable} is not set"],
                    "Set it to the secret that the proxy sends",
                )
        own = (settings.user_header, settings.email_header, settings.groups_header) if settings else ()
        self._names = {*DEFAULT_HEADERS, *(name.lower() for name in own)}

    @property
    def says_who(self) -> bool:
        return self.settings is not None and self.settings.says_who

    def sends(self, client: str, secrets: Sequence[str]) -> bool:
        """Whether a request comes by way of the proxy: from its address and, where there is one, with its secret.

        Args:
            secrets: each header `X-Proxy-Secret` of the request.
        """
        return self._is_at(client) and self._is_secret(secrets)

    def _is_at(self, client: str) -> bool:
        if self.settings is None or not client:
            return False
        address = ip_address(client)
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.settings.addresses)

    def _is_secret(self, secrets: Sequence[str]) -> bool:
        return not self._secret or hmac.compare_digest("\n".join(secrets).encode(), self._secret.encode())

    def behind(self, client: str, forwarded: Sequence[str], secrets: Sequence[str]) -> str:
        """The address of the browser: the last one that the proxy added to `X-Forwarded-For`; without a proxy the
        client itself."""
        last = forwarded[-1].rpartition(",")[2].strip() if forwarded and self.sends(client, secrets) else ""
        try:
            return str(ip_address(last)) if last else client
        except ValueError:
            return client

    def person(self, headers: Iterable[tuple[str, str]], client: str) -> Person | None:
        """Who asks, as the proxy says, or None if nobody says anything.

        Args:
            headers: names in lower case, and values.

        Raises:
            Refused: somebody else says it, or the proxy says it in a way that is not clear.
        """
        wanted = {*self._names, SECRET_HEADER.lower()}
        said: dict[str, list[str]] = {}
        for name, value in headers:
            if name in wanted:
                said.setdefault(name, []).append(value)
        secret = said.pop(SECRET_HEADER.lower(), [])
        if not said:
            return None
        if not self.says_who or self.settings is None or not self._is_at(client):
            raise Refused("only a trusted proxy may say who asks", why="a header of a proxy from another address")
        if not self._is_secret(secret):
            raise Refused("only a trusted proxy may say who asks", why="a header of a proxy without its secret")
        if any(len(values) > 1 for values in said.values()):
            raise Refused("a header of the proxy is given more than once", 400, "a header of the proxy, twice")
        email = said.get(self.settings.email_header.lower()) or said.get(self.settings.user_header.lower()) or [""]
        named = said.get(self.settings.groups_header.lower(), [""])[0]
        name, groups = email_of(email[0]), groups_of([one.strip() for one in named.split(",") if one.strip()])
        if name is None or groups is None:
            raise Refused("the proxy names no e-mail address, or groups that cannot be read", 403, "unclear headers")
        return Person(name, groups, "proxy")
