"""BANKING77: questions of a bank's customers with one of 77 intents, and its official test split."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("banking77", "CC-BY-4.0")


def records(store: Store) -> Records:
    for part in ("train", "test"):
        for row in store.shared_rows(SOURCE, f"{part}.csv"):
            yield {"text": row["text"], "label": row["category"].replace("_", " "), "part": part}
