"""A task for experts, as the lake knows it."""

import json
from dataclasses import dataclass

from ft_platform.lake.store import Lake
from ft_platform.records.cells import CONTROL
from ft_platform.records.columns import contents_sha256
from ft_platform.use_case.named import NamedUseCase

TASKS, KEY = "annotation_task", "task.json"
"""Artifacts that say what experts were given."""


@dataclass(frozen=True)
class Task:
    """What the lake knows of a task.

    Attributes:
        field: `label` or `answer`.
        labels: that may be chosen; empty for answers.
        before: record id -> its label, or the sha256 of its answer.
        splits: version that the records are from.
    """

    id: str
    field: str
    labels: list[str]
    before: dict[str, str]
    splits: str


def plain(answer: str) -> str:
    """An answer as every format of tasks gives it back."""
    return CONTROL.sub("", answer.replace("\r\n", "\n").replace("\r", "\n")).strip()


def answer_hash(answer: str) -> str:
    return contents_sha256([plain(answer)])


def read_task(lake: Lake, use_case: NamedUseCase, task_id: str) -> Task | None:
    """A task by its id; None: this use case has none of it."""
    found = lake.artifact(use_case.name, TASKS, task_id)
    return Task(**json.loads(lake.read_file(found, KEY))) if found else None


def tasks(lake: Lake, use_case: NamedUseCase) -> list[Task]:
    """All tasks, newest first."""
    return [Task(**json.loads(lake.read_file(one, KEY))) for one in lake.artifacts(use_case.name, TASKS)]
