"""What is Slurm's own: the script, what states mean, and what only a real cluster shows. What all back ends keep:
`test_contract.py`."""

import hashlib
import re
import subprocess
import time
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.compute import elsewhere
from ft_platform.compute.backend import Job, Launch, Look, NoRoom, Unreachable
from ft_platform.compute.backends import slurm
from ft_platform.errors import DoesNotFit, NanLoss, SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.contract.case import Case, once, profile_module
from ft_platform_tests.compute.slurm_cluster import Cluster, missing
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_ledger import named

SECRET = "secret-canary-4410"
HELD = "launch failed requeued held"
VIOLATES = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, ...)"
REAL = profile_module("slurm")


def job(environment: Any, program: str = "train", threads: int = 4, **profile: Any) -> Job:
    made = ComputeProfile(backend="slurm", **profile)
    launch = Launch(None, environment, made, named(threads=threads, timeout_minutes=90, grace_seconds=30), program, {})  # type: ignore[arg-type]
    return Job("ft-0123-1", launch, {"TOKEN": SECRET, "FT_HOME": "/home/ft"})


def test_the_script_says_what_the_job_needs_and_holds_no_variable(environment: Any) -> None:
    options = {"partition": "gpu", "account": "team a", "memory_gib": 64, "setup": "module load cuda", "logs": "/logs"}
    text = slurm.script(job(environment, gpus=2, options=options))
    lines = text.splitlines()
    assert {
        "#SBATCH --job-name=ft-0123-1",
        "#SBATCH --export=PATH,FT_HOME,TOKEN",
        "#SBATCH --time=92",  # 90 minutes and half a one to save, in whole minutes, and one more
        "#SBATCH --signal=B:TERM@30",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --mem=65536M",
        "#SBATCH --partition=gpu",
        "#SBATCH --account='team a'",
        "#SBATCH --output=/logs/ft-0123-1.txt",
        "#SBATCH --requeue",
        "module load cuda",
    } <= set(lines)
    assert lines[0] == "#!/bin/sh" and lines[-1].startswith("exec ") and lines[-1].endswith("programs.train")
    assert SECRET not in text


def test_memory_of_a_gpu_is_not_asked_of_the_node(environment: Any) -> None:
    assert "--mem=" not in slurm.script(job(environment, gpus=1, memory_limit_gib=80.0))
    assert "--mem=8192M" in slurm.script(job(environment, memory_limit_gib=8.0))


def test_several_nodes_meet_at_the_first_and_other_programs_need_one(environment: Any) -> None:
    text = slurm.script(job(environment, processes=8, options={"nodes": 2, "container": "apptainer exec w.sif"}))
    assert "--nodes=2" in text and "--signal=TERM@30" in text, "each step gets the signal, not the shell"
    assert "exec srun --kill-on-bad-exit=1 sh -c " in text and text.endswith(' "$(hostname)"\n')
    assert "exec apptainer exec w.sif" in text and '--node-rank="$SLURM_NODEID"' in text
    assert "--nnodes=2" in text and "--nproc-per-node=4" in text and "--cpus-per-task=2" in text
    pyxis = slurm.script(job(environment, "evaluate", options={"srun": "--container-image=w.sqsh"}))
    assert "exec srun --kill-on-bad-exit=1 --container-image=w.sqsh " in pyxis and "--signal=TERM@30" in pyxis
    alone = slurm.script(job(environment, "evaluate", processes=8, options={"nodes": 2}))
    assert "--nodes=1" in alone and "srun" not in alone


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has partition"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"partition": "a\n#SBATCH --uid=0"}, "have one line each: partition"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="slurm", processes=8, options=options)


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def state(*words: str, reason: str = "None", code: int = 0, signal: int = 0) -> dict[str, Any]:
    ended = {"return_code": number(code), "signal": {"id": number(signal)}}
    times = {"start_time": number(100), "end_time": number(130)}
    return {"job_state": list(words), "state_reason": reason, "exit_code": ended, **times}


