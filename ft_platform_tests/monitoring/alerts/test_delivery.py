"""Everything arrives, in the end, once; and what is down holds up nothing else."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.monitoring.alerts import channels, delivery
from ft_platform.monitoring.alerts.delivery import alert as tell
from ft_platform.monitoring.alerts.delivery import deliver, over, send_test
from ft_platform.monitoring.alerts.outbox import LEASE_SECONDS, opened
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.monitoring.alerts.conftest import alert, settings
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver
from ft_platform_tests.serving.fakes import wait_until


def bodies(receiver: HttpReceiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in receiver.got]


def messages(environment: Environment) -> list[dict[str, Any]]:
    with opened(environment.home, environment.alerting) as outbox:
        return outbox.messages("letters")


def test_an_alarm_arrives_at_each_of_its_channels(
    environment: Environment, receiver: HttpReceiver, chat: HttpReceiver
) -> None:
    tell(environment, ["hook", "chat"], alert())
    tell(environment, ["hook", "chat"], alert())
    assert deliver(environment) == {} and deliver(environment) == {}
    over(environment, "letters", alert().key)
    assert deliver(environment) == {}
    assert [one["event"] for one in bodies(receiver)] == ["raised", "resolved"]
    assert len(chat.got) == 2 and "This is over" in bodies(chat)[1]["text"]
    assert all(one["sent"] for one in messages(environment))


def test_a_text_that_nobody_vouches_for_does_not_leave_and_the_alert_does(
    environment: Environment, receiver: HttpReceiver
) -> None:
    tell(environment, ["hook"], replace(alert(), text="Erika Mustermann called", what="of Erika Mustermann"))
    assert deliver(environment) == {}
    told = bodies(receiver)[0]["alerts"][0]
    assert told["text"] == told["what"] == "left out, because it may hold personal data"
    assert b"Erika" not in receiver.got[0][1]


def test_a_channel_that_is_down_loses_nothing_and_holds_up_no_other(
    environment: Environment, receiver: HttpReceiver, chat: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.0)
    receiver.status = 503
    tell(environment, ["hook", "chat"], alert())
    assert deliver(environment) == {"hook": "an answer with status 503"}
    over(environment, "letters", alert().key)
    assert deliver(environment) == {"hook": "an answer with status 503"}
    assert len(chat.got) == 2
    receiver.status = 200
    assert deliver(environment) == {}
    assert [one["event"] for one in bodies(receiver)] == ["raised", "raised", "raised", "resolved"]
    assert len({one["id"] for one in bodies(receiver)}) == 2, "the same message has the same id"


def test_waits_grow_up_to_an_hour(environment: Environment, receiver: HttpReceiver) -> None:
    receiver.status = 500
    tell(environment, ["hook"], alert())
    waits = []
    for _ in range(9):
        with opened(environment.home, environment.alerting) as outbox:
            outbox._connection.execute("UPDATE messages SET due = 0")
        before = time.time()
        deliver(environment)
        waits.append(datetime.fromisoformat(messages(environment)[0]["due"]).timestamp() - before)
    assert [round(wait / 30) for wait in waits] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert messages(environment)[0]["attempts"] == 9


def test_a_slow_channel_does_not_hold_up_the_tick(
    environment: Environment, receiver: HttpReceiver, chat: HttpReceiver
) -> None:
    receiver.seconds = 3
    tell(environment, ["hook", "chat"], alert())
    started = time.monotonic()
    assert deliver(environment, seconds=1) == {"hook": "no answer in time"}
    assert time.monotonic() - started < 2.5 and len(chat.got) == 1
    assert deliver(environment, seconds=0.5) == {}, "its lease holds: nobody sends it a second time"
    assert len(receiver.got) == 1


def test_messages_for_a_channel_that_was_taken_out_are_told(environment: Environment) -> None:
    tell(environment, ["hook", "gone"], alert())
    assert set(deliver(environment)) == {"gone"}


DAEMON = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from ft_platform.monitoring.alerts.delivery import deliver
from ft_platform.monitoring.alerts.outbox import opened
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.alerts.conftest import alert

environment = Environment.model_validate_json(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    with opened(environment.home, environment.alerting) as outbox:
        outbox.lasting("letters", "a", [alert(f"a/{n}") for n in range(20)], ["hook"], datetime.now(UTC))
    assert deliver(environment) == {}
"""


@pytest.mark.integration
def test_daemons_that_run_side_by_side_send_each_message_once(environment: Environment, receiver: HttpReceiver) -> None:
    daemons = [
        subprocess.Popen(
            [sys.executable, "-c", DAEMON, environment.model_dump_json()],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for daemon in daemons:
        assert daemon.stdout and daemon.stdout.readline() == "ready\n"
    for daemon in daemons:
        assert daemon.stdin
        daemon.stdin.write("go\n")
        daemon.stdin.flush()
    assert [daemon.wait(60) for daemon in daemons] == [0, 0, 0]
    keys = sorted(one["alerts"][0]["key"] for one in bodies(receiver))
    assert keys == sorted(f"a/{number}" for number in range(20))


@pytest.mark.integration
def test_what_a_killed_daemon_was_sending_is_sent_again_under_the_same_id(
    environment: Environment, receiver: HttpReceiver
) -> None:
    receiver.seconds = 60
    tell(environment, ["hook"], alert())
    script = DAEMON.split("print(")[0] + "deliver(environment)"
    daemon = subprocess.Popen([sys.executable, "-c", script, environment.model_dump_json()], cwd=REPOSITORY)
    wait_until(lambda: len(receiver.got) == 1, 60)
    daemon.kill()
    daemon.wait()
    receiver.seconds = 0
    assert deliver(environment) == {} and len(receiver.got) == 1, "its lease holds"
    with opened(environment.home, environment.alerting) as outbox:
        outbox._connection.execute("UPDATE messages SET leased = leased - ?", (LEASE_SECONDS,))
    assert deliver(environment) == {}
    first, second = bodies(receiver)
    assert first["id"] == second["id"]


def test_a_test_message_is_sent_at_once(environment: Environment, receiver: HttpReceiver) -> None:
    quiet = {"start": "00:00", "end": "23:59", "time_zone": "UTC"}
    send_test(environment.model_copy(update={"alerting": settings(quiet_hours=quiet)}), "letters", "hook")
    assert bodies(receiver)[0]["event"] == "test"
    with pytest.raises(ConfigError, match="there are chat, hook"):
        send_test(environment, "letters", "nobody")
    assert channels.SECONDS < delivery.TICK_SECONDS
