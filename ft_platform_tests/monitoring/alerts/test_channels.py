"""What arrives at real receivers on this machine, and what is said when it does not."""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from pathlib import Path

import pytest

from ft_platform.monitoring.alerts import channels
from ft_platform.monitoring.alerts.channels import ChannelFailed, send, slack_payload
from ft_platform.monitoring.alerts.outbox import Message
from ft_platform.use_case.settings.alerting import Email, Slack, Webhook
from ft_platform_tests.monitoring.alerts.conftest import CHAT, HOOK, alert
from ft_platform_tests.monitoring.alerts.receivers import PASSWORD, USER, HttpReceiver, mail_server, self_signed

MESSAGE = Message("5f0c" * 8, "raised", (("raised", alert()),), "2026-11-28T12:00:00+00:00")
SECRET = base64.b64encode(secrets.token_bytes(32)).decode()


def digest(count: int) -> Message:
    told = tuple(("raised", alert(f"a/{number}")) for number in range(count))
    return Message("5f0c" * 8, "digest", told, "2026-11-28T12:00:00+00:00")


def email(port: int, **changed: object) -> Email:
    given = {"host": "localhost", "port": port, "sender": "ft@example.org", "to": ["ops@example.org"]}
    return Email.model_validate({"kind": "email", **given, **changed})


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, receiver: HttpReceiver) -> Webhook:
    monkeypatch.setenv(HOOK, receiver.url)
    monkeypatch.setenv("FT_TEST_SECRET", f"whsec_{SECRET}")
    return Webhook(kind="webhook", url_variable=HOOK, secret_variable="FT_TEST_SECRET")


