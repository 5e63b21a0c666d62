"""Schema-guided dialogues about films, sights and bank accounts: whole conversations, or what a customer's message
states as JSON. Records of a dialogue are a group."""

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("sgd_dialogues", "CC-BY-SA-4.0")
FIELDS = (
    "intent location category genre director starring account_type recipient_name transfer_amount".split()
)
TURNS = 6


def records(store: Store, shape: str) -> Iterator[dict[str, Any]]:
    """`shape`: `dialogues` or `slots`."""
    for dialogue in json.loads(store.shared(SOURCE, "dialogues_005.json").read_text(encoding="utf-8")):
        group = {"group": dialogue["dialogue_id"]}
        if shape == "dialogues":
            turns = dialogue["turns"][: min(TURNS, len(dialogue["turns"]) // 2 * 2)]
            roles = {"USER": "user", "SYSTEM": "assistant"}
            yield {"messages": [{"role": roles[t["speaker"]], "content": t["utterance"]} for t in turns], **group}
        else:
            yield from ({**record, **group} for record in _stated(dialogue["turns"]))


def _stated(turns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Messages of the customer in which a slot is informed, after what the system asked."""
    for before, turn in zip([None, *turns], turns, strict=False):
        if turn["speaker"] != "USER":
            continue
        (frame,) = turn["frames"]
        slots = {a["slot"]: a["values"][0] for a in frame["actions"] if a["act"] == "INFORM" and a["slot"] in FIELDS}
        if slots:
            asked = f"Assistant: {before['utterance']}\nCustomer: " if before else "Customer: "
            answer = {"intent": frame["state"]["active_intent"], **slots}
            yield {"text": asked + turn["utterance"], "answer": json.dumps(answer, ensure_ascii=False, sort_keys=True)}
