"""Sentences of film reviews that 20 people rated from -4 to 4, in the source archive of vaderSentiment. Its Amazon
sentences are the platform's demo, so the package counts as a source of development, with all its files."""

import io
import tarfile

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("vaderSentiment==3.3.2", "MIT", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
CLEAR = 0.5
"""Sentences with a mean rating nearer to 0 have no label: the raters did not agree on a side."""


def records(store: Store) -> Records:
    packed = store.member(SOURCE, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(packed)) as ratings:
        found = ratings.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        assert found
        lines = found.read().decode("utf-8", "replace").splitlines()
    for line in lines:
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= CLEAR:
            yield {"text": text, "label": "positive" if float(rating) > 0 else "negative"}
