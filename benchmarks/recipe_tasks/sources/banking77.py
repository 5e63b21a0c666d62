"""BANKING77: questions of a bank's customers with one of 77 intents, and its official test split."""

import csv
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("banking77", "CC-BY-4.0")


def records(store: Store) -> Iterator[dict[str, Any]]:
    for part in ("train", "test"):
        with open(store.shared(SOURCE, f"{part}.csv"), newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield {"text": row["text"], "label": row["category"].replace("_", " "), "part": part}
