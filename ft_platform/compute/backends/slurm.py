"""Back end `slurm`: the program is a job of a Slurm cluster (23.11 or newer), submitted with `sbatch`.

Orchestrator and nodes share the lake, the code and the paths of the environment; Slurm's commands run where the
orchestrator does. A job is preempted with SIGTERM, requeued by Slurm, and goes on from its last saved state. Several
nodes work on one model through `srun` and torchrun. Seen on CPUs (gloo); with GPUs (NCCL) it has not been run.
A search with `search.parallel` above 1 is a job array, whose tasks share one study.

`options` of the profile: `partition`, `account`, `qos`, `constraint`, `reservation`, as sbatch takes them; `nodes`;
`memory_gib` of a node; `python` on the nodes; `container`: words before the command, such as `apptainer exec --nv
worker.sif`; `srun`: words for `srun`, which then starts the command on one node too, such as Pyxis'
`--container-image=worker.sqsh`; `setup`: a line of shell before it, such as `module load cuda`; `logs`: a folder that
nodes see, for what programs write to their output.
"""

import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute.backend import Cause, CredentialsRefused, Job, Launch, Look, NoRoom, Unreachable
from ft_platform.errors import DoesNotFit, SubmissionRefused
from ft_platform.use_case.program_variables import TASK

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
ARRAYS = True
TO_SBATCH = ("partition", "account", "qos", "constraint", "reservation")
TEXTS, NUMBERS = (*TO_SBATCH, "python", "container", "srun", "setup", "logs"), ("nodes", "memory_gib")
COMMAND_SECONDS, END_SECONDS = 60.0, 60.0
OUT_OF_REACH = re.compile(
    r"contact slurm controller|Unable to connect|timed out|temporarily unable|Zero Bytes|Connection refused"
    r"|Resource temporarily unavailable|not responding",
    re.I,
)
"""Of Slurm's messages those that pass soon: the controller restarts."""
FULL = re.compile(r"Submit\w*Limit|Required partition not available")
"""Those that it takes no job now: as many are in the queue as may be, or the partition is drained."""
NOT_KNOWN = re.compile(r"authentication|Invalid user|credential|Access/permission denied", re.I)
CAUSES: dict[str, Cause] = {
    "OUT_OF_MEMORY": "out_of_memory",
    "TIMEOUT": "time_limit",
    "DEADLINE": "time_limit",
    "NODE_FAIL": "machine_lost",
    "BOOT_FAIL": "machine_lost",
    "PREEMPTED": "machine_lost",
    "CANCELLED": "cancelled",
}
WAITS, RUNS = {"PENDING", "CONFIGURING", "SUSPENDED", "REQUEUED"}, {"RUNNING", "COMPLETING", "STAGE_OUT", "STOPPED"}
NEVER = re.compile(
    r"PartitionNodeLimit|TimeLimit|PartitionConfig|BadConstraints|NeverSatisfied|ReservationDeleted|Invalid|NotAllowed"
    r"|PerJob|PerNode|MaxWall|QOSMin|JobHoldMax"
)
"""Reasons why a job stays in the queue until somebody changes it or the cluster (squeue(1)). Other limits pass when
other jobs end."""
NOT_LAUNCHED = "launch failed"
"""Slurm holds a job whose node could not start it, for instance because the node's prolog failed."""


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    if unknown := sorted(set(options) - {*TEXTS, *NUMBERS}):
        raise ValueError(f"`backend: slurm` has no option {', '.join(unknown)}; it has {', '.join((*TEXTS, *NUMBERS))}")
    if wrong := [name for name in TEXTS if name in options and "\n" in str(options[name])]:
        raise ValueError(f"options of `backend: slurm` have one line each: {', '.join(wrong)}")
    nodes = options.get("nodes", 1)
    if not isinstance(nodes, int) or nodes < 1 or profile.processes % nodes or profile.gpus % nodes:
        raise ValueError(f"`processes` and `gpus` must be multiples of `nodes`, got nodes {nodes}")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Slurm())


