"""Several seeds of one recipe on tiny models: other weights, the same test records, nothing trained twice, a kill that
costs one seed, no weights kept."""

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ft_platform.assets import report as report_asset
from ft_platform.assets import seed_variation
from ft_platform.errors import BudgetExceeded, ConfigError, TrainingFailed, VersionRefused
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.predictions import rows_of
from ft_platform.lake.gate import problems_with
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.evidence import typed
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.seeds import publish_seed_variation
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.experiments import seeds
from ft_platform.training.experiments.admission import admit_program
from ft_platform.training.experiments.inputs import seeds_of
from ft_platform.training.experiments.seeds import weights_digest
from ft_platform.training.experiments.trainings_left import trainings_left
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.evaluation.tiny_case import HOSTILE, installed
from ft_platform_tests.reporting.page_rules import problems_of

pytestmark = pytest.mark.integration

LOG = logging.getLogger("test")


class Case(SimpleNamespace):
    """A checkpoint with its evaluation."""

    def publish(self, use_case: NamedUseCase | None = None) -> ArtifactVersion:
        return publish_seed_variation(
            self.lake, self.environment, use_case or self.use_case, self.splits, self.report, LOG
        )

    def found(self, report: ArtifactVersion) -> dict[str, Any]:
        return json.loads(self.lake.read_file(report, "seeds.json"))

    def asking(self, count: int, **training: Any) -> NamedUseCase:
        settings = self.use_case.settings.model_dump(mode="json")
        changed = {**settings, "seed_variation": {"seeds": count}, "training": {**settings["training"], **training}}
        return self.use_case.model_copy(update={"settings": UseCase.model_validate(changed)})


def evaluated(home: Path, kind: str = "classification", count: int = 3) -> Case:
    environment, lake, use_case, splits = installed(home, kind)
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    case = Case(
        environment=environment, lake=lake, use_case=use_case, splits=splits, checkpoint=checkpoint, report=report
    )
    case.use_case = case.asking(count)
    return case


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return evaluated(tmp_path_factory.mktemp("seeds") / "home")


@pytest.fixture
def case(made_once: Case, tmp_path: Path) -> Case:
    """An installation of its own with the same checkpoint and evaluation."""
    return copied(made_once, tmp_path / "home")


