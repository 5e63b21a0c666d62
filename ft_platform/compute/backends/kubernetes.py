"""Back end `kubernetes`: the program is a Job (on several nodes an Indexed Job), made through Kubernetes' API.

Orchestrator and pods share the lake and the code; `options.image` has the same version of ft-platform. Variables are in
a Secret that goes with the Job. A pod that is preempted, evicted or lost fails its Job, and the platform makes another.
Of a cluster there was only a stand-in: not run against a real control plane, with GPUs, or with Kueue.

`options` of the profile: `pods.FORMS` and `pods.NUMBERS`; docs/how_to/compute.md says what each is.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute import pods
from ft_platform.compute.backend import Job, Launch, Look, Unreachable
from ft_platform.compute.pod_states import look_at, meaning, said_by, short
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
CALL_SECONDS, END_SECONDS = 30.0, 60.0


def check(profile: "ComputeProfile") -> None:
    pods.check_options(profile)


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Kubernetes(launch.profile.options))


class Kubernetes:
    """One namespace of a cluster, as `Scheduler`. The id of a job is its name, which no other Job has had."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._namespace = pods.namespace_of(options)
        self._client, self._batch, self._core = _connected(options.get("context"))
        self._leaving: dict[str, float] = {}  # job -> when its pod was first seen to be asked to end

    def submit(self, job: Job) -> str:
        """The Job first, because it owns the rest; its pod waits for the Secret. A submission that was cut off is
        carried on, or taken away by the next attempt."""
        self._remove_halves(job.name)
        made = False
        try:
            with _asking(creates=True):
                self._made(self._batch.create_namespaced_job, pods.job_manifest(job))
            made = True
            self._complete(job)
        except Unreachable:
            raise
        except BaseException as error:  # refused or interrupted: `find` knows no halves
            if made or not isinstance(error, SubmissionRefused):
                self.stop(job.name, 0)
            raise
        return job.name

    def _complete(self, job: Job) -> None:
        uid = (self._job(job.name) or {"metadata": {"uid": ""}})["metadata"]["uid"]
        for one in pods.owned_manifests(job, uid):
            with _asking(creates=True):
                self._made(getattr(self._core, f"create_namespaced_{one['kind'].lower()}"), one)
        with _asking():
            done = {"metadata": {"annotations": {pods.COMPLETE: "true"}}}
            self._batch.patch_namespaced_job(job.name, self._namespace, done, _request_timeout=CALL_SECONDS)

    def find(self, name: str) -> str | None:
        found = self._job(name)
        return name if found and _complete(found) else None

    def look(self, job_id: str) -> Look:
        """A Job that has ended is kept for an hour: one that is missing was deleted by somebody."""
        job = self._job(job_id)
        if job is None:
            return Look("ended", "cancelled", 1, "its Job was deleted")
        found = self._listed(self._core.list_namespaced_pod, f"batch.kubernetes.io/job-name={job_id}")
        look = look_at(job, found, self._events(job_id) if not found else [])
        if look.cause == "refused":  # it could begin later all the same
            self._delete(job_id)
        if look.phase == "runs" and self._does_not_end(job_id, found):
            self._delete(job_id, [one["metadata"]["name"] for one in found])
            return Look("ended", "machine_lost", 1, "its pod does not end, so its node does not answer")
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Pods get SIGTERM: a training saves its state."""
        self._delete(job_id)
        if not self._gone(job_id, grace_seconds + END_SECONDS):
            found = self._listed(self._core.list_namespaced_pod, f"batch.kubernetes.io/job-name={job_id}")
            self._delete(job_id, [one["metadata"]["name"] for one in found])
            self._gone(job_id, END_SECONDS)

    def _gone(self, name: str, seconds: float) -> bool:
        """A Job that is deleted in the foreground is there until its pods have ended."""
        until = time.monotonic() + seconds
        while self._job(name):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _delete(self, name: str, by_force: list[str] | None = None) -> None:
        with _asking(missing_is_fine=True):
            how: dict[str, Any] = {"propagation_policy": "Foreground", "_request_timeout": CALL_SECONDS}
            self._batch.delete_namespaced_job(name, self._namespace, **how)
        for pod in by_force or []:
            with _asking(missing_is_fine=True):
                now: dict[str, Any] = {"grace_period_seconds": 0, "_request_timeout": CALL_SECONDS}
                self._core.delete_namespaced_pod(pod, self._namespace, **now)

    def _remove_halves(self, name: str) -> None:
        """Of the same work, what an orchestrator had begun to submit when it was killed."""
        for one in self._listed(self._batch.list_namespaced_job, f"{pods.LAUNCH}={pods.launch_of(name)}"):
            if one["metadata"]["name"] != name and not _complete(one):
                self.stop(one["metadata"]["name"], one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

    def _does_not_end(self, job_id: str, found: list[dict[str, Any]]) -> bool:
        """By this machine's clock; the kubelet of a node that is lost never says that a pod has ended."""
        graces = [
            one["metadata"].get("deletionGracePeriodSeconds", 0)
            for one in found
            if "deletionTimestamp" in one["metadata"] and one.get("status", {}).get("phase") in ("Pending", "Running")
        ]
        if not graces:
            self._leaving.pop(job_id, None)
            return False
        since = self._leaving.setdefault(job_id, time.monotonic())
        return time.monotonic() - since > max(graces) + END_SECONDS

    def _made(self, create: Callable[..., Any], manifest: dict[str, Any]) -> None:
        """Creates it; that it is there already is the answer to a call whose answer was lost."""
        with _existing_is_fine():
            create(self._namespace, manifest, field_validation="Strict", _request_timeout=CALL_SECONDS)

    def _job(self, name: str) -> dict[str, Any] | None:
        job = None
        with _asking(missing_is_fine=True):
            job = self._batch.read_namespaced_job(name, self._namespace, _request_timeout=CALL_SECONDS)
        found: dict[str, Any] | None = self._client.sanitize_for_serialization(job)
        return found

    def _listed(self, ask: Callable[..., Any], labels: str) -> list[dict[str, Any]]:
        with _asking():
            found = ask(self._namespace, label_selector=labels, _request_timeout=CALL_SECONDS)
        return list(self._client.sanitize_for_serialization(found.items))

    def _events(self, job_id: str) -> list[dict[str, Any]]:
        with _asking():
            which = f"involvedObject.kind=Job,involvedObject.name={job_id}"
            found = self._core.list_namespaced_event(
                self._namespace, field_selector=which, _request_timeout=CALL_SECONDS
            )
        return list(self._client.sanitize_for_serialization(found.items))


