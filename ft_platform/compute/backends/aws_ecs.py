"""Back end `aws_ecs`: the program is a task of Amazon ECS, on Fargate or on machines of a capacity provider, which may
have GPUs. Image, roles and limits are in a task definition that your infrastructure has registered.

Not run against the service: a stand-in that checks requests by botocore's own model, and has tasks, states and faults.

`options` of the profile: `cluster` and `definition`, names or ARNs; `container`, whose name in the definition is
`worker` otherwise; `capacity_provider`, `FARGATE` otherwise; `subnets` and `security_groups`, lists with commas;
`vcpus` and `memory_gib`; `region`; `kms_key` of the secret; `python` in the image.
"""

from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute import aws
from ft_platform.compute.aws import Aws, ask
from ft_platform.compute.backend import Job, Launch, Look, NoRoom
from ft_platform.compute.cloud_jobs import wait_for_end
from ft_platform.errors import SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("cluster", "definition")
OPTIONS = ("container", "capacity_provider", "subnets", "security_groups", "vcpus", "memory_gib", "region", "kms_key")
END_SECONDS = 180.0
"""A container has `stopTimeout` of its definition after SIGTERM, at most 120 seconds; then its machine is asked."""
DESCRIBED = 100
"""Most tasks of one DescribeTasks."""
FULL = ("RESOURCE:", "AGENT")
"""Beginnings of reasons of RunTask that say that no machine has room now (developer guide, "API failure reasons")."""
WAITS = ("PROVISIONING", "PENDING", "ACTIVATING")
GONE = ("SpotInterruption", "TerminationNotice", "InfrastructureHealth", "ServiceSchedulerInitiated")
NOT_STARTED = ("apacity", "Timeout waiting for", "InternalError", "unexpected EC2 error")
"""Words of reasons why a task did not start that may start the next time."""
TIMED_OUT = 124
"""Exit code of `timeout`."""


def check(profile: "ComputeProfile") -> None:
    aws.check_options(profile, NEEDED, (*OPTIONS, "python"))
    if _on_fargate(profile.options) and profile.gpus:
        raise ValueError("Fargate has no GPUs: name a `capacity_provider` whose machines have them, or leave `gpus` 0")
    if _on_fargate(profile.options) and "subnets" not in profile.options:
        raise ValueError("`backend: aws_ecs` needs `subnets` on Fargate")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, Ecs(launch.profile.options))


