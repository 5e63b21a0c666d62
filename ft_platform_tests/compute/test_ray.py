"""What is Ray's own: the request, what states and exit codes mean, variables that nobody sees, and what only a real
cluster shows. What all back ends keep: `test_contract.py`."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from ft_platform.compute import elsewhere, ray_driver
from ft_platform.compute.backend import CredentialsRefused, Job, Launch, Look, Unreachable
from ft_platform.compute.backends import ray
from ft_platform.compute.handed_over import hand_over, take
from ft_platform.errors import MachineLost, NanLoss, OutOfMemory, SubmissionRefused
from ft_platform.lake.opening import open_lake
from ft_platform.process import bounded_http
from ft_platform.process.bounded_http import Answer, NoAnswer
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.compute.contract.case import TOKEN, Case, once, profile_module
from ft_platform_tests.compute.test_contract import command_lines
from ft_platform_tests.costs.test_ledger import named

ADDRESS = {"address": "http://head:8265"}
REAL: Any = profile_module("ray")


def job(environment: Environment, program: str = "train", threads: int = 4, **profile: Any) -> Job:
    options = {**ADDRESS, **profile.pop("options", {})}
    made = ComputeProfile(backend="ray", options=options, environment={"AWS_SESSION_TOKEN": "named"}, **profile)
    launch = Launch(None, environment, made, named(threads=threads, timeout_minutes=90, grace_seconds=30), program, {})  # type: ignore[arg-type]
    return Job("ft-0123-abcd", launch, {"TOKEN": TOKEN, "FT_HOME": "/home/ft"})


def orders(made: dict[str, Any]) -> dict[str, Any]:
    return json.loads(made["runtime_env"]["env_vars"][ray.ORDERS])


def test_the_request_says_what_the_program_needs_and_holds_no_variable(environment: Environment) -> None:
    options = {"memory_gib": 64, "resources": "fast=1,disk=0.5", "python": "/opt/ft/bin/python", "placement": "PACK"}
    made = ray.request(job(environment, gpus=2, options=options), "the key")
    assert made["submission_id"] == "ft-0123-abcd"
    assert made["entrypoint"] == "exec /opt/ft/bin/python -m ft_platform.compute.ray_driver"
    assert orders(made)["each"] == {"CPU": 4.0, "GPU": 2, "memory": 64 << 30, "fast": 1.0, "disk": 0.5}
    assert (orders(made)["key"], orders(made)["placement"], orders(made)["seconds"]) == ("the key", "PACK", 5490.0)
    assert TOKEN not in json.dumps(made)
    variables = made["runtime_env"]["env_vars"]
    assert variables["RAY_JOB_STOP_WAIT_TIME_S"] == "60" and variables["FT_LAKE_ROOT"] == environment.lake_uri


def test_keys_of_the_store_are_not_sent(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes have their own; the profile may name others."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store")
    monkeypatch.setattr(ray.Cluster, "_ask", lambda *_: {})
    made = job(environment)
    made.variables.update(made.launch.variables_elsewhere())
    cluster = ray.Cluster("http://head:8265")
    cluster.submit(made)
    found = take(open_lake(environment), "complaints", made.name, cluster._keys[made.name])
    assert "AWS_SECRET_ACCESS_KEY" not in found
    assert (found["AWS_ENDPOINT_URL"], found["AWS_SESSION_TOKEN"]) == ("http://store", "named")


def test_memory_of_a_gpu_is_not_asked_of_the_node(environment: Environment) -> None:
    assert "memory" not in orders(ray.request(job(environment, gpus=1, memory_limit_gib=80.0), ""))["each"]
    assert orders(ray.request(job(environment, memory_limit_gib=8.0), ""))["each"]["memory"] == 8 << 30


def test_several_nodes_meet_at_the_first_and_other_programs_need_one(environment: Environment) -> None:
    found = orders(ray.request(job(environment, processes=8, gpus=8, options={"nodes": 2}), ""))
    assert (found["nodes"], found["together"], found["each"]) == (2, 4, {"CPU": 2.0, "GPU": 4})
    words = " ".join(ray_driver._command(found, 1, ("id", "10.0.0.1", 4711)))
    assert words == (
        "python -m ft_platform.programs.together --nnodes=2 --node-rank=1 --master-addr=10.0.0.1 --master-port=4711"
        " --nproc-per-node=4 --module ft_platform.programs.train"
    )
    alone = orders(ray.request(job(environment, "evaluate", processes=8, gpus=8, options={"nodes": 2}), ""))
    assert (alone["nodes"], alone["together"], alone["each"]) == (1, 0, {"CPU": 4.0, "GPU": 8})
    assert ray_driver._command(alone, 0, ("", "", 0)) == ["python", "-m", "ft_platform.programs.evaluate"]


def test_processes_share_the_threads_as_on_one_machine(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray.Cluster, "_ask", lambda *_: {})
    for program, threads in (("train", "2"), ("evaluate", "8")):
        made, cluster = job(environment, program, threads=8, processes=4), ray.Cluster("http://head:8265")
        made.variables.update(made.launch.variables_elsewhere())
        cluster.submit(made)
        found = take(open_lake(environment), "complaints", made.name, cluster._keys[made.name])
        assert found["FT_THREADS"] == found["OMP_NUM_THREADS"] == threads


def test_a_token_is_read_for_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(CredentialsRefused, match="RAY_AUTH_TOKEN_PATH: No such file"):
        ray._token()
    for token in ("first", "second"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert ray._token() == {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "x"}, "has no option queue; it has address, resources"),
        ({"nodes": 3}, "must be multiples of `nodes`, got nodes 3"),
        ({"nodes": True}, "options.nodes must be a number of 1 or more, got True"),
        ({"cpus": 0}, "options.cpus must be a number"),
        ({"address": "ray://head:10001"}, "options.address must be the dashboard, such as http://ray-head:8265"),
        ({"address": "http://me:secret@head:8265"}, "options.address must be the dashboard"),
        ({"resources": "fast"}, "options.resources must be name=1,..."),
        ({"resources": "fast=1,GPU=2"}, "options.resources are custom ones; GPU has a setting of its own"),
        ({"placement": "spread"}, "options.placement must be SPREAD, PACK"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        ComputeProfile(backend="ray", processes=8, options={**ADDRESS, **options})
    assert "secret@" not in str(raised.value.__cause__ or "")


def test_an_address_is_needed() -> None:
    with pytest.raises(ValueError, match=r"needs `options\.address`"):
        ComputeProfile(backend="ray")


def state(status: str, code: int | None = None, error_type: str | None = None) -> dict[str, Any]:
    return {"status": status, "driver_exit_code": code, "error_type": error_type, "end_time": 130_000}


SINCE = [f"{ray.SINCE}100.0"]


@pytest.mark.parametrize(
    ("job", "said", "look"),
    [
        (state("RUNNING"), ["begins", "2 x CPU 4"], Look("waits", reason="2 x CPU 4")),
        (state("RUNNING"), SINCE, Look("runs")),
        (state("SUCCEEDED", 0), SINCE, Look("ended", seconds=30)),
        (state("STOPPED"), SINCE, Look("ended", "cancelled", 1, "stopped", 30)),
        (state("STOPPED"), [], Look("ended", "cancelled", 1, "stopped")),  # before it ran: nothing is paid for
        (state("FAILED", 3), SINCE, Look("ended", "program", 3, "exit code 3", 30)),
        (state("FAILED", 137), SINCE, Look("ended", "program", -9, "exit code 137", 30)),
        (state("FAILED", ray.LOST), [*SINCE, "gone"], Look("ended", "machine_lost", 75, "gone", 30)),
        (state("FAILED", ray.TOO_LARGE), [*SINCE, "full"], Look("ended", "out_of_memory", 76, "full", 30)),
        (state("FAILED", ray.REFUSED), ["begins", "no"], Look("ended", "refused", 78, "no")),
        (state("FAILED", ray.TOO_LONG), [*SINCE, "long"], Look("ended", "time_limit", 79, "long", 30)),
        (state("FAILED", -9), SINCE, Look("ended", "machine_lost", 1, "its driver was ended by signal 9", 30)),
        (state("FAILED", 127), [], Look("ended", "refused", 127, "exit code 127")),
        (
            state("FAILED", 1),  # no module ft_platform
            [],
            Look("ended", "refused", 1, "its driver did not start: is this ft-platform on the head node?"),
        ),
        (
            state("FAILED", None, "JOB_SUPERVISOR_ACTOR_DIED"),
            SINCE,
            Look("ended", "machine_lost", 1, "Ray: JOB_SUPERVISOR_ACTOR_DIED", 30),
        ),
        (
            state("FAILED", None, "RUNTIME_ENV_SETUP_FAILURE"),
            [],
            Look("ended", "refused", 1, "Ray: RUNTIME_ENV_SETUP_FAILURE"),
        ),
    ],
)
def test_states_and_exit_codes_mean(job: dict[str, Any], said: list[str], look: Look) -> None:
    assert ray.look_at(job, said) == look


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, "Unauthorized: Missing authentication token"), CredentialsRefused),
        ((403, "Forbidden: Invalid authentication token"), CredentialsRefused),
        ((500, "RuntimeError: Request failed with status code 400: ... ValueError: no"), SubmissionRefused),
        ((400, "TypeError: entrypoint must be a string"), SubmissionRefused),
        ((500, "No available agent to submit job, please try again later."), Unreachable),
        ((404, "<html>default backend</html>"), Unreachable),  # an ingress without the dashboard is no lost job
        ((200, "<html>sign in</html>"), Unreachable),
        (None, Unreachable),
    ],
)
def test_what_passes_is_told_from_what_does_not(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str] | None, kind: type[Exception]
) -> None:
    def ask(*_: Any) -> Answer:
        if answer is None:
            raise NoAnswer("a refused connection")
        return Answer(answer[0], {}, answer[1].encode())

    monkeypatch.setattr(bounded_http, "ask", ask)
    with pytest.raises(kind) as raised:
        ray.Cluster("http://head:8265")._ask("POST", "/api/jobs/", {})
    assert raised.type is kind


def test_a_job_that_ray_does_not_know_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "ask", lambda *_: Answer(404, {}, b"Job ft-1 does not exist"))
    assert ray.Cluster("http://head:8265").find("ft-1") is None
    assert ray.Cluster("http://head:8265").look("ft-1") == Look("unknown")


def test_variables_are_handed_over_once_and_only_to_the_job_with_the_key(environment: Environment) -> None:
    lake = open_lake(environment)
    key = hand_over(lake, "complaints", "ft-1-a", {"TOKEN": TOKEN})
    other = hand_over(lake, "complaints", "ft-1-b", {"TOKEN": "another"})
    files = [Path(path) for path in lake.fs.find(lake.path_of("shared", "complaints"))]
    assert len(files) == 2 and not any(TOKEN.encode() in file.read_bytes() for file in files)
    with pytest.raises(InvalidTag):
        take(lake, "complaints", "ft-1-a", other)
    assert take(lake, "complaints", "ft-1-a", key) == {"TOKEN": TOKEN}
    with pytest.raises(FileNotFoundError):
        take(lake, "complaints", "ft-1-a", key)


def test_what_is_submitted_again_has_the_same_key(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer was lost: the first request may have come through all the same."""
    sent: list[Any] = []
    monkeypatch.setattr(ray.Cluster, "_ask", lambda _, _method, _path, content=None: sent.append(content))
    cluster, made = ray.Cluster("http://head:8265"), job(environment)
    for _ in range(2):
        cluster.submit(made)
    assert orders(sent[0])["key"] == orders(sent[1])["key"]


