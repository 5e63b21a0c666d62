"""The training program as a back end starts it (Dagster Pipes), and by hand: result, progress, failures, a kill in the
middle."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from dagster_pipes import encode_param
from safetensors.torch import load_file

from ft_platform.compute import warm
from ft_platform.compute.backends.torchrun import command_of
from ft_platform.lake.gate import require_usable
from ft_platform.programs.reporting import described
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for

pytestmark = pytest.mark.integration

FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 6}
CONTEXT = dict.fromkeys(
    [
        "code_version_by_asset_key",
        "provenance_by_asset_key",
        "partition_key",
        "partition_key_range",
        "partition_time_window",
        "job_name",
    ]
) | {"asset_keys": ["complaints/adapter_checkpoint"], "run_id": "run", "retry_number": 0}


class Started:
    """A program started with Pipes variables, as the back ends do it, and the messages it writes."""

    def __init__(
        self,
        folder: Path,
        environment,
        use_case,
        splits,
        processes: int = 1,
        sharded: bool = False,
        forked: bool = True,
        nodes: int = 1,
    ) -> None:
        self.processes = processes, sharded
        self.messages_file = folder / "messages"
        self.messages_file.write_text("")
        settings = use_case.settings.model_dump(mode="json")
        extras = {"use_case": use_case.name, "settings": settings, "splits": splits.to_dict()}
        (folder / "context").write_text(json.dumps({**CONTEXT, "extras": extras}))
        profile = ComputeProfile(backend="torchrun", processes=processes, sharded=sharded)
        (folder / "environment.yaml").write_text(yaml.safe_dump({"profiles": {"local": profile.model_dump()}}))
        variables = {
            **os.environ,
            **environment.to_variables(),
            "FT_ENVIRONMENT": str(folder / "environment.yaml"),
            "FT_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "DAGSTER_PIPES_CONTEXT": encode_param({"path": str(folder / "context")}),
            "DAGSTER_PIPES_MESSAGES": encode_param({"path": str(self.messages_file)}),
        }
        started = warm.start("train", variables) if forked and processes == 1 and warm.possible() else None
        commands = on_nodes(nodes, processes) if nodes > 1 else [command_of("train", profile, variables)]
        self.process, *self.other_nodes = (
            [started] if started else [subprocess.Popen(command, env=variables) for command in commands]
        )

    def kill(self) -> None:
        for process in (self.process, *self.other_nodes):
            process.kill()
            process.wait(timeout=60)

    def messages(self, method: str = "report_custom_message") -> list[Any]:
        whole = [line for line in self.messages_file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = [m["params"] for m in map(json.loads, whole) if m["method"] == method]
        return [m["payload"] for m in found] if method == "report_custom_message" else found

    def wait(self) -> None:
        self.process.wait(timeout=240)

    def wait_for_step(self, step: int) -> None:
        deadline = time.monotonic() + 240
        while not any(
            m.get("progress", {}).get("unit") == "steps" and m["progress"]["done"] >= step for m in self.messages()
        ):
            assert self.process.poll() is None and time.monotonic() < deadline, self.messages()[-1:]
            time.sleep(0.02)

    def wait_for_state(self, lake, step: int) -> None:
        """Until the state after a step is saved: a quick program is at its end before it tells its progress a second
        time."""
        states, deadline = Path(lake.root) / "shared" / "complaints" / ".training", time.monotonic() + 240
        while not any(state.name[5:].isdigit() and int(state.name[5:]) >= step for state in states.glob("*/step-*")):
            assert self.process.poll() is None and time.monotonic() < deadline, self.messages()[-1:]
            time.sleep(0.005)


def on_nodes(nodes: int, processes: int) -> list[list[str]]:
    """What the back ends of clusters start on each node, all of them here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = [f"--nnodes={nodes}", "--master-addr=127.0.0.1", f"--master-port={port}"]
    group = [f"--nproc-per-node={processes // nodes}", "--module", "ft_platform.programs.train"]
    program = [sys.executable, "-m", "ft_platform.programs.together"]
    return [[*program, *meet, f"--node-rank={node}", *group] for node in range(nodes)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def start(tmp_path, environment):
    started: list[Started] = []

    def starter(use_case, splits, processes: int = 1, sharded: bool = False, nodes: int = 1) -> Started:
        folder = tmp_path / f"pipes-{len(started)}"
        folder.mkdir()
        started.append(Started(folder, environment, use_case, splits, processes, sharded, nodes=nodes))
        return started[-1]

    yield starter
    for program in started:
        program.kill()


def test_the_program_reports_progress_log_lines_and_the_artifact(lake, model, start):
    use_case = use_case_for(model, **FAST)
    splits = usable_splits(lake, use_case)
    program = start(use_case, splits)
    program.wait()
    assert program.process.returncode == 0
    *progress, result = program.messages()
    steps = [m["progress"] for m in progress if m["progress"]["unit"] == "steps"]
    assert steps[-1]["done"] == steps[-1]["total"] == 6
    assert {"loss", "learning_rate", "tokens_per_second", "memory_gib"} <= steps[-1]["fields"].keys()
    assert result["trained"] and result["metrics"]["steps"] == 6 and result["tracking"] == "off: tracking_uri is none"
    checkpoint = lake.artifact("complaints", "adapter_checkpoint", result["artifact"]["artifact_id"])
    assert checkpoint and checkpoint.to_dict() == result["artifact"]
    require_usable(lake, use_case, checkpoint)
    lines = [m["message"] for m in program.messages("log")]
    assert any("rows are packed" in line for line in lines)
    assert any("6/6 steps" in line and "loss=" in line for line in lines)
    assert program.messages("closed") == [{}]


def test_a_failure_is_typed_names_the_next_step_and_quotes_no_record(lake, model, start, capfd):
    use_case = use_case_for(model, **{**FAST, "target_modules": ["nope"]})
    program = start(use_case, usable_splits(lake, use_case))
    program.wait()
    errors = capfd.readouterr().err
    failed = program.messages()[-1]["failed"]
    assert program.process.returncode == 1 and failed["type"] == "ConfigError"
    assert "training.target_modules" in failed["message"] and failed["next_step"]
    assert "handled badly" not in errors + program.messages_file.read_text() and "Traceback" not in errors
    assert lake.artifacts("complaints", "adapter_checkpoint") == []


def test_splits_without_their_verdicts_are_refused_before_anything_is_loaded(lake, model, start):
    use_case = use_case_for(model, **FAST)
    splits = usable_splits(lake, use_case)
    lake.add_verdict(splits, "no_leakage", False, lake.verdicts(splits)["no_leakage"].settings_hash)
    program = start(use_case, splits)
    program.wait()
    assert program.process.returncode == 1
    assert [m["failed"]["type"] for m in program.messages()] == ["VersionRefused"]
    assert "no_leakage" in program.messages()[0]["failed"]["message"]


def saving_each_step(use_case, **compute):
    settings = use_case.settings.compute.model_copy(update={"save_minutes": 0.0, **compute})
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"compute": settings})})


