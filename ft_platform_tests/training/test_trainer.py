"""From splits to a published checkpoint: what it holds, what it depends on, what is refused."""

import dataclasses
import importlib.metadata
import io
import json
import logging
from argparse import Namespace
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch

from ft_platform.errors import BaseModelError, DataError, DiskFull, NanLoss, OutOfMemory, SettingTooHigh, VersionRefused
from ft_platform.lake.gate import require_usable
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import training_record_ids
from ft_platform.lake.training_states import TrainingStates
from ft_platform.models import base_model
from ft_platform.models.adapter import with_adapter
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.dataset import read_splits, render_split
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.training.objectives import AnswerLoss
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for
from ft_platform_tests.training.losses import validation_loss

LOG = logging.getLogger("test")
FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 6}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def use_case(model):
    return use_case_for(model, **FAST)


@pytest.fixture
def splits(lake, use_case):
    return usable_splits(lake, use_case)


def with_section(use_case, name: str, **values):
    section = use_case.section(name).model_copy(update=values)
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={name: section})})


@pytest.mark.smoke  # seam: training
def test_a_checkpoint_passes_the_gate_and_tells_what_it_was_made_from(lake, environment, use_case, splits):
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    require_usable(lake, use_case, trained.checkpoint)
    manifest = lake.manifest(trained.checkpoint)
    assert manifest.parents[0].content_hash == splits.content_hash
    assert manifest.info["base_model"]["sha256"] == base_model.weights_sha256(
        base_model.resolve(use_case.settings.base_model, environment.cache_path).folder
    )
    assert manifest.info["batching"] == "packed" and manifest.info["environment"]["torch"] == torch.__version__
    weights = {"adapter_config.json", "adapter_model.safetensors"}
    assert set(manifest.files) == {
        *weights,
        "training.json",
        "environment.json",
        "training_records.parquet",
        "loss_curve.png",
        "report.html",
    }
    ids = pq.read_table(io.BytesIO(lake.read_file(trained.checkpoint, "training_records.parquet")))[
        "record_id"
    ].to_pylist()
    assert ids == [r["record_id"] for r in split_rows() if r["split"] == "train"]
    assert training_record_ids(lake, trained.checkpoint) == set(ids)
    told = json.loads(lake.read_file(trained.checkpoint, "training.json"))
    assert (
        told["labels"] == ["card", "loan"]
        and told["renderer_hash"] == manifest.info["renderer_hash"]
        and len(told["curve"]) == 7
    )
    assert lake.read_file(trained.checkpoint, "loss_curve.png")[:4] == b"\x89PNG"
    packages = json.loads(lake.read_file(trained.checkpoint, "environment.json"))["packages"]
    assert (
        packages["pyarrow"] == importlib.metadata.version("pyarrow")
        and "dagster" in packages
        and list(packages) == sorted(packages)
    )


def test_no_text_of_a_record_is_in_the_checkpoint(lake, environment, use_case, splits):
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    for name in [*lake.manifest(checkpoint).files, "manifest.json"]:
        assert b"handled badly" not in lake.read_file(checkpoint, name), name


def test_equal_inputs_use_the_checkpoint_again_and_train_nothing(lake, environment, use_case, splits, monkeypatch):
    first = checkpoint_for(lake, environment, use_case, splits, LOG)
    monkeypatch.setattr("ft_platform.reporting.publishing.training._train", lambda *_: pytest.fail("trained again"))
    second = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert (
        second.reused
        and second.checkpoint == first.checkpoint
        and second.metrics == json.loads(json.dumps(first.metrics))
    )


def test_a_damaged_checkpoint_is_trained_again_to_the_same_weights(lake, environment, use_case, splits):
    first = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    weights = lake.manifest(first).files["adapter_model.safetensors"]
    with open(f"{first.uri}/adapter_model.safetensors", "r+b") as file:
        file.seek(2000)
        file.write(b"\0\0\0\0")
    again = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert not again.reused and lake.manifest(again.checkpoint).files["adapter_model.safetensors"] == weights
    assert (
        lake.manifest(again.checkpoint).files["adapter_config.json"]
        == lake.manifest(again.checkpoint).files["adapter_config.json"]
    )


