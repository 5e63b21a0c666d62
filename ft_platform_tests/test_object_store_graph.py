"""The whole graph on a lake in an S3 bucket, against a local server of the S3 protocol, with a tiny random model."""

from collections import Counter
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from ft_platform.lake.artifacts import Artifacts
from ft_platform.lake.gate import require_usable
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import trace_checkpoint
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.orchestration.execution import RunOutcome, run_use_case
from ft_platform.orchestration.results import collect_results
from ft_platform.release.decide import publish_decision
from ft_platform.reporting.decision_brief import write_decision
from ft_platform.stages import DEFAULT_STAGES, STAGES
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import aws_server
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, run_here, write_csv
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.components(name="aws")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Variables of a server with an empty bucket `lake`."""
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as variables:
        boto3.client("s3").create_bucket(Bucket="lake")
        yield variables


class Runs:
    """Two runs of the graph in one installation."""

    def __init__(self, folder: Path) -> None:
        self.environment = Environment(
            home=folder / "home", defs=folder / "defs", lake_root="s3://lake/department", tracking_uri="none"
        )
        create_pseudonym_key(self.environment)
        attributes = {
            **minimal_attributes(str(write_csv(folder / "complaints.csv", records()))),
            "base_model": {"uri": str(save_tiny_model(folder / "model")), "dtype": "float32"},
            "training": {"recipe": "manual", "max_steps": 2, "batch_rows": 8, "rank": 4},
            "evaluation": {"bootstrap_samples": 100},
            "regression": {"rows": 5},
            "attacks": {"extraction_rows": 20, "samples": 5, "bootstrap_samples": 100},
        }
        write_use_case(self.environment.defs, "complaints", attributes)
        self.lake = open_lake(self.environment)
        self.use_case = load_use_case(self.environment.defs / "complaints")
        with dg.DagsterInstance.ephemeral() as instance:
            self.first, self.second = (
                run_use_case("complaints", environment=self.environment, instance=instance) for _ in range(2)
            )


@pytest.fixture(scope="module")
def runs(store: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.items():
            patch.setenv(name, value)
        patch.setattr("ft_platform.compute.backends.local.run", run_here)
        yield Runs(tmp_path_factory.mktemp("installation"))


def assert_ended_well(outcome: RunOutcome) -> None:
    assert outcome.success, f"{outcome.failed_stage}: {outcome.error}"


def test_the_graph_runs_from_records_to_model_card(runs):
    assert_ended_well(runs.first)
    assert runs.first.trained and set(runs.first.artifacts) == {
        s.name for s in STAGES.values() if s.kind in ("checkpoint", "report") and not s.on_demand
    }


def test_every_version_lies_in_the_bucket_and_nothing_of_the_lake_on_the_disk(runs):
    assert not (runs.environment.home / "lake").exists()
    for stage in (STAGES[name] for name in DEFAULT_STAGES):
        artifact_id = runs.first.artifacts.get(stage.name)
        version = (
            runs.lake.artifact("complaints", stage.name, artifact_id)
            if artifact_id
            else runs.lake.latest("complaints", stage.name)
        )
        assert version and version.uri.startswith(f"s3://lake/department/{stage.zone}/complaints/"), stage.name
        assert runs.lake.manifest(version).content_hash == version.content_hash


def test_the_gate_and_the_trace_read_the_bucket(runs):
    card = runs.lake.artifact("complaints", "model_card", runs.first.artifacts["model_card"])
    assert isinstance(card, ArtifactVersion)
    require_usable(runs.lake, runs.use_case, card)
    checkpoint = runs.first.artifacts["adapter_checkpoint"]
    assert trace_checkpoint(runs.lake, "complaints", checkpoint[:12])["checkpoint"] == checkpoint


def test_results_have_scores_and_the_address_of_the_report(runs):
    found = collect_results(runs.environment, runs.use_case, runs.first)
    assert {"majority", "base_zero_shot", "fine_tuned"} <= set(found["systems"])
    assert found["report"].startswith("s3://lake/department/shared/complaints/evaluation_report/")


def test_a_second_run_trains_nothing(runs):
    assert_ended_well(runs.second)
    assert not runs.second.trained
    assert runs.second.artifacts == runs.first.artifacts


def test_a_decision_asks_the_store_about_each_version_once(runs, monkeypatch):
    asked: Counter[tuple[str, str]] = Counter()
    for owner, question in ((Manifests, "verdicts"), (Manifests, "manifest"), (Artifacts, "verify_artifact")):
        original = getattr(owner, question)

        @wraps(original)
        def counted(
            lake: Lake, version: Any, *more: Any, question: str = question, original: Any = original, **options: Any
        ) -> Any:
            asked[question, version.id] += not options.get("intact_only")  # which looks again on purpose
            return original(lake, version, *more, **options)

        monkeypatch.setattr(owner, question, counted)
    versions = {
        name: runs.lake.artifact("complaints", name, artifact_id, verify=False)
        for name, artifact_id in runs.first.artifacts.items()
    }
    decision = publish_decision(runs.lake, runs.use_case, versions["adapter_checkpoint"], versions, write_decision)
    assert decision.artifact_id == runs.first.artifacts["release_decision"]
    of_others = {about: times for about, times in asked.items() if about[1] != decision.artifact_id}
    # The handle that a manifest names has no count of rows, so that of a table is asked for by two handles.
    most = {
        question: max(times for (kind, _), times in of_others.items() if kind == question)
        for question in ("verdicts", "manifest", "verify_artifact")
    }
    assert len(of_others) > 30 and most == {"verdicts": 1, "manifest": 2, "verify_artifact": 1}
