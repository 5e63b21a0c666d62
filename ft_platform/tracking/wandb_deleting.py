"""Deletes runs in Weights & Biases with their artifacts: through its API, or the folders of runs that were not sent."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ft_platform.tracking.deleting import Asked, Unwanted
from ft_platform.tracking.trackers.wandb import CLIENTS, CREDENTIALS, NAME, prepare_variables
from ft_platform.use_case.settings.environment import Environment

SECONDS = 30
BLOCK, HEADER = 32768, 7
"""Of the log of a run, which has the form of LevelDB's: a name may go over two blocks."""
NOT_THERE = "Could not find run"
"""What wandb says of a run that is gone, whose error has another type in each of its versions."""
SYNCED = "*.wandb.synced"
"""What `wandb sync` leaves beside the log of a run."""


def delete_runs(environment: Environment, wanted: Unwanted) -> Asked:
    """Deletes what is wanted; each run that could not be deleted is named."""
    asked, online = Asked(NAME, "Weights & Biases"), []
    for run in wanted.runs.get(NAME, []):
        if run.get("mode") == "online":
            online.append(run)
            continue
        folder = _folder(environment, run)
        if folder and folder.is_dir():
            _remove_copies(environment.home / "wandb" / "data", folder)
            if any(folder.glob(SYNCED)):  # it is on a server, too: the mark stays until that has confirmed
                _empty(folder)
                online.append(run)
                continue
            shutil.rmtree(folder)
        asked.deleted.append(run["run_id"])
    if online:
        _ask_server(environment, online, asked)
    return asked


def _folder(environment: Environment, run: Mapping[str, Any]) -> Path | None:
    """Where the files of an offline run lie, also in a home that was moved: earlier manifests have the whole path."""
    name = Path(run.get("folder") or "").name
    return environment.home / "wandb" / name if name not in ("", "..") else None


def _remove_copies(staging: Path, folder: Path) -> None:
    """Removes the copies of files that wandb made to send them later; the log of the run names them."""
    for log in folder.glob("*.wandb"):
        data = log.read_bytes()
        said = b"".join(data[place + HEADER : place + BLOCK] for place in range(0, len(data), BLOCK))
        for path in sorted(staging.rglob("*")):
            if path.is_file() and path.name.encode() in said:
                path.unlink()


def _empty(folder: Path) -> None:
    marks = set(folder.glob(SYNCED))
    for path in set(folder.iterdir()) - marks:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _ask_server(environment: Environment, runs: list[dict[str, Any]], asked: Asked) -> None:
    ids = [run["run_id"] for run in runs]
    if not any(os.environ.get(name) for name in CREDENTIALS):
        asked.not_confirmed, asked.why = ids, f"none of {', '.join(CREDENTIALS)} is set"
        return
    prepare_variables(environment)
    try:
        import wandb
    except ImportError:
        asked.not_confirmed, asked.why = ids, "wandb is not installed"
        return
    api: Any = None
    for place, run in enumerate(runs):
        try:
            api = api or wandb.Api(timeout=SECONDS)
            _delete(api, _path(environment, run))
        except Exception as error:
            packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
            if not isinstance(error, OSError) and packages.isdisjoint(CLIENTS):
                raise
            asked.not_confirmed, asked.why = ids[place:], f"failed: {type(error).__name__}"
            return
        if folder := _folder(environment, run):
            shutil.rmtree(folder)
        asked.deleted.append(run["run_id"])


def _delete(api: Any, path: str) -> None:
    from wandb.errors import CommError

    try:
        run = api.run(path)
    except (CommError, ValueError) as error:
        if NOT_THERE in str(error):
            return
        raise
    run.delete(delete_artifacts=True)


def _path(environment: Environment, run: Mapping[str, Any]) -> str:
    """`[entity/]project/run`, whose entity is the owner of the key unless the run says another."""
    parts = urlsplit(run.get("url") or "").path.strip("/").split("/")
    entity = parts[0] if len(parts) >= 4 else environment.wandb_entity
    return "/".join([*([entity] if entity else []), run["experiment"], run["run_id"]])
