"""One message for an alarm while it lasts, a reminder, one when it is over; quiet hours become one message."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.errors import TransientError
from ft_platform.monitoring.alerts.outbox import LEASE_SECONDS, Message, Outbox, opened, outbox_path
from ft_platform.use_case.settings.alerting import QuietHours
from ft_platform_tests.monitoring.alerts.conftest import alert, settings

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
NIGHT = {"start": "20:00", "end": "07:00", "time_zone": "Europe/Berlin"}
KEY = alert().key


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with opened(tmp_path, settings(quiet_hours=NIGHT)) as found:
        yield found


def sent(outbox: Outbox, now: datetime, channel: str = "hook") -> list[Message]:
    """All that is due, which arrives."""
    messages = []
    while claimed := outbox.claim(channel, now):
        messages.append(claimed[2])
        outbox.sent(claimed[0], now)
    return messages


def events(outbox: Outbox, now: datetime, channel: str = "hook") -> list[str]:
    return [message.event for message in sent(outbox, now, channel)]


def test_an_alarm_is_told_once_while_it_lasts_and_once_when_it_is_over(outbox: Outbox) -> None:
    for minute in range(5):
        outbox.lasting("letters", "day_reports", [alert()], ["hook"], NOON + timedelta(minutes=minute))
    assert events(outbox, NOON) == ["raised"]
    outbox.lasting("letters", "day_reports", [], ["hook"], NOON + timedelta(hours=1))
    outbox.lasting("letters", "day_reports", [], ["hook"], NOON + timedelta(hours=2))
    assert events(outbox, NOON + timedelta(hours=2)) == ["resolved"]
    outbox.lasting("letters", "day_reports", [alert()], ["hook"], NOON + timedelta(hours=3))
    assert events(outbox, NOON + timedelta(hours=3)) == ["raised"], "it came back"


def test_a_source_ends_only_its_own_alarms_of_its_own_use_case(outbox: Outbox) -> None:
    for told in (alert("runs/1"), alert("day_reports/a"), alert("runs/1", use_case="other")):
        outbox.raised(told, ["hook"], NOON)
    assert len(sent(outbox, NOON)) == 3
    outbox.lasting("letters", "runs", [], ["hook"], NOON)
    assert [message.alerts[0][1].key for message in sent(outbox, NOON)] == ["runs/1"]
    assert [told.key for told, _ in outbox.alarms("other")] == ["runs/1"]


def test_an_alarm_that_lasts_is_told_again_after_three_days(outbox: Outbox) -> None:
    outbox.raised(alert(), ["hook"], NOON)
    assert events(outbox, NOON) == ["raised"]
    outbox.raised(alert(), ["hook"], NOON + timedelta(days=2, hours=23))
    assert events(outbox, NOON + timedelta(days=3)) == []
    for hours in (0, 1):
        outbox.raised(alert(), ["hook"], NOON + timedelta(days=3, hours=hours))
    assert events(outbox, NOON + timedelta(days=3, hours=1)) == ["reminder"]


def test_an_alarm_that_gets_worse_is_told_at_once(outbox: Outbox) -> None:
    outbox.raised(alert(severity="warning"), ["hook"], NOON)
    outbox.raised(alert(severity="critical"), ["hook"], NOON)
    outbox.raised(alert(severity="critical"), ["hook"], NOON)
    assert [message.alerts[0][1].severity for message in sent(outbox, NOON)] == ["warning", "critical"]


def test_an_event_is_told_once_and_never_over(outbox: Outbox) -> None:
    told = alert("rollback/release-1", once=True)
    for days in (0, 1, 30):
        outbox.raised(told, ["hook"], NOON + timedelta(days=days))
    outbox.resolved("letters", told.key, NOON)
    outbox.lasting("letters", "rollback", [], ["hook"], NOON)
    assert events(outbox, NOON + timedelta(days=30)) == ["raised"]
    assert outbox.alarms("letters") == []


def test_quiet_hours_hold_back_and_end_in_one_message(outbox: Outbox) -> None:
    night = NOON + timedelta(hours=9)  # 22:00 in Berlin
    outbox.raised(alert("a/1"), ["hook", "chat"], night)
    outbox.raised(alert("a/2"), ["hook"], night)
    outbox.resolved("letters", "a/1", night + timedelta(hours=1))
    outbox.raised(alert("a/3", severity="critical"), ["hook"], night)
    assert [message.alerts[0][1].key for message in sent(outbox, night)] == ["a/3"], "severe ones pass"
    before, after = (datetime(2026, 11, 29, 5, 59, tzinfo=UTC), datetime(2026, 11, 29, 6, 0, tzinfo=UTC))
    assert sent(outbox, before) == []
    (digest,) = sent(outbox, after)
    assert digest.event == "digest"
    assert [(event, told.key) for event, told in digest.alerts] == [
        ("raised", "a/1"),
        ("raised", "a/2"),
        ("resolved", "a/1"),
    ]
    assert events(outbox, after, "chat") == ["digest"], "its raised and resolved"
    assert sent(outbox, after) == []


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        (("20:00", "07:00"), "2026-11-28T22:00+01:00", "2026-11-29T07:00+01:00"),
        (("20:00", "07:00"), "2026-11-29T06:59+01:00", "2026-11-29T07:00+01:00"),
        (("20:00", "07:00"), "2026-11-29T07:00+01:00", None),  # the end is no part of it
        (("20:00", "07:00"), "2026-11-29T19:59+01:00", None),
        (("12:00", "13:00"), "2026-11-29T12:30+01:00", "2026-11-29T13:00+01:00"),
        (("20:00", "07:00"), "2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),  # summer time begins at 02:00
        (("20:00", "07:00"), "2026-03-29T06:30+02:00", "2026-03-29T07:00+02:00"),
        (("20:00", "07:00"), "2026-10-25T06:30+01:00", "2026-10-25T07:00+01:00"),  # summer time has ended
        (("22:00", "02:30"), "2026-10-25T02:15+02:00", "2026-10-25T02:30+02:00"),
        (("22:00", "02:30"), "2026-10-25T02:15+01:00", None),  # the same on the clock, an hour later
    ],
)
def test_quiet_hours_follow_the_clock_of_their_time_zone(
    hours: tuple[str, str], moment: str, until: str | None
) -> None:
    quiet = QuietHours(start=hours[0], end=hours[1], time_zone="Europe/Berlin")
    found = quiet.until(datetime.fromisoformat(moment).astimezone(UTC))
    assert (found and found.isoformat()) == (until and datetime.fromisoformat(until).isoformat())


def test_a_message_that_is_being_sent_is_nobody_elses_until_its_lease_ends(outbox: Outbox, tmp_path: Path) -> None:
    outbox.raised(alert(), ["hook"], NOON)
    claimed = outbox.claim("hook", NOON)
    assert claimed
    with opened(tmp_path, settings()) as other:
        assert other.claim("hook", NOON + timedelta(seconds=LEASE_SECONDS - 1)) is None
        again = other.claim("hook", NOON + timedelta(seconds=LEASE_SECONDS))
    assert again and again[2].id == claimed[2].id, "who claimed it was killed: the same message, the same id"


def test_the_end_of_an_alarm_waits_for_its_start(outbox: Outbox) -> None:
    outbox.raised(alert("a/1"), ["hook"], NOON)
    claimed = outbox.claim("hook", NOON)
    assert claimed
    outbox.failed(claimed[0], "down", NOON + timedelta(minutes=10))
    outbox.resolved("letters", "a/1", NOON)
    outbox.raised(alert("a/2"), ["hook"], NOON)
    assert [message.alerts[0][1].key for message in sent(outbox, NOON)] == ["a/2"], "others do not wait"
    assert events(outbox, NOON + timedelta(minutes=10)) == ["raised", "resolved"]


def test_the_end_of_an_alarm_waits_for_the_digest_with_its_start(outbox: Outbox) -> None:
    night, morning = NOON + timedelta(hours=9), NOON + timedelta(hours=19)
    for key in ("a/1", "a/2"):
        outbox.raised(alert(key), ["hook"], night)
    claimed = outbox.claim("hook", morning)
    assert claimed and claimed[2].event == "digest"
    outbox.failed(claimed[0], "down", morning + timedelta(minutes=10))
    outbox.resolved("letters", "a/1", morning)
    outbox.raised(alert("a/3"), ["hook"], morning)
    assert [message.alerts[0][1].key for message in sent(outbox, morning)] == ["a/3"]
    assert events(outbox, morning + timedelta(minutes=10)) == ["digest", "resolved"]


def test_what_was_sent_is_forgotten_after_a_while_and_an_alarm_that_lasts_is_not(outbox: Outbox) -> None:
    outbox.raised(alert("a/1"), ["hook"], NOON)
    outbox.raised(alert("a/2", once=True), ["hook"], NOON)
    sent(outbox, NOON)
    later = NOON + timedelta(days=91)
    outbox.raised(alert("a/3"), ["hook"], later)
    sent(outbox, later)
    assert [one["alerts"][0]["key"] for one in outbox.messages("letters")] == ["a/3"]
    assert [told.key for told, _ in outbox.alarms("letters")] == ["a/1", "a/3"]


def test_only_the_account_of_the_installation_may_read_it_and_what_is_no_outbox_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, settings()):
        assert stat.S_IMODE(outbox_path(tmp_path).stat().st_mode) == 0o600
    outbox_path(tmp_path).write_text("no database " * 100)
    with pytest.raises(TransientError, match="cannot be used"), opened(tmp_path, settings()):
        pass


def test_an_alarm_does_not_wait_for_the_day_at_which_the_clock_was(outbox: Outbox) -> None:
    ahead = NOON + timedelta(days=400)
    outbox.raised(alert(), ["hook"], ahead)
    outbox.raised(alert("day_reports/service/other/2026-11-28"), ["hook"], ahead)
    assert outbox.claim("hook", ahead), "its sender is killed then"
    assert events(outbox, NOON) == ["raised", "raised"]
    outbox.raised(alert(), ["hook"], NOON)
    assert events(outbox, NOON) == ["reminder"], "the one before counts as told on a day that has not come"
