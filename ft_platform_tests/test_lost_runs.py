"""Runs whose process was killed: without a daemon, `ft list`, `ft results` and `ft run` notice and mend them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ft_platform import cli
from ft_platform.orchestration import execution
from ft_platform.orchestration.instance import existing_instance, prepare_home
from ft_platform.orchestration.lost_runs import mend_lost_runs
from ft_platform.orchestration.run_launcher import Worker, this_process
from ft_platform.orchestration.runs import last_runs
from ft_platform.use_case.settings.environment import Environment

pytestmark = pytest.mark.integration

HERE = this_process()
DEAD = replace(HERE, pid=2**22 + 1)  # above the largest process number of Linux


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    made = Environment(home=tmp_path / "home", defs=tmp_path / "defs")
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: made)
    prepare_home(made)
    return made


@pytest.fixture
def instance(installation: Environment) -> Iterator[dg.DagsterInstance]:
    with existing_instance(installation) as found:
        assert found
        yield found


def started(instance: dg.DagsterInstance, worker: Worker | None, canceling: bool = False) -> str:
    """A run of `letters` that is STARTED, and has made one asset, whoever executes it. Returns its id."""

    @dg.asset(key=["letters", "raw_records"])
    def raw() -> None: ...

    definitions = dg.Definitions(assets=[raw], jobs=[dg.define_asset_job("letters", selection=[raw])])
    run = instance.create_run_for_job(definitions.resolve_job_def("letters"), tags=worker.tag() if worker else {})
    instance.report_runless_asset_event(dg.AssetMaterialization(["letters", "raw_records"]))
    for kind in (dg.DagsterEventType.RUN_START, *([dg.DagsterEventType.RUN_CANCELING] if canceling else [])):
        instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_only_runs_whose_process_is_known_to_be_gone_are_marked(instance: dg.DagsterInstance) -> None:
    alive = {
        "this process": HERE,
        "another machine": replace(DEAD, host="another-host"),
        "another container of this machine": replace(DEAD, processes="pid:[1]"),
        "a command of Dagster's own": None,
        "launched just now": replace(HERE, pid=None, started=None),
    }
    gone = {
        "killed": DEAD,
        "the number belongs to a later process": replace(HERE, started=(HERE.started or 0) - 1),
        "the machine was restarted": replace(HERE, boot="another boot"),
    }
    runs = {what: started(instance, worker) for what, worker in {**alive, **gone}.items()}
    assert {lost.run_id for lost in mend_lost_runs(instance)} == {runs[what] for what in gone}
    assert {what for what, run_id in runs.items() if status(instance, run_id) == dg.DagsterRunStatus.FAILURE} == {*gone}
    assert mend_lost_runs(instance) == []


def test_a_run_that_was_being_stopped_counts_as_stopped(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, DEAD, canceling=True)
    mend_lost_runs(instance)
    assert status(instance, run_id) == dg.DagsterRunStatus.CANCELED


def test_its_place_in_a_pool_is_free_again(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", started(instance, DEAD), "training").is_claimed
    mend_lost_runs(instance)
    assert storage.claim_concurrency_slot("gpu", started(instance, HERE), "training").is_claimed


def test_a_run_that_ended_well_in_the_meantime_is_left_alone(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance, DEAD)
    listed = instance.get_runs()
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "letters"), run_id)
    monkeypatch.setattr(instance, "get_runs", lambda *_: listed)
    assert mend_lost_runs(instance) == []
    assert status(instance, run_id) == dg.DagsterRunStatus.SUCCESS


def test_ft_list_says_failed_and_names_the_run_on_standard_error(installation, instance, capsys) -> None:
    (installation.defs / "letters").mkdir(parents=True)
    (installation.defs / "letters" / "defs.yaml").write_text("type: ft_platform.components.FineTuningUseCase\n")
    run_id = started(instance, DEAD)
    assert cli.main(["list", "--json"]) == 0
    shown = capsys.readouterr()
    assert [row["last_run"] for row in json.loads(shown.out)] == ["failed"]
    why = f"process {DEAD.pid} of the run has ended without reporting an end"
    assert shown.err == f"run {run_id[:8]} of letters was lost and is now marked as ended: {why}\n"
    assert (last_runs(installation, ["letters"])["letters"].outcome.error) == why
    assert capsys.readouterr().err == ""


def test_ft_run_mends_before_it_starts(installation, instance, capsys, monkeypatch) -> None:
    run_id = started(instance, DEAD)
    monkeypatch.setattr(execution, "load_definitions", lambda *_, **__: (_ for _ in ()).throw(KeyError("far enough")))
    with pytest.raises(KeyError):
        execution.run_use_case("letters", environment=installation)
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE
    assert f"run {run_id[:8]} of letters was lost" in capsys.readouterr().err


KILLED = """
import os, signal, sys, time
import dagster as dg
from ft_platform.orchestration.run_launcher import this_process

@dg.asset(key=["letters", "raw_records"])
def raw():
    open(os.environ["STARTED"], "w").close()
    time.sleep(300)

job = dg.Definitions(assets=[raw], jobs=[dg.define_asset_job("letters", selection=[raw])]).resolve_job_def("letters")
with dg.DagsterInstance.get() as instance:
    job.execute_in_process(instance=instance, tags=this_process().tag())
"""


def test_two_killed_runs_are_both_noticed(installation, instance) -> None:
    begun = [installation.home / f"started-{number}" for number in range(2)]
    variables = [{**os.environ, "DAGSTER_HOME": str(installation.dagster_home), "STARTED": str(file)} for file in begun]
    processes = [
        subprocess.Popen([sys.executable, "-c", KILLED], stderr=subprocess.DEVNULL, env=one) for one in variables
    ]
    while not all(file.exists() for file in begun):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED] * 2
    assert mend_lost_runs(instance) == []
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout and process.stdout.close()
    assert len(mend_lost_runs(instance)) == 2
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE] * 2
