"""The learning curve: nested subsets, one validation, no test records, intervals that mean something, and a kill that
costs one training."""

import json
import logging
from typing import Any

import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.reporting.publishing.curve import publish_curve
from ft_platform.training.experiments import curve
from ft_platform.training.experiments.curve import nested_subset
from ft_platform.training.experiments.curve_figures import curve_figures
from ft_platform.training.experiments.training_once import train_once
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import LearningCurve
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for

pytestmark = pytest.mark.integration

LOG = logging.getLogger("test")
SHARES = [0.25, 0.5, 1.0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def use_case(model: Any) -> NamedUseCase:
    named = use_case_for(model, learning_rate=5e-3, batch_rows=8, rank=4, epochs=2)
    settings = {
        **named.settings.model_dump(mode="json"),
        "learning_curve": {"shares": SHARES, "repeats": 2, "bootstrap_samples": 200},
    }
    return named.model_copy(update={"settings": UseCase.model_validate(settings)})


@pytest.fixture
def splits(lake: Lake, use_case: NamedUseCase) -> TableVersion:
    test_rows = [{**row, "record_id": f"t{row['record_id']}", "split": "test"} for row in split_rows(8)]
    return usable_splits(lake, use_case, [*split_rows(), *test_rows])


def found_in(lake: Lake, report: ArtifactVersion) -> dict[str, Any]:
    return json.loads(lake.read_file(report, "learning_curve.json"))


def test_a_curve_has_every_share_measured_on_the_same_validation_records_and_is_reused(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[int, list[str]]] = []

    def watched(*arguments: Any, choose: Any, **options: Any) -> Any:
        def chosen(record_ids: list[str]) -> list[int]:
            places = choose(record_ids)
            trained.append((arguments[2].settings.training.seed, [record_ids[place] for place in places]))
            return places

        run, prepared = train_once(*arguments, choose=chosen, **options)
        assert [one["validation_loss"] for one in run.curve if "validation_loss" in one]
        best.append(run.best_loss)
        return run, prepared

    best: list[float] = []
    monkeypatch.setattr(curve, "train_once", watched)
    report = publish_curve(lake, environment, use_case, splits, LOG)
    found = found_in(lake, report)
    assert [point["rows"] for point in found["points"]] == [9, 18, 36] and found["validation_rows"] == 12
    assert [seed for seed, _ in trained] == [17, 17, 17, 18, 18, 18]
    for first in (0, 3):
        small, middle, whole = (set(ids) for _, ids in trained[first : first + 3])
        assert small < middle < whole
    assert set(trained[0][1]) != set(trained[3][1]), "another repeat has another subset"
    assert not [record for _, ids in trained for record in ids if record.startswith("t")], (
        "no test record is trained on"
    )
    for number, point in enumerate(found["points"]):
        assert point["loss"]["value"] == pytest.approx(np.mean([best[number], best[number + 3]]), rel=1e-5), (
            "the loss that training itself measured"
        )
        assert point["loss"]["low"] <= point["loss"]["value"] <= point["loss"]["high"]
    assert publish_curve(lake, environment, use_case, splits, LOG) == report and len(trained) == 6
    page = lake.read_file(report, "report.html").decode()
    assert (
        found["conclusion"][0] in page
        and "handled badly" not in page
        and lake.read_file(report, "learning_curve.png")[1:4] == b"PNG"
    )
    assert lake.manifest(report).parents[0].name == "splits"


def test_a_curve_that_was_stopped_goes_on_and_ends_the_same(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = found_in(lake, publish_curve(lake, environment, use_case, splits, LOG))
    elsewhere = environment.model_copy(update={"home": environment.home / "other"})
    other = open_lake(elsewhere)
    calls: list[int] = []

    def stopped(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train_once(*arguments, **options)

    monkeypatch.setattr(curve, "train_once", stopped)
    splits_there = usable_splits(
        other,
        use_case,
        [*split_rows(), *({**r, "record_id": f"t{r['record_id']}", "split": "test"} for r in split_rows(8))],
    )
    with pytest.raises(KeyboardInterrupt):
        publish_curve(other, elsewhere, use_case, splits_there, LOG)
    with caplog.at_level(logging.INFO):
        again = publish_curve(other, elsewhere, use_case, splits_there, LOG)
    assert len(calls) == 4 + 3 and "3 of 6 trainings are done" in caplog.text
    assert found_in(other, again) == whole


def test_too_few_records_for_the_shares_are_an_error(
    lake: Lake, environment: Environment, use_case: NamedUseCase
) -> None:
    rows = [row for row in split_rows() if row["split"] == "validation"] + [
        row for row in split_rows() if row["split"] == "train"
    ][:2]
    with pytest.raises(DataError, match=r"2 training records, too few for learning_curve\.shares"):
        publish_curve(lake, environment, use_case, usable_splits(lake, use_case, rows), LOG)


def test_subsets_are_nested_seeded_and_of_the_right_size() -> None:
    small, large = nested_subset(1000, 0.05, "17-0"), nested_subset(1000, 0.2, "17-0")
    assert len(small) == 50 and len(large) == 200 and set(small) < set(large) and large == sorted(large)
    assert nested_subset(1000, 1.0, "17-0") == list(range(1000)) and nested_subset(1000, 0.05, "17-1") != small
    assert nested_subset(10, 0.01, "x"), "never empty"


def planted(law: Any, noise: float, records: int = 400, rows: int = 1000, repeats: int = 1) -> list[dict[str, Any]]:
    """Trainings whose losses per record scatter around a known curve: the records' own difficulty is the same in
    all."""
    generator = np.random.default_rng(5)
    difficulty = generator.normal(0, 0.3, records)
    return [
        {
            "share": share,
            "repeat": repeat,
            "rows": int(share * rows),
            "losses": (law(share * rows) + difficulty + generator.normal(0, noise, records)).tolist(),
            "weights": [1] * records,
        }
        for share in (0.05, 0.1, 0.2, 0.5, 1.0)
        for repeat in range(repeats)
    ]


SETTINGS = LearningCurve(bootstrap_samples=300)


def test_a_curve_that_still_falls_says_what_twice_the_data_brings() -> None:
    found = curve_figures(planted(lambda n: 0.4 + 6 * n**-0.5, noise=0.05), SETTINGS, 17)
    true_gain = 6 * (1000**-0.5 - 2000**-0.5)
    gain = found["doubling"]["gain"]
    assert (
        found["doubling"]["told_apart"]
        and gain["low"] <= true_gain <= gain["high"]
        and found["doubling"]["rows"] == 2000
    )
    assert all(step["told_apart"] for step in found["steps"])
    assert "twice the records (2,000) would lower it by" in found["conclusion"][1] and not any(
        "no clear difference" in text for text in found["conclusion"]
    )


def test_a_flat_curve_is_not_told_apart_from_no_gain() -> None:
    found = curve_figures(planted(lambda n: 0.7, noise=0.3), SETTINGS, 17)
    assert not found["doubling"]["told_apart"]
    text = " ".join(found["conclusion"])
    assert (
        "It is unclear whether twice the records" in text
        and "no clear difference between the losses with 5 % and 10 %" in text
    )


def test_a_curve_that_rises_is_said_to_be_no_power_law() -> None:
    found = curve_figures(planted(lambda n: 0.4 + n / 2000, noise=0.05), SETTINGS, 17)
    assert not found["doubling"]["told_apart"] and "The loss rose" in " ".join(found["conclusion"])


def test_the_intervals_cover_what_they_say() -> None:
    """Of 60 curves with fresh records, the interval of the last point holds the true loss about as often as
    `confidence` says."""
    held = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        trainings = planted(lambda n: 0.5 + 3 * n**-0.5, noise=0.0)
        fresh = generator.normal(0, 0.3, 400)
        for one in trainings:
            one["losses"] = (0.5 + 3 * one["rows"] ** -0.5 + fresh).tolist()
        figure = curve_figures(trainings, LearningCurve(bootstrap_samples=200, confidence=0.9), seed)["points"][-1][
            "loss"
        ]
        held += figure["low"] <= 0.5 + 3 * 1000**-0.5 <= figure["high"]
    assert 46 <= held <= 60, "90 % of 60 is 54; a binomial of 60 stays within 46 and 60 in more than 99.9 % of cases"


def test_repeats_bring_the_noise_of_training_into_the_interval() -> None:
    calm = planted(lambda n: 0.5, noise=0.0, repeats=4)
    noisy = [{**one, "losses": (np.array(one["losses"]) + 0.2 * (-1) ** one["repeat"]).tolist()} for one in calm]
    settings = LearningCurve(repeats=4, bootstrap_samples=300)
    width = [
        one["high"] - one["low"] for one in (curve_figures(t, settings, 1)["points"][-1]["loss"] for t in (calm, noisy))
    ]
    assert width[1] > 2 * width[0]


def test_without_shares_those_of_the_description_are_trained_on() -> None:
    assert LearningCurve().points == [0.05, 0.1, 0.2, 0.5, 1.0] and LearningCurve(shares=[0.2, 0.4, 1.0]).points == [
        0.2,
        0.4,
        1.0,
    ]


@pytest.mark.parametrize("shares", [[0.1, 1.0], [0.5, 0.2, 1.0], [0.1, 0.1, 1.0], [0.1, 0.5, 0.9], [0.0, 0.5, 1.0]])
def test_shares_that_are_no_curve_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        LearningCurve(shares=shares)
