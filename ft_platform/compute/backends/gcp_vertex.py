"""Back end `gcp_vertex`: the program is a custom job of Google's Vertex AI, on several machines too, from our image.

The request holds no variable of the program: all of them lie in one secret of Secret Manager, which the job reads
(`programs/with_secret.py`) and which is deleted once the job has ended, or goes by itself after 30 days. Vertex knows
no token that makes a second creation harmless: what did not answer is looked for by its display name.

Not run against the service: a stand-in that checks requests and answers by Google's discovery documents, and has jobs,
states and faults.

`options` of the profile: `project`, `region`, `image` and `machine_type`; `accelerator`, as the API names it; `nodes`;
`spot`; `service_account`; `network`; `kms_key`; `disk_gb`; `python` in the image.
"""

import base64
import math
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ft_platform.compute.backend import Cause, CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.cloud_jobs import (
    check_texts,
    labels,
    module_and_arguments,
    nodes_of,
    one_line,
    secret_text,
    wait_for_end,
)
from ft_platform.compute.rest import Exists, Missing, ask
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("project", "region", "image", "machine_type")
TEXTS, OTHERS = ("accelerator", "service_account", "network", "kms_key", "python"), ("nodes", "spot", "disk_gb")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECRET_BYTES, SECRET_SECONDS = 65_536, 30 * 86_400
"""https://cloud.google.com/secret-manager/quotas; how long the secret of a job is kept that nobody watches."""
END_SECONDS = 300.0
WAITS = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_PAUSED")
RUNS = ("JOB_STATE_RUNNING", "JOB_STATE_CANCELLING", "JOB_STATE_UPDATING")
EXITED = re.compile(r"The replica \S+ exited with a non-zero status of (\d+)(\(SIG\w+\))?\.?")
ENDED_BY = re.compile(r"Termination reason: (\w+)")
NO_MEMORY = re.compile(r"out[- ]of[- ]memory|low on memory|OOMKilled", re.I)
TAKEN = re.compile(r"preempt|\bspot\b|host (error|maintenance)|insufficient|stockout", re.I)
CODES: dict[int, Cause] = {
    1: "cancelled",
    4: "time_limit",
    **dict.fromkeys((8, 10, 13, 14), "machine_lost"),  # RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE
}
"""google.rpc.Code of a job that has failed, where no replica says how it ended; others refuse it."""


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    check_texts(profile, NEEDED, TEXTS, OTHERS)
    nodes_of(profile)
    if not isinstance(options.get("spot", False), bool) or not isinstance(options.get("disk_gb", 100), int):
        raise ValueError("`spot` of `backend: gcp_vertex` is true or false, and `disk_gb` a whole number")
    tpu = str(options["machine_type"]).startswith("ct") or str(options.get("accelerator", "")).startswith("TPU")
    if tpu and not find_spec("torch_xla"):
        raise ValueError(
            f"`machine_type` {options['machine_type']} of `backend: gcp_vertex` has TPUs, on which PyTorch needs"
            " torch_xla, and that is not installed"
        )
    if not tpu and (profile.gpus > 0) != ("accelerator" in options):
        raise ValueError("`gpus` and `accelerator` of `backend: gcp_vertex` go together, such as 1 and NVIDIA_L4")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Vertex(launch.profile.options))