def finished(lake, program: Started) -> dict[str, Any]:
    """Manifest facts of the checkpoint that a program published."""
    program.wait()
    assert program.process.returncode == 0, program.messages()[-1]
    manifest = lake.manifest(
        lake.artifact("complaints", "adapter_checkpoint", program.messages()[-1]["artifact"]["artifact_id"])
    )
    from_steps = [a["from_step"] for a in manifest.info["attempts"]]
    return {"weights": manifest.files["adapter_model.safetensors"], "from_steps": from_steps}


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGTERM], ids=lambda number: number.name
)
def test_ended_in_the_middle_nothing_is_a_checkpoint_and_a_rerun_goes_on_to_the_same_weights(
    tmp_path, lake, model, start, number
):
    use_case = saving_each_step(
        use_case_for(
            model,
            **{**FAST, "max_steps": 40, "epochs": 100, "dropout": 0.1, "validations_per_epoch": 1, "patience": 1000},
        )
    )
    splits = usable_splits(lake, use_case)
    ended = start(use_case, splits)
    ended.wait_for_state(lake, 2)
    ended.process.send_signal(number)
    ended.wait()
    assert lake.artifacts("complaints", "adapter_checkpoint") == []
    if number != signal.SIGKILL:
        failed = ended.messages()[-1]["failed"]
        assert failed["type"] == "Preempted" and f"stopped by {number.name}; the state after step" in failed["message"]
        assert "ft run complaints --select adapter_checkpoint" in failed["next_step"]
    again = start(use_case, splits)
    found = finished(lake, again)
    assert len(found["from_steps"]) == 2 and found["from_steps"][1] >= 2
    assert not list((Path(lake.root) / "shared" / "complaints" / ".training").glob("*/step-*")), (
        "states are removed when the checkpoint is published"
    )
    os.rename(Path(lake.root) / "shared" / "complaints" / "adapter_checkpoint", tmp_path / "aside")
    undisturbed = finished(lake, start(use_case, splits))
    assert undisturbed == {"weights": found["weights"], "from_steps": [0]}


