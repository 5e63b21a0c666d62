"""Back end `aws_sagemaker`: the program is a training job of Amazon SageMaker AI, on one or several nodes. Programs
that train nothing run as training jobs, too: SageMaker only cares for the container.

SageMaker's own channels, checkpoints and model artifacts are not used. Data, saved states and results are in the lake,
where each other back end finds them, too; `output` is named because SageMaker insists on it, and stays nearly empty.
With `spot`, SageMaker starts an interrupted job again by itself, and a training goes on from its last saved state.

Not run against the service: a stand-in that checks requests by botocore's own model, and has jobs, states and faults.

`options` of the profile: `image`, `role` (ARN), `instance` (type) and `output` (`s3://...`); `nodes`; `spot` with
`wait_minutes`, how long it may take beside its own time; `warm_seconds` that machines are kept for the next program;
`volume_gib`; `subnets` and `security_groups`, lists with commas; `encrypt_traffic` between nodes; `region`; `kms_key`
of secret, volume and output; `python` in the image.
"""

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute import aws
from ft_platform.compute.aws import Aws, ask
from ft_platform.compute.backend import Cause, Job, Launch, Look
from ft_platform.compute.cloud_jobs import wait_for_end
from ft_platform.errors import SubmissionRefused

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["there"] = "there"
NEEDED = ("image", "role", "instance", "output")
OPTIONS = (
    *("nodes", "spot", "wait_minutes", "warm_seconds", "volume_gib", "subnets", "security_groups"),
    *("encrypt_traffic", "region", "kms_key", "python"),
)
END_SECONDS = 300.0
"""A container has 120 seconds after SIGTERM; then SageMaker uploads what it left behind."""
WAIT_MINUTES, VOLUME_GIB = 1440, 100
CONFIG = "/opt/ml/input/config/resourceconfig.json"
"""Where SageMaker says which nodes there are."""
RUNS = ("Training", "Uploading", "Updating")
"""Secondary statuses of a job that has not ended in which its program runs. In all others it waits."""
LIMITS: dict[str, Cause] = {"MaxRuntimeExceeded": "time_limit", "MaxWaitTimeExceeded": "refused"}
"""Secondary statuses of a job that SageMaker has ended, whatever its program made of that."""
LOST = ("CapacityError", "InternalServerError")
MEMORY_WORDS = re.compile("instance type with more memory|Out of Memory|OutOfMemory")
EXIT_CODE = re.compile(r"exit code:? (\d+)", re.I)


def check(profile: "ComputeProfile") -> None:
    aws.check_options(profile, NEEDED, OPTIONS)
    options = profile.options
    if options.get("spot") and options.get("warm_seconds"):
        raise ValueError("`backend: aws_sagemaker` takes `spot` or `warm_seconds`: SageMaker keeps no Spot machines")
    if "wait_minutes" in options and not options.get("spot"):
        raise ValueError("`wait_minutes` of `backend: aws_sagemaker` is for `spot`")
    if bool(options.get("subnets")) != bool(options.get("security_groups")):
        raise ValueError("`backend: aws_sagemaker` takes `subnets` with `security_groups`")


def run(launch: Launch) -> dict[str, Any]:
    from ft_platform.compute.elsewhere import run_elsewhere

    return run_elsewhere(launch, SageMaker(launch.profile.options))


