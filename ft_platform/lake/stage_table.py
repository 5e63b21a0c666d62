"""Writes what a stage made: its table, the rows it removed, and the manifest. Equal inputs are not computed again."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.records import REMOVED, StageResult
from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase, settings_hash


@dataclass(frozen=True)
class Written:
    """A stage's version and whether it was there already."""

    version: TableVersion
    manifest: Manifest
    reused: bool


def input_hash(use_case: NamedUseCase, name: str, parents: Iterable[Version], **extra: str) -> str:
    """Hash of all that a stage's result depends on: parents' content, settings, code version and what `extra` names."""
    return settings_hash({"stage": STAGES[name].settings_hash(use_case), "parents": [p.content_hash for p in parents], **extra})


def write_stage(
    lake: Lake,
    use_case: NamedUseCase,
    name: str,
    parents: list[TableVersion],
    make: Callable[[], StageResult],
    schema: pa.Schema,
    **extra: str,
) -> Written:
    """The table of a stage: an existing one if its inputs are unchanged, otherwise what `make` returns.

    Args:
        extra: what the result depends on beside parents and settings, e.g. the fingerprint of a key.

    Raises:
        DataError: a row was lost or doubled (`rows in = kept + removed` does not hold).
    """
    inputs = input_hash(use_case, name, parents, **extra)
    existing = lake.find(use_case.name, name, inputs)
    if existing:
        return Written(existing, lake.manifest(existing), reused=True)
    started = time.monotonic()
    result = make()
    rows_in = sum(p.rows for p in parents)
    if rows_in != result.kept.num_rows + result.removed.num_rows:
        raise DataError(
            f"{name} of {use_case.name} got {rows_in} rows, kept {result.kept.num_rows} and removed {result.removed.num_rows}: rows were lost or doubled"
        )
    zone = STAGES[name].zone
    removed = lake.write_table(use_case.name, f"{name}_removed", result.removed.to_batches(), REMOVED, zone=zone, input_hash=inputs)
    version = lake.write_table(
        use_case.name,
        name,
        result.kept.to_batches(),
        schema,
        zone=zone,
        parents=parents,
        settings_hash=STAGES[name].settings_hash(use_case),
        input_hash=inputs,
        counts={**result.counts, "funnel": result.funnel(name)},
        info={"removed_version": removed.version, **extra},
        seconds=time.monotonic() - started,
    )
    return Written(version, lake.manifest(version), reused=False)
