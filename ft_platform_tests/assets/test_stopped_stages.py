"""cleaned_records, anonymized_records and splits, killed, out of disk or run twice at the same time: nothing is lost or
half made, no intermediate file stays, and the next run comes to the same content."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ft_platform_tests.assets.stop_points_of_later_stages import STAGES, WRITTEN

pytestmark = pytest.mark.integration

KILLED = {"signal": signal.SIGKILL}
SOME = {"kill": 43, "full": 19}
"""Every point takes some seconds."""


def printed(folder: Path, how: str, every: int) -> list[dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "ft_platform_tests.assets.stop_points_of_later_stages",
        str(folder),
        how,
        str(every),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"point')]


@pytest.mark.parametrize(
    ("how", "every"), [*SOME.items(), *(pytest.param(how, 1, marks=pytest.mark.slow) for how in SOME)]
)
def test_a_stop_at_any_point_loses_nothing_and_the_next_run_comes_to_the_same_content(
    tmp_path: Path, how: str, every: int
) -> None:
    whole, *points = printed(tmp_path, how, every)
    before, after = whole["before"], whole["after"]
    assert whole["points"] > 60 and len(points) == -(-whole["points"] // every)
    assert all(before[name] != after[name] for name in STAGES) and after["left_behind"] == []
    for one in points:
        assert "raised" not in one["stopped"], one
        assert all(one["left"][name] in (before[name], after[name]) for name in WRITTEN), one["point"]
        # A later stage is new only where all before it are.
        new = [one["left"][name] == after[name] for name in STAGES]
        assert new == sorted(new, reverse=True), one["point"]
        assert "completed" in one["again"] and one["after"] == after, one["point"]
        # A folder that is there already is not made, and a list of what was compared may be lost: that run meets no
        # full disk.
        assert (
            one["stopped"] == KILLED
            if how == "kill"
            else "completed" in one["stopped"] or "o space left" in one["stopped"]["error"]
        ), one
    assert sum("completed" not in one["stopped"] for one in points) > len(points) / 5


def test_two_runs_at_the_same_time_come_to_the_content_of_one(tmp_path: Path) -> None:
    both, alone = printed(tmp_path, "two", 1)
    assert both["codes"] == [0, 0] and alone["before"] != alone["after"]
    assert both["after"] == alone["after"]
