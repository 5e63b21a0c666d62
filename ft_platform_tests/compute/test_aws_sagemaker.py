"""What is Amazon SageMaker AI's own: the request, what statuses mean, Spot machines, quotas, and several nodes. What
all back ends keep: `test_contract.py`."""

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.compute import elsewhere
from ft_platform.compute.backend import CredentialsRefused, Job, Look, NoRoom, Unreachable
from ft_platform.compute.backends.aws_sagemaker import CONFIG, SageMaker, look_at, request
from ft_platform.errors import NanLoss, SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.aws_service import Refused
from ft_platform_tests.compute.contract.case import Case, once
from ft_platform_tests.compute.jobs import NAME, SECRET, job_of, served, wait_until
from ft_platform_tests.compute.sagemaker_service import FULL, IMAGE, ROLE, Service
from ft_platform_tests.conftest import REPOSITORY

pytest.importorskip("boto3", reason="extra `aws`")
OPTIONS = {"image": IMAGE, "role": ROLE, "instance": "ml.g5.xlarge", "output": "s3://bucket/sagemaker"}
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ft-0123-1-AbCdEf"
INFRA = REPOSITORY / "infra" / "aws_sagemaker"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", **profile: Any) -> Job:
    options = {**OPTIONS, **profile.pop("options", {})}
    return job_of(environment, "aws_sagemaker", options, program, **profile)


def test_the_request_names_machines_and_limits_and_holds_no_variable(environment: Any) -> None:
    assert request(job(environment, gpus=1), ARN) == {
        "TrainingJobName": "ft-0123-1",
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-m", "ft_platform.programs.with_secret"],
            "ContainerArguments": [ARN, "ft_platform.programs.train"],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/sagemaker"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 100},
        "StoppingCondition": {"MaxRuntimeInSeconds": 5460},
        "EnableManagedSpotTraining": False,
        "EnableInterContainerTrafficEncryption": False,
        "Tags": [
            {"Key": "ft-platform", "Value": "launch"},
            {"Key": "ft-platform:use-case", "Value": "complaints"},
            {"Key": "ft-platform:program", "Value": "train"},
        ],
    }


