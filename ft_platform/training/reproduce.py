"""Trains a published checkpoint again from what its manifest says, and compares the weights. Publishes nothing.

Covered: what decides the weights: the checkpoint it was continued from, splits, task, training, mitigation, base model
with precision and quantization, how rows are computed (`compute.attention`, `liger`, `compile`), threads, and whether
our own kernels computed: a checkpoint of plain ones is trained with plain ones again.
Not covered: a GPU, where sums depend on the order of threads. Weights that are not the same bytes are told as different
there too, because nobody has measured how far two equal trainings differ. Several processes: a checkpoint that
`torchrun` trained, with whole or divided weights, is trained again in one process, which sums in another order; the
weights are those up to rounding, and `other` says so. Checkpoints of versions that did not note quantization and
computing: the present settings are taken.
"""

import json
from pathlib import Path
from typing import Any

from ft_platform.errors import VersionRefused
from ft_platform.lake import files
from ft_platform.lake.provenance import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.training.checkpoint import environment_versions, write_weights
from ft_platform.training.continuing import continued_from
from ft_platform.training.fit_check import fitting_parts
from ft_platform.training.prepare import fit, prepare
from ft_platform.training.prepared import Prepared
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.fairness import Fairness, TrainingMitigation
from ft_platform.use_case.settings.training import Training


def reproduce(
    lake: Lake, environment: Environment, use_case: NamedUseCase, checkpoint: ArtifactVersion
) -> dict[str, Any]:
    """Whether training again gives the same weights.

    Args:
        use_case: any present settings; those of `as_trained` are taken from the checkpoint.

    Returns:
        `identical`: the same bytes; nothing else is called reproduced. `max_relative_difference`: of all weights, 0.0
        where identical. `device`: where it was trained again. `other`: what is not as it was, name -> [then, now]:
        versions, device, kernels, batching, processes, divided weights.

    Raises:
        VersionRefused: the splits it was trained on, or the checkpoint it was continued from, do not exist any more or
            are damaged, or it was trained with differential privacy.
    """
    import torch

    from ft_platform.models.kernels.own_kernels import PLAIN, go_on_with, kernels_kept

    manifest = lake.manifest(checkpoint)
    if manifest.info.get("differential_privacy"):
        raise VersionRefused(
            f"{checkpoint.id} was trained with differential privacy: its noise was drawn from a secret that was removed"
            " with the saved states, so that nobody can compute these weights again",
            "That is what protects the records; its settings, splits and budget are in training.json",
        )
    then = as_trained(lake, use_case, checkpoint)
    splits = next(
        version_of_parent(lake, use_case.name, parent) for parent in manifest.parents if parent.name == "splits"
    )
    if not isinstance(splits, TableVersion):
        raise VersionRefused(f"{checkpoint.id} names no splits", "It cannot be trained again")
    torch.set_num_threads(manifest.info["threads"])
    with kernels_kept():
        go_on_with(manifest.info.get("kernels", PLAIN))
        prepared = prepare(lake, environment, then, splits, start=continued_from(lake, checkpoint))
        training = prepared.training.model_copy(update={"micro_batch_tokens": manifest.info["micro_batch_tokens"]})
        if prepared.objective:
            fitting_parts(prepared, training, environment.profile(use_case.settings.compute.profile))
        fit(prepared, training)
        changed = _other(manifest.info, prepared)
    with lake.scratch(use_case.name, "reproduced") as folder:
        folder.mkdir()
        write_weights(folder, prepared)
        # Every file of weights: a label head lies beside its adapter.
        names = sorted(
            {path.name for path in folder.glob("*.safetensors")}
            | {name for name in manifest.files if name.endswith(".safetensors")}
        )
        found = {name: files.sha256_file(folder / name) if (folder / name).is_file() else None for name in names}
        unequal = [name for name in names if found[name] != manifest.files.get(name)]
        with lake.local_copy(checkpoint) as published:
            difference = max((_difference(published / name, folder / name) for name in unequal), default=0.0)
    identical = not unequal
    return {
        "checkpoint": checkpoint.artifact_id,
        "identical": identical,
        "max_relative_difference": difference,
        "device": str(prepared.model.device),
        "other": changed,
    }


def as_trained(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> NamedUseCase:
    """The use case with the settings that the checkpoint was trained with; what an older manifest does not note stays
    as it is at present."""
    told = json.loads(lake.read_file(checkpoint, "training.json"))
    info, compute = lake.manifest(checkpoint).info, use_case.settings.compute
    base = {"quantization": use_case.settings.base_model.quantization, **info["base_model"]}
    sections = {
        "task": Task.model_validate(told["task"]),
        "training": Training.of_checkpoint(told),
        "fairness": _fairness(TrainingMitigation.model_validate(told.get("mitigation", {}))),
        "base_model": BaseModelSettings(
            **{name: base[name] for name in ("uri", "sha256", "revision", "dtype", "quantization")}
        ),
        "compute": compute.model_copy(update=info.get("computing", {})),
    }
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update=sections)})


def _fairness(mitigation: TrainingMitigation) -> Fairness:
    """Settings with this part that training depends on."""
    features = [] if mitigation.feature is None else [mitigation.feature]
    return Fairness(mitigation=mitigation.mitigation, swaps=mitigation.swaps, sensitive_features=features)


def _difference(expected: Path, found: Path) -> float:
    """Largest difference of a weight, relative to the largest weight of its tensor; infinite where the tensors are not
    the same ones."""
    from safetensors.torch import load_file

    if not (expected.is_file() and found.is_file()):
        return float("inf")
    before, now = load_file(expected), load_file(found)
    if {name: value.shape for name, value in before.items()} != {name: value.shape for name, value in now.items()}:
        return float("inf")
    return max(
        float((before[name] - now[name]).abs().max() / before[name].abs().max().clamp(min=1e-12)) for name in before
    )


def _other(info: dict[str, Any], prepared: Prepared) -> dict[str, list[Any]]:
    """What differs from the time of training: name -> [then, now]."""
    from ft_platform.models.kernels.own_kernels import PLAIN, kernels

    now = {
        **environment_versions(),
        "device": str(prepared.model.device),
        "batching": prepared.batching,
        "processes": 1,
        "sharded": False,
        "kernels": kernels(),
    }
    # Older manifests name the processes of each attempt only.
    since = {"processes": info["attempts"][-1].get("processes", 1), "sharded": False, "kernels": PLAIN}
    then = {
        **info["environment"],
        **since,
        **{name: info[name] for name in ("device", "batching", *since) if name in info},
    }
    changed = {name: [then.get(name), value] for name, value in now.items() if then.get(name) != value}
    kinds = [{name: value for name, value in attempt.items() if name != "from_step"} for attempt in info["attempts"]]
    if any(kind != kinds[0] for kind in kinds):
        changed["attempts"] = [kinds, "one attempt"]
    return changed
