"""The section `sign_in` of the installation: who says who a person is, and how long that holds."""

from typing import Annotated

from pydantic import Field, IPvAnyNetwork, StringConstraints, field_validator

from ft_platform.use_case.settings.hosts import LOOPBACK
from ft_platform.use_case.settings.section import Section

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,99}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]


class OpenId(Section):
    """A provider that speaks OpenID Connect: Keycloak, Entra ID, Okta and others."""

    issuer: str = Field(
        max_length=500,
        pattern=r"^https?://[^\s?#@]+$",
        description=(
            "Address of the provider, exactly as it names itself in `/.well-known/openid-configuration`. `http` only"
            " for this machine."
        ),
    )
    client_id: Word = Field(description="Name that the provider knows this installation by.")
    client_secret_variable: Variable = Field(
        default="FT_OPENID_CLIENT_SECRET", description="Environment variable that holds the secret of the client."
    )
    scopes: list[Word] = Field(
        default_factory=lambda: ["openid", "email", "profile"],
        min_length=1,
        max_length=20,
        description="What is asked for. Some providers send groups only with a scope of their own, such as `groups`.",
    )
    name_claim: Word = Field(
        default="email",
        description=(
            "Claim with the e-mail address that roles are given to. Default `email`, which counts only if"
            " `email_verified` is true. Any other must be one that persons cannot change themselves."
        ),
    )
    groups_claim: Word = Field(default="groups", description="Claim with the names of a person's groups.")

    @field_validator("issuer")
    @classmethod
    def is_encrypted(cls, value: str) -> str:
        host = value.partition("://")[2].partition("/")[0].rpartition(":")
        if value.startswith("http://") and (host[0] or host[2]).strip("[]") not in LOOPBACK:
            raise ValueError(f"must begin with https, got {value!r}")
        return value

    @field_validator("scopes")
    @classmethod
    def has_openid(cls, value: list[str]) -> list[str]:
        if "openid" not in value:
            raise ValueError(f"must have `openid` among them, got {value}")
        return value


class Proxy(Section):
    """A web server in front of this one."""

    addresses: list[IPvAnyNetwork] = Field(
        min_length=1,
        max_length=100,
        description="Addresses that it connects from: `10.0.0.7`, `10.0.1.0/24`. Every program there is believed.",
    )
    tls: bool = Field(default=False, description="Whether browsers reach it by https only.")
    says_who: bool = Field(
        default=False,
        description=(
            "Whether it signs persons in and says who asks. It must remove these headers from what browsers send."
        ),
    )
    user_header: Header = Field(default="X-Forwarded-User", description="Header with the person's name.")
    email_header: Header = Field(
        default="X-Forwarded-Email",
        description="Header with the e-mail address that roles are given to. Without it, the name must be one.",
    )
    groups_header: Header = Field(
        default="X-Forwarded-Groups", description="Header with the names of the person's groups, with commas between."
    )
    secret_variable: Variable | None = Field(
        default=None,
        description=(
            "Environment variable with a secret that the proxy sends in `X-Proxy-Secret`. Needed where other programs"
            " connect from the same address, as on this machine."
        ),
    )


class SignIn(Section):
    """How persons sign in to the web pages, besides users of `ft users`."""

    openid: OpenId | None = Field(default=None, description="Provider of the organization. Default: none.")
    proxy: Proxy | None = Field(
        default=None, description="Web server in front that terminates TLS, signs persons in, or both. Default: none."
    )
    idle_minutes: int = Field(
        default=60,
        ge=5,
        le=1440,
        description="Minutes without a request after which a person signs in again. An open page of Dagster asks on.",
    )
    hours: int = Field(default=12, ge=1, le=168, description="Hours after which a person signs in again in any case.")
