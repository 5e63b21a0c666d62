"""Every number of the fairness report of a generation is what an independent script makes of saved predictions, splits
and swapped answers."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.evaluation.fairness_outputs import SWAPPED
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.evaluation.predictions import predictions_table
from ft_platform.evaluation.records import Side, side_of
from ft_platform.evaluation.text_lexicon import INSULTS, NEGATIONS, NEGATIVE, POSITIVE
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.judged_case import publish
from ft_platform_tests.evaluation.recompute import Expected, moves_not_found, problems
from ft_platform_tests.evaluation.recompute_text_fairness import Spoken, Words, text_fairness_figures
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import usable_splits

FAIRNESS = {
    "sensitive_features": ["region", "channel", "desk"],
    "min_group_rows": 8,
    "max_gap": 0.2,
    "swaps": [{"name": "words", "terms": [["swipe", "house"]]}, {"name": "absent", "terms": [["aunt", "uncle"]]}],
    "mitigation": "counterfactual_augmentation",
}
WORDS = Words(POSITIVE, NEGATIVE, NEGATIONS, INSULTS)
ANSWERS = (
    "Sorry about your swipe, we are glad to help.",
    "Don’t be upset: that is not a problem, thank you.",
    "You idiot, your complaint is denied.",
    "I cannot help with that.",
    "Sorry about your house.",
    "It was not good and the delay was terrible.",
    "",
)
"""Kind, negated, rude, refusing, plain, unkind and empty."""
SYSTEMS = ("base_zero_shot", "base_few_shot", "fine_tuned")


class Case:
    """Two evaluations as a program would have left them, without and with the mitigation, and the fairness report of
    the second."""

    def __init__(self, home: Path) -> None:
        attributes = attributes_for(home / "no_model", "generation", bootstrap_samples=4000)
        attributes["record"]["features"] = {name: name for name in FAIRNESS["sensitive_features"]}
        attributes["fairness"] = FAIRNESS
        self.use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
        self.lake = open_lake(Environment(home=home))
        self.splits = usable_splits(self.lake, self.use_case, _records(), splits_schema(self.use_case))
        side = side_of(self.use_case, self.lake.read_table(self.splits), "test")
        self.base = publish(self.lake, self.use_case, "base_evaluation", "base", [self.splits])
        self.before = self._evaluation(side, "none", 1)
        self.report = self._evaluation(side, FAIRNESS["mitigation"], 2)
        self.fairness = publish_fairness(self.lake, self.use_case, self.report)

    def _evaluation(self, side: Side, mitigation: str, seed: int) -> ArtifactVersion:
        told = {"task": {}, "training": {}, "base_model": {}, "mitigation": {"mitigation": mitigation}}
        checkpoint = publish(
            self.lake,
            self.use_case,
            "adapter_checkpoint",
            f"checkpoint-{mitigation}",
            [self.splits],
            lambda folder: (folder / "training.json").write_text(json.dumps(told)),
        )

        def fill(folder: Path) -> None:
            pq.write_table(predictions_table(self.use_case, side, _outputs(side, seed)), folder / "predictions.parquet")
            pq.write_table(_swapped(side, seed), folder / "swaps.parquet")

        return publish(
            self.lake,
            self.use_case,
            "evaluation_report",
            f"evaluation-{mitigation}",
            [self.splits, self.base, checkpoint],
            fill,
        )

    def rows(self, evaluation: ArtifactVersion, name: str) -> list[dict[str, Any]]:
        return pq.read_table(io.BytesIO(self.lake.read_file(evaluation, name))).to_pylist()

    def columns(self, evaluation: ArtifactVersion) -> dict[str, dict[str, list[Any]]]:
        """System -> column -> values."""
        rows = self.rows(evaluation, "predictions.parquet")
        return {
            system: {name: [row[name] for row in rows if row["system"] == system] for name in rows[0]}
            for system in SYSTEMS
        }


def _records() -> list[dict[str, Any]]:
    rows = rows_for("generation", 300)
    for number, row in enumerate(rows):
        row["feature_region"] = None if number < 40 else ("north", "south")[number // 10 % 2]
        row["feature_channel"] = ("web", "web", "phone", "web", "post")[number // 10 % 5]
        row["feature_desk"] = f"desk {number // 10}"
        row["entities"] = {"PERSON": number % 3} if number % 4 == 0 else None
        if number % 11 == 0 and row["split"] == "train":
            row["messages"], row["text_characters"], row["group_id"] = (
                [{"role": "user", "content": f"swipe {number}"}],
                len(f"swipe {number}"),
                "twice",
            )
    return rows


def _outputs(side: Side, seed: int) -> dict[str, Outputs]:
    """Answers that differ by system and, in the south, more often of the rude kinds."""
    found: dict[str, Outputs] = {}
    for number, system in enumerate(SYSTEMS):
        rng = np.random.default_rng([seed, number])
        weights = {"south": [1, 1, 3, 2, 1, 3, 1], "north": [3, 2, 1, 1, 4, 1, 1]}
        chances = [
            np.array(weights.get(value, [1] * len(ANSWERS)), float) for value in side.rows["feature_region"].to_pylist()
        ]
        answers = [ANSWERS[rng.choice(len(ANSWERS), p=chance / chance.sum())] for chance in chances]
        tokens = rng.integers(3, 9, len(side))
        found[system] = TextOutputs(side.answers, answers, rng.gamma(2.0, 1.0, len(side)) * tokens, tokens)
    return found


def _swapped(side: Side, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, 9])
    rows = []
    for record_id in side.rows["record_id"].to_pylist()[::2]:
        changed = bool(rng.random() < 0.4)
        distance = float(rng.random()) if changed else 0.0
        rows.append(
            {
                "swap": "words",
                "record_id": record_id,
                "changed": changed,
                "repeated_changed": bool(rng.random() < 0.1),
                "chrf_distance": distance,
            }
        )
    return pa.Table.from_pylist(rows, SWAPPED)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="module")
def told(case: Case) -> Any:
    return json.loads(case.lake.read_file(case.fairness, "fairness.json"))


@pytest.fixture(scope="module")
def expected(case: Case, told: Any) -> Expected:
    settings, before = case.use_case.settings, case.before
    earlier = (before.artifact_id, case.columns(before)["fine_tuned"], case.rows(before, "swaps.parquet"))
    spoken = Spoken(
        case.columns(case.report),
        case.lake.read_table(case.splits).to_pylist(),
        case.rows(case.report, "swaps.parquet"),
        earlier,
    )
    return text_fairness_figures(told, spoken, WORDS, settings.evaluation, settings.fairness)


def test_every_number_of_the_fairness_report_of_a_generation_follows_from_what_was_saved(
    told: Any, expected: Expected
) -> None:
    assert problems(told, expected, lambda path: False) == []
    assert {path[0] for path in expected.numbers} == set(told) and len(expected.numbers) > 500
    found = [told["features"][name]["status"] for name in FAIRNESS["sensitive_features"]]
    assert found == ["above_max_gap", "not_enough_evidence", "not_enough_evidence"]
    found = {group["enough_evidence"] for group in told["intersections"]["region and channel"]["groups"].values()}
    assert found == {True, False}
    region = told["features"]["region"]
    for name in ("answer_words", "sentiment", "toxicity"):
        assert region["traits"]["differences"][name]["value"] > 0, "no difference, so nothing was tested"
    assert region["differences"]["refusal_rate"]["value"] > 0 and region["amplification"]["value"] != 0
    assert told["swaps"]["words"]["chrf_distance"]["value"] > 0
    assert told["swaps"]["absent"]["status"] == "not_enough_evidence"
    assert told["mitigation"]["change"]["gap"]["value"] != 0


def test_a_changed_number_of_it_is_found_wherever_it_stands(told: Any, expected: Expected) -> None:
    assert moves_not_found(told, expected, lambda path: False) == []
