"""The probe learns from the states of the train split alone, and chooses on the validation split."""

import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.evaluation.systems import linear_probe as module
from ft_platform.evaluation.systems.linear_probe import linear_probe
from ft_platform_tests.tiny_models import tiny_model

LABELS = ("card", "loan")


def prompts_of(count: int, seed: int) -> tuple[list[list[int]], list[str]]:
    """Token ids with a common start; which of two tokens comes last says the label."""
    rng = np.random.default_rng(seed)
    chosen = [int(one) for one in rng.integers(0, 2, count)]
    prompts = [[257, 7, *rng.integers(20, 200, rng.integers(1, 9)).tolist(), 10 + 5 * one] for one in chosen]
    return prompts, [LABELS[one] for one in chosen]


def test_it_learns_what_the_last_state_tells_and_says_what_it_chose() -> None:
    train, validation, (test, truth) = prompts_of(80, 1), prompts_of(30, 2), prompts_of(40, 3)
    done: list[int] = []
    (predicted, confidence, seconds), chosen = linear_probe(tiny_model(), train, validation, test, done.append)
    assert predicted == truth and chosen["pooling"] == "last" and chosen["validation_macro_f1"] == 1.0
    assert confidence is not None and confidence.shape == (40,) and all(0.5 <= one <= 1 for one in confidence)
    assert done == sorted(done) and done[-1] == 150, "one forward pass for each record"
    assert seconds > 0 and set(chosen) == {"pooling", "C", "class_weight", "validation_macro_f1"}


def test_only_the_train_split_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the other splits that would spoil mean, deviation and weights of the features change no answer of the
    others."""
    states = {
        "mean": np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32),
        "last": np.zeros((40, 4), np.float32),
    }
    labels = ["card" if one > 0 else "loan" for one in states["mean"][:, 0]]

    def pooled(_model, prompts, _prefix, _on_rows):
        return {name: found[[prompt[1] for prompt in prompts]] for name, found in states.items()}

    monkeypatch.setattr("ft_platform.models.prompt_states.pooled_states", pooled)

    def answers(held_out: list[int], asked: list[int]) -> dict[int, float]:
        sides = ([[0, place] for place in range(20)], labels[:20]), ([[0, place] for place in held_out], ["card"] * 4)
        (_, confidence, _), _ = linear_probe(None, *sides, [[0, place] for place in asked])
        assert confidence is not None
        return dict(zip(asked, confidence.tolist(), strict=True))

    monkeypatch.setattr(module, "REGULARIZATION", (0.01,))
    monkeypatch.setattr("ft_platform.evaluation.systems.logistic_regression.CLASS_WEIGHTS", (None,))
    before = answers([20, 21, 22, 23], [24, 25])
    states["mean"][30:] = 1e6
    after = answers([36, 37, 38, 39], [24, 25, 30])
    assert {place: after[place] for place in before} == before


def test_without_validation_records_the_first_setting_is_taken_and_one_label_is_an_error() -> None:
    train, (test, _) = prompts_of(40, 1), prompts_of(5, 2)
    (predicted, *_), chosen = linear_probe(tiny_model(), train, ([], []), test)
    assert len(predicted) == 5 and chosen["pooling"] == "mean" and chosen["C"] == module.REGULARIZATION[0]
    with pytest.raises(DataError, match="rare_labels"):
        linear_probe(tiny_model(), (train[0], ["card"] * 40), ([], []), test)
