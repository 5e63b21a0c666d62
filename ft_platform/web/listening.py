"""Where a web server may listen: beyond this machine only with a sign-in, and with TLS or a proxy that terminates
it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.people.identity.users import Users
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import is_loopback

CERTIFICATE, KEY = "FT_TLS_CERTIFICATE", "FT_TLS_KEY"


@dataclass(frozen=True)
class Tls:
    """Files in PEM form: a certificate with its chain, and its private key. Both None: no TLS."""

    certificate: Path | None = None
    key: Path | None = None

    @classmethod
    def given(cls, certificate: Path | None, key: Path | None) -> "Tls":
        """Raises:
        ConfigError: one is given without the other, or they cannot be used.
        """
        if (certificate is None) != (key is None):
            raise ConfigError(["--certificate and --key belong together"], "Give both, or neither")
        if certificate and key:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                problem = f"the certificate cannot be used: {type(error).__name__}"
                raise ConfigError([problem], "Check the files of --certificate and --key") from None
            return cls(certificate.absolute(), key.absolute())
        return cls()

    @classmethod
    def of_variables(cls, variables: Mapping[str, str] = os.environ) -> "Tls":
        """What `ft ui` handed to the web server that it starts.

        Raises:
            ConfigError: as `given`.
        """
        files = (Path(variables[name]) if variables.get(name) else None for name in (CERTIFICATE, KEY))
        return cls.given(*files)

    @property
    def variables(self) -> dict[str, str]:
        return {CERTIFICATE: str(self.certificate), KEY: str(self.key)} if self else {}

    @property
    def for_uvicorn(self) -> dict[str, Any]:
        return {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}

    @property
    def scheme(self) -> str:
        return "https" if self else "http"

    def __bool__(self) -> bool:
        return self.certificate is not None


def listening_on(host: str, port: int, tls: Tls, environment: Environment) -> Environment:
    """The environment with a name for an address other than this machine's own.

    Raises:
        ConfigError: nobody would have to sign in, passwords would go unencrypted, or no name is known by which browsers
            would reach the server.
    """
    if is_loopback(host):
        return environment
    proxy = environment.sign_in.proxy
    signs_in = environment.sign_in.openid or (proxy and proxy.says_who) or Users(environment.people_path).read()
    if not signs_in:
        raise ConfigError(
            [f"--host {host} would let everyone who reaches this machine read and start everything: nobody signs in"],
            "Add a user with `ft users add`, or name your provider in `sign_in` (docs/how_to/sign_in.md)",
        )
    if not tls and not (proxy and proxy.tls):
        raise ConfigError(
            [f"--host {host} would send passwords and data over the network unencrypted"],
            "Give --certificate and --key, or name the proxy that terminates TLS in `sign_in.proxy`",
        )
    everywhere = host in ("0.0.0.0", "::", "")
    if everywhere and not environment.web_hosts:
        raise ConfigError(
            [f"--host {host} has no name, and requests to unknown names are refused"],
            "Set FT_WEB_HOSTS to the names that browsers use, e.g. 10.0.0.5:3000",
        )
    named = [] if everywhere else [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    return environment.model_copy(update={"web_hosts": [*environment.web_hosts, *named]})