@pytest.mark.parametrize(
    ("job", "look"),
    [
        (state("PENDING", reason="Resources"), Look("waits", reason="Resources")),
        (state("PENDING", reason="BeginTime"), Look("waits", reason="BeginTime")),  # after it was preempted
        (state("PENDING", reason="PartitionTimeLimit"), Look("ended", "refused", 1, "PartitionTimeLimit")),
        (state("PENDING", reason="PartitionConfig"), Look("ended", "refused", 1, "PartitionConfig")),
        (state("PENDING", reason="QOSMaxGRESPerJob"), Look("ended", "refused", 1, "QOSMaxGRESPerJob")),
        (state("PENDING", reason="AssocMaxJobsLimit"), Look("waits", reason="AssocMaxJobsLimit")),  # others end
        (state("PENDING", reason="JobHeldUser"), Look("waits", reason="JobHeldUser")),
        ({**state("PENDING", reason="JobHeldUser"), "state_description": HELD}, Look("ended", "machine_lost", 1, HELD)),
        (state("RUNNING"), Look("runs")),
        (state("FAILED", "COMPLETING", code=1), Look("runs")),  # processes may be there still
        (state("COMPLETED"), Look("ended", "program", 0, "COMPLETED, None", 30)),
        (state("FAILED", reason="NonZeroExitCode", code=3), Look("ended", "program", 3, "FAILED, NonZeroExitCode", 30)),
        (state("FAILED", reason="RaisedSignal", signal=9), Look("ended", "program", -9, "FAILED, RaisedSignal", 30)),
        (
            state("OUT_OF_MEMORY", reason="OutOfMemory", signal=125),
            Look("ended", "out_of_memory", 0, "OUT_OF_MEMORY, OutOfMemory", 30),
        ),
        (state("NODE_FAIL"), Look("ended", "machine_lost", 0, "NODE_FAIL, None", 30)),
        (state("PREEMPTED"), Look("ended", "machine_lost", 0, "PREEMPTED, None", 30)),
        (state("TIMEOUT", reason="TimeLimit"), Look("ended", "time_limit", 0, "TIMEOUT, TimeLimit", 30)),
        (state("CANCELLED", signal=15), Look("ended", "cancelled", -15, "CANCELLED, None", 30)),
    ],
)
def test_states_of_slurm_mean(job: dict[str, Any], look: Look) -> None:
    assert slurm.look_at(job) == look


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", SubmissionRefused),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", Unreachable),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Unreachable),
        ("sbatch: error: Batch job submission failed: Protocol authentication error", slurm.CredentialsRefused),
        ("sbatch: error: Memory specification can not be satisfied", DoesNotFit),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{VIOLATES}", NoRoom),
        (f"sbatch: error: AssocGrpSubmitJobsLimit\n{VIOLATES}", NoRoom),
        (f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{VIOLATES}", SubmissionRefused),
    ],
)
def test_what_passes_is_told_from_what_does_not(
    environment: Any, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception]
) -> None:
    answer = subprocess.CompletedProcess([], 1, "", said + "\n")
    monkeypatch.setattr(slurm.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(kind) as raised:
        slurm.Slurm().submit(job(environment))
    assert raised.type is kind


def test_the_shipped_profiles_are_profiles() -> None:
    found = yaml.safe_load((REPOSITORY / "infra" / "slurm" / "ft_environment.yaml").read_text())["profiles"]
    assert {ComputeProfile(**one).backend for one in found.values()} == {"local", "slurm"} and len(found) == 3


@pytest.fixture
def faults() -> Any:
    assert REAL
    REAL.settings()
    return REAL


@pytest.mark.components(name="slurm")
def test_a_controller_that_is_down_is_no_lost_job(faults: Any) -> None:
    """`scontrol --json` answers "no jobs" then, without a word of error."""
    faults.cluster().kill("slurmctld")
    try:
        with pytest.raises(Unreachable):
            slurm.Slurm().look("99")
    finally:
        faults.cluster().start_controller()
    faults.cluster().until(lambda: slurm.Slurm().look("99") == Look("unknown"))


@pytest.mark.components(name="slurm")
def test_two_nodes_work_on_one_model(faults: Any, environment: Any, tmp_path: Path) -> None:
    case = Case("slurm", environment, tmp_path, faults.settings())
    result = case.run("reports", processes=2, options={"nodes": 2})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()
    with pytest.raises(NanLoss, match="loss is NaN at step 12"):
        case.run("fails", processes=2, options={"nodes": 2})


@pytest.mark.components(name="slurm")
def test_what_can_never_begin_does_not_stay_in_the_queue(faults: Any, environment: Any) -> None:
    scheduler, cluster = slurm.Slurm(), faults.cluster()
    number = scheduler.submit(job(environment, threads=1, options={"partition": "short"}))  # at most a minute
    cluster.until(lambda: scheduler.look(number) == Look("ended", "refused", 1, "PartitionTimeLimit"))
    assert cluster.jobs() == []


@pytest.mark.components(name="slurm")
def test_a_drained_partition_takes_the_job_later(faults: Any, environment: Any) -> None:
    def drained(state: str) -> None:
        faults.cluster().ask("scontrol", "update", "partitionname=low", f"state={state}")

    launched = job(environment, threads=1, options={"partition": "low"})
    drained("drain")
    try:
        with pytest.raises(NoRoom, match="Required partition not available"):
            slurm.Slurm().submit(launched)
    finally:
        drained("up")
    slurm.Slurm().stop(slurm.Slurm().submit(launched), 1)


@pytest.mark.components(name="slurm")
def test_a_job_that_its_node_could_not_start_is_tried_again_on_another(
    faults: Any, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm drains the node and holds the job, until an administrator comes."""
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    cluster = faults.cluster()
    (cluster.folder / "prolog-fails").touch()
    case = Case("slurm", environment, tmp_path, faults.settings())
    try:
        assert case.run("reports").artifact.artifact_id == "a-1" and case.starts() == 1
        assert f"was lost ({HELD})" in case.told() and cluster.jobs() == []
    finally:
        for node in cluster.nodes:
            cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
        faults.mend()


@pytest.mark.components(name="slurm")
@pytest.mark.parametrize("options", [{"srun": "--cpu-bind=none --label"}, {"container": "unshare --mount"}])
def test_words_before_the_command_keep_signals_and_ends(
    faults: Any, environment: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Here another program, as `apptainer exec` is one, and srun with words of its own, as for Pyxis."""
    case = Case("slurm", environment, tmp_path, faults.settings())

    def preempt() -> None:
        time.sleep(1)
        faults.preempt()

    taking = once(lambda: bool(case.beats("program")), 60, preempt)
    assert case.run("learns", options=options).artifact.artifact_id == "a-1" and case.starts() == 2
    taking.join()


UNDISTURBED = reduce(lambda weights, _: hashlib.sha256(weights.encode()).hexdigest(), range(20), "begin")
"""What `learns` comes to."""


@pytest.mark.components(name="slurm")
@pytest.mark.parametrize("does", ["learns", pytest.param("learns_deaf", marks=pytest.mark.slow)])  # over a minute
def test_a_preempted_job_has_the_grace_time_of_its_partition_to_save(
    faults: Any, environment: Any, tmp_path: Path, does: str
) -> None:
    """One that does not end within it is killed, and goes on from the last state that it saved by itself. Slurm also
    requeues one that comes to its end in that time, and preempts again while the other job has no node yet."""
    case = Case("slurm", environment, tmp_path, faults.settings())

    def preempt() -> None:
        time.sleep(1)
        faults.preempt()

    taking = once(lambda: bool(case.beats("program")), 60, preempt)
    result = case.run(does, options={"partition": "graceful"})
    taking.join()
    assert result.values["weights"] == UNDISTURBED and case.starts() >= 2
    assert any(0 < int(step) < 20 for step in re.findall(r"goes on after step (\d+)", case.told()))
    assert (case.folder / "asked").exists() == (does == "learns_deaf")


@pytest.mark.slow
@pytest.mark.components(name="slurm")
def test_a_job_is_asked_to_save_before_its_time_is_over(faults: Any, environment: Any, tmp_path: Path) -> None:
    """Slurm's least limit is a minute, and a job hears of it up to a minute earlier than it was told to."""
    case, cluster = Case("slurm", environment, tmp_path, faults.settings()), faults.cluster()

    def shorten() -> None:
        [number] = cluster.ask("squeue", "-h", "-o", "%A").split()
        cluster.ask("scontrol", "update", f"jobid={number}", "timelimit=1")

    once(lambda: bool(case.beats("program")), 60, shorten)
    assert case.run("learns_slowly").artifact.artifact_id == "a-1"
    assert case.starts() == 2 and "asked to stop at step" in case.told()


SHIPPED = (
    ("KillWait", "60 sec"),
    ("PreemptMode", "REQUEUE"),
    ("PreemptParameters", "send_user_signal"),
    ("SchedulerParameters", "nohold_"),
)


@pytest.mark.components(name="slurm")
def test_the_shipped_settings_are_settings_of_slurm(tmp_path: Path) -> None:
    if what := missing():
        pytest.skip(f"Slurm's {what} is missing")
    cluster = Cluster(tmp_path / "cluster", REPOSITORY / "infra" / "slurm" / "ft.conf")
    try:
        shown = cluster.ask("scontrol", "show", "config")
        for name, value in SHIPPED:
            assert re.search(f"{name} *= {value}", shown)
        assert "GraceTime=60" in cluster.ask("scontrol", "show", "partition", "ft")
        assert "PriorityTier=10" in cluster.ask("scontrol", "show", "partition", "ft-urgent")
    finally:
        cluster.stop()


@pytest.mark.components(name="slurm")
def test_variables_are_in_no_script_that_the_controller_shows(faults: Any, environment: Any) -> None:
    launched = job(environment, threads=1, options={"partition": "low"})
    launched = Job("ft-shows-1", launched.launch, launched.variables)
    with faults.full():
        number = slurm.Slurm().submit(launched)
        shown = faults.cluster().ask("scontrol", "show", "job", number) + faults.cluster().ask(
            "scontrol", "write", "batch_script", number, "-"
        )
        assert slurm.Slurm().find("ft-shows-1") == number and SECRET not in shown and "ft-shows-1" in shown
        slurm.Slurm().stop(number, 1)
    assert slurm.Slurm().look(number).cause == "cancelled"
