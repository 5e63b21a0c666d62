"""serving.rollout, and the file that a server reads it from."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ft_platform.serving.live import Live, live_path, read_live, stop_rollout, write_live
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.settings.rollout import Rollout
from ft_platform.use_case.settings.serving import Serving

UNDER_WAY = UnderWay("local", "release-1", "release-2", Rollout(mode="canary"), "2026-03-01T12:00:00+00:00")
ENDPOINT = {"kind": "openai_endpoint", "url": "https://models.example.org", "model": "complaints"}


def test_targets_of_others_are_refused_with_their_names() -> None:
    given = {"targets": {"local": {"kind": "local"}, "partner": ENDPOINT}, "rollout": {"mode": "canary"}}
    with pytest.raises(
        ValidationError, match=r"`serving.rollout.mode: canary` needs .* not partner \(openai_endpoint\)"
    ):
        Serving.model_validate(given)
    given["rollout"] = {"mode": "all_at_once"}
    assert Serving.model_validate(given).rollout.share == 0.1


def test_a_rollout_that_could_not_end_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_requests"):
        Rollout(min_requests=10, max_requests=9)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = live_path(tmp_path, "complaints")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"releases": ["release-1"], "candidate": None}))
    assert read_live(tmp_path, "complaints") == Live(("release-1",))


def test_a_switch_or_the_end_of_the_candidate_ends_the_rollout(tmp_path: Path) -> None:
    live = Live(("release-1", "release-0"), "release-2", UNDER_WAY)
    write_live(tmp_path, "complaints", live)
    assert read_live(tmp_path, "complaints") == live
    assert live.without("release-2") == Live(("release-1", "release-0"))
    assert live.without("release-0") == Live(("release-1",), "release-2", UNDER_WAY)
    assert live.with_traffic("release-2") == Live(("release-2", "release-1", "release-0"))


def test_the_first_reason_to_stop_stays_and_another_rollout_is_left_alone(tmp_path: Path) -> None:
    write_live(tmp_path, "complaints", Live(("release-1",), "release-2", UNDER_WAY))
    for why in ("4 of 4 failed", "later"):
        stop_rollout(tmp_path, "complaints", UNDER_WAY, why)
    found = read_live(tmp_path, "complaints")
    assert found and found.rollout and found.rollout.stopped == "4 of 4 failed" and found.candidate == "release-2"
    other = UnderWay("local", "release-2", "release-3", Rollout(mode="canary"), "2026-04-01T12:00:00+00:00")
    write_live(tmp_path, "complaints", Live(("release-2",), "release-3", other))
    stop_rollout(tmp_path, "complaints", UNDER_WAY, "late")
    assert read_live(tmp_path, "complaints") == Live(("release-2",), "release-3", other)


def test_another_candidate_is_tried_on_other_callers() -> None:
    callers = [f"customer-{number}" for number in range(1000)]
    later = UnderWay("local", "release-2", "release-3", Rollout(mode="canary"), "")
    both = [one for one in callers if UNDER_WAY.includes(one) and later.includes(one)]
    assert len(both) < 30, "10 in 1,000 by chance"