class Slurm:
    """The cluster that Slurm's commands reach, as `Scheduler`."""

    def submit(self, job: Job) -> str:
        """Variables go with the environment of sbatch: neither its command line nor the script holds them."""
        known = {name: value for name, value in os.environ.items() if name.startswith("SLURM_CONF")}
        variables = {"PATH": os.environ["PATH"], **known, **job.variables}
        try:
            return _slurm("sbatch", "--parsable", text=script(job), variables=variables).split(";")[0].strip()
        except SubmissionRefused as error:
            if re.search("[Mm]emory specification", error.message):
                raise DoesNotFit(error.message, "Lower options.memory_gib, or choose a larger partition") from None
            raise

    def find(self, name: str) -> str | None:
        found = _slurm("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%F").split()
        return max(found, key=int) if found else None

    def look(self, job_id: str) -> Look:
        tasks = json.loads(_slurm("scontrol", "show", "job", job_id, "--json"))["jobs"]
        if not tasks:
            return self._missing(job_id)
        first = next((task for task in tasks if is_first(task)), None)
        look = look_at(first) if first else Look("unknown")  # Slurm has forgotten it, and not those that ended later
        others = [task for task in tasks if task is not first]
        running = sum(bool(RUNS & set(task["job_state"])) for task in others)
        if look.phase in ("ended", "unknown"):  # what it worked for has ended, one way or the other
            if any((RUNS | WAITS) & set(task["job_state"]) for task in tasks):
                _slurm("scancel", "--quiet", job_id)
            if running:
                return Look("runs", beside=running - 1)
        ran = sum(look_at(task).seconds for task in others)
        return replace(look, beside=running, beside_seconds=ran)

    def _missing(self, job_id: str) -> Look:
        """scontrol 24.11 says that there are no jobs, with exit code 0, where it knows none of that id and where the
        controller is down or does not know who asks; squeue tells these apart."""
        try:
            _slurm("squeue", "--noheader", "--states=all", f"--jobs={job_id}")
        except SubmissionRefused as error:
            if "Invalid job id" in error.message:
                return Look("unknown")
            raise
        raise Unreachable(f"nothing is said of job {job_id} just now")

    def stop(self, job_id: str, grace_seconds: float) -> None:
        _slurm("scancel", "--quiet", "--state=PENDING", job_id)  # or tasks of an array begin when others end
        if self.look(job_id).phase == "runs":
            _slurm("scancel", "--quiet", "--signal=INT", "--full", job_id)
            if not self._ended(job_id, grace_seconds):
                _slurm("scancel", "--quiet", "--signal=KILL", "--full", job_id)
        _slurm("scancel", "--quiet", job_id)
        self._ended(job_id, END_SECONDS)

    def _ended(self, job_id: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.look(job_id).phase in ("waits", "runs"):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True


def script(job: Job) -> str:
    """What `sbatch` gets. Of a program in one process the shell becomes the program, so that each signal reaches it
    once."""
    launch, options = job.launch, job.launch.profile.options
    limits, nodes, array = launch.resources, int(options.get("nodes", 1)), launch.tasks > 1
    together = launch.works_together
    nodes = nodes if together else 1
    memory = options.get("memory_gib") or (None if limits.gpus else limits.memory_gib)  # of a GPU it is the GPU's
    settings = {
        "job-name": job.name,
        "comment": f"ft-platform {launch.program}",
        "output": f"{options['logs']}/{job.name}{'-%a' * array}.txt" if options.get("logs") else "/dev/null",
        "open-mode": "append",
        "export": ",".join(["PATH", *[TASK] * array, *sorted(job.variables)]),  # srun passes on no other variable
        **({"array": f"0-{launch.tasks - 1}"} if array else {}),
        "time": math.ceil(limits.timeout_seconds / 60) + 1,
        "signal": f"{'' if _by_srun(options, nodes) else 'B:'}TERM@{max(math.ceil(limits.grace_seconds), 1)}",
        "nodes": nodes,
        "ntasks-per-node": 1,
        **({"cpus-per-task": math.ceil(limits.threads / nodes)} if limits.threads else {}),
        **({"gpus-per-node": limits.gpus // nodes} if limits.gpus else {}),
        **({"mem": f"{math.ceil(float(memory) * 1024)}M"} if memory else {}),
        **{name: options[name] for name in TO_SBATCH if name in options},
    }
    words = [f"#SBATCH --{name}={shlex.quote(str(value))}" for name, value in settings.items()]
    lines = ["#!/bin/sh", *words, "#SBATCH --requeue", *([str(options["setup"])] if "setup" in options else [])]
    lines += [f'export {TASK}="$SLURM_ARRAY_TASK_ID"'] * array
    return "\n".join([*lines, f"exec {_command(launch, nodes, together)}", ""])


def _command(launch: Launch, nodes: int, together: bool) -> str:
    options = launch.profile.options
    begin = f"{options.get('container', '')} {shlex.quote(str(options.get('python', sys.executable)))} -m".strip()
    srun = f"srun --kill-on-bad-exit=1 {options.get('srun', '')}".strip()
    on_one = f"{srun} {begin}" if _by_srun(options, nodes) else begin
    if not together:
        return f"{on_one} {launch.module}"
    group = f"--nproc-per-node={launch.profile.processes // nodes} --module {launch.module}"
    if nodes == 1:
        return f"{on_one} ft_platform.programs.together --standalone {group}"
    # The shell of the job runs on the first node. Of a port that is free there nothing is known; two jobs on one node
    # have different ids.
    meet = '--master-addr="$0" --master-port="$((20000 + SLURM_JOB_ID % 20000))" --node-rank="$SLURM_NODEID"'
    each = f"exec {begin} ft_platform.programs.together --nnodes={nodes} {meet} {group}"
    return f'{srun} sh -c {shlex.quote(each)} "$(hostname)"'


def _by_srun(options: dict[str, Any], nodes: int) -> bool:
    """Whether processes are started by srun, and get signals from Slurm themselves."""
    return nodes > 1 or "srun" in options


def is_first(task: dict[str, Any]) -> bool:
    """Of an array the task with number 0, or the entry of those that wait and have not been told apart yet; of another
    job, itself."""
    number = task.get("array_task_id") or {}
    return number["number"] == 0 if number.get("set") else bool(re.match(r"0\b|$", task.get("array_task_string") or ""))


def look_at(job: dict[str, Any]) -> Look:
    """What one job of `scontrol show job --json` means."""
    states, reason = set(job["job_state"]), str(job["state_reason"])
    if states & RUNS:
        return Look("runs")
    if states & WAITS:
        if NEVER.search(reason):
            return Look("ended", "refused", 1, reason)
        if (held := str(job.get("state_description", ""))).startswith(NOT_LAUNCHED):
            return Look("ended", "machine_lost", 1, held)
        return Look("waits", reason="" if reason == "None" else reason)
    code, signal = job["exit_code"]["return_code"]["number"], job["exit_code"]["signal"]["id"]["number"]
    seconds = max(job["end_time"]["number"] - job["start_time"]["number"], 0)
    (state,) = states & set(CAUSES) or {"ENDED"}
    exit_code = -signal if 0 < signal < 65 else int(code)
    return Look("ended", CAUSES.get(state, "program"), exit_code, f"{'/'.join(sorted(states))}, {reason}", seconds)


def _slurm(*words: str, text: str | None = None, variables: dict[str, str] | None = None) -> str:
    """Standard output of one of Slurm's commands.

    Raises:
        Unreachable, CredentialsRefused: the controller does not answer now, or does not know who asks.
        NoRoom: it takes no more jobs now.
        SubmissionRefused: it answers that it will not, or there is no such command.
    """
    try:
        made = subprocess.run(
            words, input=text, env=variables, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{words[0]} took longer than {COMMAND_SECONDS:.0f} seconds") from None
    except FileNotFoundError:
        raise SubmissionRefused(f"there is no {words[0]} on this machine", "Install Slurm's commands") from None
    if made.returncode == 0:
        return made.stdout
    said = (made.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix(f"{words[0]}: ")
    if NOT_KNOWN.search(made.stderr):
        raise CredentialsRefused(said)
    if FULL.search(made.stderr):
        raise NoRoom(said.removeprefix("error: "))
    if OUT_OF_REACH.search(made.stderr):
        raise Unreachable(said)
    raise SubmissionRefused(
        f"{words[0]} refuses: {said.removeprefix('error: ')}",
        "Compare the `options` of the compute profile with the cluster (sinfo, sacctmgr)",
    )