def test_the_adapter_computes_after_loading_what_it_computed_in_training(lake, environment, use_case, splits):
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    base, tokenizer = base_model.load(
        base_model.resolve(use_case.settings.base_model, environment.cache_path), "float32"
    )
    table = read_splits(lake, splits)
    renderer = Renderer(tokenizer, use_case.settings.task, labels_of(table))
    rows = split_off_prefix(render_split(table, "validation", renderer, use_case).rows, renderer.prefix_ids())
    with lake.local_copy(trained.checkpoint) as folder:
        model = with_adapter(base, folder)
    found = validation_loss(model, AnswerLoss(packed_forward, renderer.prefix_ids()), rows, use_case.settings.training)
    assert found == pytest.approx(trained.metrics["validation_loss"], rel=1e-5)


def test_an_adapter_for_another_base_model_is_refused(lake, environment, use_case, splits):
    from ft_platform_tests.tiny_models import tiny_model

    with lake.local_copy(checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint) as folder:
        with pytest.raises(BaseModelError, match="where the base model has"):
            with_adapter(tiny_model(hidden_size=24, head_dim=4), folder)
        with pytest.raises(BaseModelError, match=r"adapter_config\.json is refused: it is missing"):
            with_adapter(tiny_model(), folder.parent)


def test_the_id_follows_content_and_training_settings_and_nothing_else(use_case, splits):
    base = checkpoint_inputs(use_case, splits)[0]
    assert base.startswith("ckpt-") and len(base) == 17
    assert checkpoint_inputs(use_case, dataclasses.replace(splits, version=9))[0] == base, (
        "another version with the same content is the same"
    )
    assert checkpoint_inputs(with_section(use_case, "evaluation", seed=5), splits)[0] == base
    assert checkpoint_inputs(with_section(use_case, "retraining", poll_seconds=99), splits)[0] == base
    for changed in (
        with_section(use_case, "training", seed=5),
        with_section(use_case, "base_model", sha256="0" * 64),
        with_section(use_case, "task", instruction="x"),
    ):
        assert checkpoint_inputs(changed, splits)[0] != base
    assert checkpoint_inputs(use_case, dataclasses.replace(splits, content_hash="0" * 64))[0] != base


def test_the_id_follows_the_weights_in_a_folder(tmp_path, splits):
    use_case = use_case_for(save_tiny_model(tmp_path / "mine"), **FAST)
    base = checkpoint_inputs(use_case, splits)[0]
    with open(tmp_path / "mine" / "model.safetensors", "ab") as file:
        file.write(b"\0")
    assert checkpoint_inputs(use_case, splits)[0] != base


def test_rows_that_are_not_those_of_the_handle_are_refused(lake, environment, use_case, splits):
    with pytest.raises(VersionRefused):
        checkpoint_for(lake, environment, use_case, dataclasses.replace(splits, content_hash="0" * 64), LOG)


def test_storage_order_of_the_rows_does_not_change_the_weights(environment, use_case, tmp_path):

    weights = []
    for name, rows in (("a", split_rows()), ("b", split_rows()[::-1])):
        lake = open_lake(Environment(home=tmp_path / name))
        checkpoint = checkpoint_for(lake, environment, use_case, usable_splits(lake, use_case, rows), LOG).checkpoint
        weights.append(lake.manifest(checkpoint).files["adapter_model.safetensors"])
    assert weights[0] == weights[1]


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_side_without_rows_is_an_error_that_names_it(lake, environment, use_case, side):
    splits = usable_splits(lake, use_case, [r for r in split_rows() if r["split"] != side])
    with pytest.raises(DataError, match=f"the {side} split of complaints has no record to learn from"):
        checkpoint_for(lake, environment, use_case, splits, LOG)


