"""Back end `aws_batch`: the program is a job of AWS Batch, in a container whose job definition your infrastructure has
registered. So the orchestrator needs no right to choose an image or a role (`iam:PassRole`).

Not run against the service: a stand-in that checks requests by botocore's own model, and has jobs, states and faults.

`options` of the profile: `queue` and `definition`, names or ARNs; `nodes` with `nodes_definition`, of type
`multinode`; `vcpus` and `memory_gib` of a node; `share`, for queues with fair shares; `region`; `kms_key` of the
secret; `python` in the image.
"""

import shlex
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute import aws
from ft_platform.compute.aws import Aws, ask
from ft_platform.compute.backend import Job, Launch, Look
from ft_platform.compute.cloud_jobs import wait_for_end

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("queue", "definition")
OPTIONS = ("nodes", "nodes_definition", "vcpus", "memory_gib", "share", "region", "kms_key", "python")
END_SECONDS = 180.0
"""A container has 30 seconds after SIGTERM (ECS_CONTAINER_STOP_TIMEOUT); its machine is asked a while later."""
NEVER = ("MISCONFIGURATION:", "ACTION_REQUIRED")
"""Beginnings of reasons why a job stays in the queue for ever (user guide, "Jobs stuck in a RUNNABLE status")."""
NODE_FAILED = "ft-platform: one of its nodes has failed"
WAITS = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")


def check(profile: "ComputeProfile") -> None:
    aws.check_options(profile, NEEDED, OPTIONS)
    if profile.options.get("nodes", 1) != 1 and "nodes_definition" not in profile.options:
        raise ValueError("`nodes` of `backend: aws_batch` needs `nodes_definition`, a job definition of type multinode")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Batch(launch.profile.options))


class Batch:
    """The queue of a compute profile, as `Scheduler`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.aws, self.queue = Aws("batch", options), str(options["queue"])
        self.batch = self.aws.client

    def submit(self, job: Job) -> str:
        # Batch knows no token that makes a second SubmitJob harmless: what did not answer is looked for first.
        return str(self.aws.submit(job, lambda secret: self.aws.once.submit_job(**request(job, secret)))["jobId"])

    def find(self, name: str) -> str | None:
        only = [{"name": "JOB_NAME", "values": [name]}]
        pages = self.batch.get_paginator("list_jobs").paginate(jobQueue=self.queue, filters=only)
        found = [one for one in ask(lambda: list(pages.search("jobSummaryList[]"))) if one and one["jobName"] == name]
        if found:
            return str(max(found, key=lambda one: one["createdAt"])["jobId"])
        self.aws.none(name)
        return None

    def look(self, job_id: str) -> Look:
        found = ask(lambda: self.batch.describe_jobs(jobs=[job_id]))["jobs"]
        if not found:
            return Look("unknown")
        [job] = found
        if job["status"] == "RUNNABLE" and job.get("statusReason", "").startswith(NEVER):
            ask(lambda: self.batch.terminate_job(jobId=job_id, reason="ft-platform: it would never run"))
            self.aws.forget(job["jobName"])
            return Look("ended", "refused", 1, job["statusReason"])
        nodes = []
        if job["status"] in ("RUNNING", "FAILED") and "nodeProperties" in job:
            names = [f"{job_id}#{number}" for number in range(job["nodeProperties"]["numNodes"])]
            nodes = ask(lambda: self.batch.describe_jobs(jobs=names))["jobs"]
        if job["status"] == "RUNNING" and any(one["status"] == "FAILED" for one in nodes):
            # Batch lets the other nodes wait for the one that has failed.
            ask(lambda: self.batch.terminate_job(jobId=job_id, reason=NODE_FAILED))
            return Look("runs")
        look = look_at(job, nodes)
        if look.phase == "ended":
            self.aws.forget(job["jobName"])
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Batch sends SIGTERM, and ends by force after the time that the container agent gives."""
        ask(lambda: self.batch.terminate_job(jobId=job_id, reason="ft-platform: its run has ended"))
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)


def request(job: Job, secret: str) -> dict[str, Any]:
    """What `SubmitJob` gets: names, sizes and limits, and no variable.

    Args:
        secret: ARN of the variables.
    """
    launch, options = job.launch, job.launch.profile.options
    nodes = aws.nodes_of(launch)
    vcpus, memory = aws.sizes(launch)
    wanted = {"VCPU": vcpus, "MEMORY": memory, "GPU": launch.resources.gpus // nodes or None}
    container = {
        "command": command(launch, secret),
        "resourceRequirements": [{"type": name, "value": str(size)} for name, size in wanted.items() if size],
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
        "timeout": {"attemptDurationSeconds": max(aws.seconds_limit(launch), 60)},
        "tags": aws.tags(launch),
        "propagateTags": True,
    }


def command(launch: Launch, secret: str) -> list[str]:
    nodes = aws.nodes_of(launch)
    if nodes == 1:
        return aws.command(launch, secret)
    # Batch tells all nodes but the first where that one is.
    meet = (
        f"--nnodes={nodes} --node-rank=$AWS_BATCH_JOB_NODE_INDEX --master-port={aws.PORT}"
        ' --master-addr="${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS:-127.0.0.1}"'
    )
    *begin, each, flag, module = aws.command(launch, secret)
    return ["sh", "-c", f"exec {shlex.join(begin)} {meet} {shlex.join([each, flag, module])}"]


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
    if "exceeded timeout" in reason:
        return Look("ended", "time_limit", aws.exit_code_of(code), reason, seconds)
    if job.get("isTerminated") or job.get("isCancelled"):
        return Look("ended", "cancelled", aws.exit_code_of(code), reason, seconds)
    return aws.container_end(reason, code, seconds)
