"""Kubernetes: a Deployment for each release, and one Service of the use case in front of that with traffic.

A switch changes which pods the Service selects (blue/green): the old ones run on until `delete`, so a roll back is a
switch too. Everything goes through `kubectl`, whose credentials the platform never sees. Every name follows from use
case and release: what a killed process left is found again, or applied once more.

Covered: pods without root, without further rights, with a read-only root file system; no Deployment is left by a
deployment that failed. Not covered: a gateway or an Ingress in front of the Service, network policies, the volume."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable, ExportRefused
from ft_platform.serving.exporting.matrix import problem
from ft_platform.serving.targets import folders
from ft_platform.serving.targets.asking import key_of
from ft_platform.serving.targets.contract import Endpoint, Model, Status
from ft_platform.serving.targets.patience import cleared, fitting, tried, until, without
from ft_platform.use_case.settings.serving_targets import KubernetesTarget

LONGEST_NAME = 52
"""Of a Deployment, so that its pods' names have 63 signs."""
SECONDS = 60
"""Of one call."""
DELETE_SECONDS, DRAIN_SECONDS = 300, 20
"""For `delete`, and in which a pod goes on after its Service lost it (`preStop`): proxies learn of it with delay."""
USE_CASE, RELEASE, MANAGED = "ft-platform/use-case", "ft-platform/release", "app.kubernetes.io/managed-by"
KINDS = "deployments,services,horizontalpodautoscalers"
PASSES = (
    *("connection refused", "i/o timeout", "TLS handshake timeout", "unexpected EOF", "timed out", "connection reset"),
    *("Too Many Requests", "Service Unavailable", "InternalError", "etcdserver", "the object has been modified"),
)
"""Words of kubectl for what may be gone on the next try."""


