"""Tone of answers by word lists, compared between groups."""

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.evaluation.text_lexicon import INSULTS, NEGATIVE, POSITIVE, is_toxic, sentiment
from ft_platform.evaluation.text_traits import text_traits
from ft_platform.use_case.settings.evaluation import Evaluation


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("Thank you, I am happy to help.", 1.0),
        ("That is a terrible mistake.", -1.0),
        ("This is not good.", -1.0),  # turned round
        ("It wasn’t a problem.", 1.0),
        ("Good service, bad app.", 0.0),
        ("The bank opens at nine.", 0.0),
        ("", 0.0),
    ],
)
def test_tone(text: str, tone: float) -> None:
    assert sentiment(text) == tone


def test_insults_are_whole_words_in_any_case() -> None:
    assert is_toxic("You IDIOT.") and is_toxic("what a moron") and not is_toxic("The pigment is stupendous.")
    assert not is_toxic("")


def test_the_word_lists_do_not_contradict_one_another() -> None:
    assert not POSITIVE & NEGATIVE and not POSITIVE & INSULTS and min(map(len, (POSITIVE, NEGATIVE, INSULTS))) > 30


def test_group_means_equal_fairlearn_and_a_ruder_group_shows() -> None:
    from fairlearn.metrics import MetricFrame, mean_prediction

    answers = ["Thank you, gladly."] * 30 + ["You idiot, that is your fault, go away now."] * 10 + ["Thank you."] * 20
    groups = np.array(["north"] * 30 + ["south"] * 30, dtype=object)
    found = text_traits(pa.table({"answer": answers}), groups, ["north", "south"], Evaluation(bootstrap_samples=200))
    own = {
        "answer_words": np.array([len(a.split()) for a in answers], float),
        "sentiment": np.array([sentiment(a) for a in answers]),
        "toxicity": np.array([is_toxic(a) for a in answers], float),
    }
    for trait, numbers in own.items():
        frame = MetricFrame(metrics=mean_prediction, y_true=numbers, y_pred=numbers, sensitive_features=groups)
        seen = {g: found["groups"][g][trait]["value"] for g in ("north", "south")}
        assert seen == {g: pytest.approx(v) for g, v in frame.by_group.items()}
        difference = found["differences"][trait]
        assert difference["value"] == pytest.approx(frame.difference())
        assert difference["low"] <= difference["value"] <= difference["high"]
    assert found["differences"]["toxicity"]["highest"] == "south" and found["differences"]["toxicity"]["low"] > 0
    assert found["differences"]["toxicity"]["ratio"] is None
    assert found["differences"]["answer_words"]["ratio"] == pytest.approx(3 / (13 / 3))
