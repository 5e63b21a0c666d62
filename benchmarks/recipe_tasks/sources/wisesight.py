"""Wisesight: Thai posts about brands, judged by people."""

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("PyThaiNLP/wisesight-sentiment", "CC0-1.0", commit="c1d063649abc3a6870b5fd1aae26cd1c64bdde7b")
FILES = {"neg": "negative", "neu": "neutral", "pos": "positive"}


def records(store: Store) -> Records:
    for name, label in FILES.items():
        for text in store.repository(SOURCE, f"{name}.txt").read_text(encoding="utf-8").splitlines():
            yield {"text": text, "label": label}
