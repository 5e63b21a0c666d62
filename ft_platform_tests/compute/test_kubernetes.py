"""What is Kubernetes' own: manifests, what its answers and states mean, and what the stand-in plays. What all back ends
keep: `test_contract.py`."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ft_platform.compute import elsewhere, pods
from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.backends import kubernetes
from ft_platform.compute.pod_states import look_at, meaning
from ft_platform.errors import MissingExtra, NanLoss, SubmissionRefused
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.contract.case import Case, once, profile_module, until
from ft_platform_tests.compute.kubernetes_cluster import IMAGE, NAMESPACE, RBAC, VERSION, Cluster, violations
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_ledger import named

SECRET, NAME = "secret-canary-4410", "ft-0123456789abcdef-01234567"
STAND_IN = profile_module("kubernetes")
COMPONENT = pytest.mark.components(name="kubernetes")
FULL: dict[str, Any] = {
    "image": "registry.example/worker:1.2",
    "namespace": "ft-programs",
    "service_account": "ft-program",
    "queue": "legal",
    "priority_class": "batch",
    "pull_secret": "registry",
    "node_selector": "pool=gpu,topology.kubernetes.io/zone=a",
    "tolerations": "nvidia.com/gpu:NoSchedule,team=legal:NoExecute",
    "volumes": "lake:/lake,models:/models:ro",
    "secrets": "store,tracker",
    "memory_gib": 64,
}


def job(environment: Any, program: str = "train", threads: int = 4, options: Any = None, **profile: Any) -> Job:
    made = ComputeProfile(backend="kubernetes", options={"image": IMAGE, **(options or {})}, **profile)
    launch = Launch(None, environment, made, named(threads=threads, timeout_minutes=90, grace_seconds=30), program, {})  # type: ignore[arg-type]
    return Job(NAME, launch, {"TOKEN": SECRET, "FT_HOME": "/home/ft"})


def manifests(one: Job) -> list[dict[str, Any]]:
    return [pods.job_manifest(one), *pods.owned_manifests(one, "uid-1")]


@pytest.mark.parametrize(
    ("program", "profile"),
    [
        ("train", {}),
        ("train", {"options": FULL, "gpus": 1}),
        ("train", {"options": {**FULL, "nodes": 2}, "gpus": 8, "processes": 8}),
        ("evaluate", {"options": {**FULL, "nodes": 2}, "gpus": 8, "processes": 8}),
    ],
)
def test_manifests_are_those_that_kubernetes_publishes_and_the_standard_restricted_admits(
    environment: Any, program: str, profile: dict[str, Any]
) -> None:
    for one in manifests(job(environment, program, **profile)):
        kubernetes_validate.validate(one, VERSION, strict=True)
        if one["kind"] == "Job":
            assert violations(one["spec"]["template"]["spec"]) == ""


def test_the_judge_of_restricted_pods_and_the_schemas_notice_what_is_wrong(environment: Any) -> None:
    made = pods.job_manifest(job(environment))
    pod = made["spec"]["template"]["spec"]
    pod["containers"][0]["securityContext"]["capabilities"]["drop"] = []
    pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    assert violations(pod) == "capabilities, hostPath"
    with pytest.raises(kubernetes_validate.ValidationError, match="nodeSelektor"):
        kubernetes_validate.validate({**made, "nodeSelektor": {}}, VERSION, strict=True)


def test_the_job_says_what_the_program_needs(environment: Any) -> None:
    made = pods.job_manifest(job(environment, options=FULL, gpus=1))
    spec, pod = made["spec"], made["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "legal" and spec["suspend"] is True
    assert (spec["backoffLimit"], pod["restartPolicy"], spec["ttlSecondsAfterFinished"]) == (0, "Never", 3600)
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "FailJob"
    assert pod["activeDeadlineSeconds"] == 90 * 60 + 30 + 60 and "activeDeadlineSeconds" not in spec
    assert pod["terminationGracePeriodSeconds"] == 30 and pod["serviceAccountName"] == "ft-program"
    assert pod["nodeSelector"] == {"pool": "gpu", "topology.kubernetes.io/zone": "a"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "effect": "NoSchedule", "operator": "Exists"},
        {"key": "team", "effect": "NoExecute", "operator": "Equal", "value": "legal"},
    ]
    assert container["resources"] == {
        "requests": {"cpu": "4", "memory": "65536Mi", "nvidia.com/gpu": "1"},
        "limits": {"memory": "65536Mi", "nvidia.com/gpu": "1"},
    }
    assert container["command"] == ["python", "-m", "ft_platform.programs.train"]
    mounts = {one["mountPath"]: one.get("readOnly", False) for one in container["volumeMounts"]}
    assert mounts == {"/tmp": False, "/dev/shm": False, "/lake": False, "/models": True}


def test_memory_of_a_gpu_is_not_asked_of_the_node(environment: Any) -> None:
    def limits(**profile: Any) -> dict[str, str]:
        pod = pods.job_manifest(job(environment, **profile))["spec"]["template"]["spec"]
        return dict(pod["containers"][0]["resources"]["limits"])

    assert limits(gpus=1, memory_limit_gib=80.0) == {"nvidia.com/gpu": "1"}
    assert limits(memory_limit_gib=8.0) == {"memory": "8192Mi"}


def test_variables_are_in_the_secret_alone_and_its_own_wins(environment: Any) -> None:
    *others, secret = manifests(job(environment, options={**FULL, "nodes": 2}, processes=4))
    assert [one["kind"] for one in others] == ["Job", "Service"] and SECRET not in json.dumps(others)
    assert secret["stringData"]["TOKEN"] == SECRET and secret["immutable"] is True
    assert secret["metadata"]["ownerReferences"][0] == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": NAME,
        "uid": "uid-1",
    }
    container = others[0]["spec"]["template"]["spec"]["containers"][0]
    assert [one["secretRef"]["name"] for one in container["envFrom"]] == ["store", "tracker", NAME]


def test_several_nodes_meet_at_the_first_and_other_programs_need_one(environment: Any) -> None:
    profile: dict[str, Any] = {"options": {**FULL, "nodes": 2}, "gpus": 8, "processes": 8}
    made, service, _ = manifests(job(environment, **profile))
    pod = made["spec"]["template"]["spec"]
    assert (made["spec"]["completionMode"], made["spec"]["completions"], made["spec"]["parallelism"]) == (
        "Indexed",
        2,
        2,
    )
    assert pod["subdomain"] == service["metadata"]["name"] and service["spec"]["clusterIP"] == "None"
    assert pod["containers"][0]["command"][2:] == [
        "ft_platform.programs.together",
        "--nnodes=2",
        f"--master-addr={NAME}-0.{NAME}",
        "--master-port=29500",
        "--node-rank=$(JOB_COMPLETION_INDEX)",
        "--nproc-per-node=4",
        "--module",
        "ft_platform.programs.train",
    ]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "4"
    alone = manifests(job(environment, "evaluate", **profile))
    assert [one["kind"] for one in alone] == ["Job", "Secret"] and "completions" not in alone[0]["spec"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partition": "x"}, "has no option partition; it has image"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"nodes": "2"}, r"options\.nodes must be a number of 1 or more, got '2'"),
        ({"memory_gib": 0}, r"options\.memory_gib must be a number"),
        ({"user": 0}, r"options\.user must be a number of 1 or more, got 0"),
        ({"volumes": "lake:lake"}, r"options\.volumes must be claim:/path or claim:/path:ro"),
        ({"tolerations": "gpu"}, r"options\.tolerations must be key:NoSchedule"),
        ({"namespace": "A b"}, r"options\.namespace must be a name, got 'A b'"),
        ({"queue": "legal\n"}, r"options\.queue must be a name"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ComputeProfile(backend="kubernetes", processes=8, options={"image": IMAGE, **options})


def test_an_image_is_needed() -> None:
    with pytest.raises(ValueError, match=r"needs `options\.image`"):
        ComputeProfile(backend="kubernetes")


def a_job(*conditions: str, **metadata: Any) -> dict[str, Any]:
    found = [{"type": one, "status": "True"} for one in conditions]
    return {"metadata": {"name": NAME, **metadata}, "status": {"conditions": found}}


def a_pod(state: dict[str, Any] | None = None, *conditions: Any, **status: Any) -> dict[str, Any]:
    containers = [{"name": "program", "state": state}] if state else []
    return {"metadata": {}, "status": {"containerStatuses": containers, "conditions": conditions, **status}}


def ended(code: int, reason: str = "Error", second: int = 30, **more: Any) -> dict[str, Any]:
    at = {"startedAt": "2026-11-29T10:00:00+00:00", "finishedAt": f"2026-11-29T10:00:{second}+00:00"}
    return {"terminated": {"exitCode": code, "reason": reason, **at, **more}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return a_pod({"waiting": {"reason": reason, "message": message}}, phase="Pending")


def refused(reason: str) -> Look:
    return Look("ended", "refused", 1, reason)


def event(message: str) -> dict[str, Any]:
    return {"reason": "FailedCreate", "message": message}


NO_ROOM = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes available"}
TAKEN = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}


@pytest.mark.parametrize(
    ("job", "found", "look"),
    [
        (a_job(), [], Look("waits")),
        (a_job("Suspended"), [], Look("waits", reason="its queue has not let it begin")),
        (a_job(), [a_pod(None, NO_ROOM, phase="Pending")], Look("waits", reason="Unschedulable: 0/3 nodes available")),
        (a_job(), [waiting("ContainerCreating")], Look("waits", reason="ContainerCreating")),
        (a_job(), [waiting("ErrImagePull", "i/o timeout")], Look("waits", reason="ErrImagePull: i/o timeout")),
        (a_job(), [waiting("ImagePullBackOff", "x: not found")], refused("ImagePullBackOff: x: not found")),
        (a_job(), [waiting("ErrImagePull", "pull access denied")], refused("ErrImagePull: pull access denied")),
        (a_job(), [waiting("InvalidImageName")], refused("InvalidImageName")),
        (
            a_job(),
            [waiting("CreateContainerConfigError", 'secret "store" not found')],
            refused('CreateContainerConfigError: secret "store" not found'),
        ),
        (
            a_job(),
            [waiting("CreateContainerConfigError", f'secret "{NAME}" not found')],
            Look("waits", reason="CreateContainerConfigError"),
        ),
        (a_job(), [waiting("ContainerCreating"), a_pod({"running": {}}, phase="Running")], Look("runs")),
        (a_job(), [a_pod(ended(3), phase="Failed")], Look("runs")),  # the Job says so in a moment
        (a_job("Complete", deletionTimestamp="t"), [a_pod(ended(0))], Look("ended", "program", 0, "Complete", 30)),
        (a_job(deletionTimestamp="t"), [], Look("runs")),
        (a_job("Failed"), [a_pod(ended(3))], Look("ended", "program", 3, "Error", 30)),
        (a_job("Failed"), [a_pod(ended(137))], Look("ended", "program", -9, "Error", 30)),
        (a_job("Failed"), [a_pod(ended(143, second=40)), a_pod(ended(3))], Look("ended", "program", 3, "Error", 40)),
        (a_job("Failed"), [a_pod(ended(137, "OOMKilled"))], Look("ended", "out_of_memory", 0, "OOMKilled", 30)),
        (
            a_job("Failed"),
            [a_pod(ended(128, "StartError", message="no python"))],
            Look("ended", "refused", 1, "StartError: no python", 30),
        ),
        (a_job("Failed"), [a_pod(ended(143), TAKEN)], Look("ended", "machine_lost", 1, "PreemptionByScheduler", 30)),
        (
            a_job("Failed"),
            [a_pod(ended(143), reason="DeadlineExceeded")],
            Look("ended", "time_limit", 1, "DeadlineExceeded", 30),
        ),
        (a_job("Failed"), [a_pod(reason="Evicted")], Look("ended", "machine_lost", 1, "Evicted")),
        (a_job("Failed"), [], Look("ended", "machine_lost", 1, "its pod is gone")),
    ],
)
def test_states_of_kubernetes_mean(job: dict[str, Any], found: list[dict[str, Any]], look: Look) -> None:
    assert look_at(job, found, []) == look


@pytest.mark.parametrize(
    ("message", "phase"),
    [
        ("exceeded quota: gpus, requested: 1, used: 8, limited: 8", "waits"),
        ("failed calling webhook: context deadline exceeded: timeout", "waits"),
        ('violates PodSecurity "restricted:latest": privileged', "ended"),
        ('serviceaccount "ft-program" not found', "ended"),
    ],
)
def test_why_there_is_no_pod(message: str, phase: str) -> None:
    look = look_at(a_job(), [], [event(message)])
    assert look.phase == phase and message[:20] in look.reason and (look.cause == "refused") == (phase == "ended")


def status(message: str, reason: str = "") -> str:
    return json.dumps({"kind": "Status", "message": message, "reason": reason})


@pytest.mark.parametrize(
    ("code", "body", "creates", "kind"),
    [
        (401, status("Unauthorized"), False, CredentialsRefused),
        (401, "", True, CredentialsRefused),
        (403, status('jobs is forbidden: User "x" cannot get'), False, CredentialsRefused),
        (403, status('jobs is forbidden: User "x" cannot create'), True, SubmissionRefused),
        (403, status("exceeded quota: jobs"), True, Unreachable),
        (404, status('namespaces "nowhere" not found'), True, SubmissionRefused),
        (404, "<html>no such site</html>", True, Unreachable),
        (422, status("Job is invalid"), True, SubmissionRefused),
        (429, status("Too many requests"), True, Unreachable),
        (503, "", False, Unreachable),
    ],
)
def test_what_passes_is_told_from_what_does_not(code: int, body: str, creates: bool, kind: type[Exception]) -> None:
    assert type(meaning(code, body, creates)) is kind


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(MissingExtra, match=r'pip install "ft-platform\[kubernetes\]"'):
        kubernetes.Kubernetes({"image": IMAGE})


def test_the_rights_are_valid_and_let_nobody_read_a_secret() -> None:
    found = {one["kind"]: one for one in yaml.safe_load_all(RBAC.read_text())}
    for one in found.values():
        kubernetes_validate.validate(one, VERSION, strict=True)
    verbs = {what: set(rule["verbs"]) for rule in found["Role"]["rules"] for what in rule["resources"]}
    assert verbs["secrets"] == {"create"} and "*" not in json.dumps(found["Role"])
    assert found["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_profile_of_the_page_is_a_profile() -> None:
    text = (REPOSITORY / "docs" / "how_to" / "compute.md").read_text(encoding="utf-8")
    block = next(one for one in text.split("```yaml\n")[1:] if "backend: kubernetes" in one).split("```")[0]
    [profile] = yaml.safe_load(block)["profiles"].values()
    assert ComputeProfile(**profile).backend == "kubernetes"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    assert STAND_IN
    STAND_IN.settings()
    made: Cluster = STAND_IN.cluster()
    made.refuse, made.lose = {}, set()
    yield made
    assert made.unfinished() == []
    made.refuse, made.lose = {}, set()


@pytest.fixture
def case(cluster: Cluster, environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    assert STAND_IN
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    return Case("kubernetes", environment, tmp_path, STAND_IN.settings())


def here(environment: Any, **options: Any) -> Job:
    return job(environment, threads=1, options={"namespace": NAMESPACE, **options})


def left(cluster: Cluster) -> list[str]:
    return [kind for kind, name in cluster.things if name.startswith(NAME)]


@COMPONENT
@pytest.mark.integration
@pytest.mark.parametrize("what", ["jobs", "secrets", "services"])
def test_an_answer_that_was_lost_makes_nothing_twice(cluster: Cluster, environment: Any, what: str) -> None:
    options = {"nodes": 2, "namespace": NAMESPACE, "queue": "legal"}
    one = job(environment, options=options, processes=2)
    asks = kubernetes.Kubernetes(one.launch.profile.options)
    cluster.lose = {what}
    with pytest.raises(Unreachable):
        asks.submit(one)
    assert asks.find(NAME) is None, "it is not complete"
    assert asks.submit(one) == NAME == asks.find(NAME)
    assert sorted(left(cluster)) == ["jobs", "secrets", "services"]
    asks.stop(NAME, 1)
    assert left(cluster) == []


@COMPONENT
@pytest.mark.integration
def test_what_a_killed_orchestrator_had_half_submitted_goes_with_the_next_attempt(
    cluster: Cluster, environment: Any
) -> None:
    one = here(environment, queue="legal")
    asks = kubernetes.Kubernetes(one.launch.profile.options)
    cluster.lose = {"secrets"}
    with pytest.raises(Unreachable):
        asks.submit(one)
    following = Job(f"{pods.launch_of(NAME)}-89abcdef", one.launch, one.variables)
    asks.submit(following)
    assert left(cluster) == []
    asks.stop(following.name, 1)


@COMPONENT
@pytest.mark.integration
@pytest.mark.parametrize("where", ["create_namespaced_job", "create_namespaced_secret", "patch_namespaced_job"])
def test_a_run_that_is_told_to_end_while_it_submits_leaves_no_half(
    cluster: Cluster, environment: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The interrupt comes before the answer."""
    one = here(environment)
    asks = kubernetes.Kubernetes(one.launch.profile.options)
    api = asks._core if where == "create_namespaced_secret" else asks._batch
    real = getattr(api, where)

    def interrupted(*given: Any, **more: Any) -> None:
        real(*given, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(api, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        asks.submit(one)
    assert left(cluster) == []


@COMPONENT
@pytest.mark.integration
def test_a_submission_that_is_refused_half_way_leaves_nothing(cluster: Cluster, environment: Any) -> None:
    one = here(environment)
    cluster.refuse = {"secrets": (403, "Forbidden", 'admission webhook "policy" denied the request')}
    with pytest.raises(SubmissionRefused, match="denied the request"):
        kubernetes.Kubernetes(one.launch.profile.options).submit(one)
    assert left(cluster) == []


@COMPONENT
@pytest.mark.integration
def test_an_image_that_is_nowhere_fails_at_once_and_leaves_no_job_that_could_begin(
    cluster: Cluster, environment: Any
) -> None:
    one = here(environment, image="registry.test/none:1")
    asks = kubernetes.Kubernetes(one.launch.profile.options)
    asks.submit(one)
    until(lambda: asks.look(NAME).cause in ("refused", "cancelled"), 20)
    until(lambda: left(cluster) == [], 20)
    assert asks.look(NAME) == Look("ended", "cancelled", 1, "its Job was deleted")


@COMPONENT
@pytest.mark.integration
def test_a_job_that_its_queue_does_not_let_begin_waits(cluster: Cluster, environment: Any) -> None:
    one = here(environment, queue="legal")
    asks = kubernetes.Kubernetes(one.launch.profile.options)
    asks.submit(one)
    assert asks.look(NAME) == Look("waits", reason="its queue has not let it begin")
    asks.stop(NAME, 1)
    assert left(cluster) == []


@COMPONENT
@pytest.mark.integration
def test_a_pod_that_does_not_end_is_on_a_lost_node(
    cluster: Cluster, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that does not answer never says that its pod has ended."""
    monkeypatch.setattr(kubernetes, "END_SECONDS", 0.2)
    asks = kubernetes.Kubernetes({"image": IMAGE, "namespace": NAMESPACE})
    pod = a_pod({"running": {}}, phase="Running")
    pod["metadata"] = {"name": "p", "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}
    assert not asks._does_not_end(NAME, [pod])
    until(lambda: asks._does_not_end(NAME, [pod]), 5)
    assert not asks._does_not_end(NAME, [a_pod({"running": {}}, phase="Running")])


@COMPONENT
@pytest.mark.integration
def test_rights_that_are_missing_leave_the_job_alone(cluster: Cluster) -> None:
    with pytest.raises(CredentialsRefused, match='cannot get resource "jobs"'):
        kubernetes.Kubernetes({"image": IMAGE, "namespace": "others"}).look(NAME)


@COMPONENT
@pytest.mark.integration
def test_played_a_preempted_training_goes_on_to_equal_weights(case: Case, cluster: Cluster) -> None:
    assert STAND_IN
    taking = once(lambda: bool(case.beats("program")), 60, STAND_IN.preempt)
    weights = case.run("learns").values["weights"]
    taking.join()
    expected = "begin"
    for _ in range(20):
        expected = hashlib.sha256(expected.encode()).hexdigest()
    assert weights == expected and case.starts() == 2


@COMPONENT
@pytest.mark.integration
def test_played_a_lost_node_is_tried_again(case: Case) -> None:
    assert STAND_IN
    losing = once(lambda: bool(case.beats("program")), 60, STAND_IN.lose_machine)
    once(lambda: case.starts() == 2, 120, case.go_on)
    assert case.run("waits").artifact.artifact_id == "a-1"
    losing.join()
    assert case.starts() == 2 and "tried again (2 of 4)" in case.told() and "DeletionByPodGC" in case.told()


@COMPONENT
@pytest.mark.integration
def test_played_a_cluster_without_room_is_waited_for(case: Case) -> None:
    assert STAND_IN
    with STAND_IN.full():
        once(lambda: False, 4, lambda: setattr(STAND_IN.cluster(), "full", False))
        assert case.run("reports").artifact.artifact_id == "a-1"
    assert "waits for a machine (Unschedulable: 0/1 nodes" in case.told() and case.starts() == 1


@COMPONENT
@pytest.mark.integration
def test_somebody_who_deletes_the_job_cancels_the_program(case: Case, cluster: Cluster) -> None:
    asks = kubernetes.Kubernetes(case.settings["options"])
    once(lambda: bool(case.beats("program")), 60, lambda: asks.stop(cluster.unfinished()[0], 1))
    with pytest.raises(SubmissionRefused, match="was cancelled at the scheduler"):
        case.run("learns")
    assert case.starts() == 1


@COMPONENT
@pytest.mark.integration
def test_two_nodes_work_on_one_model(case: Case) -> None:
    result = case.run("reports", processes=2, options={"nodes": 2})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    with pytest.raises(NanLoss, match="loss is NaN at step 12"):
        case.run("fails", processes=2, options={"nodes": 2})
