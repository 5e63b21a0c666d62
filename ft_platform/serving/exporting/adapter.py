"""A checkpoint as a PEFT folder: its adapter byte by byte, the tokenizer with our chat template, and of a label head
the head with a loader."""

import json
import shutil
from pathlib import Path
from typing import Any

from ft_platform.errors import ExportRefused
from ft_platform.lake.files import sha256_file
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.guards.adapter_files import CONFIG, WEIGHTS, require_safe_adapter
from ft_platform.models.guards.own_files import LABEL_HEAD
from ft_platform.models.model_sources import is_hub

LOADER = Path(__file__).with_name("label_head_loader.py")
LOADER_NAME = "load.py"


def write_adapter(folder: Path, checkpoint: Path, base: ResolvedModel) -> None:
    """Copies the adapter of a checkpoint; its settings name the base model where others find it."""
    shutil.copyfile(checkpoint / WEIGHTS, folder / WEIGHTS)
    settings = json.loads((checkpoint / CONFIG).read_text(encoding="utf-8"))
    if is_hub(base.uri):
        settings |= {"base_model_name_or_path": base.uri, "revision": base.commit or settings.get("revision")}
    (folder / CONFIG).write_text(json.dumps(settings, indent=1, sort_keys=True), encoding="utf-8")
    if (checkpoint / LABEL_HEAD).is_file():
        shutil.copyfile(checkpoint / LABEL_HEAD, folder / LABEL_HEAD)
        shutil.copyfile(LOADER, folder / LOADER_NAME)


def require_same_adapter(folder: Path, checkpoint: Path) -> dict[str, Any]:
    """That the weights on disk are the checkpoint's, byte by byte, and scale as they do there.

    Raises:
        ExportRefused: they are not.
        BaseModelError: a file is damaged.
    """
    require_safe_adapter(folder)
    names = [name for name in (WEIGHTS, LABEL_HEAD) if (checkpoint / name).is_file()]
    hashes = {name: sha256_file(checkpoint / name) for name in names}
    changed = [name for name in names if not (folder / name).is_file() or sha256_file(folder / name) != hashes[name]]
    before, now = (json.loads((place / CONFIG).read_text(encoding="utf-8")) for place in (checkpoint, folder))
    placed = ("base_model_name_or_path", "revision")
    changed += [name for name in {*before, *now} if name not in placed and before.get(name) != now.get(name)]
    if changed:
        raise ExportRefused(f"not as in the checkpoint: {', '.join(sorted(changed))}", "Export it again")
    return {"status": "equal", "ok": True, "problems": [], "same_files": hashes}
