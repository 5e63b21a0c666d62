"""Back end `azure_ml`: the program is a command job of an Azure Machine Learning workspace, on several machines too, in
an environment of the workspace that has our image.

The request holds no variable of the program: all of them lie in one secret of a Key Vault, which the job reads
(`programs/with_secret.py`) and which is deleted once the job has ended. A job has the name of its launch, so Azure
takes it once.

Not run against the service: a stand-in that checks requests and answers by the types of Azure's SDK, and has jobs,
states and faults.

`options` of the profile: `subscription`, `resource_group`, `workspace`, `environment` (`name:version`) and `key_vault`
(its URL); `compute`, a cluster, or else `instance_type` for serverless compute, and `spot`; `nodes`; `identity`, client
id of a managed identity; `management_url`, another address of Azure's API; `python` in the image.
"""

import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

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
NEEDED = ("subscription", "resource_group", "workspace", "environment", "key_vault")
TEXTS, OTHERS = ("compute", "instance_type", "identity", "management_url", "python"), ("nodes", "spot")
PROVIDER, VERSION = "Microsoft.MachineLearningServices", {"api-version": "2025-12-01"}
MANAGEMENT, VAULT, HISTORY = "https://management.azure.com", "https://vault.azure.net", "https://ml.azure.com"
VAULT_VERSION = {"api-version": "7.4"}
SECRET_BYTES = 25_600
"""https://learn.microsoft.com/azure/key-vault/secrets/about-secrets"""
END_SECONDS = 300.0
WAITS = ("NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Paused")
ENDED = ("Completed", "Failed", "Canceled")
EXITED = re.compile(r"exited with (?:status|exit) code (-?\d+)")
NO_MEMORY = re.compile(r"out of memory|OOMKilled|OutOfMemory", re.I)
TOO_LONG = re.compile(r"timed out|timeout|max(imum)? (run|execution) duration", re.I)
TAKEN = re.compile(r"pre-?empt|evict|node (failure|is unusable|became unusable)|NodeFail|insufficient capacity", re.I)
THEIRS = ("ServiceError", "SystemError", "AzureServiceError")
"""Codes of failures that are not the user's."""


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    check_texts(profile, NEEDED, TEXTS, OTHERS)
    nodes_of(profile)
    if ("compute" in options) == ("instance_type" in options):
        raise ValueError("`backend: azure_ml` needs `options` compute (a cluster) or instance_type (serverless)")
    if not isinstance(options.get("spot", False), bool) or (options.get("spot") and "compute" in options):
        raise ValueError("`spot` of `backend: azure_ml` is true or false, and goes with instance_type")
    if len(str(options["environment"]).split(":")) != 2:
        raise ValueError("`environment` of `backend: azure_ml` is name:version")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, AzureML(launch.profile.options))


class AzureML:
    """A workspace, as `Scheduler`. The id of a job is its name, which no other job has had.

    Raises:
        MissingExtra: azure-identity is not installed.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.management = str(options.get("management_url", MANAGEMENT)).rstrip("/")
        self.place, self.vault = workspace(options), f"{str(options['key_vault']).rstrip('/')}/secrets"
        self._token, self._vault_token, self._history_token = _tokens(MANAGEMENT, VAULT, HISTORY)
        self._history, self._kept = "", set[str]()

    def submit(self, job: Job) -> str:
        text = secret_text(job, SECRET_BYTES, "a secret of Azure's Key Vault")
        secret = {"value": text, "tags": dict(labels(job.launch))}
        self._kept.add(job.name)
        try:
            ask("PUT", f"{self.vault}/{job.name}", self._vault_token, secret, VAULT_VERSION)
            with suppress(Exists):
                self._ask("PUT", f"{self.place}/jobs/{job.name}", request(job))
        except (SubmissionRefused, CredentialsRefused):
            self._forget(job.name)
            raise
        except Unreachable:  # it may have been submitted
            raise
        except BaseException:  # an interrupt: nobody waits for it
            self._kept.discard(job.name)
            raise
        return job.name

    def find(self, name: str) -> str | None:
        """Also forgets the variables of a job that there is not: whoever was about to submit it was killed. Not those
        that this process has just kept: a name that was deleted cannot be used again."""
        try:
            self._ask("GET", f"{self.place}/jobs/{name}")
        except Missing:
            if name not in self._kept:
                self._forget(name)
            return None
        return name

    def look(self, job_id: str) -> Look:
        try:
            status = self._ask("GET", f"{self.place}/jobs/{job_id}")["properties"]["status"]
        except Missing:
            return Look("unknown")
        look = look_at(status, self._details(job_id) if status in ENDED else {})
        if look.phase == "ended":
            self._forget(job_id)
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Azure asks a program to end, and ends it by force after a while."""
        with suppress(Missing):
            self._ask("POST", f"{self.place}/jobs/{job_id}/cancel")
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return ask(method, f"{self.management}{path}", self._token, body, VERSION)

    def _details(self, job_id: str) -> dict[str, Any]:
        """Why and when a job ended is known to the history of runs, whose address the workspace has."""
        if not self._history:
            found = self._ask("GET", self.place)["properties"]["discoveryUrl"]
            self._history = f"{found.removesuffix('/discovery')}/history/v1.0{self.place}/runs"
        try:
            return ask("GET", f"{self._history}/{job_id}/details", self._history_token)
        except Missing:  # it was cancelled before it began
            return {}

    def _forget(self, name: str) -> None:
        with suppress(Missing):
            ask("DELETE", f"{self.vault}/{name}", self._vault_token, None, VAULT_VERSION)