def curve_of(lake, program: Started) -> tuple[list[float], str]:
    """Losses of each step and validation, and the hash of the weights."""
    program.wait()
    assert program.process.returncode == 0, program.messages()[-1]
    checkpoint = lake.artifact("complaints", "adapter_checkpoint", program.messages()[-1]["artifact"]["artifact_id"])
    curve = json.loads(lake.read_file(checkpoint, "training.json"))["curve"]
    losses = [point[name] for point in curve for name in ("loss", "validation_loss") if name in point]
    processes, sharded = (lake.manifest(checkpoint).info[name] for name in ("processes", "sharded"))
    assert (processes, sharded) == program.processes
    return losses, next(
        digest for name, digest in lake.manifest(checkpoint).files.items() if name.endswith(".safetensors")
    )


def two_processes(lake, model, steps: int, **training: Any):
    training = {**FAST, "max_steps": steps, "epochs": 100, "validations_per_epoch": 1, "patience": 1000, **training}
    use_case = saving_each_step(use_case_for(model, **training))
    return use_case, usable_splits(lake, use_case), Path(lake.root) / "shared" / "complaints" / "adapter_checkpoint"


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.slow)])
def test_several_processes_with_whole_or_divided_weights_learn_like_one(tmp_path, lake, model, start, method):
    # 4 rows and 3: with divided weights the second has a spare pass.
    use_case, splits, published = two_processes(lake, model, 12, method=method, batch_rows=7)
    alone, _ = curve_of(lake, start(use_case, splits))
    os.rename(published, tmp_path / "alone")
    weights = load_file(next((tmp_path / "alone").rglob("*.safetensors")))
    assert len(alone) > 13
    for processes, sharded in ((2, False), (2, True), *([(4, True)] if method == "full" else [])):
        together, _ = curve_of(lake, start(use_case, splits, processes, sharded))
        assert together == pytest.approx(alone, rel=1e-4)
        os.rename(published, tmp_path / f"together-{processes}-{sharded}")
        found = load_file(next((tmp_path / f"together-{processes}-{sharded}").rglob("*.safetensors")))
        assert found.keys() == weights.keys()
        assert all(torch.allclose(found[name], value, atol=1e-4) for name, value in weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["label_head", "sft"])
