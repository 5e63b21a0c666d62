"""Makes tasks for experts: which records of `splits` they look at, and in which order."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.annotation.formats import FORMATS, TaskFile, TaskRow
from ft_platform.evaluation.annotation.order import by_doubted_label, by_unusual_answer
from ft_platform.evaluation.annotation.task import Task, answer_hash, keep_task
from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.records import Side, questions_of, side_of
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.process.new_files import require_free, write_new
from ft_platform.records.cells import MOST_CHARACTERS
from ft_platform.records.columns import SIDES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

ORDERS = ("likely-wrong", "random")


@dataclass(frozen=True)
class Candidates:
    """Records that may be shown, and their present labels or answers."""

    field: str
    side: Side
    texts: list[str]

    @property
    def ids(self) -> list[str]:
        return self.side.rows["record_id"].to_pylist()

    def before(self, place: int) -> str:
        present = self.side.answers[place]
        return present if self.field == "label" else answer_hash(present)


def make_task(
    lake: Lake,
    use_case: NamedUseCase,
    folder: Path | None,
    person: Person,
    *,
    rows: int = 100,
    sides: Collection[str] = SIDES,
    order: str = "likely-wrong",
    file_format: str = "csv",
) -> dict[str, Any]:
    """Writes a task about the newest `splits` into `folder`, for as many experts as are given a copy.

    Args:
        folder: None: no files, the experts work in the browser.
        rows: most records.
        order: a name of `ORDERS`.
        file_format: a name of `FORMATS`.

    Returns:
        `{"task", "field", "splits", "rows", "of", "too_long", "order", "files"}`. `too_long`: answers that no cell of
        a spreadsheet holds, left out.

    Raises:
        ConfigError: a number is out of range.
        DataError: there are no such records, or a file is there already: it may hold answers.
        VersionRefused: the splits may not be used.
    """
    if rows < 1:
        raise ConfigError([f"a task has at least 1 record, got {rows}"])
    splits, table = usable(lake, use_case)
    there, too_long = candidates(use_case, table, sides)
    if not there.ids:
        raise DataError(f"{use_case.name} has no record to show", "Name other sides")
    places = _ordered(lake, use_case, there, order)[:rows]
    labels = sorted(set(table["label"].to_pylist()) - {None}) if there.field == "label" else []
    before = {there.ids[place]: there.before(place) for place in places}
    about = {"field": there.field, "labels": labels, "before": before, "splits": splits.id}
    inputs = settings_hash({**about, "use_case": use_case.name, "order": list(before)})
    task = Task(id=f"task-{inputs[:12]}", **about)
    files = _files(folder / task.id, task, there, places, file_format) if folder else {}
    note(lake, use_case, "look_up", "took records to annotate", person, task=task.id, records=len(places))
    keep_task(lake, use_case, task, inputs, splits)
    for path, content in files.items():
        write_new(path, content)
    told = {"task": task.id, "field": task.field, "splits": splits.id, "rows": len(places), "of": len(there.ids)}
    return {**told, "too_long": too_long, "order": order, "files": [str(path) for path in files]}


def write_again(
    lake: Lake,
    use_case: NamedUseCase,
    folder: Path,
    person: Person,
    task: Task,
    only: Collection[str],
    file_format: str = "csv",
) -> dict[str, Any]:
    """Writes some records of a task once more, for an arbiter. Returns as `make_task`. Raises as `make_task`."""
    splits, table = usable(lake, use_case)
    there, too_long = candidates(use_case, table, SIDES)
    places = [place for place, record in enumerate(there.ids) if record in only and record in task.before]
    if not places:
        raise DataError(f"no record of {task.id} is left to decide", f"See: ft annotate status {use_case.name}")
    files = _files(folder / f"{task.id}_arbiter", task, there, places, file_format)
    note(lake, use_case, "look_up", "took records to annotate", person, task=task.id, records=len(places))
    for path, content in files.items():
        write_new(path, content)
    told = {"task": task.id, "field": task.field, "splits": splits.id, "rows": len(places), "of": len(task.before)}
    return {**told, "too_long": too_long, "order": "disputed", "files": [str(path) for path in files]}


def usable(lake: Lake, use_case: NamedUseCase) -> tuple[TableVersion, pa.Table]:
    """The newest `splits` and its rows.

    Raises:
        DataError: there are none.
        VersionRefused: they may not be used.
    """
    splits = lake.latest(use_case.name, "splits")
    if splits is None:
        raise DataError(f"{use_case.name} has no splits", f"Run: ft run {use_case.name}")
    require_usable(lake, use_case, splits)
    return splits, lake.read_table(splits)


def _files(stem: Path, task: Task, there: Candidates, places: list[int], file_format: str) -> dict[Path, bytes]:
    """What experts are given.

    Raises:
        DataError: a file is there already.
    """
    answers = [there.side.answers[place] if there.field == "answer" else None for place in places]
    shown = [TaskRow(there.ids[p], there.texts[p], answer) for p, answer in zip(places, answers, strict=True)]
    made = FORMATS[file_format](TaskFile(task.id, task.field, task.labels, shown))
    files = {stem.with_name(f"{stem.name}{ending}"): content for ending, content in made.items()}
    require_free(files)
    return files


def candidates(use_case: NamedUseCase, table: pa.Table, sides: Collection[str]) -> tuple[Candidates, int]:
    """Records of the sides, in the order of their ids, and how many have too long an answer."""
    field = "label" if use_case.settings.task.kind == "classification" else "answer"
    found = [side_of(use_case, table, name) for name in SIDES if name in sides]
    texts, answers = [text for one in found for text in one.texts], [a for one in found for a in one.answers]
    whole = Side(pa.concat_tables([one.rows for one in found]), texts, answers)
    ids = whole.rows["record_id"].to_pylist()
    fits = [place for place in range(len(ids)) if field == "label" or len(answers[place]) <= MOST_CHARACTERS]
    side = whole.take(sorted(fits, key=lambda place: ids[place]))
    return Candidates(field, side, questions_of(use_case, side)), len(ids) - len(fits)


def _ordered(lake: Lake, use_case: NamedUseCase, there: Candidates, order: str) -> list[int]:
    """Places of the candidates in the order in which they are shown."""
    if order == "random":
        return np.random.default_rng(use_case.settings.evaluation.seed).permutation(len(there.ids)).tolist()
    groups = there.side.rows["group_id"].to_pylist()
    if there.field == "answer":
        return by_unusual_answer(there.texts, there.side.answers, groups).tolist()
    records = LabelledTexts(there.side.texts, there.side.answers)
    return by_doubted_label(records, groups, tuned(lake, use_case)).tolist()


def tuned(lake: Lake, use_case: NamedUseCase) -> dict[str, Any] | None:
    """Settings of the word-count model, where a base evaluation has tuned them."""
    newest = next(iter(lake.artifacts(use_case.name, "base_evaluation")), None)
    return read_metrics(lake, newest)["info"].get("tfidf_logreg") if newest else None
