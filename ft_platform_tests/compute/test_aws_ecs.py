"""What is Amazon ECS's own: the request, what states and reasons mean, tokens, and clusters without room. What all back
ends keep: `test_contract.py`."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ft_platform.compute import elsewhere
from ft_platform.compute.backend import CredentialsRefused, Job, Look, NoRoom, Unreachable
from ft_platform.compute.backends.aws_ecs import Ecs, look_at, request
from ft_platform.errors import SubmissionRefused
from ft_platform.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.aws_service import Refused
from ft_platform_tests.compute.contract.case import TOKEN, Case, once
from ft_platform_tests.compute.ecs_service import CLUSTER, DEFINITION, EXITED, FARGATE_FULL, Service
from ft_platform_tests.compute.jobs import NAME, SECRET, job_of, served, wait_until
from ft_platform_tests.conftest import REPOSITORY

pytest.importorskip("boto3", reason="extra `aws`")
OPTIONS = {"cluster": CLUSTER, "definition": DEFINITION, "subnets": "subnet-1, subnet-2"}
ON_GPUS = {"cluster": CLUSTER, "definition": DEFINITION, "capacity_provider": "gpu"}
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ft-0123-1-AbCdEf"
INFRA = REPOSITORY / "infra" / "aws_ecs"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, options: dict[str, Any], **profile: Any) -> Job:
    return job_of(environment, "aws_ecs", options, **profile)


def test_the_request_names_sizes_and_limits_and_holds_no_variable(environment: Any) -> None:
    assert request(job(environment, OPTIONS, memory_limit_gib=16.0), ARN, "token-0") == {
        "cluster": "ft",
        "taskDefinition": "ft-worker",
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
        "count": 1,
        "clientToken": "token-0",
        "startedBy": "ft-0123-1",
        "overrides": {
            "containerOverrides": [
                {
                    "name": "worker",
                    "command": [
                        *("timeout", "--foreground", "--signal=INT", "--kill-after=30", "5460"),
                        *("python", "-m", "ft_platform.programs.with_secret", ARN, "ft_platform.programs.train"),
                    ],
                }
            ],
            "cpu": "4096",
            "memory": "16384",
        },
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": []},
        },
        "tags": [
            {"key": "ft-platform", "value": "launch"},
            {"key": "ft-platform:use-case", "value": "complaints"},
            {"key": "ft-platform:program", "value": "train"},
        ],
    }


def test_gpus_are_asked_for_where_a_provider_has_them_and_share_one_machine(environment: Any) -> None:
    made = request(job(environment, ON_GPUS, gpus=4, processes=4, memory_limit_gib=80.0), ARN, "token-0")
    [container] = made["overrides"]["containerOverrides"]
    assert container["resourceRequirements"] == [{"type": "GPU", "value": "4"}]
    assert "memory" not in made["overrides"] and "networkConfiguration" not in made
    assert "--standalone --nproc-per-node=4 --module" in " ".join(container["command"])


@pytest.mark.parametrize(
    ("options", "profile", "words"),
    [
        ({**OPTIONS, "partition": "x"}, {}, "has no option partition; it has cluster, definition, container"),
        ({"cluster": "ft"}, {}, "needs `options` definition"),
        (OPTIONS, {"gpus": 1}, "Fargate has no GPUs: name a `capacity_provider`"),
        ({**OPTIONS, "capacity_provider": "FARGATE_SPOT"}, {"gpus": 1}, "Fargate has no GPUs"),
        ({"cluster": "ft", "definition": "d"}, {}, "needs `subnets` on Fargate"),
        ({**OPTIONS, "nodes": 2}, {"processes": 2}, "has no option nodes"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], profile: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="aws_ecs", options=options, **profile)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def stopped(stop_code: str, reason: str, code: int | None = None, why: str | None = None) -> dict[str, Any]:
    ended = {name: value for name, value in (("exitCode", code), ("reason", why)) if value is not None}
    return {
        "lastStatus": "STOPPED",
        "stopCode": stop_code,
        "stoppedReason": reason,
        "containers": [{"name": "sidecar", "exitCode": 0}, {"name": "worker", **ended}],
        "startedAt": at(1000),
        "executionStoppedAt": at(1030),
        "stoppedAt": at(1090),
    }


TASK, OOM = "Task failed to start", "OutOfMemoryError: Container killed due to memory usage"
PULL = "CannotPullContainerError: pull access denied"
EXIT = "EssentialContainerExited"


@pytest.mark.parametrize(
    ("task", "look"),
    [
        ({"lastStatus": "PROVISIONING"}, Look("waits", reason="provisioning")),
        ({"lastStatus": "PENDING"}, Look("waits", reason="pending")),
        ({"lastStatus": "RUNNING"}, Look("runs")),
        ({"lastStatus": "DEPROVISIONING"}, Look("runs")),
        (stopped(EXIT, EXITED, 0), Look("ended", "program", 0, EXITED, 30)),
        (stopped(EXIT, EXITED, 3), Look("ended", "program", 3, EXITED, 30)),
        (stopped(EXIT, EXITED, 137), Look("ended", "program", -9, EXITED, 30)),  # killed, not by its memory limit
        (stopped(EXIT, EXITED, 137, OOM), Look("ended", "out_of_memory", -9, f"{EXITED}; {OOM}", 30)),
        (stopped(EXIT, EXITED, 124), Look("ended", "time_limit", 124, EXITED, 30)),
        (stopped("SpotInterruption", "Your Spot Task was interrupted.", 143), Look("ended", "machine_lost", -15)),
        (stopped("TerminationNotice", "Host EC2 (instance i-0) terminated."), Look("ended", "machine_lost", 1)),
        (stopped("InfrastructureHealth", "The machine is unhealthy"), Look("ended", "machine_lost", 1)),
        (stopped("UserInitiated", "by hand", 143), Look("ended", "cancelled", -15, "by hand", 30)),
        (stopped("TaskFailedToStart", TASK, None, PULL), Look("ended", "refused", 1, f"{TASK}; {PULL}", 30)),
        (stopped("TaskFailedToStart", f"{PULL}: toomanyrequests"), Look("ended", "machine_lost", 1)),
        (stopped("TaskFailedToStart", FARGATE_FULL), Look("ended", "machine_lost", 1)),
        (stopped("TaskFailedToStart", "Timeout waiting for network interface"), Look("ended", "machine_lost", 1)),
    ],
)
def test_states_and_reasons_of_ecs_mean(task: dict[str, Any], look: Look) -> None:
    found = look_at(task, "worker")
    assert (found.phase, found.cause, found.exit_code) == (look.phase, look.cause, look.exit_code)
    assert not look.reason or found == look


def test_variables_lie_in_a_secret_and_keys_of_the_orchestrator_nowhere(service: Service, environment: Any) -> None:
    ecs = Ecs({**OPTIONS, "capacity_provider": "scaled"})
    service.full = True
    task = ecs.submit(job(environment, {**OPTIONS, "capacity_provider": "scaled"}))
    assert json.loads(service.secrets[NAME][0]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    [sent] = [given for name, given in service.requests if name == "RunTask"]
    shown = json.dumps([sent, *service.jobs.values()])
    assert SECRET not in shown and "canary" not in shown
    wait_until(lambda: ecs.look(task).reason == "provisioning")
    assert ecs.find(NAME) == task
    ecs.stop(task, 1)
    assert ecs.look(task).cause == "cancelled" and service.secrets == {}
    assert ecs.find(NAME) == task, "tasks that have ended are listed for an hour"
    assert ecs.look(f"{task}0") == Look("unknown")


def test_an_answer_that_got_lost_starts_no_second_task_even_if_lists_lag_behind(
    service: Service, environment: Any
) -> None:
    ecs, made = Ecs(OPTIONS), job(environment, OPTIONS)
    service.lose_answers, service.blind = 1, 2
    task = ecs.submit(made)  # botocore asks again, with the same token
    assert ecs.find(NAME) is None and NAME in service.secrets, "the task may need its variables yet"
    assert ecs.submit(made) == task and list(service.jobs) == [task]
    ecs.stop(task, 1)


def test_a_run_that_is_told_to_end_while_it_submits_leaves_no_secret(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecs = Ecs(OPTIONS)

    def interrupted(_asked: dict[str, Any]) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(ecs, "_started", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ecs.submit(job(environment, OPTIONS))
    assert NAME in service.secrets and ecs.find(NAME) is None and service.secrets == {}


def test_a_task_beyond_the_first_page_is_found(service: Service) -> None:
    for number in range(5):
        one = {"taskArn": str(number), "startedBy": f"ft-{number}", "lastStatus": "STOPPED", "desiredStatus": "STOPPED"}
        service.jobs[str(number)] = one
    assert Ecs(OPTIONS).find("ft-4") == "4"


def test_a_cluster_without_room_is_told_from_what_never_fits(service: Service, environment: Any) -> None:
    service.full = True
    on_gpus = Ecs(ON_GPUS)
    with pytest.raises(NoRoom, match="RESOURCE:GPU"):
        on_gpus.submit(job(environment, ON_GPUS, gpus=1))
    with pytest.raises(NoRoom, match="Capacity is unavailable"):
        Ecs(OPTIONS).submit(replace(job(environment, OPTIONS), name="ft-0124-1"))
    assert service.secrets == {}
    service.full = False
    task = on_gpus.submit(job(environment, ON_GPUS, gpus=1))  # ECS remembers the refusal of the first token
    on_gpus.stop(task, 1)
    wrong = {**OPTIONS, "capacity_provider": "nowhere"}
    with pytest.raises(SubmissionRefused, match="provider 'nowhere' was not found"):
        Ecs(wrong).submit(replace(job(environment, wrong), name="ft-0125-1"))
    assert service.secrets == {} and service.waiting_or_running() == []


def test_answers_that_pass_are_told_from_those_that_do_not(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # between botocore's tries
    service.throttle = 99
    with pytest.raises(Unreachable, match="DescribeTasks: TooManyRequestsException"):
        Ecs(OPTIONS).look("gone")
    service.throttle, service.expired = 0, True
    with pytest.raises(CredentialsRefused, match="ExpiredTokenException"):
        Ecs(OPTIONS).look("gone")
    service.expired = False
    with pytest.raises(SubmissionRefused, match="Cluster not found"):
        Ecs({**OPTIONS, "cluster": "none"}).find("ft-1")


@pytest.mark.integration
def test_a_program_waits_for_a_cluster_without_room_and_then_runs(
    service: Service, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "ROOM_SECONDS", 0.5)
    service.full = True
    case = Case("aws_ecs", environment, tmp_path, {"options": OPTIONS})
    once(lambda: len([1 for name, _ in service.requests if name == "RunTask"]) > 1, 60, lambda: make_room(service))
    assert case.run("reports").artifact.artifact_id == "a-1"
    assert "waits for a machine (Capacity is unavailable" in case.told() and case.starts() == 1
    assert TOKEN not in case.told() and service.secrets == {}


def make_room(service: Service) -> None:
    service.full = False


def test_the_stand_in_refuses_what_the_model_of_the_service_does_not_know(service: Service) -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    for wrong in ({"cluster": 1}, {"tasks": ["a"], "more": 1}, {}):
        with pytest.raises(Refused, match=r"tasks|more|cluster"):
            service.answer("DescribeTasks", wrong, "AKIAORCHESTRATOR0000")


def test_the_shipped_profiles_and_task_definition_are_such(service: Service) -> None:
    found = yaml.safe_load((INFRA / "ft_environment.yaml").read_text())["profiles"]
    assert {ComputeProfile(**one).backend for one in found.values()} == {"local", "aws_ecs"} and len(found) == 3
    given = json.loads((INFRA / "task_definition.json").read_text())
    service.check(given, service.operations["RegisterTaskDefinition"].input_shape)
    [container] = given["containerDefinitions"]
    assert container["name"] == "worker" and 2 <= container["stopTimeout"] <= 120


def test_the_shipped_policy_allows_each_call_and_no_other(service: Service, environment: Any) -> None:
    """Which calls there are, the stand-in has seen."""
    ecs = Ecs(OPTIONS)
    task = ecs.submit(job(environment, OPTIONS))
    ecs.find("ft-0")
    ecs.stop(task, 1)
    seen = {f"{'secretsmanager' if 'Secret' in name else 'ecs'}:{name}" for name, _ in service.requests}
    tagging = {"ecs:TagResource", "secretsmanager:TagResource", "iam:PassRole"}  # asked for with a request
    policy = json.loads((INFRA / "orchestrator_policy.json").read_text())
    assert {action for one in policy["Statement"] for action in one["Action"]} == seen | tagging
