"""Taskmaster 4: people who order coffee, and an assistant that asks back; of its last file."""

import json

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("google-research-datasets/Taskmaster", "CC-BY-4.0", commit="d92cb6af3005f1dc09c39e75e7daf4a04905e00b")
FEWEST_TURNS = 4


def records(store: Store) -> Records:
    for dialogue in json.loads(store.repository(SOURCE, "TM-4-2024/data/data_07.json").read_text(encoding="utf-8")):
        turns: list[dict[str, str]] = []
        for said in dialogue["utterances"]:
            text = said.get("text", "").strip()
            if text and turns and turns[-1]["role"] == said["speaker"]:
                turns[-1]["content"] += f" {text}"
            elif text and (turns or said["speaker"] == "user"):
                turns.append({"role": said["speaker"], "content": text})
        turns = turns[: len(turns) - len(turns) % 2]
        if len(turns) >= FEWEST_TURNS:
            yield {"messages": turns}
