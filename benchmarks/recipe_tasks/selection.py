"""Which records of a source a task takes, on which side. The order is that of a hash: the same on every machine."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from benchmarks.recipe_tasks.tasks import Task

TEST_SHARE = 0.4
"""Of the groups, where a source has no test split of its own."""
FEWEST = {"train": 4, "test": 2}
"""Records of a label; labels with fewer are left out."""


def share(*words: str) -> float:
    """A number in [0, 1) that looks random and is always the same."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:6], "big") / 2**48


def shown(record: dict[str, Any]) -> str:
    """All that is written in a record, without the label."""
    parts = [record.get(name, "") for name in ("text", "prompt", "answer", "chosen", "rejected")]
    return "\n".join([*filter(None, parts), *(turn["content"] for turn in record.get("messages", ()))])


def chosen(task: Task, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The task's records with `part` (`train` or `test`), in a fixed order. Groups are on one side and numbered; a text
    occurs once; with `balanced`, all labels have the same number on a side; test labels are never replaced."""
    distinct: dict[str, dict[str, Any]] = {}
    for record in records:
        at_least, at_most = task.characters
        words = shown(record)
        if at_least <= len(words) <= at_most and (not task.only or record["label"] in task.only.split(",")):
            distinct.setdefault(record.get("text", words).casefold(), record)
    ordered = sorted(distinct.values(), key=lambda record: share(task.name, json.dumps(record, sort_keys=True)))
    labels = {record["label"] for record in ordered if "label" in record}
    while True:
        sides = {side: _first(task, side, ordered, labels) for side in ("train", "test")}
        counts = {side: Counter(record.get("label") for record in taken) for side, taken in sides.items()}
        rare = {label for label in labels if any(counts[side][label] < FEWEST[side] for side in FEWEST)}
        if not rare:
            break
        labels -= rare
    for record in sides["train"]:
        if share("noise", task.name, shown(record)) < task.noise:
            others = sorted(labels - {record["label"]})
            record["label"] = others[int(share("label", task.name, shown(record)) * len(others))]
    numbers: dict[str, str] = {}
    for record in (taken := sides["train"] + sides["test"]):
        if "group" in record:
            record["group"] = numbers.setdefault(record["group"], f"g{len(numbers)}")
    return taken


def _first(task: Task, side: str, ordered: list[dict[str, Any]], labels: set[str]) -> list[dict[str, Any]]:
    rows = task.train if side == "train" else task.test
    most = rows // len(labels) if task.balanced else rows
    taken: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for record in ordered:
        tested = share(task.source, record.get("group") or shown(record)) < TEST_SHARE
        label = record.get("label", "")
        mine = record.get("part", "test" if tested else "train") == side
        if mine and len(taken) < rows and counts[label] < most and (not label or label in labels):
            counts[label] += 1
            taken.append({**record, "part": side})
    return taken