def test_a_webhook_is_signed_and_can_be_verified(hook: Webhook, receiver: HttpReceiver) -> None:
    assert send(hook, MESSAGE) == ""
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == MESSAGE.id and abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    told = json.loads(body)
    assert (told["id"], told["event"], told["alerts"][0]["key"]) == (MESSAGE.id, "raised", alert().key)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (500, {}, 0.0),
        (404, {}, 0.0),
        (302, {"Location": "http://127.0.0.1:9/"}, 0.0),  # not followed
        (429, {"Retry-After": "120"}, 120.0),
        (503, {"Retry-After": "999999"}, 3600.0),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
    ],
)
def test_another_answer_is_a_failure_that_says_how_long_to_wait(
    hook: Webhook, receiver: HttpReceiver, status: int, headers: dict[str, str], wait: float
) -> None:
    receiver.status, receiver.headers = status, headers
    with pytest.raises(ChannelFailed, match=f"status {status}") as failed:
        send(hook, MESSAGE)
    assert failed.value.wait_seconds == wait and "T0PSECRET" not in str(failed.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook/T0PSECRET", "T0PSECRET", "ftp://127.0.0.1/T0PSECRET"])
def test_an_address_that_leads_nowhere_is_not_quoted(hook: Webhook, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(HOOK, url)
    with pytest.raises(ChannelFailed) as failed:
        send(hook, MESSAGE)
    assert "T0PSECRET" not in str(failed.value) and str(failed.value)


@pytest.mark.parametrize(("name", "value"), [(HOOK, ""), ("FT_TEST_SECRET", ""), ("FT_TEST_SECRET", "no base64!")])
def test_a_variable_that_is_missing_or_wrong_is_named(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch, receiver: HttpReceiver, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ChannelFailed, match=name) as failed:
        send(hook, MESSAGE)
    assert receiver.got == [] and "no base64!" not in str(failed.value)


def test_a_chat_gets_blocks_within_slacks_limits(monkeypatch: pytest.MonkeyPatch, chat: HttpReceiver) -> None:
    monkeypatch.setenv(CHAT, chat.url)
    send(Slack(kind="slack", url_variable=CHAT), MESSAGE)
    told = json.loads(chat.got[0][1])
    assert told["blocks"][0]["text"] == {"type": "plain_text", "text": "letters: errors (warning)"}
    assert "1,204 requests" in told["blocks"][1]["text"]["text"] and "1,204 requests" in told["text"]
    long = Message("x", "raised", (("raised", alert(what="w" * 300, text="<!channel> & " + "t" * 9000)),), "now")
    for payload in (slack_payload(long), slack_payload(digest(200))):
        header, *sections, context = payload["blocks"]
        assert len(payload["blocks"]) <= 50 and len(header["text"]["text"]) <= 150 and context["type"] == "context"
        assert all(0 < len(one["text"]["text"]) <= 3000 for one in sections) and len(payload["text"]) <= 4000
    assert "and 156 more" in slack_payload(digest(200))["blocks"][-2]["text"]["text"]
    assert slack_payload(long)["blocks"][1]["text"]["text"].startswith("&lt;!channel&gt; &amp; ttt")


def test_the_address_of_a_chat_is_not_sent_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHAT, "http://hooks.example.org/T0PSECRET")
    with pytest.raises(ChannelFailed, match=f"the address in {CHAT} .* https"):
        send(Slack(kind="slack", url_variable=CHAT), MESSAGE)


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_an_email_is_encrypted_and_says_what_happened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encryption: str
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("FT_TEST_USER", USER)
    monkeypatch.setenv("FT_TEST_PASSWORD", PASSWORD)
    with mail_server(certificate, tls=encryption == "tls") as (mailbox, port):
        channel = email(port, encryption=encryption, user_variable="FT_TEST_USER", password_variable="FT_TEST_PASSWORD")
        with pytest.raises(ChannelFailed, match="SSLCertVerificationError"):
            send(channel, MESSAGE)
        assert mailbox.logins == [], "no password for whom nobody vouches"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert send(channel, MESSAGE) == ""
        monkeypatch.setenv("FT_TEST_PASSWORD", "wrong")
        with pytest.raises(ChannelFailed, match="answers 535") as failed:
            send(channel, MESSAGE)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "letters: errors (warning)" and mail["To"] == "ops@example.org"
    assert mail["Message-ID"] == f"<{MESSAGE.id}@example.org>" and mail["Auto-Submitted"] == "auto-generated"
    assert "3.1 % of 1,204 requests failed" in str(mail.get_payload())
    assert "wrong" not in str(failed.value)


def test_a_recipient_that_is_refused_does_not_keep_others_from_the_email() -> None:
    with mail_server() as (mailbox, port):
        channel = email(port, encryption="none", to=["ops@example.org", "gone@example.org"])
        mailbox.refuses = {"gone@example.org"}
        assert send(channel, MESSAGE) == "the mail server refuses 1 of 2 recipients; the others have it"
        mailbox.refuses |= {"ops@example.org"}
        with pytest.raises(ChannelFailed, match="every recipient"):
            send(channel, MESSAGE)
    assert len(mailbox.mails) == 1


def test_an_email_also_goes_to_those_whom_the_alert_concerns() -> None:
    concerned = alert(to="ana.ruiz@example.org, ops@example.org")
    with mail_server() as (mailbox, port):
        assert send(email(port, encryption="none"), Message("x", "raised", (("raised", concerned),), "now")) == ""
    (mail,) = mailbox.mails
    assert mail["To"] == "ops@example.org, ana.ruiz@example.org"


def test_no_line_break_of_an_alert_gets_into_a_header() -> None:
    hostile = Message("x", "raised", (("raised", alert(what="a\r\nBcc: all@example.org")),), "now")
    with mail_server() as (mailbox, port):
        send(email(port, encryption="none"), hostile)
    assert mailbox.mails[0]["Bcc"] is None and "Bcc" in mailbox.mails[0]["Subject"]


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, hook: Webhook) -> None:
    monkeypatch.setattr(channels, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv(HOOK, f"http://127.0.0.1:{port}/")
        started = time.monotonic()
        with pytest.raises(ChannelFailed, match="no answer in time"):
            send(hook, MESSAGE)
        with pytest.raises(ChannelFailed, match="handed over"):
            send(email(port, encryption="none", host="127.0.0.1"), MESSAGE)
    assert time.monotonic() - started < 5
    assert threading.active_count() < 50
