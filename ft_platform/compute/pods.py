"""The manifests of back end `kubernetes`: a Job for each program, and what it owns."""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.compute.backend import Job, Launch
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
KEY, VALUE = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?", r"[-A-Za-z0-9_.]*"
FORMS = {
    "image": (r"[^\s,]+", "an image, such as registry/worker:1.2"),
    **dict.fromkeys(("namespace", "service_account", "queue", "priority_class", "pull_secret"), (NAME, "a name")),
    "context": (r"\S.*", "a context of kubeconfig"),
    "python": (r"\S+", "a program"),
    "gpu_resource": (KEY, "a resource, such as nvidia.com/gpu"),
    "node_selector": (rf"{KEY}={VALUE}(,{KEY}={VALUE})*", "key=value,..."),
    "tolerations": (
        rf"{KEY}(={VALUE})?:(NoSchedule|NoExecute|PreferNoSchedule)(,{KEY}(={VALUE})?:(NoSchedule|NoExecute|PreferNoSchedule))*",
        "key:NoSchedule or key=value:NoSchedule, ...",
    ),
    "volumes": (rf"{NAME}:/[^:,\s]+(:ro)?(,{NAME}:/[^:,\s]+(:ro)?)*", "claim:/path or claim:/path:ro, ..."),
    "secrets": (rf"{NAME}(,{NAME})*", "names of Secrets, ..."),
}
"""Option -> what it looks like, as a pattern and in words."""
NUMBERS = ("nodes", "memory_gib", "user")
MANAGED, LAUNCH, COMPLETE = "app.kubernetes.io/managed-by", "ft-platform/launch", "ft-platform/complete"
"""Labels, and the annotation of a Job whose Secret is there."""
USER, PORT = 10001, 29500
"""As the worker's image says, and torchrun by default."""
KEPT_SECONDS, DEADLINE_SECONDS = 3600, 60
"""How long a Job that has ended is kept with its Secret, and how much later than the orchestrator the kubelet ends a
program that runs too long."""


def check_options(profile: "ComputeProfile") -> None:
    """Raises:
    ValueError: the options of the profile are no pod's.
    """
    options = profile.options
    if unknown := sorted(set(options) - {*FORMS, *NUMBERS}):
        names = ", ".join((*FORMS, *NUMBERS))
        raise ValueError(f"`backend: kubernetes` has no option {', '.join(unknown)}; it has {names}")
    if "image" not in options:
        raise ValueError("`backend: kubernetes` needs `options.image`, with this version of ft-platform")
    for name in options:
        if name in FORMS and not re.fullmatch(FORMS[name][0], str(options[name])):
            raise ValueError(f"options.{name} must be {FORMS[name][1]}, got {options[name]!r}")
    for name, least in (("nodes", 1), ("user", 1), ("memory_gib", 0.001)):
        value = options.get(name, 1)
        if isinstance(value, bool | str) or (name != "memory_gib" and not isinstance(value, int)) or value < least:
            raise ValueError(f"options.{name} must be a number of {least} or more, got {value!r}")
    nodes = int(options.get("nodes", 1))
    if profile.processes % nodes or profile.gpus % nodes:
        raise ValueError(f"`processes` and `gpus` must be multiples of `nodes`, got nodes {nodes}")


def namespace_of(options: dict[str, Any]) -> str:
    return str(options.get("namespace", "default"))


def launch_of(job_name: str) -> str:
    """What all attempts of the same work share."""
    return job_name.rpartition("-")[0]


