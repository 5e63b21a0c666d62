"""The shipped use case on the real CFPB file with the real model: three seeds, the whole pack, every number once more,
and shuffled labels.

An hour and a half on two cores. `FT_TEST_REAL_HOME` names a home that is kept: what was run there is not run again.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import run_use_case
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.pack import write_pack
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform.stages import DEFAULT_STAGES
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.evaluation.evaluated import Evaluated, not_from_predictions
from ft_platform_tests.evaluation.recompute import problems

pytestmark = [pytest.mark.slow, pytest.mark.real_data, pytest.mark.model]
CASE = "complaint_routing"
RECIPE = {"training.epochs": 2.0, "training.validations_per_epoch": 2}
SEEDS = {"seed_variation.seeds": 3}
NARRATIVE = "Consumer complaint narrative"


@pytest.fixture(scope="module")
def source() -> Path:
    folder = Path(os.environ.get("FT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    file = folder / "cfpb_2020" / "complaints_sample.csv"
    if not file.is_file():
        pytest.skip(f"the file of the CFPB is not in {folder}; set FT_SHARED_DATA")
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("FT_TEST_REAL_HOME")
    return Path(kept) if kept else tmp_path_factory.mktemp("real")


def installed(home: Path) -> Iterator[Environment]:
    """An installation of its own; base models come from a shared cache."""
    before = dict(os.environ)
    cache = os.environ.get("FT_TEST_CACHE", str(REPOSITORY / ".ft" / "cache"))
    os.environ.update({"FT_HOME": str(home), "FT_CACHE": cache, "FT_DEFS": str(REPOSITORY / "ft_platform" / "defs")})
    os.environ.pop("DAGSTER_HOME", None)
    yield load_environment()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def environment(home: Path) -> Iterator[Environment]:
    yield from installed(home / "true")


@pytest.fixture
def case(environment: Environment, source: Path) -> NamedUseCase:
    """The use case after its run, its further seeds and the decision that has seen them."""
    overrides: dict[str, Any] = {"source.uri": str(source), **RECIPE, **SEEDS}
    for select in (None, ["seed_variation"], ["release_decision"]):
        outcome = run_use_case(CASE, overrides, select=select, environment=environment)
        assert outcome.success, f"{outcome.failed_stage}: {outcome.error}"
    return load_use_case(environment.defs / CASE, overrides)


def saved(environment: Environment, stage: str, name: str) -> Any:
    lake = open_lake(environment)
    return json.loads(lake.read_file(lake.artifacts(CASE, stage)[0], name))


def test_over_three_seeds_the_tuned_model_is_above_every_alternative(
    environment: Environment, case: NamedUseCase
) -> None:
    found = saved(environment, "seed_variation", "seeds.json")
    assert len(found["seeds"]) == 3
    print(
        json.dumps(
            {"seeds": found["seeds"], "metrics": found["metrics"], "differences": found["differences"]}, indent=1
        )
    )
    for system in ("majority", "nearest_neighbour", "tfidf_logreg", "linear_probe", "base_zero_shot", "base_few_shot"):
        gain = found["differences"][system]["macro_f1"]
        assert gain["value"] > 0 and gain["better_for"] == 3, (system, gain)


def evaluated(environment: Environment, case: NamedUseCase) -> Evaluated:
    lake = open_lake(environment)
    splits = lake.latest(CASE, "splits")
    assert splits is not None
    return Evaluated(
        lake, case, splits, lake.artifacts(CASE, "evaluation_report")[0], lake.artifacts(CASE, "fairness_report")[0]
    )


def test_every_number_follows_from_the_saved_predictions(environment: Environment, case: NamedUseCase) -> None:
    found = evaluated(environment, case)
    expected = found.expected_labels()
    assert problems(found.metrics, expected, not_from_predictions) == []
    assert len(expected.numbers) > 400
    told = found.saved(found.fairness, "fairness.json")
    assert problems(told, found.expected_fairness(told), lambda path: False) == []


def test_the_pack_is_complete_and_verifies(environment: Environment, case: NamedUseCase, tmp_path: Path) -> None:
    lake = open_lake(environment)
    checkpoint = lake.artifacts(CASE, "adapter_checkpoint")[0]
    pack = write_pack(lake, case, gather(lake, checkpoint), tmp_path / "pack")
    assert pack.missing == []
    names = {Path(name).parts[1] for name in pack.files if name.startswith("versions/")}
    assert names >= {*DEFAULT_STAGES, "seed_variation"} - {"quarantined_records"}, "nothing was quarantined"
    assert problems_of(pack.folder, pack.sha256) == []


@pytest.fixture
def shuffled(home: Path, source: Path, tmp_path: Path) -> Iterator[Environment]:
    """The same file with the labels of its narratives in another order."""
    rows = pd.read_csv(source, dtype=str, keep_default_na=False)
    told = rows[NARRATIVE] != ""
    rows.loc[told, "Product"] = np.random.default_rng(11).permutation(rows.loc[told, "Product"].to_numpy())
    assert 0.2 < (rows.loc[told, "Product"] == pd.read_csv(source, dtype=str)["Product"][told]).mean() < 0.4, (
        "as many agree by chance"
    )
    file = home / "shuffled.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(file, index=False)
    os.utime(file, (1_780_000_000, 1_780_000_000))
    yield from installed(home / "shuffled")


def test_on_shuffled_labels_no_system_beats_the_majority_and_the_release_is_refused(
    shuffled: Environment, home: Path
) -> None:
    overrides = {"source.uri": str(home / "shuffled.csv"), **RECIPE}
    outcome = run_use_case(CASE, overrides, environment=shuffled)
    assert outcome.success, f"{outcome.failed_stage}: {outcome.error}"
    metrics = saved(shuffled, "evaluation_report", "metrics.json")
    labels = metrics["systems"]["majority"]["accuracy"]
    print(
        json.dumps(
            {
                system: {name: figures[name] for name in ("accuracy", "macro_f1")}
                for system, figures in metrics["systems"].items()
            },
            indent=1,
        )
    )
    for system, figures in metrics["systems"].items():
        assert figures["accuracy"]["low"] <= labels["high"], system
        assert figures["macro_f1"]["low"] < 1.5 / len(metrics["labels"]), system
    decision = saved(shuffled, "release_decision", "decision.json")
    assert decision["decision"] == "refused"
    assert any(rule["rule"].startswith("beats/") and not rule["passed"] for rule in decision["rules"])
