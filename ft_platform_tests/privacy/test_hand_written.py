"""Letters, chats, forms, JSON and log lines, written for this test and not for the recognizers. Persons and numbers are
fictitious.

Misses in `development.jsonl` were looked at and mended; those in `held_out.jsonl` were counted only.
"""

from pathlib import Path

import pytest

from ft_platform.privacy.evaluation import evaluate, read_gold
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy


@pytest.mark.parametrize("half", ["development", "held_out"])
def test_other_forms_of_text_are_read_too(half: str) -> None:
    scores = evaluate(read_gold(Path(__file__).parent / "hand_written" / f"{half}.jsonl"), Scanner(Privacy()))
    assert scores.recall and scores.precision
    assert scores.recall >= 0.95 and scores.precision >= 0.95
