"""What a checkpoint depends on. No torch here: the orchestrator asks before it starts a program."""

from pathlib import Path

from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.base_model import weights_sha256
from ft_platform.use_case.named import NamedUseCase


def checkpoint_inputs(
    use_case: NamedUseCase, splits: TableVersion, start: ArtifactVersion | None = None
) -> tuple[str, str]:
    """Id of the checkpoint that these inputs give, and their hash: content of `splits`, settings, code, base model.

    Args:
        start: the checkpoint that training continues from (`training.continuing.start_of`).

    Raises:
        BaseModelError: the base model is a folder without safetensors weights.
    """
    base = Path(use_case.settings.trained_base.uri).expanduser()
    # A folder or file can change under the same name; a pinned package, revision or sha256 cannot.
    weights = {"base_model": weights_sha256(base)} if base.exists() else {}
    # Earlier versions left room for an answer that a label head does not write: long prompts were a few tokens shorter.
    room = {"room": "prompt"} if use_case.settings.training.objective == "label_head" else {}
    inputs = input_hash(use_case, "adapter_checkpoint", [splits, *([start] if start else [])], **weights, **room)
    return f"ckpt-{inputs[:12]}", inputs
