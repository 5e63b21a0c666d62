"""Settings that the launchpad takes for one run: typed, in bounds, without text, and gone when the run has ended."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.errors import ConfigError
from ft_platform.orchestration.loading import load_definitions
from ft_platform.orchestration.run_settings import overrides_of, settings_type
from ft_platform.redaction.instance import guard
from ft_platform.use_case.fields import fields
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv

STAGES = ("raw_records", "permitted_records", "cleaned_records")


def leaves(section: type[dg.Config], prefix: str = "") -> Iterator[tuple[str, type, str]]:
    """Path, type and description of each setting."""
    for name, field in section.model_fields.items():
        (kind,) = [one for one in field.annotation.__args__ if one is not type(None)]  # type: ignore[union-attr]
        if issubclass(kind, dg.Config):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", kind, field.description or ""


def test_every_setting_without_text_can_be_set_and_says_what_it_is() -> None:
    found = {path: (kind, words) for path, kind, words in leaves(settings_type())}
    assert {"training.max_steps", "training.learning_rate", "cleaning.strip_html"} <= set(found)
    assert (found["training.rank"][0], found["training.learning_rate"][0]) == (int, float)
    assert found["training.rank"][1] == f"{fields()['training.rank'].description.rstrip('.')}. 1 to 512"
    assert [choice.value for choice in found["base_model.dtype"][0]] == ["auto", "float32", "bfloat16"]  # type: ignore[attr-defined]
    assert [choice.value for choice in found["training.continue_from"][0]] == ["newest", "champion"]  # type: ignore[attr-defined]
    assert not {"source.uri", "release.intended_use", "owners.accountable", "retraining.mode"} & set(found)
    assert all(issubclass(kind, int | float | Enum) for kind, _ in found.values())


def test_what_a_release_needs_cannot_be_set_for_one_run() -> None:
    of_limits = {"gate", "fairness", "attacks", "privacy", "regression", "evaluation", "release", "serving"}
    assert {path.split(".")[0] for path, _, _ in leaves(settings_type())} & of_limits == set()


def test_what_is_not_set_is_left_out() -> None:
    dtype = Enum("Dtype", {"float32": "float32"})("float32")
    config = {"training": {"epochs": 2.0, "rank": None, "dora": False}, "base_model": {"dtype": dtype}, "splits": None}
    assert dict(overrides_of(config)) == {"training.epochs": 2.0, "training.dora": False, "base_model.dtype": "float32"}


class Launched:
    """Runs of one small use case with settings of their own."""

    def __init__(self, environment: Environment, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        definitions = load_definitions(environment)
        self.job = definitions.resolve_job_def("complaints")

    def run(self, settings: dict[str, Any] | None = None, *stages: str) -> dg.ExecuteInProcessResult:
        config = {"resources": {"settings": {"config": settings}}} if settings else {}
        selected = [dg.AssetKey(["complaints", stage]) for stage in stages or STAGES]
        return self.job.execute_in_process(
            instance=self.instance, run_config=config, asset_selection=selected, raise_on_error=False
        )

    def newest(self, stage: str) -> dg.AssetMaterialization:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(["complaints", stage]))
        assert event and event.asset_materialization
        return event.asset_materialization

    def rows(self) -> int:
        return int(self.newest("cleaned_records").metadata["dagster/row_count"].value)  # type: ignore[arg-type]


@pytest.fixture
def launched(environment: Environment, tmp_path: Path, quick_stages: None) -> Iterator[Launched]:
    rows = records()
    for row in rows[:10]:
        row["text"] = f"Short {row['id']}"
    write_use_case(environment.defs, "complaints", minimal_attributes(str(write_csv(tmp_path / "c.csv", rows))))
    with dg.DagsterInstance.ephemeral() as instance:
        guard(instance)
        yield Launched(environment, instance)


def test_a_run_has_its_own_settings_and_the_next_one_those_of_the_file(launched: Launched) -> None:
    assert launched.run().success
    of_the_file, versions = launched.rows(), [launched.newest("cleaned_records").tags["dagster/code_version"]]
    assert launched.run({"cleaning": {"min_characters": 20}}, "cleaned_records").success
    assert (of_the_file, launched.rows()) == (90, 80)
    versions.append(launched.newest("cleaned_records").tags["dagster/code_version"])
    assert launched.run(None, "cleaned_records").success
    assert launched.rows() == 90
    versions.append(launched.newest("cleaned_records").tags["dagster/code_version"])
    assert versions[0] == versions[2] != versions[1], "so Dagster says of the second that it is not what the file says"


def test_a_setting_out_of_its_bounds_fails_the_run_before_any_stage(launched: Launched) -> None:
    result = launched.run({"cleaning": {"min_characters": -7}})
    assert not result.success and not result.get_step_success_events()
    (failure,) = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    said = str(failure.event_specific_data)
    assert "cleaning.min_characters must be at least 1, got -7" in said


def test_a_setting_of_another_type_is_refused_by_the_launchpad(launched: Launched) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="min_characters"):
        launched.run({"cleaning": {"min_characters": "Marta"}})
    with pytest.raises(dg.DagsterInvalidConfigError, match='unexpected config entry "release"'):
        launched.run({"release": {"intended_use": "Marta"}})


def test_only_words_that_the_schema_offers_lie_in_the_database_as_text(launched: Launched) -> None:
    assert launched.run({"cleaning": {"exact_duplicates": "keep"}}).success

    def add(config: dict[str, Any]) -> None:
        launched.instance.add_run(
            dg.DagsterRun("complaints", run_config={"resources": {"settings": {"config": config}}})
        )

    add({"base_model": {"dtype": "float32"}})
    for config in ({"base_model": {"dtype": "Marta"}}, {"base_model": {"uri": "float32"}}, {"dtype": "float32"}):
        with pytest.raises(ConfigError, match=r"has text at resources\.settings\.config\."):
            add(config)
