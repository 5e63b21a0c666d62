"""GermEval 2018: German posts, marked by people as offensive or not, and its official test split."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("uds-lsv/GermEval-2018-Data", "CC-BY-4.0", commit="9877472d39523effd54cd079b4c61157ed141508")
PARTS = {"train": "training", "test": "test"}


def records(store: Store) -> Records:
    for part, name in PARTS.items():
        for line in store.repository(SOURCE, f"germeval2018.{name}.txt").read_text(encoding="utf-8").splitlines():
            text, label, _ = line.split("\t")
            yield {"text": text, "label": {"OFFENSE": "offensive", "OTHER": "other"}[label], "part": part}
