"""What is Vertex AI's own: the request, what states and errors mean, and which answers pass. Requests go to a stand-in
that checks them by Google's discovery documents. What all back ends keep: `test_contract.py`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("google.auth", reason="extra `gcp`")
pytest.importorskip("googleapiclient", reason="google-api-python-client, which brings the discovery documents")

from ft_platform.compute.backend import CredentialsRefused, Job, Look, Unreachable
from ft_platform.compute.backends import gcp_vertex
from ft_platform.compute.backends.gcp_vertex import Vertex, look_at, request
from ft_platform.errors import SubmissionRefused
from ft_platform.programs.on_vertex import meeting
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.cloud_service import CloudJob
from ft_platform_tests.compute.discovery import faults
from ft_platform_tests.compute.jobs import SECRET, job_of, served
from ft_platform_tests.compute.vertex_service import IMAGE, JOB, PLACE, PROJECT, REGION
from ft_platform_tests.compute.vertex_service import Vertex as Service

OPTIONS = {"project": PROJECT, "region": REGION, "image": IMAGE, "machine_type": "n2-standard-8"}
VERSION = f"projects/{PROJECT}/secrets/ft-0123-1/versions/latest"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", **profile: Any) -> Job:
    options = {**OPTIONS, **profile.pop("options", {})}
    return job_of(environment, "gcp_vertex", options, program, keys={}, **profile)


def test_the_request_names_machines_and_limits_and_holds_no_variable(environment: Any) -> None:
    gpu = {"machine_type": "g2-standard-24", "accelerator": "NVIDIA_L4", "spot": True, "disk_gb": 300}
    names = {"service_account": "ft@p.iam", "kms_key": "projects/p/k"}
    made = request(job(environment, gpus=2, options={**gpu, **names}))
    labels = {"ft-platform": "launch", "ft-platform-use-case": "complaints", "ft-platform-program": "train"}
    command = ["python", "-m", "ft_platform.programs.with_secret", VERSION, "ft_platform.programs.train"]
    machine = {"machineType": "g2-standard-24", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 2}
    pool = {"machineSpec": machine, "containerSpec": {"imageUri": IMAGE, "command": command}}
    assert made == {
        "displayName": "ft-0123-1",
        "labels": labels,
        "jobSpec": {
            "workerPoolSpecs": [{**pool, "diskSpec": {"bootDiskSizeGb": 300}, "replicaCount": "1"}],
            # 90 minutes, half a one to save, and another to be ended
            "scheduling": {"timeout": "5460s", "strategy": "SPOT", "disableRetries": True},
            "serviceAccount": "ft@p.iam",
        },
        "encryptionSpec": {"kmsKeyName": "projects/p/k"},
    }
    assert faults("aiplatform.v1", JOB, made) == []


def test_several_machines_meet_at_the_first_and_other_programs_need_one(environment: Any) -> None:
    several = request(job(environment, processes=8, options={"nodes": 4}))["jobSpec"]["workerPoolSpecs"]
    assert [pool["replicaCount"] for pool in several] == ["1", "3"]
    words = ["ft_platform.programs.on_vertex", "--nnodes=4", "--nproc-per-node=2", "--module"]
    assert several[0]["containerSpec"]["command"][4:] == [*words, "ft_platform.programs.train"]
    [alone] = request(job(environment, "evaluate", processes=8, options={"nodes": 4}))["jobSpec"]["workerPoolSpecs"]
    assert alone["containerSpec"]["command"][4:] == ["ft_platform.programs.evaluate"]
    pools = {"workerpool0": ["first-0:2222"], "workerpool1": ["other-0:2222", "other-1:2222"]}
    for kind, index, rank in (("workerpool0", 0, 0), ("workerpool1", 0, 1), ("workerpool1", 1, 2)):
        spec = json.dumps({"cluster": pools, "task": {"type": kind, "index": index}})
        assert meeting(spec) == [f"--node-rank={rank}", "--master-addr=first-0", "--master-port=2222"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has project, region, image, machine_type"),
        ({"image": None}, "needs `options` image"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"spot": "yes"}, "`spot` of `backend: gcp_vertex` is true or false"),
        ({"accelerator": "NVIDIA_L4"}, "`gpus` and `accelerator` .* go together"),
        ({"machine_type": "ct5lp-hightpu-4t"}, "ct5lp-hightpu-4t .* has TPUs, on which PyTorch needs torch_xla"),
    ],
)
def test_options_that_do_not_fit_are_named(change: dict[str, Any], words: str) -> None:
    options = {name: value for name, value in {**OPTIONS, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="gcp_vertex", processes=8, options=options)


TIMES = {"startTime": "2026-11-29T10:00:00.5Z", "endTime": "2026-11-29T10:00:30.5Z"}
EXITED = "The replica workerpool0-0 exited with a non-zero status of"
TOLD = f"{EXITED} 1. Termination reason: Error. \nTraceback (most recent call last):\n ValueError: {SECRET}"
START = f"{EXITED} 128. Termination reason: StartError. Termination log message: no such file"
NO_MEMORY = "Replicas low on memory: workerpool0. Please try using a machine with more available memory."


def failed(code: int, message: str, state: str = "FAILED") -> dict[str, Any]:
    return {"state": f"JOB_STATE_{state}", "error": {"code": code, "message": message}, **TIMES}


@pytest.mark.parametrize(
    ("job", "look"),
    [
        ({"state": "JOB_STATE_QUEUED"}, Look("waits")),
        ({"state": "JOB_STATE_PENDING"}, Look("waits")),
        ({"state": "JOB_STATE_RUNNING"}, Look("runs")),
        ({"state": "JOB_STATE_CANCELLING"}, Look("runs")),
        ({"state": "JOB_STATE_SUCCEEDED", **TIMES}, Look("ended", seconds=30)),
        (failed(3, TOLD), Look("ended", "program", 1, f"{EXITED} 1. Termination reason: Error", 30)),
        (failed(3, f"{EXITED} 9(SIGKILL)."), Look("ended", "program", -9, f"{EXITED} 9(SIGKILL).", 30)),
        (failed(3, f"{EXITED} 143."), Look("ended", "program", -15, f"{EXITED} 143.", 30)),
        (failed(3, START), Look("ended", "refused", 128, f"{EXITED} 128. Termination reason: StartError", 30)),
        (failed(3, NO_MEMORY), Look("ended", "out_of_memory", -9, "a replica ran out of memory", 30)),
        (failed(8, "Resources are insufficient"), Look("ended", "machine_lost", 1, "*", 30)),
        (failed(13, "Internal error"), Look("ended", "machine_lost", 1, "13: Internal error", 30)),
        (failed(9, "The Spot VM was preempted"), Look("ended", "machine_lost", 1, "*", 30)),
        (failed(4, "Deadline"), Look("ended", "time_limit", 1, "4: Deadline", 30)),
        (failed(4, f"{EXITED} 143. {SECRET}"), Look("ended", "time_limit", 1, f"4: {EXITED} 143.", 30)),
        ({"state": "JOB_STATE_EXPIRED", **TIMES}, Look("ended", "time_limit", 1, "JOB_STATE_EXPIRED", 30)),
        (failed(7, "no access to the image"), Look("ended", "refused", 1, "7: no access to the image", 30)),
        (failed(1, "CANCELED", "CANCELLED"), Look("ended", "cancelled", 1, "1: CANCELED", 30)),
        ({"state": "JOB_STATE_EXPIRED"}, Look("ended", "refused", 1, "0: JOB_STATE_EXPIRED")),
    ],
)
def test_states_and_errors_of_vertex_mean(job: dict[str, Any], look: Look) -> None:
    found = look_at(job)
    assert SECRET not in found.reason, "Vertex quotes what a program wrote last"
    expected = look if look.reason != "*" else Look(look.phase, look.cause, look.exit_code, found.reason, look.seconds)
    assert found == expected


def test_variables_lie_in_a_secret_until_the_end_was_read(service: Service, environment: Any) -> None:
    service.full = True
    made = Vertex(OPTIONS)
    number = made.submit(job(environment))
    assert json.loads(service.secrets["ft-0123-1"]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    asked = {path: body for method, path, body in service.requests if method == "POST"}
    assert SECRET not in json.dumps(asked[f"/v1/{PLACE}/customJobs"])
    kept = asked[f"/v1/projects/{PROJECT}/secrets"]
    assert kept["replication"] == {"userManaged": {"replicas": [{"location": REGION}]}} and kept["ttl"] == "2592000s"
    assert made.find("ft-0123-1") == number and made.look(number).phase == "waits"
    made.stop(number, 1)
    assert made.look(number).cause == "cancelled" and service.secrets == {}


def test_what_nobody_submitted_leaves_no_secret(service: Service, environment: Any) -> None:
    made = Vertex(OPTIONS)
    with pytest.raises(SubmissionRefused, match="Machine type no-machine-1 is not supported"):
        made.submit(job(environment, options={"machine_type": "no-machine-1"}))
    assert service.secrets == {}
    service.secrets["ft-killed-1"] = "{}"  # the orchestrator was killed before it could submit
    assert made.find("ft-killed-1") is None and service.secrets == {}


def test_a_job_whose_answer_got_lost_is_found_and_not_submitted_twice(service: Service, environment: Any) -> None:
    service.full, service.lose_answers = True, 1
    made = Vertex(OPTIONS)
    with pytest.raises(Unreachable, match="ConnectionError"):
        made.submit(job(environment))
    [number] = service.jobs
    assert made.find("ft-0123-1") == number and "ft-0123-1" in service.secrets
    made.stop(number, 1)


def test_a_job_beyond_the_first_page_is_found(service: Service) -> None:
    for number in (1, 2, 3):
        asked = {"displayName": "ft-1"}
        service.jobs[f"{PLACE}/customJobs/{number}"] = CloudJob("ft-1", [], 1, asked, state="ended", created=number)
    assert Vertex(OPTIONS).find("ft-1") == f"{PLACE}/customJobs/3"
    assert Vertex(OPTIONS).look(f"{PLACE}/customJobs/77") == Look("unknown")


def test_answers_that_pass_are_told_from_those_that_do_not(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Vertex(OPTIONS)
    service.throttle = 1
    with pytest.raises(Unreachable, match="429 RESOURCE_EXHAUSTED too many requests"):
        made.find("ft-1")
    service.expired = True
    with pytest.raises(CredentialsRefused, match="401 UNAUTHENTICATED"):
        made.find("ft-1")
    service.expired = False
    with pytest.raises(SubmissionRefused, match="65,536"):
        made.submit(Job("ft-0123-1", job(environment).launch, {"LONG": "x" * 70_000}))
    service.stop()
    with pytest.raises(Unreachable, match="ConnectionError"):
        made.find("ft-1")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    with pytest.raises(SubmissionRefused, match="no access to Google Cloud"):
        Vertex(OPTIONS)


def test_the_stand_in_refuses_what_the_discovery_documents_do_not_know() -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    pools = [{"machineSpec": {"acceleratorType": "NVIDIA_L5"}}, {"replicaCount": "many"}, {"diskSpec": 3}]
    for wrong in ({"more": 1}, {"displayName": 1}, *({"jobSpec": {"workerPoolSpecs": [pool]}} for pool in pools)):
        assert faults("aiplatform.v1", JOB, wrong)


def test_the_token_is_asked_for_once(service: Service) -> None:
    made = Vertex(OPTIONS)
    assert [made._token() for _ in range(2)] == ["token-of-google"] * 2
    assert gcp_vertex._endpoint("aiplatform") == service.url