def test_two_processes_choose_alike_what_the_recipe_leaves_to_records(tmp_path, lake, model, start, objective):
    """The start of the head, the metrics and the weights to keep: of two processes as of one."""
    open_to_the_recipe = {"recipe": "auto", "objective": objective, "keep": "best_metric"}
    use_case, splits, published = two_processes(lake, model, 8, **open_to_the_recipe)
    found = {}
    for processes in (1, 2):
        program = start(use_case, splits, processes)
        curve = curve_of(lake, program)[0]
        told = json.loads(next(published.glob("*/training.json")).read_text())
        found[processes] = curve, told["metrics"]
        os.rename(published, tmp_path / f"of-{processes}")
    assert found[2][0] == pytest.approx(found[1][0], rel=1e-4)
    for name in ("best_step", "validation_loss", "validation_loss_before"):
        assert found[2][1][name] == pytest.approx(found[1][1][name], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_layers_that_are_computed_again_change_nothing_where_weights_are_divided(tmp_path, lake, model, start, method):
    kept = two_processes(lake, model, 6, method=method, gradient_checkpointing="never")
    again = two_processes(lake, model, 6, method=method, gradient_checkpointing="always")
    program = start(*kept[:2], 2, sharded=True)
    found = curve_of(lake, program)
    os.rename(kept[2], tmp_path / "kept")
    recomputing = start(*again[:2], 2, sharded=True)
    assert curve_of(lake, recomputing) == found
    told = [
        any("computed again in the backward pass" in line["message"] for line in one.messages("log"))
        for one in (program, recomputing)
    ]
    assert told == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_a_killed_training_with_divided_weights_goes_on_bit_for_bit(tmp_path, lake, model, start, nodes):
    """On two nodes as on one."""
    use_case, splits, published = two_processes(lake, model, 24)
    undisturbed = curve_of(lake, start(use_case, splits, 2, sharded=True))
    os.rename(published, tmp_path / "two")
    killed = start(use_case, splits, 2, sharded=True, nodes=nodes)
    killed.wait_for_state(lake, 3)
    killed.kill()
    again = start(use_case, splits, 2, sharded=True, nodes=nodes)
    assert curve_of(lake, again) == undisturbed
    (made,) = lake.artifacts("complaints", "adapter_checkpoint")
    first, second = lake.manifest(made).info["attempts"]
    assert (first["from_step"], first["processes"], second["processes"]) == (0, 2, 2) and second["from_step"] >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "training"),
    [
        ((4, True), (2, True), {}),
        ((2, True), (4, True), {"method": "full"}),
        ((4, True), (1, False), {"method": "full"}),
        ((1, False), (2, True), {}),
        ((2, False), (4, False), {}),
        ((2, True), (2, False), {"method": "full"}),
    ],
    ids=str,
)
def test_a_killed_training_goes_on_in_another_number_of_processes(
    tmp_path, lake, model, start, before, after, training
):
    """To the same curve up to rounding, which is told."""
    use_case, splits, published = two_processes(lake, model, 24, batch_rows=7, **training)
    alone, _ = curve_of(lake, start(use_case, splits))
    os.rename(published, tmp_path / "alone")
    killed = start(use_case, splits, *before)
    killed.wait_for_state(lake, 3)
    killed.kill()
    again = start(use_case, splits, *after)
    assert curve_of(lake, again)[0] == pytest.approx(alone, rel=1e-3)
    (made,) = lake.artifacts("complaints", "adapter_checkpoint")
    attempts = lake.manifest(made).info["attempts"]
    assert [attempt["processes"] for attempt in attempts] == [before[0], after[0]] and attempts[1]["from_step"] >= 3
    (told,) = (line["message"] for line in again.messages("log") if "with another" in line["message"])
    assert ("sharded" in told, "processes" in told) == (before[1] != after[1], before[0] != after[0])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_killed_training_with_compiled_layers_goes_on_bit_for_bit(tmp_path, lake, model, start):
    """The process that goes on compiles anew, for batches of other shapes than the first one saw at its start."""
    training = {**FAST, "max_steps": 12, "epochs": 100, "dropout": 0.1, "validations_per_epoch": 1, "patience": 1000}
    use_case = saving_each_step(use_case_for(model, **training), compile=True)
    splits = usable_splits(lake, use_case)
    killed = start(use_case, splits)
    killed.wait_for_state(lake, 5)
    killed.process.kill()
    killed.wait()
    again = start(use_case, splits)
    found = curve_of(lake, again)
    assert any("compiled" in line["message"] for line in again.messages("log"))
    os.rename(Path(lake.root) / "shared" / "complaints" / "adapter_checkpoint", tmp_path / "aside")
    assert curve_of(lake, start(use_case, splits)) == found


@pytest.mark.slow
def test_two_processes_go_on_bit_for_bit(tmp_path, lake, model, start):
    use_case, splits, published = two_processes(lake, model, 40)
    undisturbed = curve_of(lake, start(use_case, splits, 2))
    os.rename(published, tmp_path / "two")
    killed = start(use_case, splits, 2)
    killed.wait_for_state(lake, 3)
    killed.kill()
    assert curve_of(lake, start(use_case, splits, 2)) == undisturbed


@pytest.mark.slow
def test_only_one_process_trains_a_checkpoint(lake, model, start):
    use_case = use_case_for(model, **{**FAST, "max_steps": 5000, "epochs": 100, "batch_rows": 1, "patience": 1000})
    splits = usable_splits(lake, use_case)
    first, second = start(use_case, splits), None
    first.wait_for_step(1)
    second = start(use_case, splits)
    second.wait()
    failed = second.messages()[-1]["failed"]
    assert failed["type"] == "TrainerRunning" and f"process {first.process.pid} on" in failed["message"]
    assert first.process.poll() is None
    first.process.kill()
    first.wait()
    third = start(use_case, splits)
    third.wait_for_step(1)