class Ecs:
    """The cluster of a compute profile, as `Scheduler`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.aws = Aws("ecs", options)
        self.ecs, self.cluster = self.aws.client, str(options["cluster"])
        self.container = str(options.get("container", "worker"))
        self.family = str(options["definition"]).rpartition("/")[2].partition(":")[0]
        self.refusals = 0

    def submit(self, job: Job) -> str:
        """With the same token ECS starts no second task. It may remember a refusal with its token, too: so the next try
        has another."""
        token = f"{job.name}-{self.refusals}"
        try:
            return self.aws.submit(job, lambda secret: self._started(request(job, secret, token)))
        except NoRoom:
            self.refusals += 1
            raise

    def _started(self, asked: dict[str, Any]) -> str:
        said = self.ecs.run_task(**asked)
        if said["tasks"]:
            return str(said["tasks"][0]["taskArn"])
        why = "; ".join(f"{one.get('reason', '')} {one.get('detail', '')}".strip() for one in said["failures"])
        if why.startswith(FULL) or "apacity" in why:
            raise NoRoom(why)
        raise SubmissionRefused(f"ECS starts no task: {why}", "Compare the compute profile with cluster and definition")

    def find(self, name: str) -> str | None:
        if found := self._listed(startedBy=name):
            return found[0]
        # Tasks that have ended are listed for an hour, and not by who has started them.
        stopped = self._listed(family=self.family, desiredStatus="STOPPED")
        for begin in range(0, len(stopped), DESCRIBED):
            for task in self._described(stopped[begin : begin + DESCRIBED]):
                if task.get("startedBy") == name:
                    return str(task["taskArn"])
        self.aws.none(name)
        return None

    def _listed(self, **only: str) -> list[str]:
        pages = self.ecs.get_paginator("list_tasks").paginate(cluster=self.cluster, **only)
        return ask(lambda: [arn for arn in pages.search("taskArns[]") if arn])

    def _described(self, arns: list[str]) -> list[dict[str, Any]]:
        return ask(lambda: self.ecs.describe_tasks(cluster=self.cluster, tasks=arns))["tasks"]

    def look(self, job_id: str) -> Look:
        found = self._described([job_id])
        if not found:
            return Look("unknown")
        look = look_at(found[0], self.container)
        if look.phase == "ended":
            self.aws.forget(found[0]["startedBy"])
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """ECS sends SIGTERM, and ends by force after `stopTimeout`."""
        reason = "ft-platform: its run has ended"
        ask(lambda: self.ecs.stop_task(cluster=self.cluster, task=job_id, reason=reason))
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)


def request(job: Job, secret: str, token: str) -> dict[str, Any]:
    """What `RunTask` gets: names, sizes and limits, and no variable.

    Args:
        secret: ARN of the variables.
    """
    launch, options = job.launch, job.launch.profile.options
    vcpus, memory = aws.sizes(launch)
    # ECS has no limit of time. In the foreground, `timeout` passes each signal on once; a second one would end at once.
    limit, grace = aws.seconds_limit(launch), max(int(launch.resources.grace_seconds), 1)
    limited = ["timeout", "--foreground", "--signal=INT", f"--kill-after={grace}", str(limit)]
    container: dict[str, Any] = {
        "name": str(options.get("container", "worker")),
        "command": [*limited, *aws.command(launch, secret)],
    }
    if launch.resources.gpus:
        container["resourceRequirements"] = [{"type": "GPU", "value": str(launch.resources.gpus)}]
    overrides = {
        "containerOverrides": [container],
        **({"cpu": str(vcpus * 1024)} if vcpus else {}),
        **({"memory": str(memory)} if memory else {}),
    }
    network = {
        "subnets": aws.words(options.get("subnets")),
        "securityGroups": aws.words(options.get("security_groups")),
    }
    return {
        "cluster": options["cluster"],
        "taskDefinition": options["definition"],
        "capacityProviderStrategy": [{"capacityProvider": _provider(options), "weight": 1}],
        "count": 1,
        "clientToken": token,
        "startedBy": job.name,
        "overrides": overrides,
        **({"networkConfiguration": {"awsvpcConfiguration": network}} if network["subnets"] else {}),
        "tags": [{"key": key, "value": value} for key, value in aws.tags(launch).items()],
    }


def look_at(task: dict[str, Any], container: str) -> Look:
    """What one task of `DescribeTasks` means.

    Args:
        container: name of the one that runs the program.
    """
    status = task["lastStatus"]
    if status in WAITS:
        return Look("waits", reason=status.lower())
    if status not in ("STOPPED", "DELETED"):
        return Look("runs")
    ours = next((one for one in task.get("containers", []) if one["name"] == container), {})
    reason = "; ".join(dict.fromkeys(filter(None, (task.get("stoppedReason"), ours.get("reason"))))) or "no reason"
    code, stop_code = ours.get("exitCode"), task.get("stopCode")
    ended = task.get("executionStoppedAt") or task.get("stoppedAt")
    began = task.get("startedAt")
    seconds = max((ended - began).total_seconds(), 0.0) if began and ended else 0.0
    look = aws.container_end(reason, code, seconds)
    if stop_code == "UserInitiated":
        return Look("ended", "cancelled", look.exit_code, reason, seconds)
    if stop_code in GONE or (stop_code == "TaskFailedToStart" and any(words in reason for words in NOT_STARTED)):
        return Look("ended", "machine_lost", look.exit_code, reason, seconds)
    if look.cause == "program" and code == TIMED_OUT:
        return Look("ended", "time_limit", look.exit_code, reason, seconds)
    return look


def _provider(options: dict[str, Any]) -> str:
    return str(options.get("capacity_provider", "FARGATE"))


def _on_fargate(options: dict[str, Any]) -> bool:
    return _provider(options).startswith("FARGATE")
