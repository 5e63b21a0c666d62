"""What is Hugging Face Jobs' own: the request, what stages mean, flavors, and which answers pass. Requests go through
the Hub's client to a stand-in. What all back ends keep: `test_contract.py`."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.compute import elsewhere
from ft_platform.compute.backend import CredentialsRefused, Job, Look, Unreachable
from ft_platform.compute.backends import hf_jobs
from ft_platform.compute.backends.hf_jobs import HfJobs, command, look_at
from ft_platform.errors import SubmissionRefused
from ft_platform.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.contract.case import Case, once
from ft_platform_tests.compute.hf_jobs_service import NAMESPACE, WAITS, Service
from ft_platform_tests.compute.jobs import NAME, SECRET, job_of, served, wait_until

pytest.importorskip("huggingface_hub", reason="extra `hf_jobs`")
OPTIONS = {"image": "ft-worker:0.3", "flavor": "cpu-basic", "namespace": NAMESPACE}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with served(Service(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", **profile: Any) -> Job:
    options = {**OPTIONS, **profile.pop("options", {})}
    return job_of(environment, "hf_jobs", options, program, **profile)


def test_all_variables_go_as_secrets_which_nobody_reads_again(service: Service, environment: Any) -> None:
    service.full = True
    jobs, made = HfJobs(OPTIONS), job(environment)
    number = jobs.submit(made)
    [sent] = [body for name, body in service.requests if name == "POST"]
    assert sent == {
        "command": ["python", "-m", "ft_platform.programs.train"],
        "arguments": [],
        "environment": {},
        "flavor": "cpu-basic",
        "secrets": made.variables,
        "timeoutSeconds": 5460,
        "labels": {"name": NAME, "ft-use-case": "complaints", "ft-program": "train"},
        "dockerImage": "ft-worker:0.3",
    }
    assert SECRET not in json.dumps(service.jobs) and "HF_TOKEN" not in made.variables
    wait_until(lambda: jobs.look(number).reason == WAITS)
    assert jobs.find(NAME) == number and jobs.find("ft-0") is None
    jobs.stop(number, 1)
    assert jobs.look(number).cause == "cancelled"
    jobs.stop(number, 1)
    assert jobs.look("gone") == Look("unknown")


def test_processes_share_the_gpus_of_one_machine_and_other_programs_need_one(environment: Any) -> None:
    four: dict[str, Any] = {"processes": 4, "gpus": 4}
    assert command(job(environment, **four).launch)[2:5] == [
        "ft_platform.programs.together",
        "--standalone",
        "--nproc-per-node=4",
    ]
    assert command(job(environment, "evaluate", options={"python": "python3"}, **four).launch) == [
        *("python3", "-m", "ft_platform.programs.evaluate"),
    ]


def test_a_flavor_must_be_one_and_have_the_gpus_that_the_profile_pays_for(service: Service, environment: Any) -> None:
    with pytest.raises(SubmissionRefused, match=r"no flavor h900\. It has cpu-basic, l4x4"):
        HfJobs({**OPTIONS, "flavor": "h900"}).submit(job(environment))
    with pytest.raises(SubmissionRefused, match=r"flavor l4x4 has 4 GPUs, and the compute profile 1\. Set `gpus: 4`"):
        HfJobs({**OPTIONS, "flavor": "l4x4"}).submit(job(environment, gpus=1))
    assert service.jobs == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**OPTIONS, "queue": "x"}, "has no option queue; it has image, flavor, namespace, python"),
        ({"image": "x"}, "needs `options` flavor, namespace"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="hf_jobs", options=options)


@pytest.mark.parametrize(
    ("stage", "message", "started", "look"),
    [
        ("SCHEDULING", "waits", False, Look("waits", reason="waits")),
        ("RUNNING", None, True, Look("runs")),
        ("COMPLETED", None, True, Look("ended", seconds=30)),
        ("CANCELED", None, True, Look("ended", "cancelled", 1, "canceled", 30)),
        ("DELETED", "by hand", True, Look("ended", "cancelled", 1, "deleted by hand", 30)),
        ("ERROR", "failed with exit code: 3", True, Look("ended", "program", 3, "failed with exit code: 3", 30)),
        ("ERROR", "exit code 137", True, Look("ended", "program", -9, "exit code 137", 30)),
        ("ERROR", "OOMKilled, exit code 137", True, Look("ended", "out_of_memory", -9, "*", 30)),
        ("ERROR", "Job timeout", True, Look("ended", "time_limit", 1, "Job timeout", 30)),
        ("ERROR", "something", True, Look("ended", "program", 1, "something", 30)),
        ("ERROR", "no such image", False, Look("ended", "refused", 1, "no such image", 30)),
    ],
)
def test_stages_and_words_mean(stage: str, message: str | None, started: bool, look: Look) -> None:
    from huggingface_hub import JobInfo

    said = JobInfo(
        id="1",
        owner={"id": "1", "name": NAMESPACE, "type": "org"},
        status={"stage": stage, "message": message},
        durations={"runningSecs": 30},
        startedAt="2026-11-29T12:00:00.000Z" if started else None,
    )
    found = look_at(said)
    assert found == (replace(look, reason=found.reason) if look.reason == "*" else look)


def test_a_job_whose_answer_got_lost_is_found_and_so_is_one_beyond_the_first_page(
    service: Service, environment: Any
) -> None:
    service.full, service.lose_answers = True, 1
    jobs = HfJobs(OPTIONS)
    with pytest.raises(Unreachable):
        jobs.submit(job(environment))
    [number] = service.jobs
    assert jobs.find(NAME) == number
    for later in (1, 2, 3):
        service.jobs[str(later)] = {
            **service.jobs[number],
            "id": str(later),
            "createdAt": f"2030-01-0{later}T00:00:00Z",
        }
    assert jobs.find(NAME) == "3" and len(service.requests) > 4
    jobs.stop(number, 1)


def test_answers_that_pass_are_told_from_those_that_do_not(
    service: Service, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = HfJobs(OPTIONS)
    service.throttle = 1
    with pytest.raises(Unreachable, match="answers 429"):
        jobs.look("gone")
    service.throttle, service.expired = 0, True
    with pytest.raises(CredentialsRefused, match="answers 401"):
        jobs.look("gone")
    service.expired = False
    with pytest.raises(SubmissionRefused, match="answers 403 You have no rights in this namespace"):
        HfJobs({**OPTIONS, "namespace": "others"}).look("gone")
    long = replace(job(environment), variables={"LONG": "x" * 131_072})
    with pytest.raises(SubmissionRefused, match="too long for a process: LONG"):
        jobs.submit(long)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SubmissionRefused, match="HF_HUB_OFFLINE is set"):
        jobs.look("gone")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="ConnectError"):
        HfJobs(OPTIONS).look("gone")
    assert hf_jobs.ANSWER_SECONDS < elsewhere.PATIENCE_SECONDS


def test_the_stand_in_refuses_what_the_hub_does_not_know(service: Service) -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=service.url)
    wrongs: tuple[dict[str, Any], ...] = ({"labels": {"name": "a b"}}, {"env": {"A": "b"}})
    for wrong in wrongs:
        with pytest.raises(HfHubHTTPError, match=r"400|Bad request"):
            api.run_job(image="i", command=["c"], secrets={"A": "b"}, timeout=60, namespace=NAMESPACE, **wrong)
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi(endpoint=service.url, token="hf_other").inspect_job(job_id="1", namespace=NAMESPACE)


@pytest.mark.integration
def test_a_program_waits_while_there_is_no_machine_and_then_runs(
    service: Service, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.2)
    service.full = True
    case = Case("hf_jobs", environment, tmp_path, {"options": OPTIONS})
    once(lambda: WAITS in str(service.jobs), 60, lambda: make_room(service))
    assert case.run("reports").artifact.artifact_id == "a-1"
    assert f"waits for a machine ({WAITS})" in case.told() and case.starts() == 1


def make_room(service: Service) -> None:
    time.sleep(1)
    service.full = False