def test_records_that_cannot_be_learned_from_are_counted_and_not_among_the_training_records(lake, environment, model):
    use_case = with_section(
        use_case_for(model, **FAST, max_length=150), "task", kind="generation", instruction="Answer."
    )
    rows = [
        {**r, "label": None, "messages": [*r["messages"], {"role": "assistant", "content": "Sorry."}]}
        for r in split_rows()
    ]
    rows[0]["messages"][1]["content"] = "Sorry. " * 40
    rows[1]["messages"][1]["content"] = " "
    rows[3]["messages"][0]["content"] *= 20
    trained = checkpoint_for(lake, environment, use_case, usable_splits(lake, use_case, rows), LOG)
    train = lake.manifest(trained.checkpoint).counts["train"]
    assert (
        train["left_out"] == {"answer_too_long": 1, "no_answer": 1} and train["rows"] == 34 and train["truncated"] == 1
    )
    ids = pq.read_table(io.BytesIO(lake.read_file(trained.checkpoint, "training_records.parquet")))[
        "record_id"
    ].to_pylist()
    assert ids == [r["record_id"] for r in rows[2:] if r["split"] == "train"]


def test_nothing_to_learn_at_all_is_an_error(lake, environment, use_case):
    rows = [{**r, "label": ""} for r in split_rows()]
    with pytest.raises(DataError, match=r"left out \{'no_answer': 36\}"):
        checkpoint_for(lake, environment, use_case, usable_splits(lake, use_case, rows), LOG)


def test_a_failure_publishes_nothing(lake, environment, use_case, splits, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ft_platform.training.checkpoint.draw_loss_curve", full)
    with pytest.raises(DiskFull):
        checkpoint_for(lake, environment, use_case, splits, LOG)
    assert lake.artifacts(use_case.name, "adapter_checkpoint") == []
    monkeypatch.undo()
    assert not checkpoint_for(lake, environment, use_case, splits, LOG).reused


def test_an_architecture_that_cannot_pack_is_trained_padded_and_says_so(
    lake, environment, use_case, splits, monkeypatch, caplog
):
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "planted")
    with caplog.at_level(logging.INFO):
        trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert (
        lake.manifest(trained.checkpoint).info["batching"] == "padded (planted)" and "padded (planted)" in caplog.text
    )


def test_the_log_and_the_manifest_say_how_many_layers_are_fused(lake, environment, model, splits, caplog):
    with caplog.at_level(logging.INFO):
        trained = checkpoint_for(lake, environment, use_case_for(model, **FAST, dropout=0.1), splits, LOG)
    told = "0 of 14 LoRA layers (dropout), 5 of 5 norms, 2 of 2 MLPs"
    assert lake.manifest(trained.checkpoint).info["fused"] == told and f"rows are packed; fused: {told}" in caplog.text


def on_out_of_memory(use_case, choice: str):
    return with_section(use_case, "compute", on_out_of_memory=choice)


def no_memory_for(tokens: int, monkeypatch) -> None:
    """Micro-batches with more tokens than this run out of memory."""
    from ft_platform.training.objectives import AnswerLoss

    real = AnswerLoss.loss

    def loss(self, model, rows):
        if self.shared_tokens + sum(map(self.length, rows)) > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(self, model, rows)

    monkeypatch.setattr(AnswerLoss, "loss", loss)


def test_out_of_memory_goes_on_with_smaller_micro_batches_only_where_that_was_asked_for(
    lake, environment, use_case, splits, monkeypatch, caplog
):
    no_memory_for(400, monkeypatch)
    with pytest.raises(OutOfMemory, match=r"micro_batch_tokens=2048.*Set training.micro_batch_tokens=1024"):
        checkpoint_for(lake, environment, use_case, splits, LOG)
    with caplog.at_level(logging.WARNING):
        trained = checkpoint_for(lake, environment, on_out_of_memory(use_case, "halve"), splits, LOG)
    manifest = lake.manifest(trained.checkpoint)
    assert manifest.info["micro_batch_tokens"] == 256 and caplog.text.count("out of memory: training goes on") == 3
    assert trained.metrics["steps"] == 6


def failing_after(calls: int, how, monkeypatch) -> None:
    """The loss of every later call is what `how` makes of it."""
    real, seen = AnswerLoss.loss, []

    def loss(self, model, rows):
        seen.append(1)
        found = real(self, model, rows)
        return how(found) if len(seen) > calls else found

    monkeypatch.setattr(AnswerLoss, "loss", loss)


