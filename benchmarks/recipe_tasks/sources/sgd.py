"""Schema-guided dialogues about films, sights and bank accounts: whole conversations, or what a customer's message
states as JSON. Records of a dialogue are a group."""

import json
from typing import Any

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("sgd_dialogues", "CC-BY-SA-4.0")
SLOTS = ["location", "category", "genre", "director", "starring", "account_type", "recipient_name", "transfer_amount"]
TURNS = 6


def records(store: Store, shape: str) -> Records:
    """`shape`: `dialogues` (the first six turns) or `slots`."""
    for dialogue in json.loads(store.shared(SOURCE, "dialogues_005.json")):
        turns, group = dialogue["turns"], {"group": dialogue["dialogue_id"]}
        if shape == "dialogues":
            roles = {"USER": "user", "SYSTEM": "assistant"}
            said = turns[: min(TURNS, len(turns) // 2 * 2)]
            yield {"messages": [{"role": roles[t["speaker"]], "content": t["utterance"]} for t in said], **group}
        else:
            yield from ({**record, **group} for record in _stated(turns))


def _stated(turns: list[dict[str, Any]]) -> Records:
    """Messages in which the customer states a slot, after what the assistant asked."""
    for before, turn in zip([None, *turns], turns, strict=False):
        (frame,) = turn["frames"]
        slots = {a["slot"]: a["values"][0] for a in frame["actions"] if a["act"] == "INFORM" and a["slot"] in SLOTS}
        if turn["speaker"] == "USER" and slots:
            asked = f"Assistant: {before['utterance']}\n" if before else ""
            answer = {"intent": frame["state"]["active_intent"], **slots}
            yield {"text": f"{asked}Customer: {turn['utterance']}", "answer": json.dumps(answer, ensure_ascii=False)}
