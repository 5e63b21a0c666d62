"""SNIPS 2017: requests to book a restaurant, with the values that are stated in them."""

import json

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("sonos/nlu-benchmark", "CC0-1.0", commit="b86ac7f1577868c42158d0dec77db50956046696")
FILE = "2017-06-custom-intent-engines/BookRestaurant/train_BookRestaurant_full.json"


def records(store: Store) -> Records:
    for said in json.loads(store.repository(SOURCE, FILE).read_text(encoding="utf-8"))["BookRestaurant"]:
        values = {"intent": "book a restaurant"}
        for part in said["data"]:
            if "entity" in part:
                values.setdefault(part["entity"], part["text"].strip())
        yield {"text": "".join(part["text"] for part in said["data"]).strip(), "answer": json.dumps(values)}
