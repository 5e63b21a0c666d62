"""The benchmark of monitoring: what its streams hold, and how detection is counted."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import monitoring, monitoring_streams
from benchmarks.monitoring_others import allowed, summary
from benchmarks.monitoring_streams import SHIFTS, in_another_language, stream, texts_of, with_typos


def test_a_made_up_language_keeps_lengths_and_shares_no_word() -> None:
    text = "My card was declined in Paris, 20 EUR"
    found = in_another_language(text)
    assert len(found) == len(text) and "20" in found
    assert not set(found.split()) & set(text.lower().split()) - {"20"}


def test_typos_touch_some_long_words_and_no_short_ones() -> None:
    text = "the card was declined yesterday evening somewhere " * 20
    found = with_typos(text, random.Random(1)).split(" ")
    changed = [a for a, b in zip(text.split(" "), found, strict=True) if a != b]
    assert 10 < len(changed) < 60 and min(map(len, changed)) > 3


def test_days_to_detection_count_from_one_and_leave_out_alarms_before_the_change() -> None:
    found = [{"change": 20, "alarm": alarm} for alarm in (20, 24, None, 3)]
    assert monitoring.of_stream(found) == {
        "streams": 3,
        "median_days": 5.0,
        "mean_days_of_detected": 3.0,
        "detected": pytest.approx(2 / 3),
    }
    assert summary([20, 20, 20, 20], [20, 24, None, 3])["median_days"] == 5.0
    assert monitoring.of_stream([{"change": 20, "alarm": None}])["median_days"] is None


def test_no_tool_is_held_to_fewer_false_alarms_than_ours() -> None:
    assert [allowed(60, rate) for rate in (0.0, 0.01, 0.05, 0.051)] == [1, 1, 3, 4]


def test_an_interval_that_misses_lowers_the_coverage() -> None:
    one = {"true": 0.8, "value": 0.81, "low": 0.7, "high": 0.9, "reason": "", "mean_confidence": 0.6, "as_in_test": 0.9}
    found = monitoring.accuracy_figures([one, {**one, "low": 0.805}, {**one, "value": None, "reason": "too_few"}])
    assert (found["coverage"], found["withheld"], found["windows"]) == (0.5, {"too_few": 1}, 3)
    assert found["error"] == pytest.approx(0.01)


@pytest.mark.real_data
def test_streams_of_real_complaints_change_on_their_day_only_and_are_the_same_each_time(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring_streams, "shared_data", lambda: shared_data)
    texts = texts_of("cfpb_2020")
    assert 0.6 < texts.right[texts.rows["as_ever"]].mean() < 0.9
    for shift in SHIFTS:
        one, again = stream("cfpb_2020", shift, 3), stream("cfpb_2020", shift, 3)
        assert one.change is not None and (one.days == again.days).all() and one.change == again.change
        assert np.isin(one.days[: one.change], texts.rows["as_ever"]).all() and not one.wrong[: one.change].any()
    days = monitoring.alarm_days(texts, typos := stream("cfpb_2020", "typos", 3))
    assert typos.change is not None and typos.change <= min(days.values()) < typos.change + 5
    json.dumps(days)