def no_memory(loss):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


RUN = "ft run complaints --select adapter_checkpoint"


def ended_by(error: type[SettingTooHigh], lake, environment, use_case, splits) -> SettingTooHigh:
    with pytest.raises(error) as caught:
        checkpoint_for(lake, environment, use_case, splits, LOG)
    assert lake.artifacts(use_case.name, "adapter_checkpoint") == []
    return caught.value


def saved_step(lake, use_case, splits) -> int:
    return TrainingStates(lake, splits, checkpoint_inputs(use_case, splits)[0]).steps()[0]


def test_out_of_memory_says_what_was_saved_and_the_command_that_goes_on_from_there(
    lake, environment, use_case, splits, monkeypatch
):
    use_case = with_section(use_case, "compute", save_minutes=0.0)
    with monkeypatch.context() as patched:
        failing_after(6, no_memory, patched)
        error = ended_by(OutOfMemory, lake, environment, use_case, splits)
    step = saved_step(lake, use_case, splits)
    assert error.message.endswith(f"; the state after step {step} was saved")
    assert f"{RUN} --set training.micro_batch_tokens=1024. That is a new training" in error.next_step
    assert error.next_step.endswith(
        f"from the saved state this one goes on with: {RUN} --set compute.on_out_of_memory=halve"
    )
    trained = checkpoint_for(lake, environment, on_out_of_memory(use_case, "halve"), splits, LOG)
    assert [attempt["from_step"] for attempt in lake.manifest(trained.checkpoint).info["attempts"]] == [0, step]


def test_out_of_memory_before_anything_was_saved_says_so(lake, environment, use_case, splits, monkeypatch):
    failing_after(0, no_memory, monkeypatch)
    error = ended_by(OutOfMemory, lake, environment, use_case, splits)
    assert error.message.endswith("; no state was saved yet") and error.next_step.endswith(
        f": {RUN} --set training.micro_batch_tokens=1024"
    )


def test_where_halving_has_not_helped_it_is_not_advised(lake, environment, use_case, splits, monkeypatch):
    failing_after(6, no_memory, monkeypatch)
    use_case = on_out_of_memory(with_section(use_case, "compute", save_minutes=0.0), "halve")
    assert ended_by(OutOfMemory, lake, environment, use_case, splits).next_step.endswith(
        f"goes on where more memory is free: {RUN}"
    )


def test_a_loss_that_is_not_a_number_says_what_was_saved_and_that_going_on_does_not_help(
    lake, environment, use_case, splits, monkeypatch
):
    use_case = with_section(use_case, "compute", save_minutes=0.0)
    failing_after(6, lambda loss: loss * float("nan"), monkeypatch)
    error = ended_by(NanLoss, lake, environment, use_case, splits)
    assert error.message.endswith(
        f"nothing was published; the state after step {saved_step(lake, use_case, splits)} was saved"
    )
    assert f"Lower training.learning_rate (now 0.005): {RUN} --set training.learning_rate=0.0025." in error.next_step
    assert error.next_step.endswith("from the saved state this one comes to the same step again")


def test_where_a_single_row_does_not_fit_out_of_memory_is_final(lake, environment, use_case, splits, monkeypatch):
    no_memory_for(10, monkeypatch)
    with pytest.raises(OutOfMemory):
        checkpoint_for(lake, environment, on_out_of_memory(use_case, "halve"), splits, LOG)


