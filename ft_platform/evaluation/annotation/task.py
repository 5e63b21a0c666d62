"""A task for experts, as the lake knows it."""

import json
from dataclasses import asdict, dataclass

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.cells import CONTROL
from ft_platform.records.columns import contents_sha256
from ft_platform.use_case.named import NamedUseCase

NO_LABEL = ""
"""What a task and a repair say of a record that had no label."""
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

    @property
    def unlabelled(self) -> bool:
        """Whether it asks for labels of records that have none."""
        return self.field == "label" and set(self.before.values()) == {NO_LABEL}


def plain(answer: str) -> str:
    """An answer as every format of tasks gives it back."""
    return CONTROL.sub("", answer.replace("\r\n", "\n").replace("\r", "\n")).strip()


def answer_hash(answer: str) -> str:
    return contents_sha256([plain(answer)])


def keep_task(lake: Lake, use_case: NamedUseCase, task: Task, inputs: str, splits: TableVersion) -> None:
    """Writes a task into the lake, once.

    Args:
        inputs: hash of all that the task says.
    """
    draft = Draft(lake, use_case, TASKS, task.id, inputs, [splits], inputs[:16])
    if not draft.existing():
        with draft.folder() as place:
            (place / KEY).write_text(json.dumps(asdict(task), ensure_ascii=False), encoding="utf-8")
            draft.publish(place, counts={"rows": len(task.before), "unlabelled": task.unlabelled})


def read_task(lake: Lake, use_case: NamedUseCase, task_id: str) -> Task | None:
    """A task by its id; None: this use case has none of it."""
    found = lake.artifact(use_case.name, TASKS, task_id)
    return Task(**json.loads(lake.read_file(found, KEY))) if found else None


def tasks(lake: Lake, use_case: NamedUseCase) -> list[Task]:
    """All tasks, newest first."""
    return [Task(**json.loads(lake.read_file(one, KEY))) for one in lake.artifacts(use_case.name, TASKS)]
