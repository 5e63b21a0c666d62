"""Back end `aws_batch`: the program is a job of AWS Batch, in a container whose job definition your infrastructure has
registered. So the orchestrator needs no right to choose an image or a role (`iam:PassRole`).

The request holds no variable of the program: all of them lie in one secret of AWS Secrets Manager, which the job reads
(`programs/with_secret.py`) and which is deleted once the job has ended. Keys of AWS that this process has are not sent;
the job has the role of its definition.

Not run against the service: a stand-in that checks requests by botocore's own model, and has jobs, states and faults.

`options` of the profile: `queue` and `definition`, names or ARNs; `nodes` with `nodes_definition`, of type
`multinode`; `vcpus` and `memory_gib` of a node; `share`, for queues with fair shares; `region`; `kms_key` of the
secret; `python` in the image.
"""

import json
import math
import re
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.backends.torchrun import TOGETHER
from ft_platform.errors import MissingExtra, SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.settings.environment import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("queue", "definition")
OPTIONS = (*NEEDED, "nodes", "nodes_definition", "vcpus", "memory_gib", "share", "region", "kms_key", "python")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
TAG = "ft-platform"
"""On jobs and secrets, so that policies and the bill can tell them from others."""
END_SECONDS, LOOK_SECONDS = 180.0, 1.0
"""A container has 30 seconds after SIGTERM (ECS_CONTAINER_STOP_TIMEOUT); its machine is asked a while later."""
SECRET_BYTES = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
PORT = 29_400
"""Where nodes meet: each has a network interface of its own."""
NOT_KNOWN = re.compile(
    "AccessDenied|ExpiredToken|UnrecognizedClient|InvalidClientTokenId|Signature|AuthenticationToken"
)
PASSES = re.compile("Throttl|TooManyRequests|RequestLimit|SlowDown|ServerException|InternalService|ServiceUnavailable")
"""Of AWS's error codes those that say that it does not know who asks, and those that pass."""
LOST = re.compile(r"Host EC2 .*terminat|Spot (Task|Instance)|DockerTimeoutError|CannotInspectContainer")
PULL = re.compile(r"CannotPull\w*Error|ResourceInitializationError")
PASSING_PULL = re.compile(r"timeout|toomanyrequests|TLS handshake|connection reset|temporarily|50[0-9] ", re.I)
"""Of reasons for the end of a job: its machine is gone; its image did not come, and may come the next time."""
NEVER = ("MISCONFIGURATION:", "ACTION_REQUIRED")
"""Beginnings of reasons why a job stays in the queue for ever (user guide, "Jobs stuck in a RUNNABLE status")."""
NODE_FAILED = "ft-platform: one of its nodes has failed"
WAITS = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")


def check(profile: "ComputeProfile") -> None:
    options = profile.options
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ValueError(f"`backend: aws_batch` has no option {', '.join(unknown)}; it has {', '.join(OPTIONS)}")
    if missing := [name for name in NEEDED if not isinstance(options.get(name), str)]:
        raise ValueError(f"`backend: aws_batch` needs `options` {', '.join(missing)}")
    nodes = options.get("nodes", 1)
    if not isinstance(nodes, int) or nodes < 1 or profile.processes % nodes or profile.gpus % nodes:
        raise ValueError(f"`processes` and `gpus` must be multiples of `nodes`, got nodes {nodes}")
    if nodes > 1 and "nodes_definition" not in options:
        raise ValueError("`nodes` of `backend: aws_batch` needs `nodes_definition`, a job definition of type multinode")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Batch(launch.profile.options))


