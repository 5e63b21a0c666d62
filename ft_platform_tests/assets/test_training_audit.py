"""The check `passes_training_audit` in a real graph: its program runs on the compute back end, and a fault stops
training before it starts."""

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.runs import outcome_of
from ft_platform.stages import TRAINING_AUDIT
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.integration

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


def check_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    return next(found for found in result.get_asset_check_evaluations() if found.check_name == TRAINING_AUDIT)


def test_a_fault_that_the_program_finds_stops_training_and_a_correction_lets_it_go_on(
    environment, tmp_path, quick_stages, monkeypatch
):
    attributes = {
        **minimal_attributes(str(write_csv(tmp_path / "complaints.csv", records(12)))),
        "base_model": {"uri": str(save_tiny_model(tmp_path / "model")), "dtype": "float32"},
        "audit": {"min_supervised_share": 0.9},
    }
    write_use_case(environment.defs, "complaints", attributes)
    lake = open_lake(environment)
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(environment, "complaints", instance)
        first = graph.run(*DATA, "adapter_checkpoint")
        found = check_of(first)
        assert not first.success and not found.passed and found.blocking
        outcome = outcome_of(first.all_events, "complaints", first.run_id, first.success, 0.0)
        assert outcome.failed_stage == "splits" and "low_supervised_share" in (outcome.error or "")
        assert "Shorten task.instruction" in (outcome.error or "")
        assert str(found.metadata["report"].value).endswith("/report.html")
        splits = lake.latest("complaints", "splits")
        assert splits and not lake.verdicts(splits)[TRAINING_AUDIT].passed
        assert lake.artifacts("complaints", "adapter_checkpoint") == []
        refused = graph.run("adapter_checkpoint")
        expected = f"check {TRAINING_AUDIT} of splits@0 failed"
        assert expected in str(refused.get_step_failure_events()[0].step_failure_data.user_failure_data)

        backend = StandInBackend()
        monkeypatch.setattr("ft_platform.compute.backends.local.run", backend.run)
        corrected = {"audit.min_supervised_share": 0.0}
        assert graph.run("splits", overrides=corrected).success
        assert graph.run("adapter_checkpoint", overrides=corrected).success
        assert backend.started == ["train"]
