"""Pairs of answers: log-probabilities as plain forward passes give them, rates by hand, and a tiny case trained with
DPO."""

import logging
from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.predictions import outputs_in
from ft_platform.evaluation.records import side_of
from ft_platform.evaluation.win_rate import win_rates
from ft_platform.lake.opening import open_lake
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits


def outputs(chosen: list[float], rejected: list[float]) -> TextOutputs:
    rows = len(chosen)
    return TextOutputs(["r"] * rows, ["a"] * rows, np.array(chosen), np.full(rows, 3), None, np.array(rejected))


def test_the_preference_rate_is_the_share_of_pairs_with_the_lower_loss_for_the_chosen_answer() -> None:
    found = outputs([1.0, 2.0, 3.0, 4.0, 1.0], [2.0, 1.0, 3.0, 9.0, np.nan])
    assert metric("preference_rate").value(found) == 0.5  # two of four: a tie is no hit, the last record is no pair
    assert metric("preference_rate").applies(found)
    for without in (
        outputs([1.0], [np.nan]),
        TextOutputs(["r"], ["a"], np.ones(1), np.ones(1)),
        TextOutputs(["r"], ["a"]),
    ):
        assert not metric("preference_rate").applies(without)


def test_the_win_rate_compares_implicit_rewards() -> None:
    base = outputs([5.0, 5.0, 5.0, 5.0, 5.0], [4.0, 4.0, 4.0, 4.0, np.nan])  # prefers the rejected answer by 1 nat
    # Margins -0.5, -1.5, -2, -1: better, worse, worse, equal.
    tuned = outputs([5.0, 5.5, 4.0, 5.0, 1.0], [4.5, 4.0, 2.0, 4.0, np.nan])
    found = win_rates({"base_zero_shot": base, "fine_tuned": tuned}, Evaluation())["fine_tuned"]
    assert found["value"] == (1 + 0 + 0 + 0.5) / 4 and found["pairs"] == 4
    assert 0 <= found["low"] < found["value"] < found["high"] <= 1
    assert metric("preference_rate").value(tuned) == 0.0, (
        "it still prefers the rejected ones: the two figures say different things"
    )
    same = win_rates({"base_zero_shot": base, "fine_tuned": base}, Evaluation())["fine_tuned"]
    assert (same["value"], same["low"], same["high"]) == (0.5, 0.5, 0.5)
    assert win_rates({"fine_tuned": tuned}, Evaluation()) == {}
    plain = TextOutputs(["r"], ["a"], np.ones(1), np.ones(1))
    assert win_rates({"base_zero_shot": plain, "fine_tuned": plain}, Evaluation()) == {}


@pytest.mark.integration
def test_training_on_pairs_is_measured_on_the_pairs_of_the_test_split(tmp_path: Path) -> None:
    import torch

    from ft_platform.models.base_model import load, resolve
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.reporting.publishing.training import checkpoint_for

    attributes = attributes_for(save_tiny_model(tmp_path / "model"), "generation")
    attributes["record"] |= {"rejected": "rejected"}
    attributes["training"] = {
        "recipe": "manual",
        "objective": "dpo",
        "epochs": 3,
        "batch_rows": 8,
        "rank": 8,
        "learning_rate": 0.01,
        "max_length": 256,
    }
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    rows = rows_for("generation", 60)
    for number, row in enumerate(rows):
        liked = row["messages"][1]["content"]
        content = liked if number == 8 else "Case closed, do not ask again."
        row["messages"].append({"role": "rejected", "content": content})
    environment = Environment(home=tmp_path, defs=tmp_path / "defs", tracking_uri="none")
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test")).checkpoint
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    figures = read_metrics(lake, report)
    assert figures["main_metric"] == "preference_rate"
    assert set(figures["systems"]["fine_tuned"]) >= {"preference_rate", "answer_loss", "rouge_l"}
    found = figures["win_rates"]["fine_tuned"]
    assert found["pairs"] == 11 and found["low"] > 0.5, "12 test records, one of them with two equal answers"
    assert "of 11 pairs of answers its training moved" in lake.read_file(report, "report.html").decode()
    side = side_of(use_case, lake.read_table(splits), "test")
    again = outputs_in(read_predictions(lake, report), side, [])
    for system, one in again.items():
        seen = metric("preference_rate").value(one)
        assert seen == pytest.approx(figures["systems"][system]["preference_rate"]["value"])
    assert win_rates(again, use_case.settings.evaluation)["fine_tuned"] == found
    # The first pair by a plain forward pass of the base model.
    model, tokenizer = load(resolve(use_case.settings.base_model, tmp_path), "float32")
    renderer = Renderer(tokenizer, use_case.settings.task)
    place = int(again["base_zero_shot"].pairs[0])
    prompt = renderer.prompt_ids(side.messages()[place], use_case.settings.evaluation.max_prompt_tokens)
    for text, loss in (
        (side.answers[place], again["base_zero_shot"].loss_sums[place]),
        (side.rejected[place], again["base_zero_shot"].rejected_loss_sums[place]),
    ):
        answer = renderer.answer_ids(text)
        with torch.no_grad():
            expected = float(
                model(torch.tensor([[*prompt, *answer]]), labels=torch.tensor([[-100] * len(prompt) + answer])).loss
            ) * len(answer)
        assert loss == pytest.approx(expected, abs=1e-2)
