"""With `retraining.start: champion`, the run that the sensor starts trains the released weights further."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from ft_platform.cli import main
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.retraining.journal import ask, entries
from ft_platform.redaction.instance import guard
from ft_platform.training.continuing import continued_from
from ft_platform.training.reproduce import reproduce
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.graph import Graph, records, run_here, write_csv
from ft_platform_tests.graph_template import BACKEND, NAME
from ft_platform_tests.retraining.daemon import evaluated
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.integration

DATA = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
FAST = {"recipe": "manual", "learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 4}


def test_the_run_of_the_sensor_continues_from_the_champion_and_is_reproduced(
    lake: Lake,
    environment: Environment,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    quick_stages: None,
    without_audit: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "complaints.csv"
    attributes = minimal_attributes(str(write_csv(source, records(20))))
    model = save_tiny_model(tmp_path / "tiny")
    attributes |= {"base_model": {"uri": str(model), "dtype": "float32"}, "training": FAST}
    attributes |= {"retraining": {"mode": "by_reasons", "start": "champion"}}
    write_use_case(environment.defs, NAME, attributes)
    monkeypatch.setattr(BACKEND, run_here)
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    use_case = load_use_case(environment.defs / NAME / "defs.yaml")
    with dg.DagsterInstance.ephemeral() as instance:
        guard(instance)
        graph = Graph(environment, NAME, instance)
        first = started(graph)
        assert first.run_config == {} or not first.run_config, "there is no release yet"
        assert run(graph, first)
        (champion,) = lake.artifacts(NAME, "adapter_checkpoint")
        released(lake, champion)
        write_csv(source, records(24))
        assert graph.run(*DATA).success
        second = started(graph)
        assert second.run_config == {"resources": {"settings": {"config": {"training": {"continue_from": "champion"}}}}}
        assert main(["retraining", "explain", NAME]) == 0
        assert f"trains from {champion.id}" in capsys.readouterr().out
        assert run(graph, second)
        made = next(one for one in lake.artifacts(NAME, "adapter_checkpoint") if one != champion)
        assert continued_from(lake, made) == champion
        assert reproduce(lake, environment, use_case, made)["identical"]
        said = instance.fetch_observations(dg.AssetKey([NAME, "retraining_decision"]), limit=9).records
        told = [one.asset_observation.metadata for one in said if one.asset_observation]
        assert told[0]["trains_further"].value == champion.id
        assert "no release that stands" in str(told[-1]["champion_not_trained_further"].value)
    before, after = entries(lake, NAME).starts
    assert (before.continues, after.continues, after.not_continued) == ("", champion.id, "")
    assert "has no release that stands" in before.not_continued


def started(graph: Graph) -> dg.RunRequest:
    """What the sensor asks for once a person wants a retraining."""
    use_case = load_use_case(graph.environment.defs / NAME / "defs.yaml")
    ask(open_lake(graph.environment), graph.environment, use_case, "New products since Monday", datetime.now(UTC))
    found = evaluated(graph.definitions(), graph.environment, graph.instance)
    assert isinstance(found, dg.RunRequest), found
    return found


def run(graph: Graph, request: dg.RunRequest) -> bool:
    """As the daemon launches it, up to the checkpoint."""
    done = (
        graph.definitions()
        .resolve_job_def(NAME)
        .execute_in_process(
            run_config=request.run_config,
            instance=graph.instance,
            asset_selection=[dg.AssetKey([NAME, stage]) for stage in (*DATA, "adapter_checkpoint")],
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            raise_on_error=False,
        )
    )
    return done.success
