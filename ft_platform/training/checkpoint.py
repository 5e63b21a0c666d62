"""Writes a checkpoint folder: adapter, what it was made from, which records it saw, and its loss curve."""

import importlib.metadata
import json
import platform
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.models.adapter import ALL_WEIGHTS, WEIGHTS
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.training.prepared import Prepared
from ft_platform.training.run import TrainingRun
from ft_platform.use_case.named import NamedUseCase

ENVIRONMENT = "environment.json"
METRICS = {
    "validation_macro_f1": "macro-F1 on validation records",
    "validation_preferred": "validation pairs in the right order",
}
PACKAGES = ("torch", "transformers", "peft", "safetensors", "tokenizers", "numpy", "ft-platform")


def environment_versions() -> dict[str, str]:
    """Versions of what computed the weights."""
    import torch

    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    # The build (`2.10.0+cu128`): the package's metadata may leave it out.
    return {"python": platform.python_version(), "machine": platform.machine(), **found, "torch": torch.__version__}


def installed_packages() -> dict[str, str]:
    """Every package of this Python with its version, by name: what another machine needs to compute the same."""
    found = {
        distribution.name.lower().replace("_", "-"): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name
    }
    return dict(sorted(found.items()))


def write_checkpoint(
    folder: Path,
    prepared: Prepared,
    run: TrainingRun,
    use_case: NamedUseCase,
    info: dict[str, Any],
    earlier: Collection[str] = (),
) -> None:
    """Fills `folder`; nothing of it counts before `Lake.publish`.

    Args:
        prepared: its model holds the best weights, or `run` where they are divided between processes.
        info: figures that also go into the manifest.
        earlier: ids of the records that the checkpoint was trained on which this one was continued from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, prepared, of_all_processes(prepared, run))
    renderer = prepared.renderer
    description = {
        "use_case": use_case.name,
        "task": use_case.settings.task.model_dump(mode="json"),
        "training": prepared.training.model_dump(mode="json"),
        "recipe": prepared.recipe.to_dict(),
        "mitigation": use_case.settings.fairness.in_training.model_dump(mode="json"),
        "labels": renderer.labels,
        "renderer_hash": renderer.hash,
        "markers": renderer.markers.to_dict(),
        "curve": run.curve,
        "planned_steps": run.steps,
        "stopped_early": run.stopped_early,
        **info,
    }
    (folder / "training.json").write_text(json.dumps(description, indent=1, ensure_ascii=False))
    (folder / ENVIRONMENT).write_text(
        json.dumps({**environment_versions(), "packages": installed_packages()}, indent=1)
    )
    own = prepared.sides["train"].record_ids
    _write_records(folder / TRAINING_RECORDS, [*own, *sorted(set(earlier) - set(own))])
    draw_loss_curve(run, folder / "loss_curve.png")


def hand_over(prepared: Prepared, run: TrainingRun) -> None:
    """What the other processes do while the first one is in `write_checkpoint`, where weights are divided."""
    from ft_platform.training.tensor_writing import each_whole

    for _ in each_whole(of_all_processes(prepared, run) or {}):
        pass


def of_all_processes(prepared: Prepared, run: TrainingRun) -> Any:
    """The best weights as `training.tensor_writing` takes them; None where each process has all of them."""
    from ft_platform.training.sharding import is_divided, trained_parts

    if isinstance(prepared.model, TextClassifier):
        return None
    weights = trained_parts(prepared.model)
    return {name: (own, weights[name]) for name, own in run.best.items()} if is_divided(weights) else None


def write_weights(folder: Path, prepared: Prepared, divided: Any = None) -> None:
    """The trained weights and what loads them: the same bytes for the same weights.

    Args:
        divided: `training.tensor_writing.Kept`, where the model does not hold them whole.
    """
    from ft_platform.models.label_head import head_of, save_head
    from ft_platform.training.tensor_writing import each_whole, write_tensors

    model, given = prepared.model, {}
    if isinstance(model, TextClassifier):
        model.save(folder)
        return
    if not hasattr(model, "peft_config"):
        if divided:
            model.save_pretrained(folder, state_dict={})  # all but the weights
            write_tensors(folder / ALL_WEIGHTS, divided, {"format": "pt"})
        else:
            model.save_pretrained(folder, safe_serialization=True, max_shard_size="1000GB")
        return
    if divided:
        given = {"state_dict": {name: tensor.cpu() for name, tensor in each_whole(divided)}}
    if head := head_of(model):
        save_head(head, folder)
    model.peft_config["default"].base_model_name_or_path = prepared.base.uri
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False, **given)
    (folder / "README.md").unlink(missing_ok=True)
    # peft writes a set, whose order changes from process to process.
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {
        key: sorted(value)
        for key, value in config.items()
        if key in ("target_modules", "exclude_modules") and isinstance(value, list)
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / WEIGHTS).chmod((folder / "adapter_config.json").stat().st_mode)


def _write_records(path: Path, record_ids: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table(
            {
                "record_id": pa.array(record_ids, pa.string()),
                "split": pa.array(["train"] * len(record_ids), pa.string()),
            }
        ),
        path,
    )


def draw_loss_curve(run: TrainingRun, path: Path) -> None:
    """Training and validation loss over optimizer steps, and where the kept adapter was taken."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    trained = [p for p in run.curve if "loss" in p]
    validated = [p for p in run.curve if "validation_loss" in p]
    axes.plot([p["step"] for p in trained], [p["loss"] for p in trained], linewidth=1, alpha=0.6, label="training")
    axes.plot([p["step"] for p in validated], [p["validation_loss"] for p in validated], marker="o", label="validation")
    axes.axvline(run.best_step, linestyle=":", color="grey", label=f"kept: step {run.best_step}")
    axes.set(xlabel="optimizer step", ylabel="loss per answer token or label", ylim=(0, None))
    for name, label in METRICS.items():
        if measured := [p for p in validated if name in p]:
            scale = axes.twinx()
            steps, values = zip(*((p["step"], p[name]) for p in measured), strict=True)
            axes.plot([], [], color="tab:green", marker="s", label=label)  # for the legend
            scale.plot(steps, values, color="tab:green", marker="s")
            scale.set(ylabel=label, ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=80, metadata={"Software": None})
