"""Where alerts go and when, and where runs are told as OpenLineage events. Addresses and secrets are environment
variables; the settings only name these."""

from datetime import datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ft_platform.use_case.settings.hosts import is_loopback
from ft_platform.use_case.settings.section import Person, Section

Severity = Literal["info", "warning", "critical"]
Variable = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Z_][A-Z0-9_]*$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone; one is Europe/Berlin") from None
    return value


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Webhook(Section):
    """Each alert as JSON, signed as the Standard Webhooks specification says."""

    kind: Literal["webhook"]
    url_variable: Variable = Field(description="Environment variable with the address.")
    secret_variable: Variable | None = Field(
        default=None,
        description="Environment variable with the secret that signs: base64, also after `whsec_`. Default: unsigned.",
    )


class Slack(Section):
    """An incoming webhook of Slack, or of a chat that takes the same messages."""

    kind: Literal["slack"]
    url_variable: Variable = Field(description="Environment variable with the address, which is a secret.")


class Email(Section):
    """Each alert as an e-mail."""

    kind: Literal["email"]
    host: str = Field(min_length=1, max_length=253, description="Mail server (SMTP).")
    port: int = Field(default=587, ge=1, le=65535, description="Its port. Default: 587.")
    encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls`: as usual at port 587. `tls`: at once, port 465. `none`: only without a password.",
    )
    user_variable: Variable | None = Field(default=None, description="Environment variable with the user name.")
    password_variable: Variable | None = Field(default=None, description="Environment variable with the password.")
    sender: Person = Field(description="Address that the e-mails come from.")
    to: Annotated[list[Person], Field(min_length=1, max_length=100)] = Field(description="Who gets them.")

    @model_validator(mode="after")
    def protects_the_password(self) -> "Email":
        if (self.user_variable is None) != (self.password_variable is None):
            raise ValueError("`user_variable` and `password_variable` belong together")
        if self.encryption == "none" and self.password_variable and not is_loopback(self.host):
            raise ValueError("`encryption: none` would send the password as plain text")
        return self


Channel = Annotated[Webhook | Slack | Email, Field(discriminator="kind")]


class QuietHours(Section):
    """A time of each day at which alerts wait; then they come as one message for each channel."""

    start: TimeOfDay = Field(description="HH:MM.")
    end: TimeOfDay = Field(description="HH:MM; before `start`: of the next day.")
    time_zone: TimeZone = Field(max_length=100, description="Name of the IANA time zone, as `Europe/Berlin`.")
    passes: Annotated[list[Severity], Field(max_length=3)] = Field(
        default=["critical"], description="Severities that do not wait. Default: critical."
    )

    @model_validator(mode="after")
    def ends(self) -> "QuietHours":
        if self.start == self.end:
            raise ValueError("`start` and `end` must differ")
        return self

    def until(self, now: datetime) -> datetime | None:
        """When the quiet hours end in which a moment lies; None outside of them."""
        zone = ZoneInfo(self.time_zone)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            begins = datetime.combine(day, start, zone)
            ends = datetime.combine(day + timedelta(days=int(end < start)), end, zone)
            if begins.timestamp() <= now.timestamp() < ends.timestamp():  # of one zone, clocks would be compared
                return ends
        return None


class Alerting(Section):
    """Channels for alerts. `monitoring.alerts` of a use case names those that its alerts go to."""

    channels: Annotated[dict[ChannelName, Channel], Field(max_length=50)] = Field(
        default_factory=dict, description="Channel -> where it leads."
    )
    quiet_hours: QuietHours | None = Field(default=None, description="When alerts wait. Default: never.")
    remind_days: int = Field(
        default=3, ge=1, le=365, description="Days after which an alarm that lasts is told again. Default: 3."
    )


class Lineage(Section):
    """A collector of OpenLineage events, as Marquez, DataHub or OpenMetadata."""

    url: str = Field(
        pattern=r"^https?://[^\s?#]+$",
        max_length=2000,
        description="Address that takes events, as `https://marquez.example.org/api/v1/lineage`.",
    )
    api_key_variable: Variable | None = Field(
        default=None, description="Environment variable with the key that is sent as bearer. Default: none is sent."
    )
    namespace: str = Field(
        default="ft_platform",
        min_length=1,
        max_length=200,
        description="Namespace of jobs and datasets. Default: ft_platform.",
    )

    @model_validator(mode="after")
    def protects_the_key(self) -> "Lineage":
        parts = urlsplit(self.url)
        if self.api_key_variable and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("`url` must begin with `https://`, or the key would be sent as plain text")
        return self
