"""The section `audit_log` of the installation: where its checkpoints are anchored, and who gets its entries."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.alerting import Variable
from ft_platform.use_case.settings.hosts import is_loopback
from ft_platform.use_case.settings.section import Section

Place = Annotated[str, StringConstraints(max_length=2000, pattern=r"^(/|[a-z0-9]+://)[^\s]+$")]
LOCKING = ("s3", "gs", "gcs", "abfss", "abfs", "az")
"""Protocols of stores that lock objects."""
PERSONS = (
    "Whether names and details are sent too. What was sent is not erased with a person (`ft audit-log forget`)."
    " Default: no."
)


class Anchor(Section):
    """A folder that whoever may write the lake may not write: each checkpoint that gets there is a file that stays."""

    uri: Place = Field(
        description="A path on another disk or mount, or `s3://`, `gs://` or `abfss://` with bucket and prefix."
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description=(
            "For object stores: days for which nobody can delete or replace a checkpoint. S3: the bucket must have"
            " Object Lock (used in mode COMPLIANCE). Google Cloud Storage: object retention. Azure Blob: version-level"
            " immutability. Default: no lock."
        ),
    )

    @model_validator(mode="after")
    def can_be_locked(self) -> "Anchor":
        if self.retention_days and self.protocol not in LOCKING:
            raise ValueError("`retention_days` needs an `s3://`, `gs://` or `abfss://` address")
        return self

    @property
    def protocol(self) -> str:
        """Empty: a path."""
        return self.uri.partition("://")[0] if "://" in self.uri else ""


class Syslog(Section):
    """A syslog server (RFC 5424), as rsyslog, syslog-ng or a SIEM."""

    kind: Literal["syslog"]
    host: str = Field(min_length=1, max_length=253, description="Its name or address.")
    port: int = Field(default=6514, ge=1, le=65535, description="Its port. Default: 6514, which is that of TLS.")
    transport: Literal["tls", "tcp", "udp"] = Field(
        default="tls",
        description="`tls` (RFC 5425): its certificate is checked. `tcp`, `udp`: as plain text. Default: tls.",
    )
    persons: bool = Field(default=False, description=PERSONS)


class OpenTelemetry(Section):
    """A collector of OpenTelemetry logs (OTLP over HTTP, JSON)."""

    kind: Literal["otlp"]
    url: str = Field(
        pattern=r"^https?://[^\s?#]+$",
        max_length=2000,
        description="Address that takes logs, as `https://otel.example.org/v1/logs`.",
    )
    headers_variable: Variable | None = Field(
        default=None,
        description=(
            "Environment variable with headers, as `authorization=Bearer abc,tenant=7`; for secrets. Default: none."
        ),
    )
    persons: bool = Field(default=False, description=PERSONS)

    @model_validator(mode="after")
    def protects_its_headers(self) -> "OpenTelemetry":
        host = self.url.split("/")[2].rsplit(":", 1)[0].strip("[]")
        if self.headers_variable and self.url.startswith("http://") and not is_loopback(host):
            raise ValueError("`url` must begin with `https://`, or the headers would be sent as plain text")
        return self


Receiver = Annotated[Syslog | OpenTelemetry, Field(discriminator="kind")]


class AuditLogSettings(Section):
    """What leaves the installation of its audit log."""

    anchors: Annotated[list[Anchor], Field(max_length=10)] = Field(
        default_factory=list,
        description="Places for checkpoints, against which `ft audit-log verify` compares the log.",
    )
    forward: Annotated[list[Receiver], Field(max_length=10)] = Field(
        default_factory=list, description="Who gets each entry. One that is down gets them later."
    )