def test_a_program_waits_for_what_no_node_has() -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0}}, {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 1.0}}]
    assert ray_driver._waits(nodes, {"CPU": 4.0}, 2) == "2 x CPU 4"
    assert (
        ray_driver._waits(nodes, {"CPU": 4.0, "GPU": 1}, 1) == "1 x CPU 4, GPU 1, which no node of the cluster has now"
    )


def test_a_signal_on_one_node_counts_before_a_broken_connection_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_driver, "_everywhere", lambda *_, **__: [1, -9])
    assert ray_driver._failed([]) == 137
    monkeypatch.setattr(ray_driver, "_everywhere", lambda *_, **__: [None, 3])
    assert ray_driver._failed([]) == 3


def test_a_broken_connection_is_no_reason_where_another_node_was_lost(environment: Environment) -> None:
    watch = object.__new__(elsewhere._Watch)
    watch.launch = job(environment).launch
    lost = Look("ended", "machine_lost")
    for kind, end, again in [
        ("TrainingFailed", lost, True),
        ("NanLoss", lost, False),
        ("TrainingFailed", Look("ended"), False),
    ]:
        watch.messages = SimpleNamespace(final=[{"failed": {"type": kind, "message": "it ended"}}])  # type: ignore[assignment]
        assert isinstance(watch.lost(end), MachineLost) == again


