"""What is Databricks' own: the request, what states and codes mean, and which answers pass. Requests go through
Databricks' SDK to a stand-in that checks them by its types. What all back ends keep: `test_contract.py`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("databricks.sdk", reason="extra `databricks`")

from ft_platform.compute.backend import CredentialsRefused, Job, Look, Unreachable
from ft_platform.compute.backends import databricks
from ft_platform.compute.backends.databricks import Databricks, look_at, request
from ft_platform.errors import SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.cloud_service import CloudJob, Refused
from ft_platform_tests.compute.databricks_workspace import RUNTIME, SCOPE, WHEEL, Workspace, checked_call
from ft_platform_tests.compute.jobs import SECRET, job_of, served, wait_until

OPTIONS = {"wheel": WHEEL, "secret_scope": SCOPE, "runtime": RUNTIME, "node_type": "g6.xlarge"}
SERVERLESS = {"wheel": WHEEL, "secret_scope": SCOPE, "environment_version": "4", "accelerator": "GPU_1xA10"}


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with served(Workspace(), monkeypatch) as made:
        yield made


def job(environment: Any, program: str = "train", options: dict[str, Any] = OPTIONS, **profile: Any) -> Job:
    return job_of(environment, "databricks", options, program, keys={}, **profile)


def sent(environment: Any, **settings: Any) -> dict[str, Any]:
    made = request(job(environment, **settings))
    [task] = made.pop("tasks")
    return {"task": task.as_dict(), **made}


def test_the_request_names_wheel_cluster_and_limits_and_holds_no_variable(environment: Any) -> None:
    options = {**OPTIONS, "requirements": "/Volumes/ml/ft/r.txt", "policy": "p1", "service_principal": "sp"}
    made = sent(environment, options=options, processes=4)
    assert made["run_name"] == made["idempotency_token"] == "ft-0123-1"
    assert made["run_as"].as_dict() == {"service_principal_name": "sp"} and made["queue"].enabled
    words = [f"{SCOPE}/ft-0123-1", "ft_platform.programs.together", "--standalone", "--nproc-per-node=4", "--module"]
    wheel = {"package_name": "ft_platform", "entry_point": "ft-program"}
    cluster = made["task"].pop("new_cluster")
    assert made["task"] == {
        "task_key": "program",
        "python_wheel_task": {**wheel, "parameters": [*words, "ft_platform.programs.train"]},
        "libraries": [{"whl": WHEEL}, {"requirements": "/Volumes/ml/ft/r.txt"}],
        "max_retries": 0,
        "disable_auto_optimization": True,
        "timeout_seconds": 5460,  # 90 minutes, half a one to save, and another to be ended
    }
    tags = {"ft-platform": "launch", "ft-platform-use-case": "complaints", "ft-platform-program": "train"}
    assert cluster["custom_tags"] == {"ResourceClass": "SingleNode", **tags} and cluster["num_workers"] == 0
    assert cluster["policy_id"] == "p1" and cluster["data_security_mode"] == "SINGLE_USER"
    alone = sent(environment, program="evaluate", processes=4)["task"]["python_wheel_task"]["parameters"]
    assert alone == [f"{SCOPE}/ft-0123-1", "ft_platform.programs.evaluate"]


def test_serverless_compute_gets_an_environment_in_place_of_a_cluster(environment: Any) -> None:
    made = sent(environment, options={**SERVERLESS, "requirements": "/Volumes/ml/ft/r.txt"})
    spec = {"environment_version": "4", "dependencies": [WHEEL, "-r /Volumes/ml/ft/r.txt"]}
    assert [one.as_dict() for one in made["environments"]] == [{"environment_key": "program", "spec": spec}]
    assert made["task"]["compute"] == {"hardware_accelerator": "GPU_1xA10"}
    assert made["task"]["environment_key"] == "program" and not {"new_cluster", "libraries"} & set(made["task"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has wheel, secret_scope, runtime"),
        ({"wheel": None}, "needs `options` wheel"),
        ({"wheel": "/Volumes/ml/ft/ft.zip"}, r"is the path of a \.whl file"),
        ({"policy": 3}, "one line of text each: policy"),
        ({"runtime": None, "node_type": None}, r"needs `options` runtime \(a cluster\) or environment_version"),
        ({"environment_version": "4"}, r"needs `options` runtime \(a cluster\) or environment_version"),
        ({"pool": "p"}, "needs `options` node_type or pool"),
        ({"accelerator": "GPU_1xA10"}, "do not go with runtime: accelerator"),
    ],
)
def test_options_that_do_not_fit_are_named(change: dict[str, Any], words: str) -> None:
    options = {name: value for name, value in {**OPTIONS, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="databricks", options=options)


def test_a_lake_on_a_volume_is_refused(environment: Any) -> None:
    there = environment.model_copy(update={"lake_root": "/Volumes/ml/ft/lake"})
    with pytest.raises(SubmissionRefused, match=r"on a volume of Databricks.*Put the lake into an object store"):
        databricks.run(job(there).launch)


def ended(code: str, kind: str, message: str = "", result: str = "FAILED") -> dict[str, Any]:
    details = {"code": code, "type": kind, "message": message}
    return {
        "status": {"state": "TERMINATED", "termination_details": details},
        "state": {"life_cycle_state": "TERMINATED", "result_state": result},
        "tasks": [{"run_id": 8, "execution_duration": 30_000}],
    }


def waiting(state: str, **more: Any) -> dict[str, Any]:
    return {"status": {"state": state, **more}, "state": {"state_message": "Waiting for cluster"}}


CLIENT, CLOUD, OURS = "CLIENT_ERROR", "CLOUD_FAILURE", "INTERNAL_ERROR"
LIMIT = {"code": "ACTIVE_RUNS_LIMIT_REACHED", "message": "Queued due to the limit of active runs."}


@pytest.mark.parametrize(
    ("run", "look"),
    [
        (waiting("PENDING"), Look("waits", reason="Waiting for cluster")),
        (waiting("QUEUED", queue_details=LIMIT), Look("waits", reason=LIMIT["message"])),
        (waiting("BLOCKED"), Look("waits", reason="Waiting for cluster")),
        (waiting("RUNNING"), Look("runs")),
        (waiting("TERMINATING"), Look("runs")),
        (ended("SUCCESS", "SUCCESS"), Look("ended", seconds=30)),
        (ended("RUN_EXECUTION_ERROR", CLIENT), Look("ended", "program", -9, "RUN_EXECUTION_ERROR", 30)),
        (ended("USER_CANCELED", CLIENT), Look("ended", "cancelled", 1, "USER_CANCELED", 30)),
        (ended("CANCELED", CLIENT, result="TIMEDOUT"), Look("ended", "time_limit", 1, "CANCELED", 30)),
        (ended("DRIVER_ERROR", OURS), Look("ended", "machine_lost", 1, "DRIVER_ERROR", 30)),
        (ended("DRIVER_ERROR", OURS, "OutOfMemoryError"), Look("ended", "out_of_memory", 1, "*", 30)),
        (ended("CLUSTER_ERROR", CLOUD, "Spot"), Look("ended", "machine_lost", 1, "CLUSTER_ERROR: Spot", 30)),
        (ended("CLUSTER_ERROR", CLIENT, "quota"), Look("ended", "refused", 1, "CLUSTER_ERROR: quota", 30)),
        (ended("LIBRARY_INSTALLATION_ERROR", CLIENT), Look("ended", "refused", 1, "*", 30)),
        (ended("LIBRARY_INSTALLATION_ERROR", CLOUD), Look("ended", "machine_lost", 1, "*", 30)),
        (ended("WORKSPACE_RUN_LIMIT_EXCEEDED", CLIENT), Look("ended", "machine_lost", 1, "*", 30)),
        (ended("A_CODE_OF_TOMORROW", OURS), Look("ended", "refused", 1, "A_CODE_OF_TOMORROW", 30)),
    ],
)
def test_states_and_codes_of_databricks_mean(run: dict[str, Any], look: Look) -> None:
    found = look_at(run, {8: "ProgramEnded: exit code -9"}.__getitem__)
    expected = look if look.reason != "*" else Look(look.phase, look.cause, look.exit_code, found.reason, look.seconds)
    assert found == expected


def test_an_error_without_an_exit_code_is_one_of_the_program() -> None:
    assert look_at(ended("RUN_EXECUTION_ERROR", CLIENT), lambda _task: "ImportError").exit_code == 1


def test_variables_lie_in_a_secret_until_the_end_was_read(workspace: Workspace, environment: Any) -> None:
    workspace.full = True
    made = Databricks(OPTIONS)
    number = made.submit(job(environment))
    assert json.loads(workspace.secrets["ft-0123-1"]) == {"TOKEN": SECRET, "FT_HOME": "/home/ft"}
    [asked] = [body for _, path, body in workspace.requests if path.endswith("runs/submit")]
    assert SECRET not in json.dumps(asked)
    assert made.find("ft-0123-1") == number
    wait_until(lambda: made.look(number).reason == "No node of this type is available")
    made.stop(number, 1)
    assert made.look(number).cause == "cancelled" and workspace.secrets == {}
    assert made.find("ft-0123-1") is None, "somebody has read how it ended"


def test_what_nobody_submitted_leaves_no_secret(workspace: Workspace, environment: Any) -> None:
    made = Databricks(OPTIONS)
    with pytest.raises(SubmissionRefused, match="Invalid spark version"):
        made.submit(job(environment, options={**OPTIONS, "runtime": "not_a_runtime"}))
    assert workspace.secrets == {}
    workspace.put({"scope": SCOPE, "key": "ft-killed-1", "string_value": "{}"})  # killed before it could submit
    assert made.find("ft-killed-1") is None and workspace.secrets == {}


def test_a_run_whose_answer_got_lost_is_found_and_not_submitted_twice(workspace: Workspace, environment: Any) -> None:
    workspace.full, workspace.lose_answers = True, 1
    made = Databricks(OPTIONS)
    number = made.submit(job(environment))  # the SDK asks again, with the same token
    assert list(workspace.jobs) == [number] and made.submit(job(environment)) == number
    made.stop(number, 1)


def test_a_run_beyond_the_first_page_is_found(workspace: Workspace) -> None:
    for name in ("ft-1", "ft-2", "ft-3", "ft-4"):
        workspace.put({"scope": SCOPE, "key": name, "string_value": "{}"})
        workspace.jobs[str(len(workspace.jobs))] = CloudJob(name, [], 1, {}, state="ended")
    assert Databricks(OPTIONS).find("ft-1") == "0"
    assert Databricks(OPTIONS).look("77") == Look("unknown"), "Databricks forgets runs after 60 days"


def test_answers_that_pass_are_told_from_those_that_do_not(
    workspace: Workspace, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databricks, "RETRY_SECONDS", 1)
    made = Databricks(OPTIONS)
    workspace.throttle = 99
    with pytest.raises(Unreachable, match="TimeoutError"):  # the SDK asked again meanwhile
        made.look("77")
    workspace.throttle, workspace.expired = 0, True
    with pytest.raises(CredentialsRefused, match="the token has expired"):
        made.look("77")
    workspace.expired = False
    with pytest.raises(SubmissionRefused, match="131,072"):
        made.submit(Job("ft-0123-1", job(environment).launch, {"LONG": "x" * 140_000}))
    with pytest.raises(SubmissionRefused, match="Scope nowhere does not exist"):
        Databricks({**OPTIONS, "secret_scope": "nowhere"}).find("ft-1")
    workspace.stop()
    with pytest.raises(Unreachable, match="TimeoutError"):
        made.look("77")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with pytest.raises(SubmissionRefused, match="no access to Databricks"):
        Databricks(OPTIONS)


def test_the_stand_in_refuses_what_the_types_of_the_sdk_do_not_know() -> None:
    """Its checks can fail: without them the tests above would show nothing."""
    from databricks.sdk.service import jobs

    for wrong in ({"more": 1}, {"tasks": [{"task_key": "a", "more": 1}]}, {"tasks": [{"new_cluster": "a"}]}):
        with pytest.raises(Refused):
            checked_call(jobs.JobsAPI.submit, wrong, tasks=jobs.SubmitTask)
