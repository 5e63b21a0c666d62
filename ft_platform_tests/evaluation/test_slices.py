"""Parts of the test split on which the model is worse are found, and chance is not called worse."""

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.evaluation.slices import MOST_VALUES, OTHERS, slices
from ft_platform.reporting.verdict import slice_sentences
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes


def use_case(kind: str = "classification", **evaluation) -> NamedUseCase:
    attributes = {**minimal_attributes("unused.csv"), "evaluation": {"bootstrap_samples": 200, **evaluation}}
    if kind == "generation":
        attributes["task"] = {"kind": "generation", "instruction": "Help."}
        attributes["record"] = {**attributes["record"], "answer": "answer"}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def predictions(regions: list[str | None], right: np.ndarray, **columns: list) -> pa.Table:
    rows = len(regions)
    labels = ["card" if number % 2 else "loan" for number in range(rows)]
    given = {
        "text_characters": list(range(10, 10 + rows)),
        "feature_region": regions,
        "label": labels,
        "predicted": labels,
        "correct": right.astype(bool).tolist(),
    }
    return pa.table({**given, **columns})


def simulated(north: float, south: float, rows: int = 200, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    regions: list[str | None] = ["north" if number % 4 else "south" for number in range(rows)]
    right = rng.random(rows) < np.where(np.array(regions) == "north", north, south)
    return predictions(regions, right)


def test_a_part_that_is_worse_stands_first_and_is_said_in_words() -> None:
    found = slices(use_case(), simulated(0.9, 0.4))
    worst = found[0]
    assert (worst["by"], worst["part"], worst["rows"]) == ("region", "south", 50) and worst["p_corrected"] < 0.001
    assert worst["low"] < worst["value"] < worst["high"] < worst["rest"]
    sentence, *_ = slice_sentences(found, 0.95)
    assert sentence.startswith("Worse where region is south: ") and "on 50 records" in sentence


def test_equal_parts_are_seldom_called_worse() -> None:
    """All parts of a test split together may be wrong once in twenty times: the correction is for all of them."""
    called = sum(
        any(one.get("p_corrected", 1) < 0.05 for one in slices(use_case(), simulated(0.8, 0.8, seed=seed)))
        for seed in range(100)
    )
    assert called <= 12
    assert "On none of" in slice_sentences(slices(use_case(), simulated(0.8, 0.8)), 0.95)[0]


def test_parts_with_few_records_have_no_figures_and_stand_last() -> None:
    table = predictions(["north"] * 60 + ["islands"] * 5 + [None] * 30, np.ones(95))
    found = slices(use_case(), table)
    assert found[-1] == {"by": "region", "part": "islands", "rows": 5, "enough_evidence": False}
    seen = {one["part"]: one["rows"] for one in found if one["by"] == "region"}
    assert seen == {"north": 60, "islands": 5, "not stated": 30}
    assert slices(use_case(min_slice_rows=5), table)[-1]["enough_evidence"]


def test_rare_values_are_one_part_and_lengths_are_quarters() -> None:
    regions: list[str | None] = [f"district {number % 60}" for number in range(600)]
    found = slices(use_case(min_slice_rows=5), predictions(regions, np.ones(600)))
    by_region = [one for one in found if one["by"] == "region"]
    assert len(by_region) == MOST_VALUES + 1 and next(one for one in by_region if one["part"] == OTHERS)["rows"] == 300
    assert [one["rows"] for one in found if one["by"] == "text length"] == [150] * 4
    assert sum(one["rows"] for one in found if one["by"] == "label") == 600


def test_texts_are_compared_by_rouge_and_a_single_part_has_no_rest() -> None:
    rng = np.random.default_rng(3)
    rouge = np.concatenate([rng.uniform(0.5, 0.9, 60), rng.uniform(0.1, 0.4, 40)])
    table = predictions(["north"] * 60 + ["south"] * 40, np.ones(100), rouge_l=rouge.tolist())
    found = slices(use_case("generation"), table)
    assert found[0]["part"] in ("south", "85 to 109 characters")
    assert next(o for o in found if o["part"] == "south")["value"] == pytest.approx(rouge[60:].mean())
    alone = slices(use_case("generation"), predictions(["north"] * 40, np.ones(40), rouge_l=[0.5] * 40))
    north = next(one for one in alone if one["by"] == "region")
    assert north["rest"] is None and "p_corrected" not in north and slice_sentences(alone, 0.95)


def test_quarters_of_time_never_divide_a_day_and_an_unknown_date_is_not_stated() -> None:
    dates = (
        [f"2025-{1 + number // 10:02d}-01" for number in range(80)] + ["2026-03-04T10:00:00"] * 40 + ["13/1/2025", None]
    )
    table = predictions(["north"] * 122, np.ones(122), record_date=dates)
    found = {one["part"]: one["rows"] for one in slices(use_case(), table) if one["by"] == "time"}
    assert found == {
        "2025-01-01 to 2025-03-01": 30,
        "2025-04-01 to 2025-06-01": 30,
        "2025-07-01 to 2026-03-04": 60,
        "not stated": 2,
    }
    assert not [one for one in slices(use_case(), predictions(["north"] * 40, np.ones(40))) if one["by"] == "time"], (
        "no column names a date"
    )


def test_a_month_that_went_badly_stands_first() -> None:
    dates = [f"2025-{1 + number // 50:02d}-01" for number in range(200)]
    right = np.array([number < 150 or number % 3 == 0 for number in range(200)])
    equal = [50] * 200
    worst = slices(use_case(), predictions(["north"] * 200, right, record_date=dates, text_characters=equal))[0]
    assert (worst["by"], worst["part"]) == ("time", "2025-04-01 to 2025-04-01") and worst["p_corrected"] < 0.001


def test_languages_are_parts_where_several_are_allowed() -> None:
    spoken = ["de" if number % 4 == 0 else "en" for number in range(120)]
    right = np.array([language == "en" for language in spoken])
    worst = slices(use_case(), predictions(["north"] * 120, right, language=[*spoken[:119], None]))[0]
    assert (worst["by"], worst["part"], worst["rows"], worst["value"]) == ("language", "de", 30, 0.0)


def test_the_language_of_a_record_is_the_likeliest_of_those_that_are_allowed() -> None:
    from ft_platform.cleaning.language import likeliest

    texts = [
        "They charged my card twice and nobody answers.",
        "Meine Karte wurde zweimal belastet und niemand antwortet.",
        "12345 67890",
    ]
    assert likeliest(texts, ["en", "de"]) == ["en", "de", None]
    assert likeliest(texts[:1], ["fr", "de"])[0] in ("fr", "de")
