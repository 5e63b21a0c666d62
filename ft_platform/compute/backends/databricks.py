"""Back end `databricks`: the program is a one-time job run (`jobs/runs/submit`) of a Databricks workspace, on a cluster
of its own or on serverless compute, from our wheel on a Unity volume.

The request holds no variable of the program: all of them lie in one secret of a secret scope, which the task reads
through `dbutils` (`programs/on_databricks.py`) and which is deleted once the run has ended. Databricks knows a run
again by its token, so what did not answer may be submitted twice.

Not run against the service: a stand-in that checks requests and answers by the types of Databricks' SDK, and has runs,
states and faults.

`options` of the profile: `wheel` and `secret_scope`; for a cluster `runtime` with `node_type` or `pool`, and `policy`;
for serverless compute `environment_version`, and `accelerator`; `requirements`, `service_principal`, `workspace`.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute.backend import Cause, CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.cloud_jobs import (
    check_texts,
    labels,
    module_and_arguments,
    one_line,
    secret_text,
    wait_for_end,
)
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("wheel", "secret_scope")
CLUSTER, SERVERLESS = ("runtime", "node_type", "pool", "policy"), ("environment_version", "accelerator")
OTHERS = ("requirements", "service_principal", "workspace")
PACKAGE, ENTRY_POINT, TASK = "ft_platform", "ft-program", "program"
"""The second is in `[project.entry-points.databricks]`."""
SECRET_BYTES = 128 * 1024
"""https://docs.databricks.com/api/workspace/secrets/putsecret"""
CALL_SECONDS, RETRY_SECONDS, END_SECONDS = 60, 30, 300.0
"""Of one request; how long the SDK repeats one; of the end of a run, with its cluster; between looks at that."""
EARLIER = 900_000
"""Milliseconds before its secret was written last that a run may have begun: its submission may have been repeated."""
LOST = {"DRIVER_ERROR", "CLUSTER_ERROR", "INTERNAL_ERROR", "STORAGE_ACCESS_ERROR"}
LIMITS = {"CLUSTER_REQUEST_LIMIT_EXCEEDED", "WORKSPACE_RUN_LIMIT_EXCEEDED", "MAX_SPARK_CONTEXTS_EXCEEDED"}
"""Of termination codes those that may not come again, with another machine or later; not if the client is to blame."""
NO_MEMORY = re.compile(r"out of memory|OutOfMemory|\bOOM\b", re.I)
EXIT_CODE = re.compile(r"ProgramEnded: exit code (-?\d+)")


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    check_texts(profile, NEEDED, (*CLUSTER, *SERVERLESS, *OTHERS), ())
    if ("runtime" in options) == ("environment_version" in options):
        raise ValueError(
            "`backend: databricks` needs `options` runtime (a cluster) or environment_version (serverless)"
        )
    if "runtime" in options and ("node_type" in options) == ("pool" in options):
        raise ValueError("`runtime` of `backend: databricks` needs `options` node_type or pool")
    of_others = SERVERLESS if "runtime" in options else CLUSTER
    if wrong := [name for name in of_others if name in options]:
        chosen = "runtime" if "runtime" in options else "environment_version"
        raise ValueError(f"options of `backend: databricks` that do not go with {chosen}: {', '.join(wrong)}")
    if not str(options["wheel"]).endswith(".whl"):
        raise ValueError(
            "`wheel` of `backend: databricks` is the path of a .whl file, such as /Volumes/ml/ft/wheels/..."
        )


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    if launch.environment.lake_uri.startswith(("/Volumes/", "dbfs:/", "/dbfs/")):
        raise SubmissionRefused(
            "the lake is on a volume of Databricks, where no file is renamed at once and no process can lock one",
            "Put the lake into an object store",
        )
    return run_elsewhere(launch, Databricks(launch.profile.options))


