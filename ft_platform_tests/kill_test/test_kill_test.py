"""The kill test in its short form, and faults planted in the product itself: the kill test turns red."""

import itertools
import json
import os
import random
import subprocess
import sys
import time

import pytest

from ft_platform_tests.kill_test import case
from ft_platform_tests.kill_test.__main__ import kill_test
from ft_platform_tests.kill_test.attempt import NAMED_POINTS, Fault, _resolved
from ft_platform_tests.kill_test.run import KillTest

BROKEN = """
import random, sys, tempfile, json
from dataclasses import asdict
from pathlib import Path
from ft_platform_tests.kill_test import run
run._import_everything()
{fault}
with tempfile.TemporaryDirectory() as folder:
    test = run.KillTest(Path(folder), random.Random({seed}))
    print(json.dumps(asdict(test.run({kills}))))
"""


FULL = """
import errno, os, sys
from pathlib import Path
from ft_platform_tests.kill_test.attempt import FullDisk
folder = Path(sys.argv[1])
kept = folder / "lake" / "kept"
kept.parent.mkdir()
kept.write_text("before")
FullDisk(1).arm(folder)

def full(work):
    try:
        work()
    except OSError as error:
        return error.errno == errno.ENOSPC
    return False

writes = [lambda: kept.write_text("x"), lambda: open(kept, "a+"), lambda: (kept.parent / "new").touch(), lambda: os.open(kept, os.O_RDWR)]
moves = [lambda: kept.rename(kept.parent / "other"), lambda: (kept.parent / "folder").mkdir()]
assert all(map(full, [*writes, *moves]))
assert not any(map(full, [kept.read_text, lambda: os.close(os.open(kept, os.O_RDONLY)), lambda: (folder / "elsewhere").write_text("x")]))
assert kept.read_text() == "before"
kept.unlink()
"""  # noqa: E501


def with_fault(fault: str, kills: int = 8, seed: int = 3) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(fault=fault, kills=kills, seed=seed)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("point", NAMED_POINTS)
def test_there_is_every_named_point(point):
    owner, attribute = NAMED_POINTS[point]
    assert callable(getattr(_resolved(owner), attribute))


@pytest.mark.integration
def test_some_kills_leave_nothing_stuck_and_change_no_bit():
    found = kill_test(4, seed=random.randrange(1_000_000))
    assert (
        found["kills"] >= 4
        and found["stuck"] == found["different"] == 0
        and found["corrupt_detected"] == found["corrupt_planted"]
    ), found


@pytest.mark.slow
def test_a_hundred_kills_leave_nothing_stuck_and_change_no_bit():
    found = kill_test(100, seed=random.randrange(1_000_000))
    assert found["kills"] >= 100 and found["stuck"] == found["different"] == 0, found
    assert found["corrupt_planted"] > 10 and found["corrupt_detected"] == found["corrupt_planted"], found
    assert {"file operation", "named point", "random time", "sigterm", "full disk"} == found["by_fault"].keys()


@pytest.mark.slow
def test_random_numbers_that_are_not_restored_are_found_out():
    found = with_fault("from ft_platform.training import state\nstate._restore_generators = lambda *_: None")
    assert found["different"] > 0


@pytest.mark.slow
def test_damage_that_nobody_looks_for_is_found_out():
    found = with_fault(
        "from ft_platform.lake import training_states\ntraining_states.damage = lambda folder: None", kills=20
    )
    assert found["stuck"] or found["different"] or found["corrupt_detected"] < found["corrupt_planted"]


@pytest.mark.slow
def test_a_folder_that_is_readable_before_it_is_whole_is_found_out():
    fault = (
        "from ft_platform.lake import files\n"
        "import shutil\n"
        "def publish(fs, source, target):\n"
        "    Path(target).mkdir(parents=True)\n"
        "    for path in sorted(source.iterdir(), reverse=True):\n"
        "        shutil.copy(path, target)\n"
        "files.publish_folder = publish"
    )
    found = with_fault(fault, kills=20)
    assert found["stuck"] or found["different"]


STUCK = """
import json, random, sys, time
from pathlib import Path
from ft_platform_tests.kill_test import attempt, run
def a_lock_that_nobody_gives_back(folder):
    time.sleep(60)
attempt._train = a_lock_that_nobody_gives_back
run.STUCK_SECONDS = 1.0
place = Path(sys.argv[1])
print(json.dumps(run.KillTest(place, random.Random(1))._attempt(place, attempt.Fault())))
"""


@pytest.mark.integration
def test_an_attempt_that_hangs_is_stuck_and_says_where(tmp_path):
    done = subprocess.run([sys.executable, "-c", STUCK, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["ended"] == "stuck" and "a_lock_that_nobody_gives_back" in "".join(found["stacks"])


def test_an_attempt_is_not_stuck_because_the_machine_stood_still(tmp_path, monkeypatch):
    """The clock jumps by an hour between two polls."""
    asked, clock = itertools.count(), time.monotonic
    monkeypatch.setattr("ft_platform_tests.kill_test.run.time.monotonic", lambda: clock() + 3600.0 * (next(asked) > 1))
    monkeypatch.setattr("ft_platform_tests.kill_test.run.attempt", lambda *_: (time.sleep(0.1), os._exit(0)))
    assert KillTest(tmp_path, random.Random(1))._attempt(tmp_path, Fault()) == {"ended": "killed"}


def test_a_full_disk_refuses_whatever_writes_and_lets_files_be_read_and_removed(tmp_path):
    """In a process of its own, as an audit hook stays for ever."""
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("damaged", "aside", "found", "detected", "left"),
    [
        ([3, 5], [], {"ended": "finished", "damaged_states": 1}, 1, [3, 5]),  # two are damaged, one was noticed
        ([3, 5], [], {"ended": "finished", "damaged_states": 2}, 2, [3, 5]),
        ([5], [], {"ended": "finished", "damaged_states": 2}, 1, [5]),  # the other one was counted in an attempt before
        ([5], [], {"ended": "finished", "damaged_states": 0}, 0, [5]),
        ([3, 5], [5], {"ended": "killed"}, 1, [3]),
        ([3, 5], [5], {"ended": "finished", "damaged_states": 1}, 1, [3]),  # published, and the states not removed yet
    ],
)
def test_no_more_damaged_states_count_as_noticed_than_were_set_aside(tmp_path, damaged, aside, found, detected, left):
    for step in aside:
        (tmp_path / "lake" / "shared" / case.NAME / ".training" / "ckpt-1" / f"damaged-{step:08d}-0a1b2c3d").mkdir(
            parents=True
        )
    test = KillTest(tmp_path, random.Random(1))
    assert test._detected(tmp_path, damaged, found) == left and test.counts.corrupt_detected == detected
