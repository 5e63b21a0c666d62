"""What is Azure Machine Learning's own: the request, what states and errors mean, and which answers pass. Requests go
to a stand-in that checks them by the types of Azure's SDK. What all back ends keep: `test_contract.py`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("azure.identity", reason="extra `azure`")
pytest.importorskip(
    "azure.ai", reason="azure-ai-ml, which brings the types of the API; its dependencies are not needed"
)

from ft_platform.compute.backend import CredentialsRefused, Job, Look, Unreachable
from ft_platform.compute.backends.azure_ml import AzureML, look_at, request, workspace
from ft_platform.errors import SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.azure_ml_service import GROUP, checked
from ft_platform_tests.compute.azure_ml_service import AzureML as Service
from ft_platform_tests.compute.cloud_service import Refused
from ft_platform_tests.compute.jobs import SECRET, job_of, served

VAULT = "https://ft.vault.azure.net"
OPTIONS = {**GROUP, "environment": "ft-worker:3", "compute": "gpu", "key_vault": VAULT}
PLACE = workspace(OPTIONS)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", options: dict[str, Any] = OPTIONS, **profile: Any) -> Job:
    return job_of(environment, "azure_ml", options, program, keys={}, **profile)


def test_the_request_names_environment_and_limits_and_holds_no_variable(environment: Any) -> None:
    made = request(job(environment, options={**OPTIONS, "identity": "client-1"}))
    words = f"python -m ft_platform.programs.with_secret {VAULT}/secrets/ft-0123-1 ft_platform.programs.train"
    assert made["properties"] == {
        "jobType": "Command",
        "displayName": "ft-0123-1",
        "experimentName": "complaints",
        "environmentId": f"{PLACE}/environments/ft-worker/versions/3",
        "command": words,
        # 90 minutes, half a one to save, and another to be ended
        "limits": {"jobLimitsType": "Command", "timeout": "PT5460S"},
        "tags": {"ft-platform": "launch", "ft-platform-use-case": "complaints", "ft-platform-program": "train"},
        "resources": {"instanceCount": 1},
        "computeId": f"{PLACE}/computes/gpu",
        "identity": {"identityType": "Managed", "clientId": "client-1"},
    }
    assert checked(made) == made


def test_serverless_compute_has_a_size_in_place_of_a_cluster(environment: Any) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "compute"}
    made = request(job(environment, options={**options, "instance_type": "Standard_NC24ads_A100_v4", "spot": True}))
    asked = checked(made)["properties"]
    assert asked["resources"] == {"instanceCount": 1, "instanceType": "Standard_NC24ads_A100_v4"}
    assert asked["queueSettings"] == {"jobTier": "Spot"} and "computeId" not in asked


def test_several_machines_meet_at_the_first_and_other_programs_need_one(environment: Any) -> None:
    several = checked(request(job(environment, processes=8, options={**OPTIONS, "nodes": 4})))["properties"]
    assert several["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 1}
    assert several["resources"] == {"instanceCount": 4}
    assert "together --nnodes=4 --nproc-per-node=2 --node-rank=$NODE_RANK" in several["command"]
    alone = request(job(environment, "evaluate", processes=8, options={**OPTIONS, "nodes": 4}))["properties"]
    assert alone["command"].endswith(" ft_platform.programs.evaluate") and "distribution" not in alone


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has subscription, resource_group"),
        ({"key_vault": None}, "needs `options` key_vault"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"compute": None}, r"needs `options` compute \(a cluster\) or instance_type"),
        ({"spot": True}, "goes with instance_type"),
        ({"environment": "ft-worker"}, "is name:version"),
    ],
)
def test_options_that_do_not_fit_are_named(change: dict[str, Any], words: str) -> None:
    options = {name: value for name, value in {**OPTIONS, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="azure_ml", processes=8, options=options)


def ended(code: str, message: str) -> dict[str, Any]:
    times = {"startTimeUtc": "2026-11-29T10:00:00.5+00:00", "endTimeUtc": "2026-11-29T10:00:30.5+00:00"}
    return {"error": {"error": {"code": code, "message": message}}, **times}


EXITED = "Execution failed. User process 'python' exited with status code"
TOLD = f"{EXITED} 1. Please check log file 'std_log.txt' for error details. Error: ValueError: {SECRET}"
TAKEN = "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted."


@pytest.mark.parametrize(
    ("status", "details", "look"),
    [
        ("NotStarted", {}, Look("waits", reason="NotStarted")),
        ("Preparing", {}, Look("waits", reason="Preparing")),
        ("Queued", {}, Look("waits")),
        ("Running", {}, Look("runs")),
        ("Finalizing", {}, Look("runs")),
        ("CancelRequested", {}, Look("runs")),
        ("NotResponding", {}, Look("runs")),
        ("Completed", ended("", ""), Look("ended", seconds=30)),
        ("Failed", ended("UserError", TOLD), Look("ended", "program", 1, "UserError: exited with status code 1", 30)),
        ("Failed", ended("UserError", f"{EXITED} 137."), Look("ended", "program", -9, "*", 30)),
        ("Failed", ended("UserError", TAKEN), Look("ended", "machine_lost", 1, f"UserError: {TAKEN}", 30)),
        ("Failed", ended("ServiceError", "Unknown"), Look("ended", "machine_lost", 1, "ServiceError: Unknown", 30)),
        ("Failed", ended("UserError", "OOMKilled"), Look("ended", "out_of_memory", -9, "UserError: OOMKilled", 30)),
        ("Failed", ended("UserError", "No such image"), Look("ended", "refused", 1, "UserError: No such image", 30)),
        ("Canceled", ended("UserError", "by hand"), Look("ended", "cancelled", 1, "Canceled", 30)),
        ("Canceled", ended("UserError", "maximum run duration"), Look("ended", "time_limit", 1, "*", 30)),
        ("Failed", ended("UserError", f"The job timed out. {EXITED} 143."), Look("ended", "time_limit", 1, "*", 30)),
    ],
)
def test_states_and_errors_of_azure_mean(status: str, details: dict[str, Any], look: Look) -> None:
    found = look_at(status, details)
    assert SECRET not in found.reason, "Azure quotes what a program wrote last"
    expected = look if look.reason != "*" else Look(look.phase, look.cause, look.exit_code, found.reason, look.seconds)
    assert found == expected


def test_variables_lie_in_a_secret_until_the_end_was_read(service: Service, environment: Any) -> None:
    service.full = True
    made = AzureML(service.options())
    number = made.submit(job(environment, options=service.options()))
    assert json.loads(service.secrets["ft-0123-1"]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    [asked] = [body for method, path, body in service.requests if method == "PUT" and "/jobs/" in path]
    assert SECRET not in json.dumps(asked)
    assert made.find("ft-0123-1") == number and made.look(number).phase == "waits"
    made.stop(number, 1)
    assert made.look(number).cause == "cancelled" and service.secrets == {}


def test_what_nobody_submitted_leaves_no_secret(service: Service, environment: Any) -> None:
    options = {**service.options(), "compute": "no-cluster"}
    made = AzureML(options)
    with pytest.raises(SubmissionRefused, match="Unknown compute target 'no-cluster'"):
        made.submit(job(environment, options=options))
    assert service.secrets == {}
    service.secrets["ft-killed-1"] = "{}"  # the orchestrator was killed before it could submit
    assert made.find("ft-killed-1") is None and service.secrets == {}
    assert made.look("ft-killed-1") == Look("unknown")


def test_a_job_whose_answer_got_lost_is_not_submitted_twice(service: Service, environment: Any) -> None:
    service.full, service.lose_answers = True, 1
    made, asked = AzureML(service.options()), job(environment, options=service.options())
    with pytest.raises(Unreachable, match="ConnectionError"):
        made.submit(asked)
    assert made.find("ft-0123-1") == "ft-0123-1" == made.submit(asked) and list(service.jobs) == ["ft-0123-1"]
    made.stop("ft-0123-1", 1)


def test_a_submission_that_is_repeated_keeps_its_secret(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault keeps the name of what was deleted."""
    service.full = True
    made, asked, create = AzureML(service.options()), job(environment, options=service.options()), service.create
    answers = [Refused(503, "ServiceUnavailable", "later")]

    def fails_once(name: str, given: dict[str, Any]) -> dict[str, Any]:
        if answers:
            raise answers.pop()
        return create(name, given)

    monkeypatch.setattr(service, "create", fails_once)
    with pytest.raises(Unreachable, match="503 ServiceUnavailable later"):
        made.submit(asked)
    assert made.find("ft-0123-1") is None and made.submit(asked) == "ft-0123-1"
    made.stop("ft-0123-1", 1)
    assert service.secrets == {}
    with pytest.raises(SubmissionRefused, match="deleted but recoverable"):
        made.submit(asked)


