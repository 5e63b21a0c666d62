"""A stand-in for a Databricks workspace: job runs that are submitted once, and secrets. Requests and answers are
checked by the types of Databricks' SDK: what they do not have is refused.

It has the faults of `cloud_service`. What it cannot show: clusters, installed libraries, volumes, rights, memory
limits, and how a task is started inside the driver's interpreter (here it is one of its own)."""

import base64
import inspect
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from databricks.sdk.service import jobs, workspace

from ft_platform_tests.compute.cloud_service import CloudJob, CloudService, Refused
from ft_platform_tests.conftest import REPOSITORY

TOKEN, SCOPE, RUNTIME, WHEEL = "dapi-none", "ft-launches", "17.3.x-gpu-ml-scala2.13", "/Volumes/ml/ft/wheels/ft.whl"
NEVER = "not_a_runtime"
OLD = {"queued": "PENDING", "running": "RUNNING", "ended": "TERMINATED"}
CODES = {
    "cancelled": ("USER_CANCELED", "CLIENT_ERROR", "CANCELED", "Run cancelled."),
    "time_limit": ("CANCELED", "CLIENT_ERROR", "TIMEDOUT", "The run timed out."),
    "lost": ("DRIVER_ERROR", "INTERNAL_ERROR", "FAILED", "The spark driver has stopped unexpectedly."),
    "preempted": (
        "CLUSTER_ERROR",
        "CLOUD_FAILURE",
        "FAILED",
        "Cluster was terminated. Reason: SPOT_INSTANCE_TERMINATION",
    ),
}
"""Why a run ended -> termination code and type, and the older result."""
TASK = """
import pathlib, sys
from {module} import {function}
try:
    {function}()
except Exception as error:
    pathlib.Path({place!r}).write_text(f"{{type(error).__name__}}: {{error}}")
    sys.exit(1)
"""
"""The interpreter of the driver, which keeps what a task raised."""


def entry_point(name: str) -> str:
    """What Databricks looks up in the wheel."""
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    return next(group[name] for group in groups.values() if name in group)


def checked(kind: Any, value: dict[str, Any]) -> dict[str, Any]:
    """The value, which has nothing that the type does not know.

    Raises:
        Refused: it has.
    """
    try:
        known = kind.from_dict(value).as_dict()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(400, "MALFORMED_REQUEST", f"{type(error).__name__} {error}") from None
    if known != bare(value):
        raise Refused(400, "INVALID_PARAMETER_VALUE", f"not what {kind.__name__} is: {value}")
    return value


def bare(value: Any) -> Any:
    """Without lists and objects that are empty: the SDK leaves them out."""
    if isinstance(value, list):
        return [bare(one) for one in value]
    if isinstance(value, dict):
        return {name: bare(one) for name, one in value.items() if one not in ([], {})}
    return value


def checked_call(call: Any, given: dict[str, Any], **kinds: Any) -> None:
    """
    Args:
        call: of the SDK, whose parameters the request may have.
        kinds: types of parameters.

    Raises:
        Refused: the request has others, or they are not of these types.
    """
    if unknown := sorted(set(given) - set(inspect.signature(call).parameters)):
        raise Refused(400, "MALFORMED_REQUEST", f"unknown: {', '.join(unknown)}")
    for name, kind in kinds.items():
        for one in given.get(name, []) if isinstance(given.get(name, []), list) else [given[name]]:
            checked(kind, one)