class Vertex:
    """Jobs of a project in a region, as `Scheduler`. The id of a job is the name of its resource.

    Raises:
        MissingExtra: google-auth is not installed.
        SubmissionRefused: nothing says who asks.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._token = _token()
        self.project, self.region, self.kms_key = (options.get(name) for name in ("project", "region", "kms_key"))
        self.jobs = f"{_endpoint('aiplatform', f'{self.region}-')}/v1"
        self.place = f"{self.jobs}/projects/{self.project}/locations/{self.region}/customJobs"
        self.secrets = f"{_endpoint('secretmanager')}/v1/projects/{self.project}/secrets"

    def submit(self, job: Job) -> str:
        text = secret_text(job, SECRET_BYTES, "a secret of Google's Secret Manager")
        replica: dict[str, Any] = {"location": self.region}
        if self.kms_key:
            replica["customerManagedEncryption"] = {"kmsKeyName": self.kms_key}
        secret = {
            "replication": {"userManaged": {"replicas": [replica]}},
            "labels": labels(job.launch),
            "ttl": f"{SECRET_SECONDS}s",
        }
        with suppress(Exists):
            self._ask("POST", self.secrets, secret, {"secretId": job.name})
        payload = {"payload": {"data": base64.b64encode(text.encode()).decode()}}
        self._ask("POST", f"{self.secrets}/{job.name}:addVersion", payload)
        try:
            return str(self._ask("POST", self.place, request(job))["name"])
        except (SubmissionRefused, CredentialsRefused):
            self._forget(job.name)
            raise

    def find(self, name: str) -> str | None:
        """Also forgets the variables of a job that there is not: whoever was about to submit it was killed."""
        found, query = [], {"filter": f'display_name="{name}"', "pageSize": "100"}
        while True:
            said = self._ask("GET", self.place, query=query)
            found += said.get("customJobs", [])
            if not (more := said.get("nextPageToken")):
                break
            query["pageToken"] = more
        if found:
            return str(max(found, key=lambda one: one["createTime"])["name"])
        self._forget(name)
        return None

    def look(self, job_id: str) -> Look:
        try:
            job = self._ask("GET", f"{self.jobs}/{job_id}")
        except Missing:
            return Look("unknown")
        look = look_at(job)
        if look.phase == "ended":
            self._forget(job["displayName"])
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Vertex sends SIGTERM, and ends by force after a while."""
        with suppress(Missing):
            self._ask("POST", f"{self.jobs}/{job_id}:cancel", {})
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)

    def _ask(
        self, method: str, url: str, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        return ask(method, url, self._token, body, query)

    def _forget(self, name: str) -> None:
        with suppress(Missing):
            self._ask("DELETE", f"{self.secrets}/{quote(name, safe='')}")


def request(job: Job) -> dict[str, Any]:
    """What `customJobs.create` gets: names, sizes and limits, and no variable."""
    launch, limits = job.launch, job.launch.resources
    options: dict[str, Any] = launch.profile.options
    nodes = nodes_of(launch.profile) if launch.works_together else 1
    secret = f"projects/{options['project']}/secrets/{job.name}/versions/latest"
    words = [options.get("python", "python"), "-m", "ft_platform.programs.with_secret", secret]
    machine: dict[str, Any] = {"machineType": options["machine_type"]}
    if limits.gpus:
        machine |= {"acceleratorType": options["accelerator"], "acceleratorCount": limits.gpus // nodes}
    pool = {
        "machineSpec": machine,
        "containerSpec": {"imageUri": options["image"], "command": [*words, *_module(launch, nodes)]},
        **({"diskSpec": {"bootDiskSizeGb": options["disk_gb"]}} if "disk_gb" in options else {}),
    }
    pools = [{**pool, "replicaCount": "1"}, *([{**pool, "replicaCount": str(nodes - 1)}] if nodes > 1 else [])]
    scheduling = {
        "timeout": f"{math.ceil(limits.timeout_seconds + limits.grace_seconds)}s",
        "strategy": "SPOT" if options.get("spot") else "STANDARD",
        "disableRetries": True,  # only the orchestrator knows what is worth another try
    }
    names = {"serviceAccount": options.get("service_account"), "network": options.get("network")}
    return {
        "displayName": job.name,
        "labels": labels(launch),
        "jobSpec": {
            "workerPoolSpecs": pools,
            "scheduling": scheduling,
            **{name: value for name, value in names.items() if value},
        },
        **({"encryptionSpec": {"kmsKeyName": options["kms_key"]}} if "kms_key" in options else {}),
    }


def _module(launch: Launch, nodes: int) -> list[str]:
    if nodes == 1:
        return module_and_arguments(launch)
    group = [f"--nproc-per-node={launch.profile.processes // nodes}", "--module", launch.module]
    return ["ft_platform.programs.on_vertex", f"--nnodes={nodes}", *group]


def look_at(job: dict[str, Any]) -> Look:
    """What one custom job means."""
    state = job["state"]
    if state in WAITS:
        return Look("waits")
    if state in RUNS:
        return Look("runs")
    seconds = 0.0
    if "startTime" in job and "endTime" in job:
        begin, end = (datetime.fromisoformat(job[name]) for name in ("startTime", "endTime"))
        seconds = max((end - begin).total_seconds(), 0.0)
    if state == "JOB_STATE_SUCCEEDED":
        return Look("ended", seconds=seconds)
    if state == "JOB_STATE_EXPIRED" and "startTime" in job:
        return Look("ended", "time_limit", 1, state, seconds)
    error = job.get("error", {"message": state})
    cause, exit_code, reason = _why(int(error.get("code", 0)), str(error.get("message", "")))
    if state == "JOB_STATE_CANCELLED" and cause != "time_limit":
        cause = "cancelled"
    return Look("ended", cause, exit_code, reason, seconds)


def _why(code: int, message: str) -> tuple[Cause, int, str]:
    """Cause, exit code and reason. Vertex puts what a program wrote last into its message: of a message that tells of
    one, only the words of Vertex are passed on."""
    exited = EXITED.search(message)
    if NO_MEMORY.search(message):
        return "out_of_memory", -9, "a replica ran out of memory"
    if exited is None or CODES.get(code) == "time_limit":  # which a program that was told to end says nothing of
        cause = "machine_lost" if TAKEN.search(message) else CODES.get(code, "refused")
        return cause, 1, one_line(f"{code}: {exited[0] if exited else message}")
    ended_by, number = ENDED_BY.search(message), int(exited[1])
    reason = " ".join([exited[0], *([ended_by[0]] if ended_by else [])])
    if ended_by and ended_by[1] == "StartError":
        return "refused", number, reason
    signal = number if exited[2] else number - 128 if 128 < number < 193 else 0
    return "program", -signal or number, reason


def _endpoint(service: str, region: str = "") -> str:
    """Address of an API; gcloud's variables name another, such as one for Private Service Connect."""
    other = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}")
    return (other or f"https://{region}{service}.googleapis.com").rstrip("/")


def _token() -> Callable[[], str]:
    """Gives a token of whoever Application Default Credentials name, and a new one in time."""
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
    except ImportError:
        raise MissingExtra("google-auth, for `backend: gcp_vertex`,", "gcp") from None
    try:
        credentials: Any = google.auth.default(scopes=[SCOPE])[0]
    except GoogleAuthError as error:
        raise SubmissionRefused(
            f"no access to Google Cloud: {type(error).__name__}", "Set up Application Default Credentials"
        ) from None

    def token() -> str:
        try:
            if not credentials.valid:
                credentials.refresh(Request())
        except TransportError as error:
            raise Unreachable(type(error).__name__) from None
        except GoogleAuthError as error:  # its words may quote what was sent
            raise CredentialsRefused(type(error).__name__) from None
        return str(credentials.token)

    return token
