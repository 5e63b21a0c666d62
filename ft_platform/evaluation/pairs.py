"""Pairs of answers on the same test record: the fine-tuned model's and an alternative's. Texts are those of the
anonymized records."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.agreement import FINE_TUNED
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.predictions import rows_of, systems_in
from ft_platform.evaluation.records import questions_of, side_of
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Pair:
    """Two answers to one question.

    Attributes:
        record_id: of the test record.
        question: its words up to the answer.
        fine_tuned, alternative: what each system answered.
    """

    record_id: str
    question: str
    fine_tuned: str
    alternative: str


@dataclass(frozen=True)
class Pairs:
    """What there is to compare.

    Attributes:
        differing: pairs whose answers differ, in order of record ids.
        test_rows: test records that both systems answered.
    """

    differing: list[Pair]
    test_rows: int

    @property
    def identical_rows(self) -> int:
        return self.test_rows - len(self.differing)

    def sample(self, rows: int, seed: int) -> list[Pair]:
        """At most so many pairs, chosen by chance, in order of record ids."""
        chosen = np.random.default_rng(seed).permutation(len(self.differing))[:rows]
        return [self.differing[place] for place in sorted(chosen.tolist())]


def newest_evaluation(lake: Lake, use_case: NamedUseCase) -> ArtifactVersion:
    """The newest evaluation of a fine-tuned model.

    Raises:
        DataError: there is none.
    """
    found = next(iter(lake.artifacts(use_case.name, "evaluation_report")), None)
    if found is None:
        raise DataError(f"{use_case.name} has no evaluation_report yet", f"Run: ft run {use_case.name}")
    return found


def pairs_of(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion, alternative: str) -> Pairs:
    """Both systems' answers on the test records of an evaluation.

    Args:
        evaluation: a version that passed the gate.

    Raises:
        ConfigError: the evaluation has no such alternative; names those it has.
        DataError: the systems gave the same answer everywhere.
    """
    predictions = read_predictions(lake, evaluation)
    others = [system for system in systems_in(predictions) if system != FINE_TUNED]
    if alternative not in others:
        raise ConfigError(
            [f"evaluation {evaluation.id} has no system {alternative!r} to compare with; there are {others}"]
        )
    side = side_of(use_case, splits_behind(lake, evaluation), "test")
    questions = dict(zip(side.rows["record_id"].to_pylist(), questions_of(use_case, side), strict=True))
    column = "predicted" if "predicted" in predictions.schema.names else "answer"
    answers = {
        system: dict(
            zip((rows := rows_of(predictions, system))["record_id"].to_pylist(), rows[column].to_pylist(), strict=True)
        )
        for system in (FINE_TUNED, alternative)
    }
    pairs = [
        Pair(record, questions[record], answer, answers[alternative][record])
        for record, answer in sorted(answers[FINE_TUNED].items())
    ]
    differing = [pair for pair in pairs if pair.fine_tuned.strip() != pair.alternative.strip()]
    if not differing:
        problem = f"the fine-tuned model and {alternative} gave the same answer on all {len(pairs)} test records"
        raise DataError(problem, "Compare with another alternative")
    return Pairs(differing, len(pairs))


def splits_behind(lake: Lake, evaluation: ArtifactVersion) -> pa.Table:
    """Columns of the splits that an evaluation was made on."""
    parent = next(p for p in lake.manifest(evaluation).parents if p.name == "splits")
    version = version_of_parent(lake, evaluation.use_case, parent)
    assert isinstance(version, TableVersion)
    return lake.read_table(version)
