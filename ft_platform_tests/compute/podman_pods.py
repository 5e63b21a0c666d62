"""Pods of the stand-in for Kubernetes that run in podman, from the image of the worker, as their manifests say: user,
read-only root, capabilities, volumes, shared process namespace and limit of memory are the kernel's.

What the kubelet does beyond: variables of Secrets are put in, a claim is a folder of this machine whose files belong to
the pod's user (`fsGroup`, by a mount that maps ids). All pods share this machine's network."""

import json
import subprocess
import threading
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from ft_platform.compute.pods import USER
from ft_platform_tests.compute.kubernetes_cluster import IMAGE, Pod, now
from ft_platform_tests.infra.containers import image, podman

FORM = "{{.State.ExitCode}} {{.State.OOMKilled}}"


@cache
def prepare() -> None:
    """The image of the worker has the name that profiles of tests give it."""
    podman().ask("tag", image("worker"), IMAGE)


class Claims:
    """Folders of this machine as claims."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Name of the claim of a folder."""
        if path not in self.names:
            name = f"claim-{uuid.uuid4().hex[:12]}"  # names of folders may have signs that those of claims have not
            place = self.folder / name
            place.mkdir()
            ids = f"u:0:{USER}:1 g:0:{USER}:1"  # root's files are the pod's, and what the pod writes is root's
            subprocess.run(["mount", "--bind", "-o", f"X-mount.idmap={ids}", str(path), str(place)], check=True)
            options = [word for option in ("type=none", "o=bind", f"device={place}") for word in ("--opt", option)]
            podman().ask("volume", "create", *options, name)
            self.names[path] = name
        return self.names[path]

    def remove(self) -> None:
        for name in self.names.values():
            podman().tried("volume", "rm", "--force", name)
            subprocess.run(["umount", "--lazy", str(self.folder / name)], check=False)


class PodmanPod(Pod):
    """A pod in podman."""

    def _run(self) -> None:
        here, begin = podman(), now()
        started = here.tried("kube", "play", "--network=host", "-", given=json.dumps(self._manifest()))
        if started.returncode:
            self._state({"terminated": {"exitCode": 128, "reason": "StartError", "message": started.stderr[-300:]}})
            self.thing["status"]["phase"] = "Failed"
            return
        self.started = True
        self.thing["status"]["phase"] = "Running"
        self._state({"running": {"startedAt": begin}})
        if self.ends.is_set():
            self._terminate()
        container = f"{self.name}-program"
        here.ask("wait", container, seconds=3600)
        code, killed = here.ask("inspect", container, "--format", FORM).split()
        here.tried("pod", "rm", "--force", "--time=0", self.name)
        reason = "OOMKilled" if killed == "true" else "Error" if int(code) else "Completed"
        end = {"exitCode": int(code), "reason": reason, "startedAt": begin, "finishedAt": now()}
        self._state({"terminated": end})
        self.thing["status"]["phase"] = "Failed" if int(code) else "Succeeded"

    def _manifest(self) -> dict[str, Any]:
        container = {**self.spec["containers"][0], "command": self._command()}
        del container["envFrom"]
        container["env"] = [{"name": name, "value": value} for name, value in self._environment().items()]
        metadata = {"name": self.name, "labels": self.thing["metadata"]["labels"]}
        spec = {**self.spec, "containers": [container]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _terminate(self) -> None:
        """Beside what the cluster does meanwhile."""
        grace = self.spec["terminationGracePeriodSeconds"]
        words = ("pod", "stop", f"--time={grace}", self.name)
        threading.Thread(target=podman().tried, args=words, kwargs={"seconds": grace + 60}, daemon=True).start()

    def _clear(self) -> None:
        if self.started:
            podman().tried("pod", "kill", self.name)