class Databricks:
    """A workspace, as `Scheduler`.

    Raises:
        MissingExtra: its SDK is not installed.
        SubmissionRefused: nothing says which workspace it is, or who asks.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        try:
            from databricks.sdk import WorkspaceClient
            from databricks.sdk.config import Config
        except ImportError:
            raise MissingExtra("databricks-sdk, for `backend: databricks`,", "databricks") from None
        self.scope = str(options["secret_scope"])
        seconds: dict[str, Any] = {"http_timeout_seconds": CALL_SECONDS, "retry_timeout_seconds": RETRY_SECONDS}
        try:
            config = Config(profile=options.get("workspace"), **seconds)
        except ValueError:
            raise SubmissionRefused(
                "no access to Databricks", "Set DATABRICKS_HOST, and who asks, or options.workspace"
            ) from None
        client = WorkspaceClient(config=config)
        self.jobs, self.secrets = client.jobs, client.secrets

    def submit(self, job: Job) -> str:
        text = secret_text(job, SECRET_BYTES, "a secret of Databricks")
        asked = request(job)
        _ask(lambda: self.secrets.put_secret(self.scope, job.name, string_value=text))
        try:
            return str(_ask(lambda: self.jobs.submit(**asked)).run_id)
        except (SubmissionRefused, CredentialsRefused):
            self._forget(job.name)
            raise

    def find(self, name: str) -> str | None:
        """Runs cannot be asked for by name. The secret of a run comes before it and goes after it, so its time says how
        far back to look; where there is none, the run was never submitted, or somebody has read how it ended."""
        kept = {
            one.key: one.last_updated_timestamp for one in _ask(lambda: list(self.secrets.list_secrets(self.scope)))
        }
        if name not in kept:
            return None
        from databricks.sdk.service.jobs import RunType

        asked: dict[str, Any] = {"run_type": RunType.SUBMIT_RUN, "start_time_from": kept[name] - EARLIER, "limit": 24}
        found = [one for one in _ask(lambda: list(self.jobs.list_runs(**asked))) if one.run_name == name]
        if found:
            return str(max(one.run_id for one in found))
        self._forget(name)
        return None

    def look(self, job_id: str) -> Look:
        from databricks.sdk.errors import NotFound

        try:
            found = _ask(lambda: self.jobs.get_run(int(job_id)), passes=NotFound).as_dict()
        except NotFound:  # they are kept for 60 days
            return Look("unknown")
        look = look_at(found, self._error)
        if look.phase == "ended":
            self._forget(found["run_name"])
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Databricks ends a program by force: a training goes on from its last saved state."""
        _ask(lambda: self.jobs.cancel_run(int(job_id)))
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)

    def _error(self, task: int) -> str:
        return _ask(lambda: self.jobs.get_run_output(task)).error or ""

    def _forget(self, name: str) -> None:
        from databricks.sdk.errors import NotFound

        with suppress(NotFound):
            _ask(lambda: self.secrets.delete_secret(self.scope, name), passes=NotFound)


def request(job: Job) -> dict[str, Any]:
    """What `WorkspaceClient.jobs.submit` gets: names, sizes and limits, and no variable."""
    from databricks.sdk.service import compute, jobs

    launch, limits = job.launch, job.launch.resources
    options: dict[str, Any] = launch.profile.options
    requirements = options.get("requirements")
    words = [f"{options['secret_scope']}/{job.name}", *module_and_arguments(launch)]
    where: dict[str, Any] = {}
    more: dict[str, Any] = {}
    if "runtime" in options:
        needs = [compute.Library(whl=options["wheel"])]
        needs += [compute.Library(requirements=requirements)] if requirements else []
        where = {"new_cluster": _cluster(launch), "libraries": needs}
    else:
        needs = [options["wheel"], *([f"-r {requirements}"] if requirements else [])]
        spec = compute.Environment(environment_version=options["environment_version"], dependencies=needs)
        more = {"environments": [jobs.JobEnvironment(TASK, spec)]}
        where = {"environment_key": TASK}
        if "accelerator" in options:
            where["compute"] = jobs.Compute.from_dict({"hardware_accelerator": options["accelerator"]})
    if "service_principal" in options:
        more["run_as"] = jobs.JobRunAs(service_principal_name=options["service_principal"])
    task = jobs.SubmitTask(
        task_key=TASK,
        python_wheel_task=jobs.PythonWheelTask(PACKAGE, ENTRY_POINT, parameters=words),
        max_retries=0,  # only the orchestrator knows what is worth another try
        disable_auto_optimization=True,  # which would try again on serverless compute
        timeout_seconds=int(limits.timeout_seconds + limits.grace_seconds),
        **where,
    )
    return {
        "run_name": job.name,
        "idempotency_token": job.name,
        "tasks": [task],
        "queue": jobs.QueueSettings(enabled=True),
        **more,
    }


