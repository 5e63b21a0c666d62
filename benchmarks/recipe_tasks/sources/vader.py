"""Sentences that 20 people rated from -4 to 4, in the source archive of vaderSentiment: film reviews, editorials,
tweets. Its Amazon sentences are the platform's demo, so the whole package counts as a source of development."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("vaderSentiment==3.3.2", "MIT", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
CLEAR = 0.5
"""Sentences with a mean rating nearer to 0 have no label: the raters did not agree on a side."""


def records(store: Store, file: str = "movieReviewSnippets") -> Iterator[dict[str, Any]]:
    inner = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
    with tarfile.open(store.package(SOURCE)) as archive, archive.extractfile(inner) as packed:  # type: ignore[union-attr]
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as ratings:
            found = ratings.extractfile(f"hutto_ICWSM_2014/{file}_GroundTruth.txt")
            assert found
            lines = found.read().decode("utf-8", "replace").splitlines()
    for line in lines:
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= CLEAR:
            yield {"text": text, "label": "positive" if float(rating) > 0 else "negative"}
