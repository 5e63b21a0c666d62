"""Reads what experts answered, from a CSV file or an export of Label Studio or Argilla. Every problem is named with
file and place; what somebody wrote is never quoted."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.errors import AnswersRefused
from ft_platform.evaluation.annotation.task import Task, plain
from ft_platform.evaluation.review.answers import MOST_BYTES, MOST_PROBLEMS, csv_rows
from ft_platform.records.cells import FORMULA, MOST_CHARACTERS

HANDLE = re.compile(r"^[a-z][a-z0-9_]{0,30}$")
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Given:
    """One answer as it stands in a file.

    Attributes:
        place: where, for messages.
        rater: handle; empty where the file does not say.
        at: when, as the file says; empty where it does not.
    """

    place: str
    task: str
    record_id: str
    rater: str
    value: str
    at: str


@dataclass
class Judgements:
    """What raters said about one task: rater -> record id -> value."""

    task: Task
    said: dict[str, dict[str, str]] = field(default_factory=dict)
    at: dict[str, dict[str, str]] = field(default_factory=dict)


def read_judgements(files: Sequence[tuple[str, Path]], task_of: Callable[[str], Task | None]) -> Judgements:
    """The answers in all files of one task. An empty one is none.

    Args:
        files: handle of the rater (empty: as the file says) and file.
        task_of: a task by its id.

    Raises:
        AnswersRefused: a file cannot be read, names no task or several, no rater, a record or label that is not one of
            the task, or two answers of one rater to one record. Up to 20 problems.
    """
    given = [one for handle, path in files for one in _given(handle, path)]
    names = sorted({one.task for one in given})
    if len(names) != 1:
        problem = f"{', '.join(path.name for _, path in files)}: answers to {len(names)} tasks, expected one"
        raise AnswersRefused([problem], "Import the files of one task at a time")
    task = task_of(names[0])
    if task is None:
        raise AnswersRefused(["this use case has no such task"], "Name the use case that it was exported for")
    found, problems = Judgements(task), []
    for one in given:
        if problem := _take(found, one):
            problems.append(f"{one.place}: {problem}")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([f"and {more} more problems"] if more > 0 else [])
        raise AnswersRefused(shown, "Nothing was imported. Correct the files")
    if not found.said:
        raise AnswersRefused([f"{', '.join(path.name for _, path in files)}: no answer"], "Nothing was imported")
    return found


def _take(found: Judgements, one: Given) -> str | None:
    """Notes one answer. Returns what is wrong with it, if anything is."""
    value = plain(one.value)
    if not value:
        return None
    if not HANDLE.match(one.rater):
        return "names no rater: write HANDLE=FILE, small letters and digits, no name of a person"
    if one.record_id not in found.task.before:
        return "is about a record that is not in the task"
    if found.task.field == "label" and value not in found.task.labels:
        return f"has a label that the use case has not, a text of {len(value)} characters"
    if len(value) > MOST_CHARACTERS:
        return f"has an answer of {len(value):,} characters, expected at most {MOST_CHARACTERS:,}"
    if found.said.setdefault(one.rater, {}).setdefault(one.record_id, value) != value:
        return f"is the second answer of {one.rater} to one record"
    found.at.setdefault(one.rater, {})[one.record_id] = one.at
    return None


def _given(handle: str, path: Path) -> Iterator[Given]:
    if not path.is_file():
        raise AnswersRefused([f"{path}: no such file"])
    if path.stat().st_size > MOST_BYTES:
        raise AnswersRefused([f"{path.name}: has more than {MOST_BYTES:,} bytes; a task is smaller"])
    found = list(_of_csv(path) if path.suffix.lower() == ".csv" else _of_json(path))
    for one in found[:MOST_ROWS]:
        yield Given(**{**vars(one), "rater": handle or one.rater})


def _of_csv(path: Path) -> Iterator[Given]:
    rows = csv_rows(path)
    header = [name.strip().lower() for name in rows[0]] if rows else []
    asked = next((name for name in ("label", "answer") if name in header), "")
    if missing := [name for name in ("task", "record_id", asked or "label") if name not in header]:
        remedy = "Keep the first row of the file as it was exported"
        raise AnswersRefused([f"{path.name}:1: lacks the columns {', '.join(missing)}"], remedy)
    for number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(header, row, strict=False))
        if any(value.strip() for value in cells.values()):
            told = (cells.get("task", "").strip(), cells.get("record_id", "").strip(), cells.get("rater", "").strip())
            yield Given(f"{path.name}:{number}", *told, _uncelled(cells.get(asked, "")), "")


def _uncelled(value: str) -> str:
    """A text without the apostrophe that kept a spreadsheet from reading it as a formula (`records.cells.cell`)."""
    value = value.strip()
    return value[1:] if value.startswith("'") and FORMULA.match(value[1:]) else value


def _of_json(path: Path) -> Iterator[Given]:
    try:
        items = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise AnswersRefused([f"{path.name}: is no JSON"], "Export it again, as JSON") from None
    if not isinstance(items, list):
        raise AnswersRefused([f"{path.name}: expected a list of tasks or records"], "Export it again, as JSON")
    for number, item in enumerate(items):
        place = f"{path.name}[{number}]"
        try:
            yield from _of_argilla(place, item) if "responses" in item else _of_label_studio(place, item)
        except (AttributeError, IndexError, KeyError, TypeError):
            problem = f"{place}: is neither a task of Label Studio nor a record of Argilla"
            raise AnswersRefused([problem], "Export it again, as JSON with all annotations") from None


def _of_label_studio(place: str, item: dict[str, Any]) -> Iterator[Given]:
    data = item["data"]
    for annotation in item.get("annotations", []):
        if annotation.get("was_cancelled"):
            continue
        who = annotation.get("completed_by")
        rater = f"user_{who['id'] if isinstance(who, dict) else who}" if who is not None else ""
        at = str(annotation.get("updated_at") or annotation.get("created_at") or "")
        for result in annotation["result"]:
            value = result["value"].get("choices") or result["value"].get("text") or ""
            text = value[0] if isinstance(value, list) else value
            yield Given(place, str(data["task"]), str(data["record_id"]), rater, str(text), at)


def _of_argilla(place: str, item: dict[str, Any]) -> Iterator[Given]:
    for answers in item["responses"].values():
        for answer in answers:
            who = re.sub(r"[^0-9a-f]", "", str(answer.get("user_id") or ""))[:12]
            rater = f"user_{who}" if who else ""
            yield Given(place, str(item["metadata"]["task"]), str(item["id"]), rater, str(answer["value"]), "")
