"""raw_records and permitted_records, killed or out of disk at points all over both stages, or written by two runs at
once: nothing is lost or half made, and the next run comes to the same content."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.raw_records import ingest_source
from ft_platform.errors import DiskFull
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.assets.stop_points import STAGES, WRITTEN
from ft_platform_tests.governance.house import House, rows

pytestmark = pytest.mark.integration

MIB = 1 << 20
KILLED = {"signal": signal.SIGKILL}
SOME = 37
"""Every point takes some seconds."""


@pytest.mark.parametrize("every", [SOME, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["kill", "full"])
def test_a_stop_at_any_point_loses_nothing_and_the_next_run_comes_to_the_same_content(
    tmp_path: Path, how: str, every: int
) -> None:
    command = [sys.executable, "-m", "ft_platform_tests.assets.stop_points", str(tmp_path), how, str(every)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr
    whole, *points = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"point')]
    assert whole["points"] > 60 and len(points) == -(-whole["points"] // every)
    before, after = whole["before"], whole["after"]
    assert all(before[name] != after[name] for name in WRITTEN) and before["marked"] == [] and len(after["marked"]) == 5
    for one in points:
        assert "raised" not in one, one
        left, stopped = one["left"], one["stopped"]
        for name in STAGES:
            assert left[name] in (before[name], after[name]), (one["point"], name)
        if left["permitted_records"] == after["permitted_records"]:
            assert left["marked"] == after["marked"], "no version is published while older ones still wait to be marked"
        assert one["after"] == after, one["point"]
        assert "completed" in one["again"]
        # A folder that is there already is not made, and a list of what was compared may be lost: that run meets no
        # full disk.
        assert (
            stopped == KILLED if how == "kill" else "completed" in stopped or "no space left for " in stopped["error"]
        ), one
    assert sum("completed" not in one["stopped"] for one in points) > len(points) / 3


def test_two_runs_of_permitted_records_at_once_leave_whole_versions(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second begins and ends while the first is about to write."""
    house = House(environment)
    house.write(rows(8, consent={3: "no", 5: "withdrawn"}))
    original, waiting = Lake.write_table, ["permitted_records"]

    def write_table(lake: Lake, use_case: str, name: str, *arguments: Any, **options: Any) -> TableVersion:
        if name in waiting:
            waiting.remove(name)
            assert House(environment).permit().version == 0
        return original(lake, use_case, name, *arguments, **options)

    monkeypatch.setattr(Lake, "write_table", write_table)
    assert house.permit().version == 1
    versions = [
        house.lake._handle(manifest, "restricted") for manifest in house.lake.manifests("tests", "permitted_records")
    ]
    assert len({version.content_hash for version in versions}) == 1 and len(versions) == 2
    for version in versions:
        house.lake.verify_table(version)
        number = house.lake.manifest(version).info["removed_version"]
        removed = house.lake.read_table(
            TableVersion("tests", "permitted_records_removed", "restricted", number, "", 0, "")
        )
        assert sorted(removed["reason"].to_pylist()) == ["consent_not_accepted", "consent_withdrawn"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system of its own needs root")
def test_a_really_full_disk_is_named_and_more_room_is_all_the_next_run_needs(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(small)], capture_output=True, check=False
        ).returncode
        != 0
    ):
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        house = House(Environment(home=small / "home", defs=tmp_path / "defs", tracking_uri="none"))
        house.environment.defs.mkdir()
        house.write(rows(8))
        first = house.permit()
        noise = {
            n: " ".join(hashlib.sha256(f"{n} {part}".encode()).hexdigest() for part in range(300)) for n in range(200)
        }
        house.write(rows(200, text=noise, consent={3: "no"}))
        for stage in STAGES:
            leave_room(small, MIB)
            with pytest.raises((DiskFull, dg.Failure), match=f"no space left for .*{stage}"):
                house.permit()
            assert house.lake.latest("tests", "permitted_records") == first
            house.lake.verify_table(first)
            leave_room(small, 100 * MIB)
            ingest_source(house.lake, house.environment, house.case)
        assert house.permit().rows == 199
    finally:
        subprocess.run(["umount", str(small)], check=False)


def leave_room(folder: Path, octets: int) -> None:
    """Makes a tmpfs have this much room."""
    subprocess.run(["mount", "-o", f"remount,size={shutil.disk_usage(folder).used + octets}", str(folder)], check=True)
