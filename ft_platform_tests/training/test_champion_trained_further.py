"""What a retraining starts from: the weights of the champion where they fit, else of the base model, and why."""

from typing import Any

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, VersionRefused
from ft_platform.lake import provenance
from ft_platform.lake.releases import STANDS
from ft_platform.lake.store import Lake
from ft_platform.training.continuing import continued_from, weights_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import CHAMPION
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.tiny_models import save_tiny_model
from ft_platform_tests.training.test_continuing import FEW, MORE, Case, moved, withdraw


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def case(lake: Lake, environment: Environment, model: Any, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(provenance, "_source_files", lambda *_: [])
    return Case(lake, environment, model)


def asking(case: Case, start: str = CHAMPION, base: dict[str, Any] | None = None, **training: Any) -> NamedUseCase:
    """The use case with `retraining.start`, and other settings."""
    made = case.use_case(**training)
    changed: dict[str, Any] = {"retraining": made.settings.retraining.model_copy(update={"start": start})}
    if base:
        changed["base_model"] = made.settings.base_model.model_copy(update=base)
    return made.model_copy(update={"settings": made.settings.model_copy(update=changed)})


def test_the_champion_is_trained_further_and_not_the_newest_checkpoint(case: Case) -> None:
    splits = case.splits(FEW)
    champion = case.train(splits).checkpoint
    released(case.lake, champion)
    newest = case.train(splits, epochs=1, max_steps=2).checkpoint
    splits = case.splits(MORE)
    assert weights_of(case.lake, asking(case)) == (champion.id, "")
    assert weights_of(case.lake, asking(case, "base_model")) == ("", "")
    made = case.further(splits, start=CHAMPION)
    assert continued_from(case.lake, made.checkpoint) == champion != newest
    assert case.further(splits, start=CHAMPION).reused
    named = case.further(splits, start=champion.id)
    assert named.reused and named.checkpoint == made.checkpoint


def test_once_released_the_same_run_trains_nothing_again(case: Case) -> None:
    released(case.lake, case.train(case.splits(FEW)).checkpoint)
    splits = case.splits(MORE)
    second = case.further(splits, start=CHAMPION)
    released(case.lake, second.checkpoint)
    again = case.further(splits, start=CHAMPION)
    assert again.reused and again.checkpoint == second.checkpoint


def test_without_a_release_that_stands_it_is_the_base_model(case: Case) -> None:
    splits = case.splits(FEW)
    checkpoint = case.train(splits).checkpoint
    assert weights_of(case.lake, asking(case)) == (
        "",
        "complaints has no release that stands, so training cannot continue from its champion",
    )
    release = released(case.lake, checkpoint)
    assert weights_of(case.lake, asking(case))[0] == checkpoint.id
    case.lake.add_verdict(release, STANDS, False, "s", {"by": "somebody", "reason": "made up"})
    assert weights_of(case.lake, asking(case))[0] == ""
    with pytest.raises(VersionRefused, match="has no release that stands"):
        case.further(splits, start=CHAMPION)


@pytest.mark.parametrize(
    ("rows", "changed", "told"),
    [
        (MORE, {"rank": 8}, "training.rank was 4 and is 8 now"),
        (MORE, {"base": {"revision": "b" * 40}}, "base_model has another revision than"),
        (moved("r0000", "test"), {}, "1 records that it was trained on are now on the test side"),
        (moved("r0000", None), {}, "1 records that it was trained on are not in the splits any more"),
        (
            [{**row, "label": "mortgage"} if row["record_id"] > "r0040" else row for row in MORE],
            {},
            "the train split has other labels than",
        ),
    ],
)
def test_weights_that_do_not_fit_give_the_base_model_with_the_reason(
    case: Case, rows: list[dict[str, Any]], changed: dict[str, Any], told: str
) -> None:
    released(case.lake, case.train(case.splits(FEW)).checkpoint)
    case.splits(rows)
    weights, why = weights_of(case.lake, asking(case, **changed))
    assert weights == "" and told in why


def test_a_champion_that_learned_from_withdrawn_records_is_not_trained_further(case: Case) -> None:
    checkpoint = case.train(case.splits(FEW)).checkpoint
    released(case.lake, checkpoint)
    withdraw(case.lake, case.use_case(), checkpoint)
    weights, why = weights_of(case.lake, asking(case))
    assert weights == "" and "is tainted" in why


def test_altered_weights_are_an_error_and_no_reason_for_the_base_model(case: Case) -> None:
    checkpoint = case.train(case.splits(FEW)).checkpoint
    released(case.lake, checkpoint)
    with open(f"{checkpoint.uri}/adapter_model.safetensors", "r+b") as file:
        file.seek(2000)
        file.write(b"\0\0\0\1")
    with pytest.raises(CorruptVersion):
        weights_of(case.lake, asking(case))


def test_another_checkpoint_under_the_released_id_is_refused(case: Case) -> None:
    splits = case.splits(FEW)
    checkpoint = case.train(splits).checkpoint
    released(case.lake, checkpoint, record={"checkpoint": {"id": checkpoint.id, "content_hash": "0" * 64}})
    with pytest.raises(VersionRefused, match="is not in the lake as release-0 released it"):
        case.further(splits, start=CHAMPION)


def test_two_settings_for_one_thing_are_refused(case: Case) -> None:
    with pytest.raises(ConfigError, match="both say what a retraining starts from"):
        weights_of(case.lake, asking(case, continue_from="newest"))


def test_differential_privacy_refuses_it_in_the_file() -> None:
    private = {"training": {"differential_privacy": {"target_epsilon": 8}}, "retraining": {"start": "champion"}}
    with pytest.raises(ValueError, match="the epsilons of both trainings would add up"):
        UseCase.model_validate({**minimal_attributes("complaints.csv"), **private})