class SageMaker:
    """One region, as `Scheduler`. The id of a job is its name, which no other job ever had or gets."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.aws = Aws("sagemaker", options)
        self.sagemaker = self.aws.client

    def submit(self, job: Job) -> str:
        def create(secret: str) -> str:
            with suppress(self.sagemaker.exceptions.ResourceInUse):  # its first answer was lost
                self.sagemaker.create_training_job(**request(job, secret))
            return job.name

        return self.aws.submit(job, create)

    def find(self, name: str) -> str | None:
        if self._described(name):
            return name
        self.aws.none(name)
        return None

    def _described(self, name: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        def describe() -> dict[str, Any] | None:
            try:
                return self.sagemaker.describe_training_job(TrainingJobName=name)
            except ClientError as error:
                if "resource not found" in str(error.response["Error"].get("Message", "")).lower():
                    return None
                raise

        return ask(describe)

    def look(self, job_id: str) -> Look:
        job = self._described(job_id)
        if job is None:
            return Look("unknown")
        look = look_at(job)
        if look.phase == "ended":
            self.aws.forget(job_id)
        return look

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """SageMaker sends SIGTERM, and ends by force after 120 seconds. It refuses to stop what has ended."""
        try:
            ask(lambda: self.sagemaker.stop_training_job(TrainingJobName=job_id))
        except SubmissionRefused:
            if self.look(job_id).phase not in ("ended", "unknown"):
                raise
        wait_for_end(self, job_id, grace_seconds + END_SECONDS)


def request(job: Job, secret: str) -> dict[str, Any]:
    """What `CreateTrainingJob` gets: names, sizes and limits, and no variable.

    Args:
        secret: ARN of the variables.
    """
    launch, options = job.launch, job.launch.profile.options
    nodes, limit, spot = aws.nodes_of(launch), aws.seconds_limit(launch), bool(options.get("spot"))
    meet = ("ft_platform.programs.sagemaker_nodes", CONFIG, f"--master-port={aws.PORT}")
    python, dash_m, module, *arguments = aws.command(launch, secret, meet)
    machines = {
        "InstanceType": options["instance"],
        "InstanceCount": nodes,
        "VolumeSizeInGB": int(options.get("volume_gib", VOLUME_GIB)),
        **({"KeepAlivePeriodInSeconds": int(options["warm_seconds"])} if options.get("warm_seconds") else {}),
        **({"VolumeKmsKeyId": options["kms_key"]} if "kms_key" in options else {}),
    }
    wait = {"MaxWaitTimeInSeconds": limit + 60 * int(options.get("wait_minutes", WAIT_MINUTES))}
    network = {
        "Subnets": aws.words(options.get("subnets")),
        "SecurityGroupIds": aws.words(options.get("security_groups")),
    }
    return {
        "TrainingJobName": job.name,
        "AlgorithmSpecification": {
            "TrainingImage": options["image"],
            "TrainingInputMode": "File",
            "ContainerEntrypoint": [python, dash_m, module],
            "ContainerArguments": arguments,
        },
        "RoleArn": options["role"],
        "OutputDataConfig": {
            "S3OutputPath": options["output"],
            **({"KmsKeyId": options["kms_key"]} if "kms_key" in options else {}),
        },
        "ResourceConfig": machines,
        "StoppingCondition": {"MaxRuntimeInSeconds": limit, **(wait if spot else {})},
        "EnableManagedSpotTraining": spot,
        "EnableInterContainerTrafficEncryption": nodes > 1 and bool(options.get("encrypt_traffic", True)),
        **({"VpcConfig": network} if network["Subnets"] else {}),
        "Tags": [{"Key": key, "Value": value} for key, value in aws.tags(launch).items()],
    }


def look_at(job: dict[str, Any]) -> Look:
    """What `DescribeTrainingJob` says of a job."""
    status, detail = job["TrainingJobStatus"], job["SecondaryStatus"]
    steps = job.get("SecondaryStatusTransitions") or [{}]
    message = str(steps[-1].get("StatusMessage") or detail)
    if status in ("InProgress", "Stopping"):
        runs = status == "Stopping" or detail in RUNS
        return Look("runs") if runs else Look("waits", reason=message)
    last = [one for one in steps if one.get("Status") == "Training"]
    seconds = 0.0
    if last and job.get("TrainingEndTime"):
        seconds = max((job["TrainingEndTime"] - last[-1]["StartTime"]).total_seconds(), 0.0)
    if status == "Completed":
        return Look("ended", seconds=seconds)
    if status in ("Stopped", "Deleting") or detail in LIMITS:
        return Look("ended", LIMITS.get(detail, "cancelled"), 1, f"{detail}: {message}", seconds)
    reason = str(job.get("FailureReason", "no reason"))
    kind, code = reason.partition(":")[0], EXIT_CODE.search(reason)
    exit_code = aws.exit_code_of(int(code[1]) if code else None)
    if kind in LOST:
        return Look("ended", "machine_lost", exit_code, reason, seconds)
    if MEMORY_WORDS.search(reason):
        return Look("ended", "out_of_memory", exit_code, reason, seconds)
    if kind == "AlgorithmError":  # what follows may be words of the program
        return Look("ended", "program", exit_code, f"{kind}, exit code {exit_code}", seconds)
    return Look("ended", "refused", exit_code, reason, seconds)
