"""Task files for the places where people annotate: CSV for a spreadsheet, JSON for Label Studio, records for Argilla.

Label Studio: a list of tasks (https://labelstud.io/guide/task_format), with the labelling interface as XML beside it.
Argilla: what `Dataset.records.from_json` reads. None of them shows the present label, which would be believed.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ft_platform.records.cells import cell


@dataclass(frozen=True)
class TaskRow:
    """One record to judge.

    Attributes:
        text: what a person reads: the user's words, or the conversation up to the answer.
        answer: the present answer, to be corrected; None where a label is asked for.
    """

    record_id: str
    text: str
    answer: str | None


@dataclass(frozen=True)
class TaskFile:
    """What experts are given.

    Attributes:
        field: `label` or `answer`.
        labels: to choose from; empty for answers.
    """

    task: str
    field: str
    labels: list[str]
    rows: list[TaskRow]


def as_csv(task: TaskFile) -> dict[str, bytes]:
    """Ending -> content: UTF-8 with a byte order mark, without which Excel takes it for another encoding."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(("task", "record_id", "text", task.field))
    for row in task.rows:
        writer.writerow((task.task, row.record_id, cell(row.text), cell(row.answer or "")))
    return {".csv": buffer.getvalue().encode("utf-8-sig")}


def as_label_studio(task: TaskFile) -> dict[str, bytes]:
    tasks = [
        {
            "data": {
                "task": task.task,
                "record_id": row.record_id,
                "text": row.text,
                **({"answer": row.answer} if row.answer is not None else {}),
            }
        }
        for row in task.rows
    ]
    if task.field == "label":
        choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in task.labels)
        asked = f'  <Choices name="label" toName="text" choice="single" required="true">\n{choices}\n  </Choices>'
    else:
        asked = '  <TextArea name="answer" toName="text" value="$answer" editable="true" maxSubmissions="1"/>'
    what = "Which label is right?" if task.field == "label" else "Correct the answer, or leave it as it is."
    view = f'<View>\n  <Header value="{escape(what)}"/>\n  <Text name="text" value="$text"/>\n{asked}\n</View>\n'
    return {".json": _json(tasks), ".xml": view.encode()}


def as_argilla(task: TaskFile) -> dict[str, bytes]:
    records = [
        {
            "id": row.record_id,
            "fields": {"text": row.text},
            "metadata": {"task": task.task},
            "suggestions": {"answer": {"value": row.answer, "score": None, "agent": "record"}} if row.answer else {},
            "responses": {},
            "vectors": {},
        }
        for row in task.rows
    ]
    return {".json": _json(records)}


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


FORMATS: dict[str, Callable[[TaskFile], dict[str, bytes]]] = {
    "csv": as_csv,
    "label-studio": as_label_studio,
    "argilla": as_argilla,
}
