"""What is AWS Batch's own: the request, what states and reasons mean, and which answers pass. Requests go through
botocore's client to a stand-in that checks them by botocore's model. What all back ends keep: `test_contract.py`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.compute import aws
from ft_platform.compute.backend import CredentialsRefused, Job, Look, Unreachable
from ft_platform.compute.backends import aws_batch
from ft_platform.compute.backends.aws_batch import Batch, look_at, request
from ft_platform.errors import NanLoss, SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.aws_service import Refused
from ft_platform_tests.compute.batch_service import FULL, HOST_LOST, NEVER, Service
from ft_platform_tests.compute.contract.case import Case
from ft_platform_tests.compute.jobs import SECRET, job_of, served, wait_until
from ft_platform_tests.conftest import REPOSITORY

pytest.importorskip("boto3", reason="extra `aws`")
OPTIONS = {"queue": "gpu", "definition": "worker", "nodes_definition": "workers"}
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ft-0123-1-AbCdEf"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", **profile: Any) -> Job:
    options = {**OPTIONS, **profile.pop("options", {})}
    return job_of(environment, "aws_batch", options, program, **profile)


def test_the_request_names_sizes_and_limits_and_holds_no_variable(environment: Any) -> None:
    made = request(job(environment, gpus=2, memory_limit_gib=80.0, options={"memory_gib": 64, "share": "legal"}), ARN)
    assert made == {
        "jobName": "ft-0123-1",
        "jobQueue": "gpu",
        "jobDefinition": "worker",
        "containerOverrides": {
            "command": ["python", "-m", "ft_platform.programs.with_secret", ARN, "ft_platform.programs.train"],
            "resourceRequirements": [
                {"type": "VCPU", "value": "4"},
                {"type": "MEMORY", "value": "65536"},
                {"type": "GPU", "value": "2"},
            ],
        },
        "shareIdentifier": "legal",
        "retryStrategy": {"attempts": 1},
        "timeout": {"attemptDurationSeconds": 5460},  # 90 minutes, half a one to save, and another to be ended
        "tags": {"ft-platform": "launch", "ft-platform:use-case": "complaints", "ft-platform:program": "train"},
        "propagateTags": True,
    }


def test_several_nodes_meet_at_the_first_and_other_programs_need_one(environment: Any) -> None:
    several = request(job(environment, processes=8, gpus=8, options={"nodes": 2}), ARN)
    assert several["jobDefinition"] == "workers" and "containerOverrides" not in several
    assert several["nodeOverrides"]["numNodes"] == 2
    [each] = several["nodeOverrides"]["nodePropertyOverrides"]
    assert each["targetNodes"] == "0:"
    assert {"type": "GPU", "value": "4"} in each["containerOverrides"]["resourceRequirements"]
    words = each["containerOverrides"]["command"]
    assert words[:2] == ["sh", "-c"] and "--nproc-per-node=4" in words[2] and "--nnodes=2" in words[2]
    alone = request(job(environment, "evaluate", processes=8, options={"nodes": 2}), ARN)
    assert alone["jobDefinition"] == "worker" and "nodeOverrides" not in alone


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partition": "x"}, "has no option partition; it has queue, definition"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"definition": 3}, "must be one line of text each: definition"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="aws_batch", processes=8, options={**OPTIONS, **options})
    with pytest.raises(ValueError, match="needs `nodes_definition`"):
        ComputeProfile(backend="aws_batch", processes=8, options={"queue": "q", "definition": "d", "nodes": 2})


def failed(reason: str, code: int | None = None, container: str | None = None, **more: Any) -> dict[str, Any]:
    ended = {name: value for name, value in (("exitCode", code), ("reason", container)) if value is not None}
    return {
        "status": "FAILED",
        "statusReason": reason,
        "container": ended,
        "startedAt": 1000,
        "stoppedAt": 31000,
        **more,
    }


EXITED, TASK = "Essential container in task exited", "Task failed to start"
ABSENT = "CannotPullContainerError: pull access denied, repository does not exist"
BUSY = "CannotPullContainerError: toomanyrequests: Rate exceeded"
OOM = "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(
    ("job", "look"),
    [
        ({"status": "SUBMITTED"}, Look("waits")),
        ({"status": "RUNNABLE", "statusReason": FULL}, Look("waits", reason=FULL)),
        ({"status": "STARTING"}, Look("waits", reason="it starts")),
        ({"status": "RUNNING"}, Look("runs")),
        ({"status": "SUCCEEDED", "startedAt": 1000, "stoppedAt": 31000}, Look("ended", seconds=30)),
        (failed(EXITED, 3), Look("ended", "program", 3, EXITED, 30)),
        (failed(EXITED, 137), Look("ended", "program", -9, EXITED, 30)),  # killed, not by its memory limit
        (failed(EXITED, 137, OOM), Look("ended", "out_of_memory", -9, f"{EXITED}; {OOM}", 30)),
        (failed(HOST_LOST), Look("ended", "machine_lost", 1, HOST_LOST, 30)),
        (failed("Your Spot Task was interrupted.", 143), Look("ended", "machine_lost", -15, "*", 30)),
        (failed(TASK, None, "DockerTimeoutError: Could not"), Look("ended", "machine_lost", 1, "*", 30)),
        (failed(TASK, None, BUSY), Look("ended", "machine_lost", 1, f"{TASK}; {BUSY}", 30)),
        (failed(TASK, None, ABSENT), Look("ended", "refused", 1, f"{TASK}; {ABSENT}", 30)),
        (failed("Job attempt duration exceeded timeout", 137), Look("ended", "time_limit", -9, "*", 30)),
        (failed("by hand", 143, isTerminated=True), Look("ended", "cancelled", -15, "by hand", 30)),
    ],
)
def test_states_and_reasons_of_batch_mean(job: dict[str, Any], look: Look) -> None:
    found = look_at(job, [])
    assert found == (
        Look(look.phase, look.cause, look.exit_code, found.reason, look.seconds) if look.reason == "*" else look
    )


def test_of_several_nodes_the_one_that_tells_most_counts() -> None:
    whole = failed("", None)
    later = failed(EXITED, 143) | {"stoppedAt": 40_000}
    assert look_at(whole, [later, failed(EXITED, 3)]).exit_code == 3, "the others were told to end"
    assert look_at(failed(aws_batch.NODE_FAILED, isTerminated=True), [later, failed(EXITED, 3)]).cause == "program"
    assert look_at(failed("by hand", isTerminated=True), [later, failed(EXITED, 3)]).cause == "cancelled"
    assert look_at(whole, [failed(EXITED, 1), failed(HOST_LOST)]).cause == "machine_lost"
    assert look_at(whole, [failed(EXITED, 1), failed(EXITED, 137, OOM)]).cause == "out_of_memory"


def test_variables_lie_in_a_secret_and_keys_of_the_orchestrator_nowhere(service: Service, environment: Any) -> None:
    service.full = True
    batch, made = Batch(OPTIONS), job(environment)
    number = batch.submit(made)
    assert json.loads(service.secrets["ft-0123-1"][0]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    [sent] = [given for name, given in service.requests if name == "SubmitJob"]
    assert SECRET not in json.dumps(sent) and "canary" not in json.dumps(sent)
    assert batch.find("ft-0123-1") == number
    wait_until(lambda: batch.look(number).reason == FULL)
    batch.stop(number, 1)
    assert batch.look(number).cause == "cancelled" and service.secrets == {}


def test_what_nobody_submitted_leaves_no_secret(service: Service, environment: Any) -> None:
    batch = Batch({**OPTIONS, "definition": "none"})
    with pytest.raises(SubmissionRefused, match="JobDefinition none not found"):
        batch.submit(job(environment, options={"definition": "none"}))
    assert service.secrets == {}
    service.secrets["ft-killed-1"] = ("{}", "")  # the orchestrator was killed before it could submit
    assert batch.find("ft-killed-1") is None and service.secrets == {}


def test_a_job_whose_answer_got_lost_is_found_and_not_submitted_twice(service: Service, environment: Any) -> None:
    service.full, service.lose_answers = True, 1
    batch = Batch(OPTIONS)
    with pytest.raises(Unreachable):
        batch.submit(job(environment))
    [number] = service.jobs
    assert batch.find("ft-0123-1") == number and "ft-0123-1" in service.secrets
    batch.stop(number, 1)


def test_a_job_beyond_the_first_page_is_found(service: Service) -> None:
    service.jobs |= {
        str(number): {"jobId": str(number), "jobName": "ft-1", "createdAt": number, "status": "FAILED"}
        for number in (1, 2, 3)
    }
    assert Batch(OPTIONS).find("ft-1") == "3"
    assert Batch(OPTIONS).look("gone") == Look("unknown"), "Batch forgets jobs after seven days"


def test_a_job_that_would_wait_for_ever_is_taken_back(service: Service, environment: Any) -> None:
    batch = Batch({**OPTIONS, "queue": "misconfigured"})
    number = batch.submit(job(environment, options={"queue": "misconfigured"}))
    until = time.monotonic() + 10
    while (look := batch.look(number)).phase == "waits":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (look.cause, look.reason) == ("refused", NEVER)
    assert service.waiting_or_running() == [] and service.secrets == {}


def test_answers_that_pass_are_told_from_those_that_do_not(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between botocore's tries
    batch = Batch(OPTIONS)
    service.throttle = 2
    assert batch.look("gone").phase == "unknown" and service.throttle == 0, "botocore asks again"
    service.throttle = 99
    with pytest.raises(Unreachable, match="DescribeJobs: TooManyRequestsException"):
        batch.look("gone")
    service.throttle, service.expired = 0, True
    with pytest.raises(CredentialsRefused, match="ExpiredTokenException"):
        batch.look("gone")
    service.expired = False
    long = Job("ft-0123-1", job(environment).launch, {"LONG": "x" * 70_000})
    with pytest.raises(SubmissionRefused, match="65,536"):
        batch.submit(long)
    with pytest.raises(SubmissionRefused, match="JobQueue nowhere not found"):
        Batch({**OPTIONS, "queue": "nowhere"}).find("ft-1")
    service.stop()
    with pytest.raises(Unreachable, match="EndpointConnectionError"):
        Batch(OPTIONS).look("gone")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SubmissionRefused, match="NoRegionError"):
        Batch(OPTIONS)


def test_the_stand_in_refuses_what_the_model_of_the_service_does_not_know(service: Service) -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    for wrong in ({"jobs": "a"}, {"jobs": ["a"], "more": 1}, {}):
        with pytest.raises(Refused, match=r"jobs|more"):
            service.answer("DescribeJobs", wrong, "AKIAORCHESTRATOR0000")


@pytest.mark.integration
def test_two_nodes_work_on_one_model(
    service: Service, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("aws_batch", environment, tmp_path, {"options": OPTIONS})
    result = case.run("reports", processes=2, options={"nodes": 2})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()
    with pytest.raises(NanLoss, match="loss is NaN at step 12"):
        case.run("fails", processes=2, options={"nodes": 2})
    assert service.secrets == {} and service.waiting_or_running() == []


def test_the_shipped_profiles_are_profiles() -> None:
    found = yaml.safe_load((REPOSITORY / "infra" / "aws_batch" / "ft_environment.yaml").read_text())["profiles"]
    assert {ComputeProfile(**one).backend for one in found.values()} == {"local", "aws_batch"} and len(found) == 3


def test_the_shipped_policies_allow_each_call_and_no_other(service: Service, environment: Any) -> None:
    """Which calls there are, the stand-in has seen."""
    folder = REPOSITORY / "infra" / "aws_batch"
    batch = Batch(OPTIONS)
    service.full = True
    number = batch.submit(job(environment))
    batch.find("ft-0123-1")
    batch.stop(number, 1)
    seen = {f"{'secretsmanager' if 'Secret' in name else 'batch'}:{name}" for name, _ in service.requests}
    tagging = {"batch:TagResource", "secretsmanager:TagResource"}  # asked for with the tags of a request
    assert _actions(folder / "orchestrator_policy.json") == seen | tagging
    assert _actions(folder / "job_policy.json") == {"secretsmanager:GetSecretValue"}


def test_the_shipped_job_definition_is_one_by_the_model_of_the_service(service: Service) -> None:
    given = json.loads((REPOSITORY / "infra" / "aws_batch" / "job_definition.json").read_text())
    service.check(given, service.operations["RegisterJobDefinition"].input_shape)


def _actions(file: Path) -> set[str]:
    return {action for one in json.loads(file.read_text())["Statement"] for action in one["Action"]}


def test_a_wrong_signature_shows_no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS quotes what was signed, with the session's token."""
    from botocore.exceptions import ClientError

    said = {"Error": {"Code": "InvalidSignatureException", "Message": SECRET}, "ResponseMetadata": {}}

    def ask() -> None:
        raise ClientError(said, "SubmitJob")  # type: ignore[arg-type]

    with pytest.raises(CredentialsRefused) as raised:
        aws.ask(ask)
    assert SECRET not in str(raised.value)