def test_a_run_that_is_told_to_end_while_it_submits_leaves_no_secret(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = AzureML(service.options())

    def interrupted(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as planted:
        planted.setattr(made, "_ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made.submit(job(environment, options=service.options()))
    assert "ft-0123-1" in service.secrets and made.find("ft-0123-1") is None and service.secrets == {}


def test_answers_that_pass_are_told_from_those_that_do_not(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = AzureML(service.options())
    service.throttle = 1
    with pytest.raises(Unreachable, match="429 RESOURCE_EXHAUSTED"):
        made.find("ft-1")
    service.expired = True
    with pytest.raises(CredentialsRefused, match="401 UNAUTHENTICATED"):
        made.find("ft-1")
    service.expired = False
    with pytest.raises(SubmissionRefused, match="25,600"):
        made.submit(Job("ft-0123-1", job(environment).launch, {"LONG": "x" * 30_000}))
    service.stop()
    with pytest.raises(Unreachable, match="ConnectionError"):
        made.find("ft-1")


def test_the_stand_in_refuses_what_the_types_of_the_sdk_do_not_know(environment: Any) -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    good = request(job(environment))["properties"]
    for wrong in ({"more": 1}, {"limits": {"jobLimitsType": "Command", "timeout": "soon"}}, {"jobType": "Sweep"}):
        with pytest.raises(Refused):
            checked({"properties": {**good, **wrong}})