def _cluster(launch: Launch) -> Any:
    """One machine, for one user: programs that need several machines are for other back ends."""
    from databricks.sdk.service import compute

    options: dict[str, Any] = launch.profile.options
    return compute.ClusterSpec(
        spark_version=options["runtime"],
        num_workers=0,
        spark_conf={"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"},
        custom_tags={"ResourceClass": "SingleNode", **labels(launch)},
        data_security_mode=compute.DataSecurityMode.SINGLE_USER,
        **({"node_type_id": options["node_type"]} if "node_type" in options else {}),
        **({"instance_pool_id": options["pool"]} if "pool" in options else {}),
        **({"policy_id": options["policy"], "apply_policy_default_values": True} if "policy" in options else {}),
    )


def look_at(run: dict[str, Any], error_of: Callable[[int], str]) -> Look:
    """What one run of `jobs/runs/get` means.

    Args:
        error_of: what the output of a task says went wrong.
    """
    status, old = run["status"], run.get("state", {})
    if status["state"] in ("RUNNING", "TERMINATING"):
        return Look("runs")
    if status["state"] != "TERMINATED":
        queue = status.get("queue_details", {})
        return Look("waits", reason=one_line(queue.get("message") or queue.get("code") or old.get("state_message")))
    details, task = status.get("termination_details", {}), run.get("tasks", [{}])[0]
    code, kind = details.get("code", "INTERNAL_ERROR"), details.get("type", "")
    # What is said of a program that failed may quote it.
    message = details.get("message", "") if code != "RUN_EXECUTION_ERROR" else ""
    reason = one_line(f"{code}: {message}" if message else code)
    seconds = task.get("execution_duration", 0) / 1000
    if code == "SUCCESS":
        return Look("ended", seconds=seconds)
    exit_code = 1
    if code == "RUN_EXECUTION_ERROR" and (said := EXIT_CODE.search(error_of(task["run_id"]))):
        exit_code = int(said[1])
    cause = _cause(code, kind, details.get("message", ""), old.get("result_state", ""))
    return Look("ended", cause, exit_code, reason, seconds)


def _cause(code: str, kind: str, message: str, result: str) -> Cause:
    """
    Args:
        kind: who is to blame: the client, Databricks or the cloud.
        result: the older word for the end, the only one that knows a time limit.
    """
    if result == "TIMEDOUT":
        return "time_limit"
    if code in ("USER_CANCELED", "CANCELED"):
        return "cancelled"
    if NO_MEMORY.search(message):
        return "out_of_memory"
    if kind == "CLOUD_FAILURE" or (kind != "CLIENT_ERROR" and code in LOST) or code in LIMITS:
        return "machine_lost"
    return "program" if code == "RUN_EXECUTION_ERROR" else "refused"


def _ask(call: Callable[[], Any], passes: type[Exception] | tuple[()] = ()) -> Any:
    """Its answer.

    Args:
        passes: a failure that the caller knows what to do with.

    Raises:
        Unreachable, CredentialsRefused: Databricks does not answer now, or does not know who asks.
        SubmissionRefused: it answers that it will not.
    """
    from databricks.sdk import errors
    from databricks.sdk.errors.base import DatabricksError
    from requests import RequestException

    later = (errors.TooManyRequests, errors.InternalError, errors.TemporarilyUnavailable, errors.DeadlineExceeded)
    try:
        return call()
    except passes:
        raise
    except (errors.Unauthenticated, errors.PermissionDenied) as error:
        raise CredentialsRefused(one_line(f"{type(error).__name__} {error}")) from None
    except (*later, errors.Aborted) as error:
        raise Unreachable(one_line(f"{type(error).__name__} {error}")) from None
    except (RequestException, TimeoutError) as error:
        raise Unreachable(type(error).__name__) from None
    except (DatabricksError, ValueError) as error:  # also of credentials that cannot be had
        said = one_line(f"{type(error).__name__} {error}")
    raise SubmissionRefused(
        f"Databricks refuses: {said}", "Compare the `options` of the compute profile with the workspace"
    )
