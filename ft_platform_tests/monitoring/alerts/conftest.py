"""Alerts of a made-up use case, and where they arrive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors.vouched import vouch
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.use_case.settings.alerting import Alerting
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver

HOOK, CHAT = "FT_TEST_HOOK", "FT_TEST_CHAT"


def alert(key: str = "day_reports/service/errors/2026-11-28", **changed: Any) -> Alert:
    told = {
        "use_case": "letters",
        "what": "errors",
        "severity": "warning",
        "text": "3.1 % of 1,204 requests failed; before it were 0.2 %.",
        "link": "http://127.0.0.1:3001/letters/",
        "key": key,
    }
    made = Alert(**{**told, **changed})
    vouch(made.text)
    vouch(made.what)
    return made


def settings(**changed: Any) -> Alerting:
    channels = {"hook": {"kind": "webhook", "url_variable": HOOK}, "chat": {"kind": "slack", "url_variable": CHAT}}
    return Alerting.model_validate({"channels": channels, **changed})


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    made = HttpReceiver()
    yield made
    made.stop()


@pytest.fixture
def chat() -> Iterator[HttpReceiver]:
    made = HttpReceiver()
    yield made
    made.stop()


@pytest.fixture
def environment(
    tmp_path: Path, receiver: HttpReceiver, chat: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """An installation with the channels `hook` and `chat`."""
    monkeypatch.setenv(HOOK, receiver.url)
    monkeypatch.setenv(CHAT, chat.url)
    return Environment(home=tmp_path / "home", defs=tmp_path / "defs", tracking_uri="none", alerting=settings())
