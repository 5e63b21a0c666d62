"""CLINC150: requests to an assistant with one of 150 intents, and its official test split; only those about travel and
work."""

import json

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("clinc/oos-eval", "CC-BY-3.0", commit="828f8093932c8fe6ca7936c3d2e52903b1c523de")
DOMAINS = ("travel", "work")


def records(store: Store) -> Records:
    domains = json.loads(store.repository(SOURCE, "data/domains.json").read_text(encoding="utf-8"))
    intents = {intent for domain in DOMAINS for intent in domains[domain]}
    found = json.loads(store.repository(SOURCE, "data/data_small.json").read_text(encoding="utf-8"))
    for part in ("train", "test"):
        for text, intent in found[part]:
            if intent in intents:
                yield {"text": text, "label": intent.replace("_", " "), "part": part}