def workspace(options: dict[str, Any]) -> str:
    group = f"/subscriptions/{options['subscription']}/resourceGroups/{options['resource_group']}"
    return f"{group}/providers/{PROVIDER}/workspaces/{options['workspace']}"


def request(job: Job) -> dict[str, Any]:
    """What a job is made of: names, sizes and limits, and no variable."""
    launch, limits = job.launch, job.launch.resources
    options: dict[str, Any] = launch.profile.options
    nodes, place = nodes_of(launch.profile) if launch.works_together else 1, workspace(options)
    name, _, version = options["environment"].partition(":")
    secret = f"{options['key_vault'].rstrip('/')}/secrets/{job.name}"
    words = [options.get("python", "python"), "-m", "ft_platform.programs.with_secret", secret]
    resources = {"instanceCount": nodes}
    asked: dict[str, Any] = {
        "jobType": "Command",
        "displayName": job.name,
        "experimentName": launch.use_case.name,
        "environmentId": f"{place}/environments/{name}/versions/{version}",
        "command": f"{shlex.join(words)} {_module(launch, nodes)}",
        "limits": {"jobLimitsType": "Command", "timeout": f"PT{int(limits.timeout_seconds + limits.grace_seconds)}S"},
        "tags": dict(labels(launch)),
        "resources": resources,
    }
    if nodes > 1:  # one torchrun on each machine, which starts the rest
        asked["distribution"] = {"distributionType": "PyTorch", "processCountPerInstance": 1}
    if "compute" in options:
        asked["computeId"] = f"{place}/computes/{options['compute']}"
    else:
        asked["resources"] = {**resources, "instanceType": options["instance_type"]}
        asked["queueSettings"] = {"jobTier": "Spot" if options.get("spot") else "Standard"}
    if "identity" in options:
        asked["identity"] = {"identityType": "Managed", "clientId": options["identity"]}
    return {"properties": asked}


def _module(launch: Launch, nodes: int) -> str:
    """For a shell, in which Azure says which machine this is, and where the first is."""
    if nodes == 1:
        return shlex.join(module_and_arguments(launch))
    meet = "--node-rank=$NODE_RANK --master-addr=$MASTER_ADDR --master-port=$MASTER_PORT"
    group = f"--nnodes={nodes} --nproc-per-node={launch.profile.processes // nodes}"
    return f"ft_platform.programs.together {group} {meet} --module {launch.module}"


def look_at(status: str, details: dict[str, Any]) -> Look:
    """What the status of a job means.

    Args:
        details: of one that has ended, from the history of runs.
    """
    if status in WAITS:
        return Look("waits", reason=status if status != "Queued" else "")
    if status not in ENDED:
        return Look("runs")
    seconds = 0.0
    if details.get("startTimeUtc") and details.get("endTimeUtc"):
        begin, end = (datetime.fromisoformat(details[name]) for name in ("startTimeUtc", "endTimeUtc"))
        seconds = max((end - begin).total_seconds(), 0.0)
    if status == "Completed":
        return Look("ended", seconds=seconds)
    error = (details.get("error") or {}).get("error") or {}
    cause, exit_code, reason = _why(str(error.get("code", "")), str(error.get("message", "")))
    if status == "Canceled" and cause != "time_limit":
        cause, reason = "cancelled", "Canceled"
    return Look("ended", cause, exit_code, reason, seconds)


def _why(code: str, message: str) -> tuple[Cause, int, str]:
    """Cause, exit code and reason. Azure puts what a program wrote last into its message, behind `Error:`."""
    said = message.partition(" Error:")[0]
    reason = one_line(f"{code}: {said}")
    if TAKEN.search(said):
        return "machine_lost", 1, reason
    if NO_MEMORY.search(said):
        return "out_of_memory", -9, reason
    if TOO_LONG.search(said):  # before what the program made of being told to end
        return "time_limit", 1, reason
    if exited := EXITED.search(said):
        number = int(exited[1])
        return "program", 128 - number if 128 < number < 193 else number, f"{code}: {exited[0]}"
    return ("machine_lost" if code in THEIRS else "refused"), 1, reason


def _tokens(*audiences: str) -> list[Callable[[], str]]:
    """For each audience, what gives a token of whoever azure-identity finds; it keeps one as long as that is good."""
    try:
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError  # pyright: ignore[reportMissingImports]
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtra("azure-identity, for `backend: azure_ml`,", "azure") from None
    credentials = DefaultAzureCredential()

    def token(audience: str) -> str:
        try:
            return str(credentials.get_token(f"{audience}/.default").token)
        except ServiceRequestError as error:
            raise Unreachable(type(error).__name__) from None
        except (ClientAuthenticationError, CredentialUnavailableError) as error:  # its words may quote what was sent
            raise CredentialsRefused(type(error).__name__) from None

    return [partial(token, audience) for audience in audiences]