class Workspace(CloudService):
    notice = 0  # runs are ended by force, and so are machines that are taken back

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.folder = Path(tempfile.mkdtemp(prefix="ft-databricks-"))
        self.kept: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.routes = [
            ("POST", r"/api/2\.\d/jobs/runs/submit", lambda _m, given: self.submit(given)),
            ("GET", r"/api/2\.\d/jobs/runs/get", lambda _m, given: self.get(given)),
            ("GET", r"/api/2\.\d/jobs/runs/get-output", lambda _m, given: self.output(given)),
            ("GET", r"/api/2\.\d/jobs/runs/list", lambda _m, given: self.list_runs(given)),
            ("POST", r"/api/2\.\d/jobs/runs/cancel", lambda _m, given: (self.cancel(str(given["run_id"])), {})[1]),
            ("POST", r"/api/2\.0/secrets/put", lambda _m, given: self.put(given)),
            ("POST", r"/api/2\.0/secrets/delete", lambda _m, given: self.delete(given)),
            ("GET", r"/api/2\.0/secrets/list", lambda _m, given: self.list_secrets(given)),
            ("GET", r"/api/2\.0/secrets/get", lambda _m, given: self.secret(given)),
        ]

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def variables(self) -> dict[str, str]:
        return {"DATABRICKS_HOST": self.url, "DATABRICKS_TOKEN": TOKEN, "DATABRICKS_AUTH_TYPE": "pat"}

    def refusal(self, error: Refused) -> dict[str, Any]:
        return {"error_code": error.code, "message": str(error)}

    def submit(self, given: dict[str, Any]) -> dict[str, Any]:
        kinds = {"queue": jobs.QueueSettings, "environments": jobs.JobEnvironment, "run_as": jobs.JobRunAs}
        checked_call(jobs.JobsAPI.submit, given, tasks=jobs.SubmitTask, **kinds)
        if given["idempotency_token"] in self.tokens:
            return {"run_id": int(self.tokens[given["idempotency_token"]])}
        [task] = given["tasks"]
        if task.get("new_cluster", {}).get("spark_version") == NEVER:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Invalid spark version {NEVER}.")
        wheel = task["python_wheel_task"]
        module, _, function = entry_point(wheel["entry_point"]).partition(":")
        number = str(1000 + len(self.jobs))
        starts = TASK.format(module=module, function=function, place=str(self.folder / number))
        # On Databricks a task needs no address and no token of its own to reach the secrets.
        command = [sys.executable, "-c", starts, *wheel["parameters"]]
        self.tokens[given["idempotency_token"]] = number
        self.begin(number, CloudJob(given["run_name"], [(command, self.variables())], task["timeout_seconds"], given))
        return {"run_id": int(number)}

    def _run(self, number: str) -> dict[str, Any]:
        job = self.jobs[number]
        status: dict[str, Any] = {"state": OLD[job.state]}
        old: dict[str, Any] = {"life_cycle_state": OLD[job.state]}
        if job.state == "queued":
            old["state_message"] = "Waiting for cluster" if not self.full else "No node of this type is available"
        if job.state == "ended":
            ended = ("RUN_EXECUTION_ERROR", "CLIENT_ERROR", "FAILED", "Task failed with message: see the run output")
            code, kind, result, message = ("SUCCESS", "SUCCESS", "SUCCESS", "") if job.code == 0 else ended
            if job.why:
                code, kind, result, message = CODES[job.why]
            status["termination_details"] = {"code": code, "type": kind, "message": message}
            old["result_state"] = result
        ran = int((job.ended - job.started) * 1000) if job.ended and job.started else 0
        task = {"task_key": "program", "run_id": int(number) + 1_000_000, "status": status, "execution_duration": ran}
        said = {"run_id": int(number), "run_name": job.name, "start_time": int(job.created * 1000), "status": status}
        return checked(jobs.Run, {**said, "state": old, "tasks": [task], "run_type": "SUBMIT_RUN"})

    def get(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["run_id"] not in self.jobs:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Run {given['run_id']} does not exist.")
        return self._run(given["run_id"])

    def output(self, given: dict[str, Any]) -> dict[str, Any]:
        said = self.folder / str(int(given["run_id"]) - 1_000_000)
        return checked(jobs.RunOutput, {"error": said.read_text()} if said.exists() else {})

    def list_runs(self, given: dict[str, Any]) -> dict[str, Any]:
        """Two runs a page, so that whoever reads the first page only is found out."""
        assert given["run_type"] == "SUBMIT_RUN" and 0 < int(given["limit"]) < 25
        since, begin = int(given["start_time_from"]), int(given.get("page_token", 0))
        found = [self._run(number) for number in reversed(self.jobs)]
        found = [one for one in found if one["start_time"] >= since]
        more = {"next_page_token": str(begin + 2)} if len(found) > begin + 2 else {}
        return checked(jobs.ListRunsResponse, {"runs": found[begin : begin + 2], "has_more": bool(more), **more})

    def put(self, given: dict[str, Any]) -> dict[str, Any]:
        checked_call(workspace.SecretsAPI.put_secret, given)
        self._scope(given)
        self.secrets[given["key"]] = given["string_value"]
        self.kept[given["key"]] = int(time.time() * 1000)
        return {}

    def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        self._scope(given)
        if self.secrets.pop(given["key"], None) is None:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Secret {given['key']} does not exist")
        return {}

    def list_secrets(self, given: dict[str, Any]) -> dict[str, Any]:
        self._scope(given)
        kept = [{"key": key, "last_updated_timestamp": self.kept[key]} for key in self.secrets]
        return checked(workspace.ListSecretsResponse, {"secrets": kept} if kept else {})

    def secret(self, given: dict[str, Any]) -> dict[str, Any]:
        self._scope(given)
        return {"key": given["key"], "value": base64.b64encode(self.secrets[given["key"]].encode()).decode()}

    def _scope(self, given: dict[str, Any]) -> None:
        if given["scope"] != SCOPE:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Scope {given['scope']} does not exist!")
