"""Training refuses a version whose manifest is missing, stale or failed, whichever way it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ft_platform.errors import VersionRefused
from ft_platform.execution import run_use_case
from ft_platform.lake import Lake
from ft_platform.lake.gate import problems_with, require_usable
from ft_platform.use_case_file import load_use_case
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


@pytest.fixture
def backend(monkeypatch):
    stand_in = StandInBackend()
    monkeypatch.setattr("ft_platform.compute.local.run", stand_in.run)
    return stand_in


@pytest.fixture
def graph(environment, tmp_path, backend):
    file = write_csv(tmp_path / "complaints.csv", records())
    attributes = {**minimal_attributes(str(file)), "retraining": {"mode": "on_data_change"}}
    write_use_case(environment.defs, "complaints", attributes)
    with dg.DagsterInstance.ephemeral() as instance:
        made = Graph(environment, "complaints", instance)
        assert made.run(*DATA).success
        yield made


@pytest.fixture
def use_case(graph):
    return load_use_case(graph.environment.defs / "complaints")


def delete_manifest(lake: Lake) -> None:
    os.unlink(lake._manifest_path(lake.latest("complaints", "splits")))


def fail_a_check(lake: Lake) -> None:
    version = lake.latest("complaints", "anonymized_records")
    old = lake.verdicts(version)["no_residual_pii"]
    lake.add_verdict(version, "no_residual_pii", False, old.settings_hash, {"rows_with_finding": 1})


def delete_a_verdict(lake: Lake) -> None:
    os.unlink(f"{lake._verdict_folder(lake.latest('complaints', 'splits'))}/no_leakage.json")


def judge_other_content(lake: Lake) -> None:
    file = Path(f"{lake._verdict_folder(lake.latest('complaints', 'cleaned_records'))}/meets_expectations.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "content_hash": "0" * 64}))


def write_a_newer_parent(lake: Lake) -> None:
    version = lake.latest("complaints", "permitted_records")
    table = lake.read_table(version)
    lake.write_table("complaints", "permitted_records", table.slice(1).to_batches(), table.schema, zone="restricted")


def change_settings(lake: Lake) -> None:
    """An outdated manifest: as if the YAML's cleaning section had changed since."""
    file = Path(lake._manifest_path(lake.latest("complaints", "cleaned_records")))
    file.write_text(json.dumps({**json.loads(file.read_text()), "settings_hash": "of other settings"}))


FAULTS = [delete_manifest, fail_a_check, delete_a_verdict, judge_other_content, write_a_newer_parent, change_settings]


def by_button(graph: Graph) -> str:
    """What the UI's materialize button does: a run of this one asset."""
    result = graph.run("adapter_checkpoint")
    assert not result.success
    return str(result.get_step_failure_events()[0].step_failure_data.user_failure_data.description)


def by_cli(graph: Graph) -> str:
    outcome = run_use_case("complaints", select=["adapter_checkpoint"], environment=graph.environment, instance=graph.instance)
    assert not outcome.success
    return outcome.error or ""


def by_hand(graph: Graph) -> str:
    variables = {**os.environ, **graph.environment.to_variables()}
    command = [sys.executable, "-m", "ft_platform.programs.train", "--use-case", "complaints"]
    finished = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode != 0
    return finished.stdout + finished.stderr


def test_healthy_splits_are_accepted(graph, use_case, backend):
    lake = Lake(graph.environment.lake_uri)
    require_usable(lake, use_case, lake.latest("complaints", "splits"))
    assert graph.run("adapter_checkpoint").success
    assert backend.started == ["train"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_anywhere_in_the_ancestry_is_named(graph, use_case, fault):
    lake = Lake(graph.environment.lake_uri)
    splits = lake.latest("complaints", "splits")
    fault(lake)
    assert problems_with(lake, use_case, splits)
    with pytest.raises(VersionRefused):
        require_usable(lake, use_case, splits)


@pytest.mark.parametrize("start", [by_button, by_cli], ids=lambda f: f.__name__)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_training_is_refused_from_the_ui_and_the_cli(graph, backend, fault, start):
    fault(Lake(graph.environment.lake_uri))
    assert "refused" in start(graph)
    assert backend.started == []


@pytest.mark.parametrize("fault", [fail_a_check, write_a_newer_parent], ids=lambda f: f.__name__)
def test_a_program_started_by_hand_is_refused(graph, fault):
    fault(Lake(graph.environment.lake_uri))
    assert "refused" in by_hand(graph)
    assert Lake(graph.environment.lake_uri).artifacts("complaints", "adapter_checkpoint") == []


def test_a_training_run_requested_by_automation_is_refused(graph, backend):
    fail_a_check(Lake(graph.environment.lake_uri))
    graph.settle(["adapter_checkpoint"])
    assert backend.started == []


def test_a_changed_checkpoint_is_refused_downstream(graph, use_case):
    assert graph.run("adapter_checkpoint").success
    lake = Lake(graph.environment.lake_uri)
    checkpoint = lake.artifacts("complaints", "adapter_checkpoint")[0]
    (Path(checkpoint.uri) / "metrics.json").write_text("{}")
    with pytest.raises(VersionRefused):
        require_usable(lake, use_case, checkpoint)
