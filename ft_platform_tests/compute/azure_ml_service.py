"""A stand-in for an Azure Machine Learning workspace, its history of runs, a Key Vault, and the endpoint that gives
tokens to managed identities. Requests and answers are checked by the types of Azure's SDK, azure-ai-ml.

It has the faults of `cloud_service`. What it cannot show: environments, clusters, memory limits, rights and quotas."""

import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ft_platform_tests.compute.cloud_service import CloudJob, CloudService, Refused

GROUP = {"subscription": "00000000-0000-4000-8000-000000000000", "resource_group": "ft", "workspace": "ml"}
NEVER = "no-cluster"
SECRETS = "/vault/secrets"
WHY = {
    "cancelled": ("Canceled", "UserError", "The job was canceled."),
    "time_limit": ("Canceled", "UserError", "The job exceeded its maximum run duration."),
    "lost": ("Failed", "ServiceError", "AzureMLCompute job failed. Node became unusable."),
    "preempted": (
        "Failed",
        "UserError",
        "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted.",
    ),
}
"""Why a job ended -> status, and code and message of its error. The words of the second and third are made up."""


def models() -> Any:
    """Types of the API: without what `azure.ai.ml` imports for its users, some thirty packages."""
    if "azure.ai.ml" not in sys.modules:
        found = find_spec("azure.ai.ml")
        assert found
        package = ModuleType("azure.ai.ml")
        package.__path__ = list(found.submodule_search_locations or [])
        sys.modules["azure.ai.ml"] = package
    from azure.ai.ml._restclient.arm_ml_service import models as types  # pyright: ignore[reportMissingImports]

    return types


def unknown(model: Any, value: Any, where: str) -> list[str]:
    """Names in a value that its type does not have, and values that are not of their type."""
    if not hasattr(model, "_attr_to_rest_field"):
        return []
    fields = {one._rest_name: name for name, one in model._attr_to_rest_field.items()}
    found = [f"{where} has no {name}" for name in value if name not in fields]
    for name in value:
        if name in fields:
            inner = getattr(model, fields[name])
            found += unknown(inner, value[name], f"{where}.{name}")
            if name == "timeout" and not isinstance(inner, timedelta):
                found.append(f"{where}.{name} is no duration")
            if isinstance(value[name], dict) and isinstance(inner, (str, int)):
                found.append(f"{where}.{name} is an object")
    return found


def checked(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if it is a job as the SDK knows them.

    Raises:
        Refused: it is not.
    """
    types = models()
    model_base = import_module("azure.ai.ml._restclient.arm_ml_service._utils.model_base")
    job = model_base._deserialize(types.JobBase, value)
    found = unknown(job, value, "job")
    if not isinstance(job.properties, types.CommandJob):
        found.append("job is no command job")
    if found:
        raise Refused(400, "BadRequest", "; ".join(found))
    return value


class AzureML(CloudService):
    def __init__(self) -> None:
        super().__init__("token-of-azure")
        self.deleted: set[str] = set()
        scope = f"/subscriptions/{GROUP['subscription']}/resourceGroups/ft/providers/Microsoft.MachineLearningServices"
        self.place = f"{scope}/workspaces/ml"
        jobs, history = f"{self.place}/jobs/([\\w-]+)", f"/history/v1.0{self.place}/runs/([\\w-]+)/details"
        self.routes = [
            ("GET", self.place, lambda _m, _given: {"properties": {"discoveryUrl": f"{self.url}/discovery"}}),
            ("PUT", jobs, lambda match, given: self.create(match[1], given)),
            ("GET", jobs, lambda match, _given: self.get(match[1])),
            ("POST", f"{jobs}/cancel", lambda match, _given: (self.get(match[1]), self.cancel(match[1]), {})[2]),
            ("GET", history, lambda match, _given: self.details(match[1])),
            ("PUT", f"{SECRETS}/([\\w-]+)", lambda match, given: self.put(match[1], given)),
            ("GET", f"{SECRETS}/([\\w-]+)", lambda match, _given: self.secret(match[1])),
            ("DELETE", f"{SECRETS}/([\\w-]+)", lambda match, _given: self.delete(match[1])),
        ]

    def options(self) -> dict[str, Any]:
        """Of a compute profile."""
        return {
            **GROUP,
            "environment": "ft-worker:3",
            "compute": "gpu",
            "key_vault": f"{self.url}/vault",
            "management_url": self.url,
        }

    def variables(self) -> dict[str, str]:
        """As a machine with a managed identity has them."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/identity", "IDENTITY_HEADER": "none"}

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        if path.startswith("/identity"):
            return {"access_token": self.token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        if path.startswith("/subscriptions") and "api-version=2025-12-01" not in path:
            raise Refused(400, "NoRegisteredProviderFound", "no such api-version")
        body.pop("api-version", None)
        return super().answer(method, path, body, token)

    def create(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        given.pop("api-version")
        checked(given)
        asked = given["properties"]
        if asked.get("computeId", "").endswith(f"/{NEVER}"):
            raise Refused(400, "UserError", f"Unknown compute target '{NEVER}'.")
        if name in self.jobs:
            raise Refused(409, "Conflict", f"Job {name} exists already.")
        nodes = asked["resources"]["instanceCount"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        commands = []
        for rank in range(nodes):
            words = ["sh", "-c", asked["command"]]
            told = {"NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} if nodes > 1 else {}
            commands.append((words, {**self.variables(), **told}))
        if nodes > 1:
            assert asked["distribution"]["processCountPerInstance"] == 1
        limit = float(asked["limits"]["timeout"].removeprefix("PT").removesuffix("S"))
        self.begin(name, CloudJob(name, commands, limit, asked))
        return self.get(name)

    def _status(self, job: CloudJob) -> tuple[str, dict[str, Any]]:
        if job.state != "ended":
            return {"queued": "Queued", "running": "Running"}[job.state], {}
        status, code, message = WHY.get(job.why, ("Completed", "", ""))
        if job.code and not job.why:
            number = 128 - job.code if job.code < 0 else job.code
            message = f"Execution failed. User process 'python' exited with status code {number}. Please check log file"
            status, code, message = "Failed", "UserError", f"{message} 'std_log.txt'. Error: Traceback (most recent"
        return status, {"error": {"code": code, "message": message}} if message else {}

    def get(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise Refused(404, "UserError", f"Run {name} was not found")
        job = self.jobs[name]
        return checked(
            {
                "id": f"{self.place}/jobs/{name}",
                "name": name,
                "properties": {**job.asked, "status": self._status(job)[0]},
            }
        )

    def details(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        status, error = self._status(job)
        times = {"startTimeUtc": job.started, "endTimeUtc": job.ended}
        return {
            "runId": name,
            "status": status,
            "error": error or None,
            **{one: datetime.fromtimestamp(at, UTC).isoformat() if at else None for one, at in times.items()},
        }

    def put(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        given.pop("api-version")
        if set(given) - {"value", "tags", "attributes", "contentType"}:
            raise Refused(400, "BadParameter", "unknown parameter")
        if name in self.deleted:
            raise Refused(409, "Conflict", f"Secret {name} is currently in a deleted but recoverable state")
        self.secrets[name] = given["value"]
        return {"id": f"{self.url}{SECRETS}/{name}/1"}

    def secret(self, name: str) -> dict[str, Any]:
        if name not in self.secrets:
            raise Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        return {"value": self.secrets[name]}

    def delete(self, name: str) -> dict[str, Any]:
        if self.secrets.pop(name, None) is None:
            raise Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        self.deleted.add(name)
        return {}