class Kubernetes:
    """The Deployments of one use case in one namespace.

    Raises:
        ConfigError: the variable of the key is not set.
    """

    def __init__(self, settings: KubernetesTarget, use_case: str) -> None:
        self.settings, self.use_case = settings, use_case
        self._key = key_of(settings.api_key_env)
        self._live = fitting(f"ft-{use_case}", LONGEST_NAME)

    def deploy(self, model: Model) -> None:
        form, program = ("adapter", "platform") if self.settings.ours else ("merged", "vllm")
        if why := problem(model.kind, form, program):
            raise ExportRefused(why)
        with cleared(lambda: self._remove_unused(model.release)):
            if place := self._folder(model.release):
                folders.put(model.exported("merged"), place)
            self._apply(self.manifests(model))

    def wait(self, model: Model, seconds: float, on_wait: Callable[[str], None]) -> Endpoint:
        with cleared(lambda: self._remove_unused(model.release)):
            until(lambda: self._pending(model.release), seconds, on_wait)
        return self._endpoint(self._name(model.release), model.name)

    def switch(self, release: str) -> None:
        if waits := self._pending(release):
            raise EndpointFailed(f"{release} has no traffic yet: {waits}", f"Run: ft deploy {self.use_case}")
        self._apply([self._service(self._live, release)])
        until(lambda: None if self._selected() == release else f"{self._live} selects another release", SECONDS)

    def delete(self, release: str) -> None:
        if self._selected() == release:
            self._kubectl("delete", "service", self._live, "--ignore-not-found", f"--timeout={DELETE_SECONDS}s")
        self._remove(release)

    def status(self) -> Status:
        found = self._deployments()
        live = self._selected()
        others = tuple(sorted(set(found) - {live}))
        if live is None:
            return Status("absent", others=others)
        endpoint = self._endpoint(self._live, self.use_case)
        if live not in found:
            return Status(
                "failed", live, others, 0, f"the Service {self._live} selects pods that are not there", endpoint
            )
        ready = found[live].get("status", {}).get("readyReplicas", 0)
        message = "" if ready else _condition(found[live])
        return Status("ready" if ready else "failed" if message else "starting", live, others, ready, message, endpoint)

    def cost_per_day(self) -> float | None:
        each = self.settings.cost_per_hour
        if each is None:
            return None
        return each * 24 * sum(one.get("status", {}).get("replicas", 0) for one in self._deployments().values())

    def manifests(self, model: Model) -> list[dict[str, Any]]:
        """What is applied for a release, without traffic: its Deployment, a Service to try it, and its autoscaler."""
        settings, name = self.settings, self._name(model.release)
        made = [self._deployment_of(model), self._service(name, model.release)]
        if settings.max_replicas > settings.min_replicas:
            of = {"type": "Resource", "resource": {"name": "cpu", "target": _used(settings.cpu_percent)}}
            made.append({
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": self._metadata(name, model.release),
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "minReplicas": settings.min_replicas,
                    "maxReplicas": settings.max_replicas,
                    "metrics": [of],
                },
            })  # fmt: skip
        return made

    def _deployment_of(self, model: Model) -> dict[str, Any]:
        settings, labels = self.settings, self._labels(model.release)
        spec: dict[str, Any] = {
            "selector": {"matchLabels": labels},
            "progressDeadlineSeconds": int(settings.start_minutes * 60) + 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": self._pod(model)},
        }
        if settings.max_replicas == settings.min_replicas:  # else the autoscaler says how many
            spec["replicas"] = settings.min_replicas
        metadata = self._metadata(self._name(model.release), model.release)
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    def _pod(self, model: Model) -> dict[str, Any]:
        settings = self.settings
        words = {"folder": "/model", "use_case": self.use_case, "model": model.name, "release": model.release}
        words |= {"context": str(model.context_tokens), "port": str(settings.port)}
        health = {"httpGet": {"path": "/health", "port": "http"}}
        wanted: dict[str, Any] = {"cpu": settings.cpu, "memory": settings.memory}
        limits: dict[str, Any] = {"memory": settings.memory}
        if settings.gpus:
            limits["nvidia.com/gpu"] = wanted["nvidia.com/gpu"] = str(settings.gpus)
        container: dict[str, Any] = {
            "name": "server",
            "image": settings.image,
            "args": [_filled(one, words) for one in settings.arguments],
            "ports": [{"name": "http", "containerPort": settings.port}],
            "env": [{"name": name, "value": value} for name, value in {"HOME": "/tmp", **settings.environment}.items()],
            "resources": {"requests": wanted, "limits": limits},
            "startupProbe": {**health, "periodSeconds": 5, "failureThreshold": int(settings.start_minutes * 12)},
            "readinessProbe": {**health, "periodSeconds": 5, "timeoutSeconds": 5},
            "livenessProbe": {**health, "periodSeconds": 15, "timeoutSeconds": 10, "failureThreshold": 4},
            "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "shm", "mountPath": "/dev/shm"}],
        }
        volumes: list[dict[str, Any]] = [
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ]
        if settings.secret:
            container["envFrom"] = [{"secretRef": {"name": settings.secret}}]
        if settings.claim:
            place = {"subPath": f"{self.use_case}/{model.release}", "readOnly": True}
            container["volumeMounts"].append({"name": "model", "mountPath": "/model", **place})
            volumes.append({"name": "model", "persistentVolumeClaim": {"claimName": settings.claim, "readOnly": True}})
        return {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": settings.user,
                "fsGroup": settings.user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": DRAIN_SECONDS + 300,
            "containers": [container],
            "volumes": volumes,
        }

    def _service(self, name: str, release: str) -> dict[str, Any]:
        labels = self._labels(release)
        if name == self._live:  # it stays when a release is deleted
            labels = {key: value for key, value in labels.items() if key != RELEASE}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": self.settings.namespace, "labels": labels},
            "spec": {
                "selector": self._labels(release),
                "ports": [{"name": "http", "port": self.settings.port, "targetPort": "http"}],
            },
        }

    def _metadata(self, name: str, release: str) -> dict[str, Any]:
        return {"name": name, "namespace": self.settings.namespace, "labels": self._labels(release)}

    def _labels(self, release: str) -> dict[str, str]:
        return {MANAGED: "ft-platform", USE_CASE: self.use_case, RELEASE: release}

    def _name(self, release: str) -> str:
        return fitting(f"ft-{self.use_case}-{release}", LONGEST_NAME)

    def _folder(self, release: str) -> Path | None:
        return Path(self.settings.folder) / self.use_case / release if self.settings.folder else None

    def _endpoint(self, service: str, model: str) -> Endpoint:
        settings = self.settings
        words = {"service": service, "namespace": settings.namespace, "port": str(settings.port)}
        name = self.use_case if settings.ours else model
        return Endpoint(_filled(settings.address, words).rstrip("/"), name, self._key, settings.ours)

    def _pending(self, release: str) -> str | None:
        """What is waited for; None: enough pods are ready.

        Raises:
            EndpointFailed: Kubernetes gave up.
        """
        found = self._deployments().get(release)
        if found is None:
            return f"the Deployment {self._name(release)} is not there"
        if failed := _condition(found):
            raise EndpointFailed(f"{self._name(release)}: {failed}", "See: kubectl describe pods, kubectl logs")
        status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
        if status.get("observedGeneration", 0) < found["metadata"].get("generation", 1):
            return f"{self._name(release)} is not looked at yet"
        ready = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
        return None if ready >= max(wanted, 1) else f"{ready} of {wanted} pods are ready"

    def _deployments(self) -> dict[str, dict[str, Any]]:
        """Release -> its Deployment."""
        found = self._get(f"{MANAGED}=ft-platform,{USE_CASE}={self.use_case}", "deployments")
        return {one["metadata"]["labels"][RELEASE]: one for one in found}

    def _selected(self) -> str | None:
        """The release that the Service of the use case selects."""
        found = self._get(f"{MANAGED}=ft-platform,{USE_CASE}={self.use_case},!{RELEASE}", "services")
        return next((one["spec"]["selector"].get(RELEASE) for one in found), None)

    def _get(self, selector: str, kinds: str) -> list[dict[str, Any]]:
        return json.loads(self._kubectl("get", kinds, "-l", selector, "-o", "json"))["items"]

    def _apply(self, manifests: list[dict[str, Any]]) -> None:
        text = yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True)
        owner = ("--server-side", "--field-manager=ft-platform", "--force-conflicts")
        self._kubectl("apply", *owner, "-f", "-", given=text)

    def _remove(self, release: str) -> None:
        """Takes everything of a release away but the Service of the use case, which has no label of a release."""
        selector = ",".join(f"{key}={value}" for key, value in self._labels(release).items())
        self._kubectl("delete", KINDS, "-l", selector, "--wait=true", f"--timeout={DELETE_SECONDS}s")
        if place := self._folder(release):
            folders.remove(place)

    def _remove_unused(self, release: str) -> None:
        """Unless it has traffic."""
        if self._selected() != release:
            self._remove(release)

    def _kubectl(self, *words: str, given: str = "") -> str:
        """What `kubectl` prints.

        Raises:
            EndpointFailed: it refuses.
            EndpointUnavailable: the cluster gives no answer.
            ConfigError: there is no such program.
        """
        settings = self.settings
        place = (*(("--context", settings.context) if settings.context else ()), "--namespace", settings.namespace)
        command = [settings.kubectl, *place, f"--request-timeout={SECONDS}s", *words]
        limit = (DELETE_SECONDS if words[0] == "delete" else SECONDS) + SECONDS

        def once() -> str:
            try:
                ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=limit, check=False)
            except FileNotFoundError:
                raise ConfigError([f"there is no program {settings.kubectl}"], "Install kubectl, or name it") from None
            except subprocess.TimeoutExpired:
                raise EndpointUnavailable(f"kubectl {words[0]} gave no answer within {limit} seconds") from None
            if ended.returncode:
                said = without(ended.stderr, [self._key, *_secrets()])
                kind = EndpointUnavailable if any(one in ended.stderr for one in PASSES) else EndpointFailed
                raise kind(f"kubectl {words[0]}: {said}", "Check context, namespace and permissions")
            return ended.stdout

        return tried(once, lambda error: isinstance(error, EndpointUnavailable))


def _used(percent: int) -> dict[str, Any]:
    return {"type": "Utilization", "averageUtilization": percent}


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _secrets() -> list[str]:
    """Values of variables of this process that are secrets by their name: a plug-in of kubectl may print them."""
    return [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"))]


def _condition(deployment: dict[str, Any]) -> str:
    """Why Kubernetes gave up on a Deployment; "" where it did not."""
    for one in deployment.get("status", {}).get("conditions", []):
        if (one["type"], one["status"]) in (("Progressing", "False"), ("ReplicaFailure", "True")):
            return without(f"{one.get('reason', '')} {one.get('message', '')}", [])
    return ""


target = Kubernetes
