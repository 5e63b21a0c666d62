"""The process of a run loads the use case of the run, and no other; seen with a real code server."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._cli.job import _create_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from ft_platform.orchestration.instance import prepare_home
from ft_platform.orchestration.own_run import own_use_case, use_case_of
from ft_platform.orchestration.run_settings import USE_CASE_TAG
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.test_run_launcher import status, wait_until

OWN = """
import os
from pathlib import Path
from ft_platform.components import FineTuningUseCase
with open({noted!r}, "a") as file:
    file.write(f"{{os.getpid()}} ")


class Own(FineTuningUseCase):
    pass
"""
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def run_of(*keys: tuple[str, str], **tags: str) -> dg.DagsterRun:
    return dg.DagsterRun("job", asset_selection=frozenset(map(dg.AssetKey, keys)) or None, tags=tags)


def test_a_run_is_of_one_use_case_if_all_of_it_is() -> None:
    assert use_case_of(run_of(("claims", "splits"), ("claims", "raw_records"))) == "claims"
    assert use_case_of(run_of(("claims", "splits"), ("letters", "splits"))) is None
    assert use_case_of(run_of(**{USE_CASE_TAG: "letters"})) == "letters"
    assert use_case_of(run_of()) is None
    check = frozenset([dg.AssetCheckKey(dg.AssetKey(["letters", "splits"]), "no_leakage")])
    assert use_case_of(dg.DagsterRun("job", asset_check_selection=check)) == "letters"
    assert own_use_case() is None


@pytest.mark.integration
def test_the_process_of_a_run_loads_no_other_use_case(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = tmp_path / "records.csv"
    records.write_text(
        "id,text,label,consent,region\n1,Water came in.,problem,yes,north\n2,Thank you.,praise,yes,south\n"
    )
    noted = tmp_path / "noted"
    for name in ("claims", "letters"):
        file = write_use_case(environment.defs, name, minimal_attributes(str(records)))
        file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Own"))
        (file.parent / "component.py").write_text(OWN.format(noted=f"{noted}_{name}"))
    prepare_home(environment)
    for name, value in {**environment.to_variables(), "DAGSTER_HOME": str(environment.dagster_home)}.items():
        monkeypatch.setenv(name, value)
    target = ModuleTarget("ft_platform.definitions", None, os.getcwd(), "ft_platform")
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        request = context.create_request_context()
        location = request.code_locations[0]
        (repository,) = location.get_repositories().values()
        job = repository.get_full_job("claims")
        run = _create_run(instance, location, repository, job, {}, None, None, None)
        assert run.tags[USE_CASE_TAG] == "claims"
        instance.launch_run(run.run_id, request)
        wait_until(lambda: status(instance, run.run_id) in ENDED)
        made = instance.get_latest_materialization_event(dg.AssetKey(["claims", "raw_records"]))
    assert made and made.run_id == run.run_id
    servers, loaded = (set(Path(f"{noted}_{name}").read_text().split()) for name in ("letters", "claims"))
    assert len(servers) == 1 and servers < loaded and len(loaded) == 2