def test_each_option_changes_the_request(environment: Any) -> None:
    spot = request(job(environment, options={"spot": True, "wait_minutes": 10, "kms_key": "key"}), ARN)
    assert spot["StoppingCondition"] == {"MaxRuntimeInSeconds": 5460, "MaxWaitTimeInSeconds": 6060}
    assert spot["EnableManagedSpotTraining"] and "CheckpointConfig" not in spot
    assert spot["OutputDataConfig"]["KmsKeyId"] == spot["ResourceConfig"]["VolumeKmsKeyId"] == "key"
    network = {"subnets": "a,b", "security_groups": "c", "warm_seconds": 600, "volume_gib": 50, "python": "python3.11"}
    warm = request(job(environment, options=network), ARN)
    assert warm["VpcConfig"] == {"Subnets": ["a", "b"], "SecurityGroupIds": ["c"]}
    assert warm["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert warm["ResourceConfig"]["VolumeSizeInGB"] == 50
    assert warm["AlgorithmSpecification"]["ContainerEntrypoint"][0] == "python3.11"


def test_several_nodes_learn_of_each_other_from_a_file_and_other_programs_need_one(environment: Any) -> None:
    several = request(job(environment, processes=8, gpus=8, options={"nodes": 2}), ARN)
    assert several["ResourceConfig"]["InstanceCount"] == 2 and several["EnableInterContainerTrafficEncryption"]
    words = several["AlgorithmSpecification"]["ContainerArguments"]
    assert words[1:3] == ["ft_platform.programs.sagemaker_nodes", CONFIG] and "--nproc-per-node=4" in words
    assert all(len(word) <= 256 for word in words), "SageMaker takes no longer ones"
    fast = request(job(environment, processes=8, options={"nodes": 2, "encrypt_traffic": False}), ARN)
    assert not fast["EnableInterContainerTrafficEncryption"]
    alone = request(job(environment, "evaluate", processes=8, options={"nodes": 2}), ARN)
    assert alone["ResourceConfig"]["InstanceCount"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has image, role, instance, output"),
        ({"role": 3}, "must be one line of text each: role"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"spot": True, "warm_seconds": 60}, "takes `spot` or `warm_seconds`"),
        ({"wait_minutes": 60}, "`wait_minutes` .* is for `spot`"),
        ({"subnets": "a"}, "takes `subnets` with `security_groups`"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="aws_sagemaker", processes=8, options={**OPTIONS, **options})


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def said(status: str, detail: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The second start of an interrupted job was 30 seconds before its end."""
    steps = [
        {"Status": "Training", "StartTime": at(100)},
        {"Status": "Interrupted", "StartTime": at(500)},
        {"Status": "Training", "StartTime": at(1000)},
        {"Status": detail, "StartTime": at(1030), "StatusMessage": message},
    ]
    return {
        "TrainingJobStatus": status,
        "SecondaryStatus": detail,
        "SecondaryStatusTransitions": steps,
        **({} if status in ("InProgress", "Stopping") else {"TrainingEndTime": at(1030)}),
        **more,
    }


def failed(reason: str) -> dict[str, Any]:
    return said("Failed", "Failed", FailureReason=reason)


MEMORY = "ClientError: Please use an instance type with more memory, or reduce the size of job data processed"
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different type."
INTERNAL, IMAGE_GONE = "InternalServerError: We encountered an internal error.", "ClientError: Cannot pull the image."


@pytest.mark.parametrize(
    ("job", "look"),
    [
        (said("InProgress", "Starting", FULL), Look("waits", reason=FULL)),
        (said("InProgress", "Pending"), Look("waits", reason="Pending")),
        (said("InProgress", "Downloading", "the image"), Look("waits", reason="the image")),
        (said("InProgress", "Interrupted", "no Spot"), Look("waits", reason="no Spot")),
        (said("InProgress", "Restarting"), Look("waits", reason="Restarting")),
        (said("InProgress", "Training"), Look("runs")),
        (said("InProgress", "Uploading"), Look("runs")),
        (said("Stopping", "Stopping"), Look("runs")),
        (said("Stopping", "MaxRuntimeExceeded"), Look("runs")),
        (said("Completed", "Completed"), Look("ended", seconds=30)),
        (said("Stopped", "Stopped", "by hand"), Look("ended", "cancelled", 1, "Stopped: by hand", 30)),
        (said("Stopped", "MaxRuntimeExceeded", "m"), Look("ended", "time_limit", 1, "MaxRuntimeExceeded: m", 30)),
        (said("Failed", "MaxRuntimeExceeded", "m"), Look("ended", "time_limit", 1, "MaxRuntimeExceeded: m", 30)),
        (said("Stopped", "MaxWaitTimeExceeded", "m"), Look("ended", "refused", 1, "MaxWaitTimeExceeded: m", 30)),
        (
            failed("AlgorithmError: a record, exit code: 3"),
            Look("ended", "program", 3, "AlgorithmError, exit code 3", 30),
        ),
        (failed("AlgorithmError: , exit code: 137"), Look("ended", "program", -9, "AlgorithmError, exit code -9", 30)),
        (failed(MEMORY), Look("ended", "out_of_memory", 1, MEMORY, 30)),
        (failed(CAPACITY), Look("ended", "machine_lost", 1, CAPACITY, 30)),
        (failed(INTERNAL), Look("ended", "machine_lost", 1, INTERNAL, 30)),
        (failed(IMAGE_GONE), Look("ended", "refused", 1, IMAGE_GONE, 30)),
    ],
)
def test_statuses_and_reasons_of_sagemaker_mean(job: dict[str, Any], look: Look) -> None:
    assert look_at(job) == look


def test_variables_lie_in_a_secret_and_keys_of_the_orchestrator_nowhere(service: Service, environment: Any) -> None:
    service.full = True
    sagemaker = SageMaker(OPTIONS)
    name = sagemaker.submit(job(environment))
    assert json.loads(service.secrets[NAME][0]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    [sent] = [given for operation, given in service.requests if operation == "CreateTrainingJob"]
    assert SECRET not in json.dumps(sent) and "canary" not in json.dumps(sent) and "Environment" not in sent
    wait_until(lambda: sagemaker.look(name).reason == FULL)
    assert sagemaker.find(NAME) == name == NAME
    sagemaker.stop(name, 1)
    assert sagemaker.look(name).cause == "cancelled" and service.secrets == {}
    sagemaker.stop(name, 1)  # SageMaker refuses to stop what has ended
    assert sagemaker.look("gone") == Look("unknown")


def test_a_job_whose_answer_got_lost_is_not_created_twice(service: Service, environment: Any) -> None:
    sagemaker = SageMaker(OPTIONS)
    service.full, service.lose_answers = True, 1
    assert sagemaker.submit(job(environment)) == NAME  # botocore asks again, and hears that the name is taken
    assert list(service.jobs) == [NAME] and NAME in service.secrets
    sagemaker.stop(NAME, 1)


def test_a_quota_that_others_use_up_is_waited_for_and_one_that_is_too_small_is_not(
    service: Service, environment: Any
) -> None:
    sagemaker = SageMaker(OPTIONS)
    service.quota = 4
    with pytest.raises(NoRoom, match="with current utilization of 4 Instances"):
        sagemaker.submit(job(environment))
    service.quota = 0
    with pytest.raises(SubmissionRefused, match="ResourceLimitExceeded"):
        sagemaker.submit(job(environment))
    service.quota = None
    with pytest.raises(SubmissionRefused, match="Could not assume role"):
        sagemaker.submit(job(environment, options={"image": "none"}))
    assert service.secrets == {} and service.jobs == {}


def test_answers_that_pass_are_told_from_those_that_do_not(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between botocore's tries
    service.throttle = 99
    with pytest.raises(Unreachable, match="DescribeTrainingJob: TooManyRequestsException"):
        SageMaker(OPTIONS).look("gone")
    service.throttle, service.expired = 0, True
    with pytest.raises(CredentialsRefused, match="ExpiredTokenException"):
        SageMaker(OPTIONS).find("gone")


@pytest.mark.integration
def test_a_training_on_a_spot_machine_that_is_taken_goes_on_in_the_same_job(
    service: Service, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.1)
    case = Case("aws_sagemaker", environment, tmp_path, {"options": {**OPTIONS, "spot": True}})
    taking = once(lambda: bool(case.beats("program")), 60, lambda: take_away(service))
    weights = case.run("learns").values["weights"]
    taking.join()
    expected = "begin"
    for _ in range(20):
        expected = hashlib.sha256(expected.encode()).hexdigest()
    assert weights == expected and case.starts() == 2
    assert len(service.jobs) == 1 and service.secrets == {}


def take_away(service: Service) -> None:
    time.sleep(1)
    [name] = service.running()
    service.take_away(name)


@pytest.mark.slow
@pytest.mark.integration
def test_two_nodes_work_on_one_model(service: Service, environment: Any, tmp_path: Path) -> None:
    case = Case("aws_sagemaker", environment, tmp_path, {"options": OPTIONS})
    result = case.run("reports", processes=2, options={"nodes": 2})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()
    with pytest.raises(NanLoss, match="loss is NaN at step 12"):
        case.run("fails", processes=2, options={"nodes": 2})
    assert service.secrets == {} and service.waiting_or_running() == []


def test_the_stand_in_refuses_what_the_model_of_the_service_does_not_know(service: Service) -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    for wrong in ({"TrainingJobName": 1}, {"TrainingJobName": "a", "more": 1}, {}):
        with pytest.raises(Refused, match=r"TrainingJobName|more"):
            service.answer("DescribeTrainingJob", wrong, "AKIAORCHESTRATOR0000")


def test_the_shipped_profiles_are_profiles() -> None:
    found = yaml.safe_load((INFRA / "ft_environment.yaml").read_text())["profiles"]
    assert {ComputeProfile(**one).backend for one in found.values()} == {"local", "aws_sagemaker"} and len(found) == 4


def test_the_shipped_policy_allows_each_call_and_no_other(service: Service, environment: Any) -> None:
    """Which calls there are, the stand-in has seen."""
    sagemaker = SageMaker(OPTIONS)
    service.full = True
    sagemaker.submit(job(environment))
    sagemaker.find("ft-0")
    sagemaker.stop(NAME, 1)
    seen = {f"{'secretsmanager' if 'Secret' in name else 'sagemaker'}:{name}" for name, _ in service.requests}
    more = {"sagemaker:AddTags", "secretsmanager:TagResource", "iam:PassRole"}  # asked for with a request
    policy = json.loads((INFRA / "orchestrator_policy.json").read_text())
    assert {action for one in policy["Statement"] for action in one["Action"]} == seen | more
    jobs = json.loads((INFRA / "job_policy.json").read_text())
    assert "secretsmanager:GetSecretValue" in {action for one in jobs["Statement"] for action in one["Action"]}