def _complete(job: dict[str, Any]) -> bool:
    return pods.COMPLETE in job["metadata"].get("annotations", {})


def _connected(context: str | None) -> tuple[Any, Any, Any]:
    """Client, and its APIs of Jobs and of the rest: inside a cluster by the pod's service account, else by kubeconfig.

    Raises:
        MissingExtra, SubmissionRefused: there is no client, or nothing that says who asks.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        raise MissingExtra("kubernetes, for `backend: kubernetes`,", "kubernetes") from None
    configuration = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            file = os.environ.get("KUBECONFIG")  # the client reads the variable once, when it is imported
            config.load_kube_config(file, context=context, client_configuration=configuration)
    except config.ConfigException as error:
        raise SubmissionRefused(f"no access to Kubernetes: {short(str(error))}", "Set KUBECONFIG") from None
    made = client.ApiClient(configuration)
    return made, client.BatchV1Api(made), client.CoreV1Api(made)


@contextmanager
def _asking(creates: bool = False, missing_is_fine: bool = False) -> Iterator[None]:
    """Says in the words of `Scheduler` why a call failed.

    Raises:
        Unreachable, CredentialsRefused, SubmissionRefused: see `meaning`.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        status, body = int(error.status or 0), str(error.body or "")
        if not (missing_is_fine and status == 404 and said_by(body).get("reason") == "NotFound"):
            raise meaning(status, body, creates) from None
    except HTTPError as error:
        raise Unreachable(type(error).__name__) from None


@contextmanager
def _existing_is_fine() -> Iterator[None]:
    from kubernetes.client import ApiException

    try:
        yield
    except ApiException as error:
        if error.status != 409 or said_by(str(error.body)).get("reason") != "AlreadyExists":
            raise
