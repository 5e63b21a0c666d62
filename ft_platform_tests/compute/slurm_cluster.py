"""A real Slurm cluster on this machine: slurmctld and two slurmd, each a node of one processor, in a folder of their
own and without munge. Nodes are preempted and lost for real; where the system has control groups of version 1, memory
is limited for real too.

Slurm's sockets have fixed places below `/run`. So daemons and commands see a mount of their own there, and a cluster
that this machine is part of is left alone."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup/memory/cgroup.procs")
COMMANDS = ("sbatch", "scontrol", "squeue", "scancel", "sinfo")
NEEDS = ("slurmctld", "slurmd", "srun", "unshare", "nsenter", *COMMANDS)
FOUND = {name: shutil.which(name) for name in NEEDS}
"""Before a cluster has put its own into PATH."""
OWN_RUN = """
for place in /run/slurm /run/slurmctld; do mkdir -p $place && mount -t tmpfs none $place || exit 1; done
echo ready && exec sleep infinity
"""
CONFIGURATION = """
ClusterName=contract
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/slurm
AuthInfo=cred_expire=5
CredType=auth/slurm
{limits}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=900
ReturnToService=2
KillWait=3
SlurmdTimeout=10
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PreemptParameters=send_user_signal
PrologFlags=Alloc
Prolog={folder}/prolog
{nodes}
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=graceful Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=4
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=short Nodes=ALL MaxTime=1 State=UP PriorityTier=1 PreemptMode=REQUEUE
"""
PROLOG = """#!/bin/sh
! rm {folder}/prolog-fails 2> /dev/null
"""
"""Fails once where it is told to."""
CGROUP = """
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
AllowedRAMSpace=100
ConstrainSwapSpace=yes
AllowedSwapSpace=0
"""


def missing() -> str:
    """What a cluster needs and this machine has not."""
    if os.geteuid() != 0:
        return "root, as which slurmd runs"
    if lacking := [name for name, path in FOUND.items() if not path]:
        return ", ".join(lacking)
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    return "" if allowed else "the right to mount"


class Cluster:
    """A cluster that runs.

    Args:
        include: settings that replace those of the same name, and further partitions.

    Attributes:
        limits_memory: whether the kernel ends what uses more memory than its job may.
        commands: folder with Slurm's commands for this cluster, for PATH.
    """

    def __init__(self, folder: Path, include: Path | None = None) -> None:
        self.folder, self.limits_memory = folder, CGROUPS.exists()
        ports = [free_port() for _ in range(3)]
        self.nodes = [f"n{port}" for port in ports[1:]]
        host = socket.gethostname().split(".")[0]
        nodes = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=1900 State=UNKNOWN"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        ]
        kind = "cgroup" if self.limits_memory else "linuxproc"
        limits = f"ProctrackType=proctrack/{kind}\nJobAcctGatherType=jobacct_gather/none\nTaskPlugin=task/" + (
            "cgroup" if self.limits_memory else "none"
        )
        (folder / "state").mkdir(parents=True)
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", OWN_RUN]
        self.holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout and self.holder.stdout.readline() == "ready\n"
        self.commands = folder / "bin"
        self.commands.mkdir()
        for name in COMMANDS:
            inside = f"nsenter --target {self.holder.pid} --mount -- env SLURM_CONF={folder}/slurm.conf"
            (self.commands / name).write_text(f'#!/bin/sh\nexec {inside} {FOUND[name]} "$@"\n')
            (self.commands / name).chmod(0o755)
        (folder / "slurm.key").write_bytes(secrets.token_bytes(1024))
        (folder / "slurm.key").chmod(0o600)
        (folder / "cgroup.conf").write_text(CGROUP if self.limits_memory else "CgroupPlugin=disabled\n")
        (folder / "prolog").write_text(PROLOG.format(folder=folder))
        (folder / "prolog").chmod(0o755)
        self.configuration = folder / "slurm.conf"
        text = CONFIGURATION.format(host=host, limits=limits, port=ports[0], folder=folder, nodes="\n".join(nodes))
        self.configuration.write_text(text if include is None else including(text, include))
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.until(lambda: self.ask("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle", "idle"])

    def ask(self, *words: str) -> str:
        inside = [
            "nsenter",
            "--target",
            str(self.holder.pid),
            "--mount",
            "--",
            FOUND.get(words[0]) or words[0],
            *words[1:],
        ]
        variables = {**os.environ, "SLURM_CONF": str(self.configuration)}
        return subprocess.run(inside, env=variables, capture_output=True, text=True, timeout=60, check=False).stdout

    def start_controller(self) -> None:
        self.ask("slurmctld", "-f", str(self.configuration))

    def start_node(self, node: str) -> None:
        self.ask("slurmd", "-N", node, "-f", str(self.configuration))

    def kill(self, name: str) -> None:
        """A daemon; of a node what runs on it too, those that would report it first."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)
        (self.folder / f"{name}.pid").unlink(missing_ok=True)
        for pid in steps(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def jobs(self) -> list[str]:
        """Names of those that wait or run."""
        return self.ask("squeue", "-h", "-o", "%j").split()

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.ask("squeue") + self.ask("sinfo")
            time.sleep(0.2)

    def stop(self) -> None:
        self.ask("scancel", "--quiet", "--user=root")
        with contextlib.suppress(AssertionError):
            self.until(lambda: not self.jobs(), 15)
        for name in (*self.nodes, "slurmctld"):
            self.kill(name)
        self.holder.kill()
        self.holder.wait()


def including(text: str, file: Path) -> str:
    """Slurm takes no setting twice."""
    names = {line.partition("=")[0] for line in file.read_text().splitlines() if "=" in line} - {"PartitionName"}
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in names]
    return "\n".join([*kept, f"Include {file}", ""])


def steps(node: str) -> list[int]:
    """Processes of a node: slurmstepd first, then what it has started."""
    started = [int(file.parent.name) for file in Path("/proc").glob("[0-9]*/environ") if _is_of(file, node)]
    parents = [int(_status(pid)) for pid in started]
    return [*{pid for pid in parents if pid > 1 and pid not in started}, *started]


def _is_of(file: Path, node: str) -> bool:
    try:
        return f"SLURMD_NODENAME={node}".encode() in file.read_bytes().split(b"\0")
    except OSError:
        return False


def _status(pid: int) -> str:
    """Its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    except OSError:
        return "0"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
