"""What a model card says of a model that is not always sure, and of what was trained."""

from typing import Any

import pytest

from ft_platform.reporting.model_card import trained_as, when_unsure


def figures(*rows: tuple[int, int, float]) -> dict[str, Any]:
    """Of an evaluation: records, hits and threshold, the first row with all records."""
    table = [
        {"coverage": n / rows[0][0], "rows": n, "threshold": least, "accuracy": {"value": hits / n}}
        for n, hits, least in rows
    ]
    return {"calibration": {"fine_tuned": {"selective": table}}}


BY_DEFAULT = (
    " So it is served by default (serving.guardrails.abstain_below: auto); the release decision says what the settings"
    " of a release make of it."
)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            figures((500, 450, 0.2), (400, 392, 0.613)),
            "The model answers 80 % of requests like the test records with 98 % right and leaves the others to a"
            " person: those with a label that is less probable than 0.613.",
        ),
        (figures((500, 495, 0.2)), "The model answers 100 % of requests like the test records with 99 % right."),
        (
            figures((30, 20, 0.2)),
            "The model gives every request a label: no probability is proven to give labels of which 95 % are right on"
            " 30 test records (it takes 59 at least).",
        ),
    ],
)
def test_the_card_says_from_which_probability_answers_go_to_people_how_many_and_how_right_the_rest_is(
    found: dict[str, Any], says: str
) -> None:
    assert when_unsure(found) == says + BY_DEFAULT


def test_of_written_texts_nothing_is_said() -> None:
    assert when_unsure({"calibration": {}}) == ""


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("linear_probe", "Linear probe"),
        ("tfidf_logreg", "TF-IDF classifier"),
        ("lora", "LoRA adapter"),
        ("full", "Weights"),
        (None, "LoRA adapter"),
    ],
)
def test_what_was_trained_is_called_so(method: str | None, words: str) -> None:
    assert trained_as({"training": {"method": method} if method else {}}) == words