@pytest.mark.integration
def test_a_checkpoint_is_reproduced_bit_for_bit_and_a_planted_change_is_found(
    lake, environment, use_case, splits, monkeypatch
):
    from ft_platform.training.reproduce import reproduce

    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    changed = with_section(use_case, "training", seed=99)
    found = reproduce(lake, environment, changed, checkpoint)
    assert found == {
        "checkpoint": checkpoint.artifact_id,
        "identical": True,
        "max_relative_difference": 0.0,
        "device": "cpu",
        "other": {},
    }
    monkeypatch.setattr("ft_platform.training.loop.learning_rate_factor", lambda *_: 0.999)
    found = reproduce(lake, environment, changed, checkpoint)
    assert not found["identical"] and 0 < found["max_relative_difference"] < 1


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_other_weights_are_never_called_the_same_on_a_gpu_either(monkeypatch, capsys, device):
    """A thousandth of the largest weight, which is many times what training changes in the first matrix of LoRA."""
    from ft_platform.commands import reproduce

    told = {"checkpoint": "ckpt-1", "identical": False, "max_relative_difference": 0.001, "device": device, "other": {}}
    done = SimpleNamespace(returncode=0, stdout=json.dumps(told))
    monkeypatch.setattr(reproduce, "_find", lambda wanted: ("complaints", 1))
    monkeypatch.setattr(reproduce.subprocess, "run", lambda *given, **options: done)
    assert reproduce.run(Namespace(checkpoint="ckpt-1", json=False)) == 1
    said = capsys.readouterr().out
    assert "ckpt-1: DIFFERENT weights" in said
    assert ("not measured" in said) is (device != "cpu")


def without_kernels(monkeypatch) -> list[str]:
    """Lets 4-bit weights, Liger and compiled layers be asked for where they cannot be had; returns which quantizations
    were asked for."""
    from ft_platform.models.kernels import acceleration

    asked: list[str] = []
    real = base_model.load

    def load(resolved, dtype, quantization, by_parts=False):
        asked.append(quantization)
        return real(resolved, dtype)

    monkeypatch.setattr(base_model, "load", load)
    for name in ("_use_liger", "_compile"):
        monkeypatch.setattr(acceleration, name, lambda model, compute: False)
    return asked


def test_quantization_and_how_rows_are_computed_are_taken_from_the_checkpoint(
    lake, environment, use_case, splits, monkeypatch
):
    from ft_platform.training.reproduce import as_trained, reproduce

    asked = without_kernels(monkeypatch)
    case = with_section(
        with_section(use_case, "base_model", quantization="nf4"),
        "compute",
        attention="padded",
        liger=True,
        compile=True,
    )
    checkpoint = checkpoint_for(lake, environment, case, splits, LOG).checkpoint
    then = as_trained(lake, use_case, checkpoint).settings
    assert then.base_model.quantization == "nf4" and then.compute == case.settings.compute
    found = reproduce(lake, environment, use_case, checkpoint)
    assert asked == ["nf4", "nf4"] and found["identical"] and found["other"] == {}


def forget(lake, checkpoint, monkeypatch, *names: str, **values) -> None:
    """Lets the manifest of a checkpoint be without some entries, and have others."""
    manifest = lake.manifest(checkpoint)
    info = {name: value for name, value in manifest.info.items() if name not in names} | values
    changed = manifest.model_copy(update={"info": info})
    real = lake.manifest
    monkeypatch.setattr(
        type(lake), "manifest", lambda self, version: changed if version == checkpoint else real(version)
    )


def test_a_checkpoint_whose_manifest_is_older_than_quantization_computing_and_processes_is_reproduced(
    lake, environment, use_case, splits, monkeypatch
):
    from ft_platform.training.reproduce import as_trained, reproduce

    asked = without_kernels(monkeypatch)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    base = {
        name: value for name, value in lake.manifest(checkpoint).info["base_model"].items() if name != "quantization"
    }
    forget(lake, checkpoint, monkeypatch, "computing", "processes", "sharded", base_model=base)
    present = with_section(with_section(use_case, "base_model", quantization="nf4"), "compute", attention="padded")
    then = as_trained(lake, present, checkpoint).settings
    assert then.base_model.quantization == "nf4" and then.compute.attention == "padded", (
        "what was not noted is as it is at present"
    )
    assert reproduce(lake, environment, use_case, checkpoint)["other"] == {} and asked == ["none", "none"]