def test_the_program_ends_with_the_worker_that_started_it(tmp_path, environment, lake, model):
    use_case = use_case_for(model, **{**FAST, "max_steps": 5000, "epochs": 100, "batch_rows": 1, "patience": 1000})
    splits = usable_splits(lake, use_case)
    code = (
        "import pickle, sys, time\nfrom pathlib import Path\nfrom ft_platform_tests.programs.test_train import"
        " Started\nstarted = Started(Path(sys.argv[1]), *pickle.load(sys.stdin.buffer),"
        " forked=False)\nprint(started.process.pid, flush=True)\ntime.sleep(300)"
    )
    import pickle

    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin and worker.stdout
    worker.stdin.write(pickle.dumps((environment, use_case, splits)))
    worker.stdin.close()
    trainer = int(worker.stdout.readline())
    deadline = time.monotonic() + 120
    while not (tmp_path / "messages").read_text().count("steps") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert Path(f"/proc/{trainer}").exists()
    worker.kill()
    worker.wait()
    while _is_running(trainer) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_running(trainer)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run_by_hand(environment, *arguments: str, program: str = "train") -> subprocess.CompletedProcess:
    variables = {**os.environ, **environment.to_variables(), "FT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", f"ft_platform.programs.{program}", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_started_by_hand_it_takes_the_newest_splits_and_the_gate_holds(lake, environment, model):
    sections = {"base_model": {"uri": str(model), "dtype": "float32"}, "training": {"recipe": "manual", **FAST}}
    write_use_case(environment.defs, "complaints", {**minimal_attributes("unused.csv"), **sections})
    use_case = use_case_for(model, **FAST)
    splits = usable_splits(lake, use_case)
    done = run_by_hand(environment, "--use-case", "complaints")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trained"]
    checkpoint = json.loads(done.stdout)["artifact"]["artifact_id"]
    again = run_by_hand(environment, "--use-case", "complaints", "--checkpoint", checkpoint, program="reproduce")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["identical"]
    os.unlink(lake._manifest_path(splits))
    refused = run_by_hand(environment, "--use-case", "complaints")
    assert refused.returncode == 1 and "complaints has no splits" in refused.stderr
    assert "ft run complaints" in refused.stderr
    unknown = run_by_hand(environment, "--use-case", "nobody")
    assert unknown.returncode == 1 and "nobody" in unknown.stderr and "Traceback" not in unknown.stderr


def test_of_an_unexpected_error_only_type_and_place_are_told():
    try:
        raise KeyError("my secret complaint")
    except KeyError as error:
        told = described(error)
    assert "secret" not in str(told) and "KeyError" in told["message"] and "test_train.py" in told["message"]
    assert "No space left on device" in described(OSError(28, "No space left on device", "/secret"))["message"]


@pytest.mark.slow
def test_a_cancelled_program_says_so(lake, model, start):
    use_case = use_case_for(model, **{**FAST, "max_steps": 5000, "epochs": 100, "batch_rows": 1, "patience": 1000})
    program = start(use_case, usable_splits(lake, use_case))
    program.wait_for_step(1)
    program.process.send_signal(signal.SIGINT)
    program.wait()
    assert program.process.returncode == 1 and "stopped by SIGINT" in program.messages()[-1]["failed"]["message"]
    assert lake.artifacts("complaints", "adapter_checkpoint") == []


def test_rows_of_the_fixture_hold_the_text_the_tests_look_for():
    assert all("handled badly" in r["messages"][0]["content"] for r in split_rows())


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_training_that_continues_from_a_checkpoint_goes_on_bit_for_bit(
    tmp_path, lake, model, start, processes
):
    use_case, splits, published = two_processes(lake, model, 24)
    curve_of(lake, start(use_case, splits, processes))
    (first,) = lake.artifacts("complaints", "adapter_checkpoint")
    training = use_case.settings.training.model_copy(update={"continue_from": "newest"})
    further = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"training": training})})
    killed = start(further, splits, processes)
    killed.wait_for_state(lake, 2)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait()
    assert lake.artifacts("complaints", "adapter_checkpoint") == [first]
    _, weights = curve_of(lake, start(further, splits, processes))
    (made,) = (one for one in lake.artifacts("complaints", "adapter_checkpoint") if one != first)
    assert len(lake.manifest(made).info["attempts"]) == 2
    os.rename(published / made.id, tmp_path / "aside")
    assert curve_of(lake, start(further, splits, processes))[1] == weights
