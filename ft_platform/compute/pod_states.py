"""What Kubernetes says of a program: answers of its API, and states of a Job and its pods, as `backend.Look`."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ft_platform.compute.backend import Cause, CredentialsRefused, Look, Unreachable
from ft_platform.errors import FtError, SubmissionRefused

NEXT = (
    "Compare the `options` of the compute profile with the cluster (kubectl get events), and infra/kubernetes/rbac.yaml"
)
NO_IMAGE = re.compile(r"not found|manifest unknown|denied|unauthorized|forbidden|no match for platform", re.I)
"""Of messages about an image those that do not pass by themselves; others are about a registry that does not answer."""
NEVER = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerError", "RunContainerError")
NOT_STARTED = ("StartError", "ContainerCannotRun")
PASSES = re.compile(r"exceeded quota|timeout|try again|connection refused", re.I)
"""Of messages why no pod is made those that pass: the quota is used by others, a webhook does not answer."""


def look_at(job: dict[str, Any], found: list[dict[str, Any]], events: list[dict[str, Any]]) -> Look:
    """What a Job, its pods and, where it has none, its events mean."""
    conditions = {one["type"] for one in job.get("status", {}).get("conditions", []) if one["status"] == "True"}
    if "Complete" in conditions:
        return Look("ended", "program", 0, "Complete", _seconds(found))
    if "Failed" in conditions:
        return _failed(found)
    if "deletionTimestamp" in job["metadata"]:
        return Look("runs")  # until it is gone
    if "Suspended" in conditions:
        return Look("waits", reason="its queue has not let it begin")
    if any("running" in one.get("state", {}) for one in _containers(found)):
        return Look("runs")
    if found and all(one.get("status", {}).get("phase") in ("Succeeded", "Failed") for one in found):
        return Look("runs")  # the Job says so in a moment
    reasons = [*(_waits(one, job["metadata"]["name"]) for one in found), *(_not_made(one) for one in events)]
    return next((one for one in reasons if one.phase == "ended"), reasons[-1] if reasons else Look("waits"))


def _failed(found: list[dict[str, Any]]) -> Look:
    """Why a Job failed: what its pods say, the first reason that is not the program's own."""
    seconds = _seconds(found)
    ended = [one["state"]["terminated"] for one in _containers(found) if "terminated" in one.get("state", {})]
    for one in found:
        status = one.get("status", {})
        taken = [c for c in status.get("conditions", []) if (c["type"], c["status"]) == ("DisruptionTarget", "True")]
        if taken:
            return Look("ended", "machine_lost", 1, taken[0].get("reason", "DisruptionTarget"), seconds)
        if status.get("reason"):  # of the kubelet about the pod: DeadlineExceeded, Evicted, OutOfcpu, NodeShutdown
            cause: Cause = "time_limit" if status["reason"] == "DeadlineExceeded" else "machine_lost"
            return Look("ended", cause, 1, status["reason"], seconds)
    for end in ended:
        if end.get("reason") == "OOMKilled":
            return Look("ended", "out_of_memory", 0, "OOMKilled", seconds)
        if end.get("reason") in NOT_STARTED:
            return Look("ended", "refused", 1, short(end["reason"], end.get("message")), seconds)
    if not any(end["exitCode"] for end in ended):
        return Look("ended", "machine_lost", 1, "its pod is gone", seconds)
    first = min((end for end in ended if end["exitCode"]), key=lambda end: end.get("finishedAt", ""))
    code = int(first["exitCode"])
    return Look("ended", "program", 128 - code if 128 < code < 193 else code, first.get("reason", "Error"), seconds)


def _waits(pod: dict[str, Any], job_name: str) -> Look:
    """Why a pod does not run yet, and whether it ever will."""
    for one in _containers([pod]):
        waiting = one.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        own_secret = job_name in message  # looked for before it was there
        image = reason in ("ErrImagePull", "ImagePullBackOff") and NO_IMAGE.search(message)
        if image or reason in NEVER or (reason == "CreateContainerConfigError" and not own_secret):
            return Look("ended", "refused", 1, short(reason, message))
        if reason:
            return Look("waits", reason=short(reason, message if reason != "CreateContainerConfigError" else ""))
    for condition in pod.get("status", {}).get("conditions", []):
        if (condition["type"], condition["status"]) == ("PodScheduled", "False"):
            return Look("waits", reason=short(condition.get("reason", ""), condition.get("message")))
    return Look("waits")


def _not_made(event: dict[str, Any]) -> Look:
    """Why there is no pod: quota, pod security, a service account that is missing."""
    if event.get("reason") != "FailedCreate":
        return Look("waits")
    message = event.get("message", "")
    if PASSES.search(message):
        return Look("waits", reason=short("FailedCreate", message))
    return Look("ended", "refused", 1, short("FailedCreate", message))


def _containers(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in found:
        yield from one.get("status", {}).get("containerStatuses", [])


def _seconds(found: list[dict[str, Any]]) -> float:
    """From the first start to the last end, by the clocks of the nodes."""
    ends = [one["state"]["terminated"] for one in _containers(found) if "terminated" in one.get("state", {})]
    times = [(_time(end["startedAt"]), _time(end["finishedAt"])) for end in ends if end.get("startedAt")]
    return max(max(end for _, end in times) - min(start for start, _ in times), 0.0) if times else 0.0


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def short(reason: str, message: str | None = None) -> str:
    """In one line."""
    return " ".join((f"{reason}: {message}" if message else reason).split())[:200]


def meaning(status: int, body: str, creates: bool) -> FtError | Unreachable:
    """What an answer of the API means. Quotas are used by others and pass; other refusals of what is created do not,
    and those of a question leave the job alone."""
    said = said_by(body)
    words = short(str(said.get("message") or f"HTTP {status}"))[:300]
    if status == 401 or (status == 403 and not creates):
        return CredentialsRefused(words)
    if status in (400, 403, 404, 413, 422) and said and not PASSES.search(words):
        return SubmissionRefused(f"Kubernetes refuses: {words}", NEXT)
    return Unreachable(words)


def said_by(body: str) -> dict[str, Any]:
    """The `Status` of Kubernetes; {}: something else answered, such as a proxy."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}