def test_several_processes_and_divided_weights_are_named_as_what_is_not_as_it_was(
    lake, environment, use_case, splits, monkeypatch
):
    from ft_platform.training.reproduce import reproduce

    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    info = lake.manifest(checkpoint).info
    assert (info["processes"], info["sharded"]) == (1, False)
    forget(lake, checkpoint, monkeypatch, processes=2, sharded=True, batching="padded (planted)")
    other = reproduce(lake, environment, use_case, checkpoint)["other"]
    assert other == {"processes": [2, 1], "sharded": [True, False], "batching": ["padded (planted)", "packed"]}


def test_the_processes_of_an_older_manifest_are_those_of_its_attempts(lake, environment, use_case, splits, monkeypatch):
    from ft_platform.training.reproduce import reproduce

    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    attempts = [{**attempt, "processes": 2} for attempt in lake.manifest(checkpoint).info["attempts"]]
    forget(lake, checkpoint, monkeypatch, "processes", "sharded", attempts=attempts)
    assert reproduce(lake, environment, use_case, checkpoint)["other"] == {"processes": [2, 1]}


@pytest.mark.integration
def test_all_weights_trained_beside_a_base_model_in_bfloat16_are_reproduced_bit_for_bit(
    lake, environment, model, splits
):
    from ft_platform.training.reproduce import reproduce

    use_case = with_section(use_case_for(model, **FAST, method="full"), "base_model", dtype="bfloat16")
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    assert lake.manifest(checkpoint).info["base_model"]["dtype"] == "bfloat16"
    found = reproduce(lake, environment, use_case, checkpoint)
    assert found["identical"] and found["other"] == {}


def test_a_checkpoint_is_reproduced_with_the_kernels_it_was_trained_with(lake, environment, model, splits, monkeypatch):
    from ft_platform.models.kernels import own_kernels
    from ft_platform.training.reproduce import reproduce

    if own_kernels.kernels() != own_kernels.OWN_BFLOAT16:
        pytest.skip("own kernels: no AVX-512 for bfloat16, or AMX, or no compiler")
    made = {}
    for name, rank in ((own_kernels.OWN_BFLOAT16, 4), (own_kernels.PLAIN, 6)):
        use_case = with_section(use_case_for(model, **{**FAST, "rank": rank}), "base_model", dtype="bfloat16")
        with own_kernels.kernels_kept():
            own_kernels.go_on_with(name)
            checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
        assert lake.manifest(checkpoint).info["kernels"] == name
        found = reproduce(lake, environment, use_case, checkpoint)
        assert found["identical"] and found["other"] == {}
        made[name] = use_case, checkpoint
    monkeypatch.setattr(own_kernels, "_library", lambda *_: None)
    found = reproduce(lake, environment, *made[own_kernels.OWN_BFLOAT16])
    assert not found["identical"] and found["other"]["kernels"] == [own_kernels.OWN_BFLOAT16, own_kernels.PLAIN]


def test_states_of_a_process_that_died_after_publishing_are_removed_by_the_next(
    lake, environment, use_case, splits, monkeypatch
):
    from ft_platform.training.state import States

    use_case = with_section(use_case, "compute", save_minutes=0.0)
    with monkeypatch.context() as patched:
        patched.setattr(States, "remove", lambda self: None)
        first = checkpoint_for(lake, environment, use_case, splits, LOG)
    folders = TrainingStates(lake, splits, first.checkpoint.artifact_id)
    assert len(folders.steps()) == 2
    assert checkpoint_for(lake, environment, use_case, splits, LOG).reused and folders.steps() == []


def test_a_label_head_that_comes_out_different_is_no_reproduction(lake, environment, model, monkeypatch):
    from ft_platform.models import label_head
    from ft_platform.training.reproduce import reproduce

    use_case = use_case_for(model, **FAST, objective="label_head")
    checkpoint = checkpoint_for(lake, environment, use_case, usable_splits(lake, use_case), LOG).checkpoint
    assert reproduce(lake, environment, use_case, checkpoint)["identical"]
    real = label_head.save_head

    def changed(head, folder):
        with torch.no_grad():
            head.weight.add_(0.5)
        real(head, folder)

    monkeypatch.setattr(label_head, "save_head", changed)
    found = reproduce(lake, environment, use_case, checkpoint)
    assert not found["identical"] and found["max_relative_difference"] > 0.1
