"""The kill test in its short form, and faults planted in the product itself: the kill test turns red."""

import random
import subprocess
import sys

import pytest

from ft_platform.commands.kill_test import kill_test

BROKEN = """
import random, sys, tempfile, json
from dataclasses import asdict
from pathlib import Path
from ft_platform.kill_test import run
run._import_everything()
{fault}
with tempfile.TemporaryDirectory() as folder:
    test = run.KillTest(Path(folder), random.Random({seed}))
    print(json.dumps(asdict(test.run({kills}))))
"""


def with_fault(fault: str, kills: int = 8, seed: int = 3) -> dict:
    import json

    done = subprocess.run([sys.executable, "-c", BROKEN.format(fault=fault, kills=kills, seed=seed)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_some_kills_leave_nothing_stuck_and_change_no_bit():
    found = kill_test(4, seed=random.randrange(1_000_000))
    assert found["kills"] >= 4 and found["stuck"] == found["different"] == 0 and found["corrupt_detected"] == found["corrupt_planted"], found


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
    found = with_fault("from ft_platform.lake import training_states\ntraining_states.damage = lambda folder: None", kills=20)
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
