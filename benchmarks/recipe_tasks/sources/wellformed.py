"""Query-wellformedness (Faruqui and Das, 2018): questions that people typed, and whether four of five judges took them
for whole questions."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source(
    "google-research-datasets/query-wellformedness", "CC-BY-SA-4.0", commit="fb69c21416195cddc797277ea9e4d393226571d2"
)
WHOLE = 0.8


def records(store: Store) -> Records:
    for part in ("train", "test"):
        for line in store.repository(SOURCE, f"{part}.tsv").read_text(encoding="utf-8").splitlines():
            text, share = line.split("\t")
            yield {"text": text, "label": "whole" if float(share) >= WHOLE else "not whole", "part": part}
