"""Tasks with records that have no label: those first whose label helps most. Labels come back as those of any task
(`repairs`), and `cleaned_records` reads them (`unlabelled_overlay`)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.annotation.formats import FORMATS, TaskFile, TaskRow
from ft_platform.evaluation.annotation.repairs import handed_in
from ft_platform.evaluation.annotation.task import NO_LABEL, Task, keep_task
from ft_platform.evaluation.annotation.tasks import tuned, usable
from ft_platform.evaluation.annotation.unlabelled_order import by_small_margin
from ft_platform.evaluation.annotation.unlabelled_pool import Pool, unlabelled_pool
from ft_platform.evaluation.records import side_of
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts
from ft_platform.lake.keys.key_ring import KeyHandle, key_handle, pseudonym_key_place, read_key_ring, require_known_key
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.process.new_files import require_free, write_new
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

USEFUL, RANDOM = "most-useful", "random"
ORDERS = (USEFUL, RANDOM)


def make_unlabelled_task(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    folder: Path,
    person: Person,
    *,
    rows: int = 100,
    order: str = USEFUL,
    file_format: str = "csv",
) -> dict[str, Any]:
    """Writes a task with records that have no label and that nobody judged yet.

    Args:
        rows: most records.
        order: a name of `ORDERS`.
        file_format: a name of `FORMATS`.

    Returns:
        As `tasks.make_task`; `of`: records without a label; `left_out`: `{reason: records}` of those not shown.

    Raises:
        ConfigError: a number is out of range, or the task is no classification.
        DataError: there are no such records, they hold personal data, or a file is there already.
        VersionRefused: the records may not be used.
    """
    if use_case.settings.task.kind != "classification":
        raise ConfigError(["only a task of kind classification has labels that a record may lack"])
    if rows < 1:
        raise ConfigError([f"a task has at least 1 record, got {rows}"])
    splits, table = usable(lake, use_case)
    keys = _keys(lake, environment, use_case)
    pool = unlabelled_pool(lake, use_case, keys, table, judged=_judged(lake, use_case))
    if not pool.ids:
        why = ", ".join(f"{count:,} {reason}" for reason, count in pool.left_out.items())
        problem = f"{use_case.name} has no record without a label to show" + (f" (left out: {why})" if why else "")
        raise DataError(problem, "Show labelled ones: leave --unlabelled out")
    if order == RANDOM:
        places = np.random.default_rng(use_case.settings.evaluation.seed).permutation(len(pool.ids))[:rows]
    else:
        train = side_of(use_case, table, "train")
        places = by_small_margin(LabelledTexts(train.texts, train.answers), pool.texts, rows, tuned(lake, use_case))
    labels = sorted(set(table["label"].to_pylist()) - {None})
    before = {pool.ids[place]: NO_LABEL for place in places.tolist()}
    about: dict[str, Any] = {"field": "label", "labels": labels, "before": before, "splits": splits.id}
    inputs = settings_hash({**about, "use_case": use_case.name, "order": list(before)})
    task = Task(id=f"task-{inputs[:12]}", **about)
    files = _files(folder / task.id, task, pool, list(before), file_format)
    note(lake, use_case, "look_up", "took records to annotate", person, task=task.id, records=len(before))
    keep_task(lake, use_case, task, inputs, splits)
    return _written(task, files, pool, order)


def write_unlabelled_again(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    folder: Path,
    person: Person,
    task: Task,
    only: Collection[str],
    file_format: str = "csv",
) -> dict[str, Any]:
    """Writes some records of a task once more, for an arbiter. Returns and raises as `make_unlabelled_task`."""
    keys, (_, table) = _keys(lake, environment, use_case), usable(lake, use_case)
    pool = unlabelled_pool(lake, use_case, keys, table, only=set(only) & set(task.before))
    if not pool.ids:
        raise DataError(f"no record of {task.id} is left to decide", f"See: ft annotate status {use_case.name}")
    files = _files(folder / f"{task.id}_arbiter", task, pool, pool.ids, file_format)
    note(lake, use_case, "look_up", "took records to annotate", person, task=task.id, records=len(pool.ids))
    return _written(task, files, pool, "disputed") | {"rows": len(pool.ids)}


def _keys(lake: Lake, environment: Environment, use_case: NamedUseCase) -> KeyHandle:
    """Those of the training data: a person has one pseudonym."""
    place = pseudonym_key_place(environment)
    ring = read_key_ring(place)
    if latest := lake.latest(use_case.name, "anonymized_records"):
        require_known_key(ring, use_case.name, lake.manifest(latest).info)
    return key_handle(ring, place, use_case.name, use_case.settings.privacy.key_version)


def _judged(lake: Lake, use_case: NamedUseCase) -> set[str]:
    """Records that somebody judged."""
    said = (one for of_task in handed_in(lake, use_case).values() for one in of_task)
    return {record for one in said for records in one["judged"].values() for record in records}


def _files(stem: Path, task: Task, pool: Pool, ids: Collection[str], file_format: str) -> dict[Path, bytes]:
    """What experts are given.

    Raises:
        DataError: a file is there already.
    """
    text_of = dict(zip(pool.ids, pool.texts, strict=True))
    made = FORMATS[file_format](TaskFile(task.id, "label", task.labels, [TaskRow(i, text_of[i], None) for i in ids]))
    files = {stem.with_name(f"{stem.name}{ending}"): content for ending, content in made.items()}
    require_free(files)
    return files


def _written(task: Task, files: dict[Path, bytes], pool: Pool, order: str) -> dict[str, Any]:
    for path, content in files.items():
        write_new(path, content)
    told = {"task": task.id, "field": task.field, "splits": task.splits, "rows": len(task.before), "of": pool.of}
    return {**told, "left_out": pool.left_out, "order": order, "files": [str(path) for path in files]}
