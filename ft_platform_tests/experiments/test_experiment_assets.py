"""Experiments as assets and commands: started by name only, refused by the gate, shown with pictures, link and
words."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.cli import main
from ft_platform.compute.backend import Launch
from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import from_dict
from ft_platform.orchestration.execution import run_use_case
from ft_platform.reporting.publishing.canaries import publish_canary_audit
from ft_platform.reporting.publishing.curve import publish_curve
from ft_platform.reporting.publishing.search import publish_search
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.graph import run_here as run_elsewhere
from ft_platform_tests.tiny_models import save_tiny_model

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
PUBLISH = {"search": publish_search, "learning_curve": publish_curve, "canaries": publish_canary_audit}
STARTED_BY_NAME = ("hyperparameter_search", "learning_curve", "canary_audit")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def started(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_stages: None) -> list[str]:
    """A use case on a tiny model; programs run in this process, and the list says which were started."""
    attributes = minimal_attributes(str(write_csv(tmp_path / "records.csv", records(12))))
    attributes |= {
        "base_model": {"uri": str(save_tiny_model(tmp_path / "model")), "dtype": "float32"},
        "training": {"recipe": "manual", "epochs": 1, "batch_rows": 8, "rank": 4, "learning_rate": 1e-3},
        "search": {"space": {"rank": {"choices": [2, 4]}}, "trials": 2},
        "learning_curve": {"shares": [0.3, 0.6, 1.0], "bootstrap_samples": 100},
        "attacks": {"canaries": {"repetitions": [2], "per_repetition": 2, "controls": 2, "digits": 2}},
    }
    write_use_case(environment.defs, "complaints", attributes)
    programs: list[str] = []

    def run_here(launch: Launch) -> dict[str, Any]:
        environment, program = launch.environment, launch.program
        if program not in PUBLISH:  # the audit of the splits
            return run_elsewhere(launch)
        programs.append(program)
        lake = open_lake(environment)
        return {
            "artifact": (
                PUBLISH[program](
                    lake, environment, launch.use_case, from_dict(launch.handles["splits"]), logging.getLogger("test")
                ).to_dict()
            )
        }

    monkeypatch.setattr("ft_platform.compute.backends.local.run", run_here)
    return programs


def metadata_of(instance: dg.DagsterInstance, stage: str) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(dg.AssetKey(["complaints", stage]))
    assert event and event.asset_materialization
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.mark.integration
def test_a_person_starts_them_by_name_sees_words_pictures_and_a_link_and_the_gate_holds(
    environment: Environment,
    instance: dg.DagsterInstance,
    started: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run_use_case("complaints", select=DATA, environment=environment, instance=instance).success
    for _ in range(2):
        for stage in STARTED_BY_NAME:
            outcome = run_use_case("complaints", select=[stage], environment=environment, instance=instance)
            assert outcome.success, outcome.error
    assert started == ["search", "learning_curve", "canaries"], "the second time they are there already"
    search, curve = metadata_of(instance, "hyperparameter_search"), metadata_of(instance, "learning_curve")
    assert (
        "training:" in search["best_settings"]
        and search["metric/trials"] == "2"
        and {"plot/trials", "plot/parameters"} <= set(search)
    )
    assert "With all" in curve["conclusion"] and curve["plot/learning_curve"].startswith(
        "![plot](/portal/complaints/learning_curve/"
    )
    canaries = metadata_of(instance, "canary_audit")
    assert (
        "never planted" in canaries["conclusion"]
        and set(canaries["exposure_bits"]) == {"2"}
        and "plot/exposure" in canaries
    )
    for shown, stage in zip((search, curve, canaries), STARTED_BY_NAME, strict=True):
        assert (
            shown["report"].startswith(f"/portal/complaints/{stage}/")
            and shown["tracking"] == "off: tracking_uri is none"
        )
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    assert main(["search", "complaints"]) == 0
    printed = capsys.readouterr().out
    assert (
        search["best_settings"].split("```yaml\n")[1].split("```")[0] in printed and "--set training.rank=" in printed
    )
    assert main(["search", "complaints", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["trials"]) == 2
    fail_a_check(open_lake(environment))
    for stage in STARTED_BY_NAME:
        outcome = run_use_case("complaints", select=[stage], environment=environment, instance=instance)
        assert not outcome.success and "no_leakage" in str(outcome.error), (
            "the gate refuses it, although the report is there"
        )


def fail_a_check(lake: Lake) -> None:
    splits = lake.latest("complaints", "splits")
    assert splits
    lake.add_verdict(splits, "no_leakage", False, lake.verdicts(splits)["no_leakage"].settings_hash)


def test_they_run_by_themselves(environment: Environment, instance: dg.DagsterInstance, started: list[str]) -> None:
    with pytest.raises(ConfigError, match="learning_curve run by themselves"):
        run_use_case("complaints", select=["splits", "learning_curve"], environment=environment, instance=instance)


def test_a_use_case_without_a_search_says_how_to_make_one(
    environment: Environment, started: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    assert main(["search", "complaints"]) == 1
    assert "ft run complaints --select hyperparameter_search" in capsys.readouterr().err
