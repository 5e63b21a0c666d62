"""Values that a command writes into a use case's file: each is read back, and every comment stays."""

from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.kept_values import keep_values
from ft_platform_tests.conftest import REPOSITORY

SHIPPED = sorted((REPOSITORY / "ft_platform" / "defs").glob("*/defs.yaml"))
CHANGES: list[tuple[str, Any]] = [
    ("training.epochs", 2),  # stands there
    ("training.learning_rate", 2e-4),
    ("training.patience", 3),  # the section stands there
    ("evaluation.max_new_tokens", 64),  # the section may not
    ("splits.rare_labels", "other"),
    ("fairness.max_gap", 0.2),
    ("compute.threads", 2),
    ("description", "Sorts letters: of customers, # and others."),
    ("governance.accepted_consent", ["yes", "no"]),
]


def copied(file: Path, folder: Path) -> Path:
    copy = folder / file.parent.name / "defs.yaml"
    copy.parent.mkdir()
    copy.write_text(file.read_text())
    return copy


def comments(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line and "Sorts letters" not in line]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parent.name)
@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_a_kept_value_is_what_it_would_be_for_one_run_and_comments_stay(
    file: Path, path: str, value: Any, tmp_path: Path
) -> None:
    copy = copied(file, tmp_path)
    for_one_run = load_use_case(copy, {path: value})
    before = copy.read_text()
    keep_values(copy, {path: value})
    assert load_use_case(copy).settings == for_one_run.settings
    assert comments(copy.read_text()) == comments(before)
    changed = set(copy.read_text().splitlines()) ^ set(before.splitlines())
    assert len(changed) <= 3, "other lines stay as they are"


def test_a_list_over_several_lines_is_left_to_a_person(tmp_path: Path) -> None:
    copy = copied(SHIPPED[0], tmp_path)
    text = copy.read_text().replace("attributes:", "attributes:\n  audit:\n    allowed:\n      - a # why\n      - b", 1)
    copy.write_text(text)
    with pytest.raises(ConfigError, match=r"without a person.*Write it there yourself: audit.allowed: \[c\]"):
        keep_values(copy, {"audit.allowed": ["c"]})
    assert copy.read_text() == text


def test_several_values_are_written_or_none(tmp_path: Path) -> None:
    copy = copied(SHIPPED[0], tmp_path)
    keep_values(copy, {"training.epochs": 3, "regression.margins.instructions": 0.2, "training.rank": 4})
    settings = load_use_case(copy).settings
    assert (settings.training.epochs, settings.training.rank) == (3, 4)
