"""A task as files: `data/<task>.jsonl`, and `defs/<task>/defs.yaml` in the style of `ft new`, without `training`."""

import hashlib
import json
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.recipe_tasks.selection import chosen
from benchmarks.recipe_tasks.store import Store
from benchmarks.recipe_tasks.tasks import Shape, Task
from ft_platform.use_case.scaffold import BASE_MODEL, scaffold_yaml

RECORD: dict[Shape, dict[str, Any]] = {
    "label": {"record.text": "text", "record.label": "label"},
    "json": {"record.text": "text", "record.answer": "answer", "task.answer_format": "json"},
    "text": {"record.text": "text", "record.answer": "answer"},
    "dialogue": {"record.messages": "messages"},
    "pair": {"record.chat_format": "preference"},
}


def reader(task: Task) -> Any:
    """The module of its source."""
    return import_module(f"benchmarks.recipe_tasks.sources.{task.source}")


def records_of(task: Task, store: Store) -> list[dict[str, Any]]:
    """Records with `part`. Raises `SourceMissing` if the source is not on this machine."""
    return chosen(task, reader(task).records(store, **task.options))


def write_task(task: Task, records: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Writes both files, and returns what `tasks.json` says of the task."""
    data = folder / "data" / f"{task.name}.jsonl"
    data.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    data.write_text(lines, encoding="utf-8", newline="\n")
    case = folder / "defs" / task.name / "defs.yaml"
    case.parent.mkdir(parents=True, exist_ok=True)
    kind = "classification" if task.shape == "label" else "generation"
    grouped = "group" in records[0]
    fields = {name: {"required": not place} for place, name in enumerate(task.fields.split())}
    values = {
        "description": f"Benchmark of recipes: {task.name}, from {reader(task).SOURCE.name}.",
        "owners.accountable": "team:benchmarks",
        "task.kind": kind,
        "task.instruction": task.instruction,
        "source.uri": str(data.absolute()),
        "record.features": {"part": "part"} | ({"group": "group"} if grouped else {}),
        "governance.purpose": "comparison of recipes",
        "governance.without_consent_column": "licence",
        "governance.licence": reader(task).SOURCE.licence,
        "cleaning.min_characters": 2,
        "cleaning.near_duplicates": "keep",
        "privacy.ner": "none",
        "privacy.without_quasi_identifiers": "Texts of a public data set, with nothing about persons beside them.",
        "splits.strategy": "given",
        "splits.given_by": "part",
        "gate.without_sensitive_features": "A benchmark of recipes: the model serves nobody.",
        "release.intended_use": "Comparison of recipes on public data.",
        **RECORD[task.shape],
        **({"task.fields": fields} if fields else {}),
        **({"splits.group_by_features": ["group"], "privacy.columns": {"group": "pseudonym"}} if grouped else {}),
        **BASE_MODEL,
    }
    case.write_text(scaffold_yaml(task.name, kind, values=values, why={}), encoding="utf-8")
    counts = Counter(record["label"] for record in records if "label" in record)
    return {
        "name": task.name,
        "held_out": task.held_out,
        "source": reader(task).SOURCE.name,
        "licence": reader(task).SOURCE.licence,
        "kind": task.shape,
        "metric": task.metric,
        "records": len(records),
        "test_records": sum(record["part"] == "test" for record in records),
        "labels": len(counts),
        "smallest_label": min(counts.values(), default=0),
        "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
    }
