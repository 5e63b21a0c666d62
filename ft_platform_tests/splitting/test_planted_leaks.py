"""The commands that report recall on planted duplicates and leaks."""

import json
import subprocess
import sys
from typing import Any

import pytest

from ft_platform_tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration


def printed(script: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / script), *arguments, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout)


def test_every_planted_leak_is_caught_and_nothing_else() -> None:
    found = printed("leakage.py", "--rows", "3000", "--planted", "60")
    kinds = ("subjects", "identical_texts", "near_duplicates", "groups", "benchmark_texts")
    assert found["recall"] == dict.fromkeys(kinds, 1.0) and found["planted"] == 60
    assert found["found_without_leaks"] == 0


def test_every_planted_near_duplicate_is_caught_and_nothing_below_06() -> None:
    found = printed("dedup.py", "--rows", "5000", "--datasketch-rows", "0")
    assert {"seconds", "peak_gib", "recall_j08", "false_below_06", "ratio_to_datasketch"} <= set(found)
    assert found["recall_j08"] == 1.0 and found["false_below_06"] == 0 and found["planted_pairs"] > 300
