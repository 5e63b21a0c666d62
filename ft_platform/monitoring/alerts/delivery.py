"""Sends what is due, each channel by itself: one that is slow or down holds up no other."""

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ft_platform.errors import ConfigError, FtError
from ft_platform.errors.vouched import is_vouched
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.monitoring.alerts.channels import ChannelFailed, send
from ft_platform.monitoring.alerts.outbox import Message, opened
from ft_platform.use_case.settings.alerting import Channel
from ft_platform.use_case.settings.environment import Environment

TICK_SECONDS = 30.0
"""A sensor of Dagster has 60."""
FIRST_WAIT, MOST_WAIT = 30.0, 3600.0
"""Seconds until a message is tried again: doubled each time, up to an hour, for as long as it takes."""


def alert(environment: Environment, channels: Sequence[str], told: Alert) -> None:
    """Queues an alarm or event for these channels, once while it lasts; the sensor `<use_case>_alerts` sends it. A text
    that nobody vouches for (`process.vouched`) is left out, and the alert is told without it.

    Raises:
        TransientError: the outbox cannot be written.
    """
    with opened(environment.home, environment.alerting) as outbox:
        outbox.raised(replace(told, what=_vouched(told.what), text=_vouched(told.text)), channels, datetime.now(UTC))


def _vouched(text: str) -> str:
    return text if is_vouched(text) else "left out, because it may hold personal data"


def over(environment: Environment, use_case: str, key: str) -> None:
    """Says that an alarm is over; nothing happens if there is none.

    Raises:
        TransientError: the outbox cannot be written.
    """
    with opened(environment.home, environment.alerting) as outbox:
        outbox.resolved(use_case, key, datetime.now(UTC))


def deliver(environment: Environment, seconds: float = TICK_SECONDS) -> dict[str, str]:
    """Sends what is due, within about that time.

    Returns:
        Channel -> what went wrong; those that are not there any more, too.

    Raises:
        TransientError: the outbox cannot be read.
    """
    settings, problems = environment.alerting, {}
    with opened(environment.home, settings) as outbox:
        waiting = outbox.waiting()
    for name in sorted(waiting - settings.channels.keys()):
        problems[name] = "messages wait for a channel that ft_environment.yaml does not have"
    until = time.monotonic() + seconds
    threads = {
        name: threading.Thread(
            target=_deliver_to, args=(name, channel, environment, until, problems), name=f"alerts-{name}", daemon=True
        )
        for name, channel in settings.channels.items()
        if name in waiting
    }
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            problems[name] = "no answer in time"
    return problems


def _deliver_to(name: str, channel: Channel, environment: Environment, until: float, problems: dict[str, str]) -> None:
    try:
        with opened(environment.home, environment.alerting) as outbox:
            while time.monotonic() < until and (claimed := outbox.claim(name, datetime.now(UTC))):
                number, attempts, message = claimed
                try:
                    left_out = send(channel, message)
                except ChannelFailed as error:
                    wait = max(error.wait_seconds, min(FIRST_WAIT * 2.0 ** min(attempts, 20), MOST_WAIT))
                    outbox.failed(number, error.message, datetime.now(UTC) + timedelta(seconds=wait))
                    problems[name] = error.message
                    return
                outbox.sent(number, datetime.now(UTC))
                if left_out:
                    problems[name] = left_out
    except FtError as error:
        problems[name] = str(error)


def send_test(environment: Environment, use_case: str, name: str) -> None:
    """Sends a test message at once, whatever the hour.

    Raises:
        ConfigError: there is no such channel.
        ChannelFailed: it did not arrive.
    """
    told = Alert(use_case, "test message", "info", "This channel works. Nothing happened.", "", "test/test", once=True)
    message = Message(uuid.uuid4().hex, "test", (("test", told),), datetime.now(UTC).isoformat(timespec="seconds"))
    send(known_channel(environment.alerting.channels, name), message)


def known_channel(channels: Mapping[str, Channel], name: str) -> Channel:
    """The channel with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in channels:
        raise ConfigError(
            [f"{name} is no channel of this installation; there are {', '.join(sorted(channels)) or 'none'}"],
            "Add it to `alerting.channels` in ft_environment.yaml",
        )
    return channels[name]
