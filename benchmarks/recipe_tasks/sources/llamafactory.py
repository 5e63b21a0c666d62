"""Demo sets of LLaMA-Factory: instructions with answers, and pairs of answers of which people liked one."""

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("llamafactory_demo", "Apache-2.0")


def records(store: Store, shape: str) -> Iterator[dict[str, Any]]:
    """`shape`: `instructions` or `pairs` (those that begin with one question)."""
    file = {"instructions": "alpaca_en_demo.json", "pairs": "dpo_en_demo.json"}[shape]
    for row in json.loads(store.shared(SOURCE, file).read_text(encoding="utf-8")):
        if shape == "instructions":
            yield {"text": "\n\n".join(filter(None, [row["instruction"], row["input"]])), "answer": row["output"]}
        else:
            *_, asked = row["conversations"]
            if asked["from"] == "human" and len([turn for turn in row["conversations"] if turn["from"] == "human"]) == 1:
                yield {"prompt": asked["value"], **{side: row[side]["value"] for side in ("chosen", "rejected")}}
