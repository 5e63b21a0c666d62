"""What people are told: an alarm that lasts, or an event."""

from dataclasses import dataclass

from ft_platform.use_case.settings.alerting import Severity

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True)
class Alert:
    """Nothing in it may be a value or a text of a record: it leaves the installation.

    Attributes:
        what: in a few words, e.g. `p95_seconds`.
        text: one or two sentences.
        link: where to read on; may be empty.
        key: of the alarm: while it lasts, equal keys are one. `<source>/<rest>`.
        once: an event, which does not last: told once for each key, never over.
        to: e-mail addresses, divided by commas, that e-mails go to besides those of the channel.
    """

    use_case: str
    what: str
    severity: Severity
    text: str
    link: str
    key: str
    once: bool = False
    to: str = ""

    @property
    def source(self) -> str:
        return self.key.partition("/")[0]