def job_manifest(job: "Job") -> dict[str, Any]:
    """The Job. It holds no variable: they are in its Secret.

    A pod that fails is not begun anew by Kubernetes: whether that helps is decided in `elsewhere.py`. The limit of time
    is the pod's, because that of a Job counts the time in which it waits for a machine.
    """
    launch, options = job.launch, job.launch.profile.options
    nodes, labels = nodes_of(launch), _labels(job)
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": {"metadata": {"labels": labels}, "spec": _pod(job, nodes)},
    }
    if nodes > 1:
        spec |= {"completionMode": "Indexed", "completions": nodes, "parallelism": nodes}
    if "queue" in options:  # Kueue lets it begin
        labels = {**labels, "kueue.x-k8s.io/queue-name": str(options["queue"])}
        spec["suspend"] = True
    metadata = {"name": job.name, "namespace": namespace_of(options), "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def owned_manifests(job: "Job", uid: str) -> Iterator[dict[str, Any]]:
    """What goes when the Job goes: the Service by which several nodes find the first, and the Secret."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": uid}
    metadata = {
        "name": job.name,
        "namespace": namespace_of(job.launch.profile.options),
        "labels": _labels(job),
        "ownerReferences": [owner],
    }
    if nodes_of(job.launch) > 1:
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {"batch.kubernetes.io/job-name": job.name},
            },
        }
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "immutable": True,
        "stringData": {"HOME": "/tmp", **job.variables},
    }


def nodes_of(launch: "Launch") -> int:
    return int(launch.profile.options.get("nodes", 1)) if launch.works_together else 1


def _labels(job: "Job") -> dict[str, str]:
    return {MANAGED: "ft-platform", LAUNCH: launch_of(job.name), "ft-platform/use-case": job.launch.use_case.name}


def _pod(job: "Job", nodes: int) -> dict[str, Any]:
    """A pod that the Pod Security Standard `restricted` admits. Its processes share the pod's process 1: a program that
    is process 1 itself gets no signal that it does not handle, and buries no orphans."""
    options, limits = job.launch.profile.options, job.launch.resources
    user = int(options.get("user", USER))
    volumes = list(_volumes(options))
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(limits.timeout_seconds) + DEADLINE_SECONDS,
        "terminationGracePeriodSeconds": max(math.ceil(limits.grace_seconds), 1),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, nodes, [mount for _, mount in volumes])],
        "volumes": [volume for volume, _ in volumes],
        **({"subdomain": job.name} if nodes > 1 else {}),
        **({"serviceAccountName": options["service_account"]} if "service_account" in options else {}),
        **({"priorityClassName": options["priority_class"]} if "priority_class" in options else {}),
        **({"imagePullSecrets": [{"name": options["pull_secret"]}]} if "pull_secret" in options else {}),
    }
    if "node_selector" in options:
        pod["nodeSelector"] = dict(one.split("=") for one in _parts(options["node_selector"]))
    if "tolerations" in options:
        pod["tolerations"] = [_toleration(one) for one in _parts(options["tolerations"])]
    return pod


def _container(job: "Job", nodes: int, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    options, limits = job.launch.profile.options, job.launch.resources
    memory = options.get("memory_gib") or (None if limits.gpus else limits.memory_gib)  # of a GPU it is the GPU's
    most: dict[str, str] = {}
    if memory:
        most["memory"] = f"{math.ceil(float(memory) * 1024)}Mi"
    if limits.gpus:
        most[str(options.get("gpu_resource", "nvidia.com/gpu"))] = str(limits.gpus // nodes)
    cpu = {"cpu": str(math.ceil(limits.threads / nodes))} if limits.threads else {}
    index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    secrets = [*(_parts(options["secrets"]) if "secrets" in options else []), job.name]  # the last one wins
    return {
        "name": "program",
        "image": options["image"],
        "command": [str(options.get("python", "python")), "-m", *_module(job, nodes)],
        "envFrom": [{"secretRef": {"name": name}} for name in secrets],
        **({"env": [{"name": "JOB_COMPLETION_INDEX", "valueFrom": index}]} if nodes > 1 else {}),
        "resources": {"requests": {**cpu, **most}, "limits": most},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _module(job: "Job", nodes: int) -> list[str]:
    if not job.launch.works_together:
        return [job.launch.module]
    meet = ["--standalone"]
    if nodes > 1:
        meet = [f"--nnodes={nodes}", f"--master-addr={job.name}-0.{job.name}", f"--master-port={PORT}"]
        meet.append("--node-rank=$(JOB_COMPLETION_INDEX)")
    each = f"--nproc-per-node={job.launch.profile.processes // nodes}"
    return ["ft_platform.programs.together", *meet, each, "--module", job.launch.module]


def _volumes(options: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Volumes and where they are: the root file system is read-only, and processes of one model share memory."""
    yield {"name": "tmp", "emptyDir": {}}, {"name": "tmp", "mountPath": "/tmp"}
    yield {"name": "shm", "emptyDir": {"medium": "Memory"}}, {"name": "shm", "mountPath": "/dev/shm"}
    for number, one in enumerate(_parts(options["volumes"]) if "volumes" in options else []):
        claim, path, *read_only = one.split(":")
        name, mode = f"claim-{number}", {"readOnly": True} if read_only else {}
        volume = {"name": name, "persistentVolumeClaim": {"claimName": claim, **mode}}
        yield volume, {"name": name, "mountPath": path, **mode}


def _toleration(text: str) -> dict[str, str]:
    """As taints are written: `key=value:Effect`, or `key:Effect` for any value."""
    taint, _, effect = text.rpartition(":")
    key, equal, value = taint.partition("=")
    return {
        "key": key,
        "effect": effect,
        **({"operator": "Equal", "value": value} if equal else {"operator": "Exists"}),
    }


def _parts(text: object) -> list[str]:
    return str(text).split(",")
