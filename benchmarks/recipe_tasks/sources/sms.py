"""SMS Spam Collection (Almeida and Gomez Hidalgo, 2011): short messages, one in eight of them unwanted."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("justmarkham/DAT8", "CC-BY-4.0", commit="ff04af83e8ac1409cd86f3cb3524e4141644c5a1")


def records(store: Store) -> Records:
    for line in store.repository(SOURCE, "data/sms.tsv").read_text(encoding="utf-8").splitlines():
        label, text = line.split("\t", 1)
        yield {"text": text, "label": {"ham": "wanted", "spam": "unwanted"}[label]}
