"""reporting.loop_summary and loop_page: when a loop has closed, and that its page says so."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ft_platform.reporting.loop_page import PICTURE, write_loop_page
from ft_platform.reporting.loop_summary import NEEDED, accuracies, closed, summary

EVENTS = {2: ["change"], 3: ["alarm"], 4: ["retraining", "accepted", "shadow"], 5: ["canary"], 6: ["switch"]}
KNOWN = {"value": 0.8, "low": 0.7, "high": 0.9, "of": 0.85}


def told(share: float = 0.4, after: float = 0.86) -> dict[str, Any]:
    """Made up: accuracy falls from 0.9 to 0.6 on the third day; the new release answers from the eighth on."""
    days = [
        {
            "day": f"2026-12-{number + 1:02d}",
            "requests": 100,
            "accuracy": 0.9 if number < 2 or not share else 0.6 if number < 7 else after,
            "by_release": {"release-0a1b2c3d4e5f": 100},
            "estimated": KNOWN,
            "measured": {**KNOWN, "value": None, "low": None, "high": None},
            "alarms": ["label"] if share and number == 3 else [],
            "cause": "",
            "events": {kind: f"{kind} in words" for kind in EVENTS.get(number, [])} if share else {},
        }
        for number in range(9)
    ]
    return {"plan": {"share": share, "requests": 100}, "days": days, "starts": [{"id": "start-1"}] if share else []}


def test_a_loop_closes_when_all_happened_once_and_accuracy_recovers() -> None:
    found = told()
    assert accuracies(found) == {"before": pytest.approx(0.9), "changed": pytest.approx(0.6), "recovered": 0.86}
    assert closed(found) and "90% before the change, 60% after it, 86% after the switch" in summary(found)[0]


def test_accuracy_that_stays_low_closes_no_loop() -> None:
    assert not closed(told(after=0.7))


def test_two_trainings_close_no_loop() -> None:
    assert not closed({**told(), "starts": [{"id": "start-1"}, {"id": "start-2"}]})


@pytest.mark.parametrize("kind", NEEDED)
def test_an_event_that_did_not_come_is_named(kind: str) -> None:
    found = told()
    for day in found["days"]:
        day["events"].pop(kind, None)
    assert not closed(found) and kind in summary(found)[-1]


def test_the_control_fails_with_a_start_or_an_alarm() -> None:
    found = told(share=0.0)
    assert closed(found)
    assert not closed({**found, "starts": [{"id": "start-1"}]})
    alarmed = deepcopy(found)
    alarmed["days"][3]["alarms"] = ["label"]
    assert not closed(alarmed)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_the_page_is_one_file_with_its_picture_and_every_day(share: float, tmp_path: Path) -> None:
    found = told(share)
    text = write_loop_page(tmp_path, found).read_text(encoding="utf-8")
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64," in text and summary(found)[0] in text
    assert all(day["day"] in text for day in found["days"])
