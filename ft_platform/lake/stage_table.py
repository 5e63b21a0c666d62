"""Writes what a stage made: its table, the rows it removed, and the manifest. Equal inputs are not computed again."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.columns import REMOVED
from ft_platform.records.engines import Engine, engine_of
from ft_platform.records.rows import Spool
from ft_platform.records.stage_results import StageResult, StageStream, reason_counts
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Written:
    """A stage's version and whether it was there already."""

    version: TableVersion
    manifest: Manifest
    reused: bool


@dataclass(frozen=True)
class Work:
    """What a stage may use while it works.

    Attributes:
        folder: private folder in the restricted zone, removed afterwards: for spools and other intermediate files.
        engine: where batch functions run.
    """

    folder: Path
    engine: Engine


def existing_table(
    lake: Lake, use_case: NamedUseCase, name: str, parents: list[TableVersion], **extra: str
) -> TableVersion | None:
    """The table that `write_stage` uses again; None: it makes another."""
    return lake.find(use_case.name, name, input_hash(use_case, name, parents, **extra))


def write_stage(
    lake: Lake,
    use_case: NamedUseCase,
    name: str,
    parents: list[TableVersion],
    make: Callable[[Work], StageStream | StageResult],
    schema: pa.Schema,
    **extra: str,
) -> Written:
    """The table of a stage: an existing one if its inputs are unchanged, otherwise what `make` returns, batch by batch.

    Args:
        extra: what the result depends on beside parents and settings, e.g. the fingerprint of a key.

    Raises:
        DataError: a row was lost or doubled (`rows in = kept + removed` does not hold).
    """
    inputs = input_hash(use_case, name, parents, **extra)
    existing = existing_table(lake, use_case, name, parents, **extra)
    if existing:
        lake.sweep_scratch(
            use_case.name, zone="restricted"
        )  # a run that was killed right after it had written this version left its files
        return Written(existing, lake.manifest(existing), reused=True)
    started = time.monotonic()
    zone = STAGES[name].zone
    counts: dict[str, Any] = {}
    info: dict[str, Any] = dict(extra)
    rows_in = sum(lake.rows_left(p) for p in parents)

    with lake.scratch(use_case.name, name, zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        made = make(Work(folder, engine_of(use_case.settings.compute)))
        stream = made.stream() if isinstance(made, StageResult) else made
        spool = Spool(folder / "removed_rows.arrow", REMOVED)
        reasons: Counter[str] = Counter()

        def kept() -> Iterator[pa.RecordBatch]:
            rows_kept = 0
            for goes_on, does_not in stream.parts:
                if does_not is not None:
                    spool.write(does_not)
                    reasons.update(reason_counts(does_not))
                if goes_on is not None:
                    rows_kept += goes_on.num_rows
                    yield goes_on
            if rows_in != rows_kept + spool.num_rows:
                raise DataError(
                    f"{name} of {use_case.name} got {rows_in} rows, kept {rows_kept} and removed {spool.num_rows}:"
                    " rows were lost or duplicated"
                )
            removed = lake.write_table(
                use_case.name, f"{name}_removed", spool.batches(), REMOVED, zone=zone, input_hash=inputs
            )
            counts.update(stream.counts)
            counts["funnel"] = {
                "stage": name,
                "rows_in": rows_in,
                "kept": rows_kept,
                "removed": dict(sorted(reasons.items())),
                **({"repaired": sum(repaired.values())} if (repaired := counts.get("repaired")) else {}),
            }
            info["removed_version"] = removed.version
            for beside, rows in stream.beside.items():
                written = lake.write_table(
                    use_case.name, beside, rows.batches(), rows.schema, zone=zone, input_hash=inputs
                )
                info[f"{beside}_version"] = written.version

        version = lake.write_table(
            use_case.name,
            name,
            kept(),
            schema,
            zone=zone,
            parents=parents,
            settings_hash=STAGES[name].settings_hash(use_case),
            input_hash=inputs,
            counts=counts,
            info=info,
            started=started,
        )
    return Written(version, lake.manifest(version), reused=False)
