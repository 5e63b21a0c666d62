"""What processes do with a lake on an object store. They are forked from a server that has imported all this and
opened nothing, so that each starts in a moment and may be killed."""

import importlib
import importlib.util
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

import deltalake
import pyarrow as pa

from ft_platform.errors import TrainerRunning
from ft_platform.lake import tables
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.lease import lease
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment

__all__ = ["deltalake"]  # imported before the fork, for its children, as are the file systems
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # read when gcsfs is imported
for package in ("s3fs", "adlfs", "gcsfs"):
    if importlib.util.find_spec(package):
        importlib.import_module(package)

USE_CASE, TABLE, NAME, CHECKPOINT = "complaints", "raw_records", "adapter_checkpoint", "ckpt-1"
SCHEMA = pa.schema([("record_id", pa.string()), ("text", pa.string()), ("source_uri", pa.string())])
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

Place = tuple[dict[str, str], str, str]
"""Variables of the store, home of the installation, root of the lake."""


def opened(place: Place) -> Lake:
    variables, home, root = place
    os.environ.update(variables)
    return open_lake(Environment(home=home, lake_root=root))  # type: ignore[arg-type]


def started(work: Callable[..., None], *given: Any) -> BaseProcess:
    process = CONTEXT.Process(target=_patiently, args=(work, *given), daemon=True)
    process.start()
    return process


def _patiently(work: Callable[..., None], *given: Any) -> None:
    """How long writers may wait for each other is not what is tried: on a busy machine each takes ten seconds."""
    tables.WRITE_ATTEMPTS = 10_000
    work(*given)


def rows(*ids: str) -> list[pa.RecordBatch]:
    columns = {"record_id": list(ids), "text": [f"text of {one}" for one in ids], "source_uri": ["a.csv"] * len(ids)}
    return pa.table(columns, schema=SCHEMA).to_batches()


def append(place: Place, *ids: str) -> None:
    lake = opened(place)
    for one in ids:
        lake.write_table(USE_CASE, TABLE, rows(one), SCHEMA, zone="restricted", append=True)


def publish(place: Place, table: bool = True) -> None:
    """A version of a table, and a checkpoint."""
    lake = opened(place)
    if table:
        lake.write_table(USE_CASE, TABLE, rows("new"), SCHEMA, zone="restricted", append=True)
    publish_checkpoint(lake, b"w" * 100_000)


def publish_checkpoint(lake: Lake, weights: bytes) -> None:
    with lake.scratch(USE_CASE, NAME) as folder:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(weights)
        lake.publish(USE_CASE, NAME, CHECKPOINT, folder, parents=[], settings_hash="s", input_hash="i")


def race_for_lease(place: Place, begin: Event, won: Any, refused: Any) -> None:
    lake = opened(place)
    lake.fs.exists(lake.folder)
    begin.wait()
    try:
        with lease(lake, USE_CASE, CHECKPOINT):
            with won.get_lock():
                won.value += 1
            time.sleep(60)
    except TrainerRunning:
        with refused.get_lock():
            refused.value += 1


def claim(place: Place, begin: Event, numbers: Any, times: int) -> None:
    folder = LaunchFolder(opened(place), USE_CASE, "ft-0")
    folder.newest("attempt")
    begin.wait()
    for _ in range(times):
        numbers.put(folder.note_attempt())
