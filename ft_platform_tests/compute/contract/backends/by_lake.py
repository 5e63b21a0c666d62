"""A scheduler that stands in for those of clusters and clouds: jobs are folders in `options.cluster`, and outlive
whoever submitted them. It has no room (`full`), refuses credentials (`expired`), preempts and loses machines when a
test says so."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look
from ft_platform.compute.elsewhere import run_elsewhere
from ft_platform.errors import SubmissionRefused
from ft_platform.process.family import descendants, kill_all
from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY = "there"
SUPERVISOR = Path(__file__).parent.parent / "supervisor.py"


def check(profile: ComputeProfile) -> None:
    if not {"cluster"} <= set(profile.options) <= {"cluster", "queue"}:
        raise ValueError("`backend: by_lake` needs `options: {cluster: ...}`")


def run(launch: Launch) -> dict[str, Any]:
    return run_elsewhere(launch, Folders(Path(str(launch.profile.options["cluster"]))))


class Folders:
    def __init__(self, cluster: Path) -> None:
        self.cluster = cluster

    def _asked(self) -> None:
        if (self.cluster / "expired").exists():
            raise CredentialsRefused("the token has expired")

    def submit(self, job: Job) -> str:
        self._asked()
        if job.launch.profile.options.get("queue") == "none":
            raise SubmissionRefused("there is no queue none", "Choose another")
        folder = self.cluster / uuid.uuid4().hex
        folder.mkdir()
        (folder / "state").write_text("waits queued")
        command = [sys.executable, "-S", str(SUPERVISOR), str(folder), sys.executable, "-m", job.launch.module]
        subprocess.Popen(command, env={"PATH": os.environ["PATH"], **job.variables}, start_new_session=True)
        (folder / "name").write_text(job.name)
        return folder.name

    def find(self, name: str) -> str | None:
        self._asked()
        return next((one.parent.name for one in self.cluster.glob("*/name") if one.read_text() == name), None)

    def look(self, job_id: str) -> Look:
        self._asked()
        if not (self.cluster / job_id).exists():
            return Look("unknown")
        words = (self.cluster / job_id / "state").read_text().split()
        if words[0] != "ended":
            return Look(words[0], reason=words[1])
        return Look("ended", {"lost": "machine_lost"}.get(words[1], words[1]), int(words[2]), words[1])

    def stop(self, job_id: str, grace_seconds: float) -> None:
        (self.cluster / job_id / "cancelled").touch()
        words = (self.cluster / job_id / "state").read_text().split()
        if words[0] == "runs":
            end(int(words[1]), grace_seconds)
        while self.look(job_id).phase != "ended":
            time.sleep(0.05)


def end(pid: int, grace_seconds: float) -> None:
    family = {*descendants(pid)}
    os.kill(pid, signal.SIGINT)
    until = time.monotonic() + grace_seconds
    while time.monotonic() < until and any(os.path.exists(f"/proc/{one}") for one in (pid,)):
        time.sleep(0.05)
    if os.path.exists(f"/proc/{pid}"):
        family |= descendants(pid)
        os.kill(pid, signal.SIGKILL)
    kill_all(family)
