"""Token matching by hand and by plain forward passes of a tiny random model."""

from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.similarities import matched_f1, similarities
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.tiny_case import installed
from ft_platform_tests.tiny_models import save_tiny_model, tiny_model, tiny_tokenizer


def test_each_token_is_matched_with_the_most_similar_one() -> None:
    reference, answer = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    # Precision: 1, 0.8 and 0 of three tokens; recall: 1 and 0.8 of two.
    precision, recall = (1 + 0.8 + 0.0) / 3, (1 + 0.8) / 2
    assert matched_f1(reference, answer) == pytest.approx(2 * precision * recall / (precision + recall))
    assert matched_f1(reference, reference) == pytest.approx(1.0)
    assert matched_f1(reference, np.empty((0, 0))) == 0.0


def test_batched_similarities_equal_plain_forward_passes_and_equal_texts_have_one() -> None:
    import torch

    model, tokenizer = tiny_model(), tiny_tokenizer()
    references = [
        "The door is open.",
        "Reset the router, then wait.",
        "same words",
        "something",
        "<|im_end|> spelled out",
    ]
    answers = ["the door was open", "Please restart it", "same words", "", "spelled"]
    found = similarities(model, tokenizer, references, answers)

    def states(text: str) -> np.ndarray:
        start = [list(text.encode())]
        ids = torch.tensor(start)  # a byte-level tokenizer: but for control tokens an id is one byte's letter
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]]) if "<|" not in text else ids
        with torch.no_grad():
            last = model(ids, output_hidden_states=True).hidden_states[-1][0]
        return torch.nn.functional.normalize(last, dim=-1).numpy()

    for place in (0, 1):
        assert found[place] == pytest.approx(matched_f1(states(references[place]), states(answers[place])), abs=1e-4)
    assert found[2] == pytest.approx(1.0, abs=1e-5) and found[3] == 0.0 and -1 <= found[4] < 1


def test_the_figure_stands_in_the_report_where_a_model_is_named(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "other")
    similarity_model = {"uri": str(model), "dtype": "float32"}
    environment, lake, use_case, splits = installed(tmp_path, "generation", similarity_model=similarity_model)
    assert isinstance(environment, Environment)
    report = publish_base_evaluation(lake, environment, use_case, splits)
    figures, predictions = read_metrics(lake, report), read_predictions(lake, report)
    for system, found in figures["systems"].items():
        values = rows_of(predictions, system)["similarity"].to_pylist()
        assert found["similarity"]["value"] == pytest.approx(np.mean(values))
        assert found["similarity"]["low"] <= found["similarity"]["high"]
    before = evaluation_inputs(use_case, "base", splits)
    tiny_model(num_hidden_layers=1).save_pretrained(model)
    assert report.artifact_id == before[0] != evaluation_inputs(use_case, "base", splits)[0], (
        "other weights in the folder are another evaluation"
    )
    assert not metric("similarity").applies(TextOutputs(["a"], ["a"]))
