"""`ft alerts`: what lasts, what was told and what waits; and a test message."""

import json
from pathlib import Path

import pytest
import yaml

from ft_platform.cli import main
from ft_platform.errors.vouched import vouch
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.monitoring.alerts.delivery import alert, deliver
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver

TOLD = Alert("letters", "errors", "critical", "3.1 % of 1,204 requests failed.", "", "day_reports/service/errors/x")


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An installation with two channels, of which nobody answers at one."""
    receiver = HttpReceiver()
    channels = {name: {"kind": "webhook", "url_variable": f"FT_TEST_{name.upper()}"} for name in ("ops", "off")}
    (tmp_path / "ft_environment.yaml").write_text(
        yaml.safe_dump({"home": "home", "defs": "defs", "tracking_uri": "none", "alerting": {"channels": channels}})
    )
    write_use_case(tmp_path / "defs", "letters", {**minimal_attributes("x.csv"), "monitoring": {"alerts": ["ops"]}})
    monkeypatch.setenv("FT_ENVIRONMENT", str(tmp_path / "ft_environment.yaml"))
    monkeypatch.setenv("FT_TEST_OPS", receiver.url)
    monkeypatch.setenv("FT_TEST_OFF", "http://127.0.0.1:1/T0PSECRET")
    yield receiver
    receiver.stop()


def test_what_was_told_and_what_waits_is_shown(receiver: HttpReceiver, capsys: pytest.CaptureFixture[str]) -> None:
    environment = load_environment()
    vouch(TOLD.text)
    vouch(TOLD.what)
    alert(environment, ["ops", "off"], TOLD)
    deliver(environment)
    assert main(["alerts", "letters", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [alarm["key"] for alarm in told["alarms"]] == [TOLD.key]
    assert {one["channel"]: bool(one["sent"]) for one in told["messages"]} == {"ops": True, "off": False}
    assert main(["alerts", "letters"]) == 0
    shown = capsys.readouterr().out
    assert "errors: 3.1 % of 1,204 requests failed." in shown and "T0PSECRET" not in shown
    assert "a refused connection, attempt 1" in shown


def test_a_test_message_arrives_or_the_command_fails(
    receiver: HttpReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "letters", "--test", "ops"]) == 0
    assert json.loads(receiver.got[0][1])["event"] == "test"
    assert main(["alerts", "letters", "--test", "off"]) == 1
    assert main(["alerts", "letters", "--test", "nobody"]) == 1
    errors = capsys.readouterr().err
    assert "a refused connection" in errors and "there are off, ops" in errors and "T0PSECRET" not in errors
