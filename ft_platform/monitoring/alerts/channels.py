"""The channels: how a message is sent, and where.

Covered: the time and size of each request (`process.bounded_http`); no redirect is followed and no proxy used; an error
says what happened, and neither an address, a secret nor what the other side said.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from ft_platform.errors import FtError
from ft_platform.errors.printable import printable
from ft_platform.monitoring.alerts.outbox import NEEDS, Message, severity_of
from ft_platform.process.bounded_http import NoAnswer, ask
from ft_platform.use_case.settings.alerting import Channel, Email, Slack, Webhook
from ft_platform.use_case.settings.hosts import is_loopback

SECONDS = 10.0
MOST_BYTES = 10_000
HEADER, SECTION, SECTIONS, TEXT = 150, 3000, 45, 4000
"""Characters of a header and of a section, sections (of 50 blocks) and characters of a text: Slack's documentation,
`reference/block-kit/blocks` and `Truncating content`."""
MOST_WAIT = 3600.0


class ChannelFailed(FtError):
    """A message did not arrive.

    Args:
        wait_seconds: that the other side asks for; 0 if it asks for none.
    """

    permanent = False

    def __init__(self, problem: str, next_step: str = "", wait_seconds: float = 0.0) -> None:
        super().__init__(problem, next_step)
        self.wait_seconds = wait_seconds


def send(channel: Channel, message: Message) -> str:
    """Sends one message once.

    Returns:
        Who did not get it; empty if everybody did.

    Raises:
        ChannelFailed: it did not arrive, or nobody knows whether it did.
    """
    if isinstance(channel, Email):
        return _send_email(channel, message)
    url = _variable(channel.url_variable)
    if isinstance(channel, Slack):
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ChannelFailed(f"the address in {channel.url_variable} is a secret and must begin with https://")
        headers, body = {}, json.dumps(slack_payload(message)).encode()
    else:
        body = json.dumps(message.to_dict()).encode()
        headers = _signature(channel, message.id, body)
    _post(url, headers, body)
    return ""


def _variable(name: str) -> str:
    if value := os.environ.get(name, "").strip():
        return value
    raise ChannelFailed(f"the environment variable {name} is not set", "Set it where Dagster's code location runs")


def _signature(channel: Webhook, message_id: str, body: bytes) -> dict[str, str]:
    """Headers of the Standard Webhooks specification (github.com/standard-webhooks, 1.0.0)."""
    at = str(int(time.time()))
    headers = {"webhook-id": message_id, "webhook-timestamp": at}
    if channel.secret_variable is None:
        return headers
    try:
        secret = base64.b64decode(_variable(channel.secret_variable).removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ChannelFailed(
            f"the environment variable {channel.secret_variable} is no base64", "Make one: openssl rand -base64 32"
        ) from None
    signed = hmac.new(secret, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {**headers, "webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}


def _post(url: str, headers: dict[str, str], body: bytes) -> None:
    try:
        answer = ask("POST", url, {"Content-Type": "application/json", **headers}, body, SECONDS, MOST_BYTES)
    except NoAnswer as error:
        raise ChannelFailed(str(error)) from None
    if not 200 <= answer.status < 300:
        wait = answer.headers.get("retry-after", "")
        seconds = min(float(wait), MOST_WAIT) if re.fullmatch(r"[0-9]{1,6}", wait) else 0.0
        raise ChannelFailed(f"an answer with status {answer.status}", wait_seconds=seconds)


def title(message: Message) -> str:
    """A line that names what happened."""
    if message.event == NEEDS:
        return _line(f"What waits in {', '.join(dict.fromkeys(alert.use_case for _, alert in message.alerts))}")
    if len(message.alerts) != 1:
        return f"{len(message.alerts)} alerts of the quiet hours ({severity_of(message)})"
    event, alert = message.alerts[0]
    return _line(f"{alert.use_case}: {alert.what} ({alert.severity if event == 'raised' else event})")


def text(message: Message) -> str:
    """The whole message as plain text."""
    parts = []
    for event, alert in message.alerts:
        head = "" if len(message.alerts) == 1 else f"{alert.use_case}: {alert.what} ({event}, {alert.severity})\n"
        head = f"{alert.use_case}: {alert.what}\n" if event == NEEDS else head
        over = "This is over: " if event == "resolved" else ""
        parts.append(f"{head}{over}{_line(alert.text)}" + (f"\n{alert.link}" if alert.link else ""))
    return "\n\n".join(parts)


def _line(words: str) -> str:
    return printable(" ".join(words.split()))


def slack_payload(message: Message) -> dict[str, Any]:
    """Blocks for Slack; `text` for notifications, and for chats that know no blocks."""
    sections = text(message).split("\n\n")
    if len(sections) > SECTIONS:
        sections = [*sections[: SECTIONS - 1], f"and {len(sections) - SECTIONS + 1} more: ft alerts <use case>"]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title(message), HEADER)}},
        *({"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(one), SECTION)}} for one in sections),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"{message.at} · {message.id}"}]},
    ]
    return {"text": _cut(_escaped(f"{title(message)}\n{text(message)}"), TEXT), "blocks": blocks}


def _escaped(words: str) -> str:
    """Slack's three control characters, so that no text calls a whole channel (`<!channel>`)."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _send_email(channel: Email, message: Message) -> str:
    mail, concerned = EmailMessage(), [one for _, alert in message.alerts for one in alert.to.split(", ") if one]
    everybody: list[str] = [] if message.event == NEEDS and concerned else list(channel.to)
    recipients = list(dict.fromkeys([*everybody, *concerned]))
    mail["Subject"], mail["From"], mail["To"] = title(message), channel.sender, ", ".join(recipients)
    mail["Date"], mail["Message-ID"] = formatdate(), f"<{message.id}@{channel.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply
    mail.set_content(f"{text(message)}\n\n{message.at}\n")
    try:
        trusted = ssl.create_default_context()
        if channel.encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=SECONDS, context=trusted)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=SECONDS)
        with server:
            if channel.encryption == "starttls":
                server.starttls(context=trusted)
            if channel.user_variable and channel.password_variable:
                server.login(_variable(channel.user_variable), _variable(channel.password_variable))
            refused = server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        raise ChannelFailed(f"the mail server answers {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused:
        raise ChannelFailed("the mail server refuses every recipient") from None
    except (OSError, ValueError, smtplib.SMTPException) as error:  # ValueError: an address that no mail can have
        raise ChannelFailed(f"the mail cannot be handed over ({type(error).__name__})") from None
    return f"the mail server refuses {len(refused)} of {len(recipients)} recipients; the others have it" * bool(refused)
