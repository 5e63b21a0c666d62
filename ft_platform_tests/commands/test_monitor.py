"""ft monitor: in words, as JSON, as a list; acknowledging."""

import json
from pathlib import Path

import pytest

from ft_platform.cli import main
from ft_platform_tests.monitoring.made_up import MadeUp, day, made_up


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Three days, on the last of which one label is frequent."""
    found = made_up(tmp_path)
    for name in ("home", "defs", "tracking_uri"):
        monkeypatch.setenv(f"FT_{name.upper()}", str(getattr(found.environment, name)))
    for number in (1, 2):
        found.asked(number)
    found.asked(3, shares=(0.1, 0.1, 0.8))
    return found


def ft(*words: str) -> int:
    return main(["monitor", "complaints", *words])


def test_a_day_is_made_and_told_as_json_and_in_words(made: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    assert ft("--day", day(3), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {"day", "requests", "alarms", "estimated_accuracy", "measured_accuracy"} <= set(told)
    label = next(one for one in told["alarms"] if one["what"] == "label")
    assert (label["since"], label["cause"][0]["value"], label["acknowledged"]) == (day(3), "wire", None)
    assert ft() == 0
    said = capsys.readouterr().out
    moment = told["as_of"][:16].replace("T", " ")
    assert said.startswith(f"As of {moment} UTC. Something changed"), "requests go on meanwhile: ft traffic counts more"
    assert "label wire" in said and label["cause"][0]["records"][0] in said
    assert ft("--day", day(2)) == 0 and "Nothing is unusual: 150 requests" in capsys.readouterr().out


def test_days_are_a_line_each(made: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    assert ft("--days", "2") == 1 and "ft monitor complaints --day" in capsys.readouterr().err
    assert ft("--day", day(3)) == 0 and capsys.readouterr()
    assert ft("--days", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines[1:3]] == [day(2), day(3)] and "label*" in lines[2]
    assert "release-0" in lines[1]
    assert ft("--days", "9", "--json") == 0 and len(json.loads(capsys.readouterr().out)["days"]) == 3


def test_on_days_of_two_releases_the_list_says_whose_figures_it_shows(
    made: MadeUp, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = made.released(made.evaluation)
    made.asked(4, rows=100)
    made.asked(4, rows=20, writer="canary", release=canary)
    assert ft("--day", day(4)) == 0 and capsys.readouterr()
    assert ft("--days", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "release-0 +1" in lines[1] and "of the release that answered most" in lines[-1]


def test_who_acknowledged_an_alarm_and_why_is_shown_with_it(made: MadeUp, capsys: pytest.CaptureFixture[str]) -> None:
    assert ft("--day", day(3)) == 0 and capsys.readouterr()
    assert ft("--acknowledge", "label") == 1 and "--reason" in capsys.readouterr().err
    assert ft("--acknowledge", "label", "--reason", "a campaign for transfers") == 0
    assert ft() == 0 and "a campaign for transfers" in capsys.readouterr().out
    assert ft("--acknowledge", "label", "--day", day(3)) == 1 and "do not go together" in capsys.readouterr().err