class Batch:
    """The queue of a compute profile, as `Scheduler`.

    Raises:
        MissingExtra: boto3 is not installed.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise MissingExtra("boto3", "aws") from None
        self.queue, self.kms_key = str(options["queue"]), options.get("kms_key")

        def client(service: str, attempts: int) -> Any:
            retries = {"mode": "standard", "total_max_attempts": attempts}
            config = Config(retries=retries, connect_timeout=10, read_timeout=60)
            return _ask(lambda: boto3.Session().client(service, region_name=options.get("region"), config=config))

        self.batch, self.secrets = client("batch", 5), client("secretsmanager", 5)
        # Batch knows no token that makes a second SubmitJob harmless: what did not answer is looked for first.
        self.batch_once = client("batch", 1)

    def submit(self, job: Job) -> str:
        named = job.launch.profile.environment
        variables = {name: value for name, value in job.variables.items() if name not in KEYS or name in named}
        text = json.dumps(variables)
        if len(text.encode()) > SECRET_BYTES:
            raise SubmissionRefused(
                f"settings and variables of program {job.launch.program} are {len(text.encode()):,} bytes, and AWS"
                f" Secrets Manager holds {SECRET_BYTES:,}",
                "Put long texts of the use case into files",
            )
        key = {"KmsKeyId": self.kms_key} if self.kms_key else {}
        tags = [{"Key": TAG, "Value": "launch"}]
        secret = _ask(lambda: self.secrets.create_secret(Name=job.name, SecretString=text, Tags=tags, **key))
        try:
            return str(_ask(lambda: self.batch_once.submit_job(**request(job, secret["ARN"])))["jobId"])
        except (SubmissionRefused, CredentialsRefused):
            self._forget(job.name)
            raise

    def find(self, name: str) -> str | None:
        """Also forgets the variables of a job that there is not: whoever was about to submit it was killed, or it ended
        more than seven days ago."""
        only = [{"name": "JOB_NAME", "values": [name]}]
        pages = self.batch.get_paginator("list_jobs").paginate(jobQueue=self.queue, filters=only)
        found = [one for one in _ask(lambda: list(pages.search("jobSummaryList[]"))) if one and one["jobName"] == name]
        if found:
            return str(max(found, key=lambda one: one["createdAt"])["jobId"])
        self._forget(name)
        return None

    def look(self, job_id: str) -> Look:
        found = _ask(lambda: self.batch.describe_jobs(jobs=[job_id]))["jobs"]
        if not found:
            return Look("unknown")
        [job] = found
        if job["status"] == "RUNNABLE" and job.get("statusReason", "").startswith(NEVER):
            _ask(lambda: self.batch.terminate_job(jobId=job_id, reason="ft-platform: it would never run"))
            self._forget(job["jobName"])
            return Look("ended", "refused", 1, job["statusReason"])
        nodes = []
        if job["status"] in ("RUNNING", "FAILED") and "nodeProperties" in job:
            names = [f"{job_id}#{number}" for number in range(job["nodeProperties"]["numNodes"])]
            nodes = _ask(lambda: self.batch.describe_jobs(jobs=names))["jobs"]
        if job["status"] == "RUNNING" and any(one["status"] == "FAILED" for one in nodes):
            # Batch lets the other nodes wait for the one that has failed.
            _ask(lambda: self.batch.terminate_job(jobId=job_id, reason=NODE_FAILED))
            return Look("runs")
        look = look_at(job, nodes)
        if look.phase == "ended":
            self._forget(job["jobName"])
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Batch sends SIGTERM, and ends by force after the time that the container agent gives."""
        _ask(lambda: self.batch.terminate_job(jobId=job_id, reason="ft-platform: its run has ended"))
        until = time.monotonic() + grace_seconds + END_SECONDS
        while self.look(job_id).phase in ("waits", "runs"):
            if time.monotonic() > until:
                raise Unreachable(f"job {job_id} was told to end, and has not")
            time.sleep(LOOK_SECONDS)

    def _forget(self, name: str) -> None:
        """Deletes the variables of a job. Where there are none, AWS says nothing."""
        _ask(lambda: self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))


def request(job: Job, secret: str) -> dict[str, Any]:
    """What `SubmitJob` gets: names, sizes and limits, and no variable.

    Args:
        secret: ARN of the variables.
    """
    launch, options = job.launch, job.launch.profile.options
    limits = launch.resources
    together = launch.program in TOGETHER and limits.processes > 1
    nodes = int(options.get("nodes", 1)) if together else 1
    memory = options.get("memory_gib") or (None if limits.gpus else limits.memory_gib)  # of a GPU it is the GPU's
    vcpus = options.get("vcpus") or (math.ceil(limits.threads / nodes) if limits.threads else None)
    sizes = {
        "VCPU": vcpus,
        "MEMORY": math.ceil(float(memory) * 1024) if memory else None,
        "GPU": limits.gpus // nodes or None,
    }
    container = {
        "command": command(launch, nodes, together, secret),
        "resourceRequirements": [{"type": name, "value": str(size)} for name, size in sizes.items() if size],
    }
    where: dict[str, Any] = {"jobDefinition": options["definition"], "containerOverrides": container}
    if nodes > 1:
        each = [{"targetNodes": "0:", "containerOverrides": container}]
        overrides = {"numNodes": nodes, "nodePropertyOverrides": each}
        where = {"jobDefinition": options["nodes_definition"], "nodeOverrides": overrides}
    return {
        "jobName": job.name,
        "jobQueue": options["queue"],
        **where,
        **({"shareIdentifier": options["share"]} if "share" in options else {}),
        "retryStrategy": {"attempts": 1},  # only the orchestrator knows what is worth another try
        "timeout": {"attemptDurationSeconds": max(math.ceil(limits.timeout_seconds + limits.grace_seconds), 60)},
        "tags": {TAG: "launch", f"{TAG}:use-case": launch.use_case.name, f"{TAG}:program": launch.program},
        "propagateTags": True,
    }