@pytest.fixture
def faults() -> Any:
    REAL.settings()
    yield REAL
    REAL.mend()


@pytest.fixture
def case(faults: Any, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(elsewhere, "AGAIN_SECONDS", 0.5)
    return Case("ray", environment, tmp_path, faults.settings())


on_a_cluster = pytest.mark.components(name="ray_cluster")


@pytest.mark.slow
@on_a_cluster
def test_ray_shows_and_stores_no_variable_of_a_program(case: Case, faults: Any) -> None:
    """While the program runs: what the API says of jobs, actors, tasks and environments, command lines, and all that
    lies in Ray's folder. Given as `env_vars`, it stands in the API and in runtime_env_agent.log."""
    seen: dict[str, str] = {}
    places = ["/api/jobs/"]
    places += [
        f"/api/v0/{what}?detail=1" for what in ("actors", "tasks", "workers", "runtime_envs", "placement_groups")
    ]

    def look() -> None:
        seen.update({place: json.dumps(faults.cluster().ask("GET", place)) for place in places})
        seen["command lines"] = "\n".join(command_lines())
        files = [path for path in faults.cluster().folder.rglob("*") if path.is_file() and not path.is_symlink()]
        seen.update({str(path): path.read_bytes().decode(errors="replace") for path in files})
        case.go_on()

    once(lambda: bool(case.beats("program")), 120, look)
    case.run("waits")
    assert "ray_driver" in seen["/api/jobs/"] and "OneNode" in seen["/api/v0/actors?detail=1"]
    assert "ft_platform.programs.train" in seen["command lines"] and any("runtime_env_agent" in place for place in seen)
    assert [place for place, text in seen.items() if TOKEN in text] == []


@pytest.mark.slow
@on_a_cluster
def test_two_nodes_work_on_one_model(case: Case) -> None:
    result = case.run("reports", processes=2, options={"nodes": 2, "placement": "STRICT_SPREAD"})
    assert result.artifact.artifact_id == "a-1" and set(case.beats()) == {"alive-program-0", "alive-program-1"}
    assert "a line of process 0" in case.told() and "a line of process 1" not in case.told()


@pytest.mark.slow
@on_a_cluster
def test_a_failure_on_the_second_node_ends_the_first(case: Case) -> None:
    with pytest.raises(NanLoss):
        case.run("fails", processes=2, options={"nodes": 2})
    assert case.nothing_runs()


@pytest.mark.slow
@on_a_cluster
def test_a_program_on_a_node_that_is_drained_saves_its_state_first(case: Case, faults: Any) -> None:
    taking = once(lambda: bool(case.beats("program")), 120, faults.preempt)
    case.run("learns")
    taking.join()
    assert "asked to stop at step" in case.told() and "tried again (2 of 4)" in case.told()


@pytest.mark.slow
@on_a_cluster
def test_what_ray_ends_for_want_of_memory_is_not_tried_again(case: Case, faults: Any) -> None:
    with faults.cluster().node_without_memory(), pytest.raises(OutOfMemory, match="a node had no memory left"):
        case.run("waits", options={"resources": "tight=1"})
    assert "tried again" not in case.told()


@pytest.mark.slow
@on_a_cluster
def test_with_a_node_less_as_many_processes_run_on_those_that_are_left(case: Case, faults: Any) -> None:
    """Half a processor for each of two groups: after a loss both fit on the other node."""
    cluster, where = faults.cluster(), []

    def note() -> None:
        cluster.until(lambda: len(cluster.working()) == 2)
        where.append(sorted(cluster.working()))

    def lose() -> None:
        note()
        cluster.kill("two")

    def go_on() -> None:
        note()
        case.go_on()

    losing = once(lambda: len(case.beats("program")) == 2, 120, lose)
    again = once(lambda: case.starts() == 4, 240, go_on)
    case.run("waits", processes=2, options={"nodes": 2, "cpus": 0.5})
    losing.join()
    again.join()
    assert where == [["one", "two"], ["one", "one"]] and "was lost" in case.told()
