"""Demo sets of LLaMA-Factory: instructions with answers, and pairs of answers to one question, the better one first."""

import json

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("llamafactory_demo", "Apache-2.0")


def records(store: Store, shape: str) -> Records:
    """`shape`: `instructions` or `pairs`."""
    if shape == "instructions":
        for row in json.loads(store.shared(SOURCE, "alpaca_en_demo.json")):
            yield {"text": "\n\n".join(filter(None, [row["instruction"], row["input"]])), "answer": row["output"]}
        return
    for row in json.loads(store.shared(SOURCE, "dpo_en_demo.json")):
        asked = [turn["value"] for turn in row["conversations"] if turn["from"] != "system"]
        if len(asked) == 1 and asked[0].isascii():
            yield {"prompt": asked[0], **{side: row[side]["value"] for side in ("chosen", "rejected")}}
