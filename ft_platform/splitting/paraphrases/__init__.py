"""Texts that say the same in other words, by the cosine of their vectors: an option, since it costs far more than near
duplicates.

`ngrams`: vectors of character n-grams that are learned from the texts themselves, so nothing is downloaded. Finds
another word order, few inflected words, hardly a synonym. `sentence_model`: a local encoder of the department's choice.
What each of them finds: `benchmarks/leakage.py --paraphrases`.

Not covered: what the vectors do not see, such as another language; above `neighbours.ONE_CELL` texts some pairs that
lie far from all pivots."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ft_platform.process.progress import report
from ft_platform.records.engines import BatchFunction, Engine
from ft_platform.records.key_hashes import collected
from ft_platform.records.near_duplicates import rank_of
from ft_platform.records.near_duplicates.copies import first_of_equal
from ft_platform.records.rows import Rows
from ft_platform.splitting.paraphrases.neighbours import similar_pairs
from ft_platform.splitting.paraphrases.ngram_vectors import SAMPLE_TEXTS, NgramVectors, fitted
from ft_platform.splitting.paraphrases.sentence_model import SentenceModel, model_fingerprint
from ft_platform.splitting.paraphrases.vector_file import VectorFile
from ft_platform.splitting.texts import normalized_user_texts, user_texts
from ft_platform.use_case.settings.splits import Splits

STAGE = "splits"


def paraphrases(settings: Splits, rows: Rows, engine: Engine, folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows, each once and in blocks, whose texts have a cosine of at least `splits.paraphrase_similarity`.

    Of rows with identical texts (case and white space aside) only the one of smallest record_id takes part. The pairs
    do not depend on the order of the rows. On the disk is a vector of at most 2 KB for each row, in memory about 60
    bytes.

    Args:
        settings: `paraphrases` is not `ignore`.
        rows: need `record_id` and `messages`.
        engine: where vectors are computed.
        folder: private folder for the file of vectors, which is removed at the end.

    Raises:
        ConfigError: `splits.sentence_model` is no folder with a model that can be loaded.
        MissingExtra: torch or transformers is not installed.
    """
    order = rank_of(batch.column("record_id") for batch in rows.batches(["record_id"]))
    repeats = first_of_equal(collected(normalized_user_texts(rows), rows.num_rows), order)
    make = _maker(settings, rows, order)
    if make is None:
        return
    with VectorFile(folder / "paraphrase_vectors", rows.num_rows) as vectors:
        done = 0
        for batch in engine.map(rows, make, ["messages"]):
            vectors.append(batch.column(0))
            done += batch.num_rows
            report(STAGE, done, rows.num_rows, compared="vectors of texts")
        by_rank = np.argsort(order)
        yield from similar_pairs(vectors, by_rank[repeats[by_rank] < 0], settings.paraphrase_similarity)


def paraphrase_fingerprint(settings: Splits) -> dict[str, str]:
    """What the division depends on beside the settings: the sha256 of the sentence model, if there is one.

    Raises:
        ConfigError: `splits.sentence_model` is no folder with a model.
    """
    return {"sentence_model_sha256": model_fingerprint(settings)} if settings.paraphrases == "sentence_model" else {}


def _maker(settings: Splits, rows: Rows, order: np.ndarray) -> Callable[[], BatchFunction] | None:
    """Makes the batch function, `messages` to vectors; None where no text has a word to learn from."""
    if settings.paraphrases == "sentence_model":
        return partial(SentenceModel, str(settings.sentence_model))
    learned = fitted(_sample(rows, order))
    return partial(NgramVectors, *learned) if learned else None


def _sample(rows: Rows, order: np.ndarray) -> list[str]:
    """Texts of the smallest record_ids, in their order: a record_id is a hash, so they are a fair sample whatever the
    order of the rows."""
    chosen: list[tuple[int, str]] = []
    start = 0
    for texts in user_texts(rows):
        ranks = order[start : start + len(texts)]
        inside = np.flatnonzero(ranks < SAMPLE_TEXTS)
        chosen += zip(ranks[inside].tolist(), texts.take(inside).to_pylist(), strict=True)
        start += len(texts)
    return [text for _, text in sorted(chosen)]