def copied(case: Case, home: Path) -> Case:
    shutil.copytree(case.environment.home, home)
    environment = case.environment.model_copy(update={"home": home})
    lake = open_lake(environment)
    checkpoint, report = (
        lake.artifacts("complaints", stage)[0] for stage in ("adapter_checkpoint", "evaluation_report")
    )
    where = {"environment": environment, "lake": lake, "splits": lake.latest("complaints", "splits")}
    return Case(**where, checkpoint=checkpoint, report=report, use_case=case.use_case)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that were trained with, in order."""
    made: list[int] = []
    train_once = seeds.train_once

    def watched(*arguments: Any, **options: Any) -> Any:
        made.append(arguments[2].settings.training.seed)
        return train_once(*arguments, **options)

    monkeypatch.setattr(seeds, "train_once", watched)
    return made


def test_every_seed_answers_the_same_test_records_and_the_figures_can_be_computed_again(
    case: Case, trained: list[int]
) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    report = case.publish()
    found, evaluation = case.found(report), read_metrics(case.lake, case.report)
    assert trained == [18, 19] and [one["seed"] for one in found["seeds"]] == [17, 18, 19]
    assert len({one["adapter_sha256"] for one in found["seeds"]}) == 3, "every seed has weights of its own"
    answers = {17: rows_of(read_predictions(case.lake, case.report), "fine_tuned")}
    answers |= {seed: rows_of(read_predictions(case.lake, report), f"seed_{seed}") for seed in (18, 19)}
    ids = [one["record_id"].to_pylist() for one in answers.values()]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) == found["test_rows"] == evaluation["test_rows"]
    assert answers[17]["confidence"].to_pylist() != answers[18]["confidence"].to_pylist(), "another seed, another model"
    few_shot = rows_of(read_predictions(case.lake, case.report), "base_few_shot")
    for name, score in {
        "accuracy": accuracy_score,
        "macro_f1": lambda t, p: f1_score(t, p, average="macro", labels=sorted(set(t)), zero_division=0),
    }.items():
        values = np.array([score(one["label"].to_pylist(), one["predicted"].to_pylist()) for one in answers.values()])
        base = score(few_shot["label"].to_pylist(), few_shot["predicted"].to_pylist())
        spread, gain = found["metrics"][name], found["differences"]["base_few_shot"][name]
        assert spread["values"] == pytest.approx(values) and gain["values"] == pytest.approx(values - base), name
        assert (spread["value"], spread["sd"]) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert spread["values"][0] == evaluation["systems"]["fine_tuned"][name]["value"], (
            "the checkpoint is not evaluated again"
        )
        assert found["systems"]["base_few_shot"][name] == evaluation["systems"]["base_few_shot"][name]["value"]
    assert (
        set(found["differences"]) == set(evaluation["differences"])
        and found["main_metric"] == evaluation["main_metric"]
    )


def test_the_seed_of_the_checkpoint_gives_its_very_weights(case: Case) -> None:
    """What is trained with further seeds is the recipe of the checkpoint, and nothing else."""
    evaluator, resolved = seeds.ready_evaluator(case.lake, case.environment, case.use_case, case.splits, seeds.STAGE)
    again = seeds._answered(case.lake, case.environment, case.use_case, case.splits, evaluator, resolved, 17)
    assert again.training.adapter_sha256 == weights_digest(case.lake.manifest(case.checkpoint).files)
    published = rows_of(read_predictions(case.lake, case.report), "fine_tuned")
    assert again.predictions.drop_columns(["system"]).equals(published.drop_columns(["system"]))


def test_the_report_is_a_clean_page_evidence_for_the_gate_and_keeps_no_weights(case: Case) -> None:
    report = case.publish()
    page = case.lake.read_file(report, "report.html").decode()
    assert problems_of(page) == [] and HOSTILE not in page and case.found(report)["conclusion"][0]["text"] in page
    assert case.lake.read_file(report, "seeds.png")[1:4] == b"PNG"
    assert problems_with(case.lake, case.use_case, report) == []
    typed("seed_variation", report.artifact_id, case.lake.read_file(report, "seeds.json"))
    weights = {path.parent.name for path in case.environment.home.rglob("*.safetensors")}
    assert weights == {case.checkpoint.artifact_id, "model"}, "nobody can release the best of several seeds"
    assert not list((case.environment.home / "experiments").rglob("*.parquet"))


def test_equal_inputs_train_nothing_and_one_seed_more_trains_one(case: Case, trained: list[int]) -> None:
    first = case.publish()
    assert case.publish() == first and trained == [18, 19]
    assert trainings_left(case.lake, case.environment, case.use_case, "seeds", case.splits, {}) == 0
    four = case.asking(4)
    assert trainings_left(case.lake, case.environment, four, "seeds", case.splits, {}) == 1
    more = case.publish(four)
    assert trained == [18, 19, 20]
    assert case.found(more)["metrics"]["accuracy"]["values"][:3] == case.found(first)["metrics"]["accuracy"]["values"]
    assert "is stale" in " ".join(problems_with(case.lake, four, first))


def test_seeds_that_were_stopped_go_on_with_the_next_and_end_the_same(
    case: Case, trained: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = copied(case, tmp_path / "other")
    whole = case.found(case.publish())
    keep = seeds.keep

    def kept_and_killed(*arguments: Any) -> None:
        keep(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(seeds, "keep", kept_and_killed)
        with pytest.raises(KeyboardInterrupt):
            elsewhere.publish()
    assert (
        trained == [18, 19, 18]
        and trainings_left(elsewhere.lake, elsewhere.environment, elsewhere.use_case, "seeds", elsewhere.splits, {})
        == 1
    )
    again = elsewhere.found(elsewhere.publish())
    assert trained == [18, 19, 18, 19] and again == whole


def test_a_seed_that_changes_nothing_is_noticed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "with_training", lambda use_case, **changes: use_case)
    with pytest.raises(TrainingFailed, match="seeds 17 and 18 gave the same weights"):
        case.publish()
    assert case.lake.artifacts("complaints", "seed_variation") == []


def test_another_renderer_than_that_of_the_checkpoint_is_refused(case: Case, trained: list[int]) -> None:
    settings = case.use_case.settings
    task = settings.task.model_copy(update={"instruction": "Sort it. One of: {labels}."})
    other = case.use_case.model_copy(update={"settings": settings.model_copy(update={"task": task})})
    with pytest.raises(VersionRefused, match="was trained with renderer"):
        case.publish(other)
    assert trained == []


def test_generated_answers_go_the_same_way(tmp_path: Path, trained: list[int]) -> None:
    case = evaluated(tmp_path, "generation", count=2)
    report = case.publish()
    found, rows = case.found(report), rows_of(read_predictions(case.lake, report), "seed_18")
    loss = float(np.average(rows["answer_loss"].to_numpy(), weights=rows["answer_tokens"].to_numpy()))
    assert found["main_metric"] == "answer_loss" and found["metrics"]["answer_loss"]["values"][1] == pytest.approx(loss)
    assert found["metrics"]["answer_loss"]["values"][0] == pytest.approx(
        read_metrics(case.lake, case.report)["systems"]["fine_tuned"]["answer_loss"]["value"]
    )


def test_the_asset_starts_the_program_once_and_shows_what_came_out(
    case: Case, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def run_program(context: Any, environment: Any, use_case: Any, program: str, extras: dict[str, Any]) -> Any:
        started.append((program, list(extras)))
        return SimpleNamespace(artifact=case.publish(use_case))

    monkeypatch.setattr(report_asset, "run_program", run_program)

    def materialize(use_case: NamedUseCase) -> Any:
        (asset,) = seed_variation.build(use_case)
        handles = {"splits": case.splits, "evaluation_report": case.report}
        return asset.op.compute_fn.decorated_fn(
            SimpleNamespace(log=LOG), lake=case.lake, environment=case.environment, **handles
        )

    two = case.asking(2)
    made = [materialize(two) for _ in range(2)][1]
    assert started == [("seeds", ["splits", "evaluation_report"])] and trained == [18]
    assert "2 seeds: Macro F1" in made.metadata["conclusion"].value and "plot/seeds" in made.metadata
    with pytest.raises(Exception, match=r"seed_variation\.seeds is 1: there is nothing to compare"):
        materialize(case.asking(1))


def test_the_further_trainings_count_in_budgets_and_those_that_are_there_do_not(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ft_platform.training import estimates
    from ft_platform.use_case.settings.budgets import Budgets

    figures = {"memory_gib": 0.1, "seconds": 3600.0, "seconds_band": [1.0, 2.0], "device": "cpu"}
    monkeypatch.setattr(
        estimates, "measure", lambda environment, use_case, splits, profile: estimates.Estimate(figures, profile)
    )
    ten = ComputeProfile(price_per_hour=10.0)

    def ask(budget: float, lake: Lake = case.lake) -> None:
        environment = case.environment.model_copy(
            update={"budgets": Budgets(per_use_case=budget), "profiles": {"local": ten}}
        )
        admit_program(lake, environment, case.use_case, "seeds", case.splits, LOG)

    ask(20.0)
    with pytest.raises(BudgetExceeded, match=r"would cost 20\.00 EUR"):
        ask(19.9)
    case.publish()
    ask(0.1)
    further = estimates.further_seeds(estimates.Estimate(figures, ten), case.use_case)["further_seeds"]
    assert (further["trainings"], further["seconds"], further["cost"], further["seconds_band"]) == (
        2,
        7200.0,
        20.0,
        [2.0, 4.0],
    )
    assert estimates.further_seeds(estimates.Estimate(figures, ten), case.asking(1)) == {}


def test_seeds_are_those_after_that_of_the_checkpoint() -> None:
    def of(seed: int, count: int) -> list[int]:
        settings = SimpleNamespace(training=SimpleNamespace(seed=seed), seed_variation=SimpleNamespace(seeds=count))
        return seeds_of(SimpleNamespace(settings=settings))  # type: ignore[arg-type]

    assert of(17, 1) == [17] and of(17, 3) == [17, 18, 19] and of(2**31 - 1, 2) == [2**31 - 1, 0]


def test_one_seed_is_no_comparison(case: Case) -> None:
    with pytest.raises(ConfigError, match=r"seed_variation\.seeds is 1"):
        case.publish(case.asking(1))


def test_other_seeds_of_a_continued_checkpoint_are_refused(made_once: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be trained from the start."""
    real = Lake.read_file

    def continued(self: Lake, version: ArtifactVersion, name: str) -> bytes:
        found = real(self, version, name)
        more = {"continued_from": {"checkpoint": "ckpt-before"}}
        return json.dumps({**json.loads(found), **more}).encode() if name == "training.json" else found

    monkeypatch.setattr(Lake, "read_file", continued)
    with pytest.raises(TrainingFailed, match="was continued from ckpt-before, and other seeds train from the start"):
        made_once.publish(made_once.asking(2))