def command(launch: Launch, nodes: int, together: bool, secret: str) -> list[str]:
    python = str(launch.profile.options.get("python", "python"))
    begin = [python, "-m", "ft_platform.programs.with_secret", secret]
    if not together:
        return [*begin, launch.module]
    group = [f"--nproc-per-node={launch.profile.processes // nodes}", "--module", launch.module]
    torchrun = "ft_platform.programs.together"
    if nodes == 1:
        return [*begin, torchrun, "--standalone", *group]
    # Batch tells all nodes but the first where that one is.
    meet = (
        f"--nnodes={nodes} --node-rank=$AWS_BATCH_JOB_NODE_INDEX --master-port={PORT}"
        ' --master-addr="${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS:-127.0.0.1}"'
    )
    return ["sh", "-c", f"exec {shlex.join([*begin, torchrun])} {meet} {shlex.join(group)}"]


def look_at(job: dict[str, Any], nodes: list[dict[str, Any]]) -> Look:
    """What one job of `DescribeJobs` means.

    Args:
        nodes: of one that works on several.
    """
    if job["status"] in WAITS:
        return Look("waits", reason=job.get("statusReason", "") or ("" if job["status"] != "STARTING" else "it starts"))
    if job["status"] == "RUNNING":
        return Look("runs")
    seconds = max(job.get("stoppedAt", 0) - job["startedAt"], 0) / 1000 if job.get("startedAt") else 0.0
    if job["status"] == "SUCCEEDED":
        return Look("ended", seconds=seconds)
    failed = sorted((one for one in nodes if one["status"] == "FAILED"), key=lambda one: one.get("stoppedAt", 0))
    looks = [_ended(one, seconds) for one in [job, *failed]]
    if looks[0].cause in ("cancelled", "time_limit") and job.get("statusReason") != NODE_FAILED:
        return looks[0]
    telling = [one for one in looks if one.cause in ("machine_lost", "out_of_memory")]
    return (telling or looks[1:] or looks)[0]  # the first that failed: the others were told to end


def _ended(job: dict[str, Any], seconds: float) -> Look:
    container = job.get("container", {})
    reason = "; ".join(dict.fromkeys(filter(None, (job.get("statusReason"), container.get("reason"))))) or "no reason"
    code = container.get("exitCode")
    exit_code = 128 - code if code is not None and 128 < code < 193 else (1 if code is None else code)
    look = Look("ended", "program", exit_code, reason, seconds)
    if "exceeded timeout" in reason:
        return Look("ended", "time_limit", exit_code, reason, seconds)
    if job.get("isTerminated") or job.get("isCancelled"):
        return Look("ended", "cancelled", exit_code, reason, seconds)
    if "OutOfMemory" in reason:
        return Look("ended", "out_of_memory", exit_code, reason, seconds)
    if LOST.search(reason) or (PULL.search(reason) and PASSING_PULL.search(reason)):
        return Look("ended", "machine_lost", exit_code, reason, seconds)
    return look if code is not None else Look("ended", "refused", 1, reason, seconds)


def _ask(call: Callable[[], Any]) -> Any:
    """Its answer.

    Raises:
        Unreachable, CredentialsRefused: AWS does not answer now, or does not know who asks.
        SubmissionRefused: it answers that it will not.
    """
    from botocore import exceptions as failures

    unknown = (failures.NoCredentialsError, failures.PartialCredentialsError, failures.CredentialRetrievalError)
    tokens = (failures.SSOError, failures.TokenRetrievalError)
    try:
        return call()
    except failures.ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        # What is said of a wrong signature quotes the headers that were signed, with the session's token.
        words = "" if "Signature" in code else str(error.response["Error"].get("Message", ""))
        said = f"{error.operation_name}: {code} {words}".strip()
        if NOT_KNOWN.search(code):
            raise CredentialsRefused(said) from None
        if status >= 500 or PASSES.search(code) or "scheduled for deletion" in said:
            raise Unreachable(said) from None
    except (*unknown, *tokens) as error:
        raise CredentialsRefused(type(error).__name__) from None
    except (failures.ConnectionError, failures.HTTPClientError) as error:
        raise Unreachable(type(error).__name__) from None
    except failures.BotoCoreError as error:  # what was asked does not fit, or no region is named
        said = type(error).__name__ + (f": {error}" if isinstance(error, failures.ParamValidationError) else "")
    raise SubmissionRefused(
        f"AWS refuses {said}", "Compare the `options` of the compute profile with queue, job definition and region"
    )
