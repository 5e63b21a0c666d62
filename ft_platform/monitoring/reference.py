"""What a released model was evaluated on: the test split that traffic is compared with."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.records import Side, side_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.monitoring.embedded import vectors_of
from ft_platform.monitoring.estimated_accuracy import Answers
from ft_platform.monitoring.measures import Column
from ft_platform.monitoring.texts import new_words, text_columns, words_of
from ft_platform.records.columns import user_texts
from ft_platform.records.profiling.terms import LEAST_RECORDS
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Reference:
    """The test split of an evaluation and the answers of the released model to it.

    Attributes:
        predictions: of the released model (`evaluation.predictions`), one row for each record that it answered.
        columns: measure -> one value for each record.
        answers: with their right labels; None where labels or confidences are not known.
        accuracy: share of right answers; None for written ones.
    """

    lake: Lake
    use_case: NamedUseCase
    evaluation: ArtifactVersion
    splits: TableVersion
    side: Side
    predictions: pa.Table = field(repr=False)
    columns: dict[str, Column]
    answers: Answers | None = field(repr=False)
    accuracy: float | None

    @cached_property
    def _train_words(self) -> list[set[str]]:
        rows = self.lake.read_table(self.splits, ["messages", "split"])
        return [words_of(text) for text in user_texts(rows.filter(pc.field("split") == "train")["messages"])]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Words of the train split."""
        return frozenset().union(*self._train_words)

    @cached_property
    def shown_words(self) -> frozenset[str]:
        """Words that enough anonymized records of the train split hold to be named."""
        from collections import Counter

        held = Counter(word for words in self._train_words for word in words)
        return frozenset(word for word, records in held.items() if records >= LEAST_RECORDS)

    @cached_property
    def feature_values(self) -> dict[str, frozenset[str]]:
        """Sensitive feature -> values that records of the splits have; of features that the splits have."""
        names = [f"feature_{name}" for name in self.use_case.settings.fairness.sensitive_features]
        there = [name for name in names if name in self.side.rows.schema.names]
        rows = self.lake.read_table(self.splits, there) if there else self.side.rows
        return {name.removeprefix("feature_"): frozenset(rows[name].unique().to_pylist()) - {None} for name in there}

    @cached_property
    def vectors(self) -> np.ndarray | None:
        """Hidden states of the texts, `(records, d)`; None where no encoder is named."""
        encoder = self.use_case.settings.monitoring.watch.encoder
        return vectors_of(encoder, self.side.texts) if encoder else None

    @cached_property
    def text_columns(self) -> dict[str, Column]:
        """Measures of texts, one value for each record."""
        answers = self.side.answers if self.answers is None else None
        return {**text_columns(self.side.texts, answers), "new_words": new_words(self.side.texts, self.vocabulary)}


def reference_of(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion) -> Reference:
    """What the evaluation behind a release was made on.

    Raises:
        VersionRefused: the splits are not in the lake any more.
        CorruptVersion: the bytes of the evaluation are not what its manifest says.
    """
    lake.verify_artifact(evaluation)
    parent = next(one for one in lake.manifest(evaluation).parents if one.name == "splits")
    splits = version_of_parent(lake, use_case.name, parent)
    assert isinstance(splits, TableVersion)
    side = side_of(use_case, lake.read_table(splits), "test")
    rows = rows_of(read_predictions(lake, evaluation), FINE_TUNED)
    columns: dict[str, Column] = {"characters": _asked(side)}
    answers = accuracy = None
    if "predicted" in rows.schema.names:
        columns |= {"label": rows["predicted"].to_pylist(), "confidence": rows["confidence"].to_pylist()}
        accuracy = float(np.mean(rows["correct"].to_pylist()))
        if not rows["confidence"].null_count:
            found = (rows[name].to_numpy(zero_copy_only=False) for name in ("predicted", "confidence", "label"))
            predicted, confidence, truth = found
            answers = Answers(predicted.astype(str), confidence.astype(float), truth.astype(str))
    else:
        columns["answer_characters"] = [len(answer or "") for answer in rows["answer"].to_pylist()]
    return Reference(lake, use_case, evaluation, splits, side, rows, columns, answers, accuracy)


def _asked(side: Side) -> list[int]:
    """Characters of all messages of a question, as servers count them."""
    return [
        sum(len(one["content"] or "") for one in (row[:-1] if row[-1]["role"] == "assistant" else row))
        for row in side.messages()
    ]
