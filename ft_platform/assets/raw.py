"""raw_records: what the source holds, mapped to the columns of a record, with where each row came from."""

from datetime import UTC, datetime

import dagster as dg

from ft_platform.assets.stage import judged, key, materialized, stage, with_typed_failures
from ft_platform.environment import Environment
from ft_platform.lake import Lake, TableVersion
from ft_platform.lake.stage_table import input_hash
from ft_platform.records import raw_schema
from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    source = dg.AssetSpec(
        dg.AssetKey([use_case.name, "source"]),
        description="The files the records come from. A sensor reports new content here.",
        group_name=use_case.name,
        kinds={"file"},
        owners=[use_case.settings.owners.of("data_engineering")],
        metadata={"dagster/uri": use_case.settings.source.uri},
    )

    @dg.asset(**stage(use_case, "raw_records"), deps=[key(use_case, "source")])
    @with_typed_failures
    def raw_records(lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]) -> dg.MaterializeResult[TableVersion]:
        """Records of the source as they came, restricted to the mapped columns, each with its source file, row and hash.

        Append-only: a file that was read before adds nothing, a changed file adds its new and changed rows. Another
        source starts a new version without the rows of the old one, which stays readable.
        """
        version, reused = ingest_source(lake, environment, use_case)
        manifest = lake.manifest(version)
        return materialized(version, manifest, reused=reused, files=dg.MetadataValue.json(manifest.info["files"]))

    @dg.asset_check(asset=key(use_case, "raw_records"), blocking=True, description="Every row read from the source is in the table, once.")
    @with_typed_failures
    def rows_are_accounted_for(lake: dg.ResourceParam[Lake], raw_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            ids = lake.read_table(raw_records, ["record_id"])["record_id"]
            numbers = {"rows": len(ids), "distinct_record_ids": len(ids.unique()), "rows_in_manifest": lake.manifest(raw_records).rows}
            return len(set(numbers.values())) == 1, numbers

        return judged(lake, use_case, raw_records, "rows_are_accounted_for", judge)

    return [source, raw_records, rows_are_accounted_for]


def ingest_source(lake: Lake, environment: Environment, use_case: NamedUseCase) -> tuple[TableVersion, bool]:
    """Adds what is new in the source to `raw_records`. Returns the version and whether nothing was new."""
    from ft_platform.sources.ingest import read_new_records
    from ft_platform.sources.record_ids import current_ids

    settings_hash = STAGES["raw_records"].settings_hash(use_case)
    latest = lake.latest(use_case.name, "raw_records")
    manifest = lake.manifest(latest) if latest else None
    same_source = manifest is not None and manifest.settings_hash == settings_hash
    known_files = manifest.info["files"] if manifest and same_source else {}
    known = lake.read_table(latest, ["record_id", "source_key", "ingested_at", "source_position"]) if latest and same_source else None
    known_ids = set(known["record_id"].to_pylist()) if known else set()
    found = read_new_records(use_case, environment, known_files, known_ids, datetime.now(UTC), current_ids(known) if known else None)
    if latest and same_source and found.records.num_rows == 0 and set(found.files.items()) <= set(known_files.items()):
        return latest, True
    absent = found.counts.get("columns_absent", [])
    if manifest and same_source and found.records.num_rows:
        # A column that any file of the source has is not absent: its empty values are no consent.
        absent = [column for column in absent if column in manifest.info["columns_absent"]]
    rows_before = latest.rows if latest and same_source else 0
    kept = rows_before + found.records.num_rows
    version = lake.write_table(
        use_case.name,
        "raw_records",
        found.records.to_batches(),
        raw_schema(use_case),
        zone="restricted",
        settings_hash=settings_hash,
        input_hash=input_hash(use_case, "raw_records", [], files=str(sorted(found.files.items()))),
        counts={**found.counts, "funnel": {"stage": "raw_records", "rows_in": kept, "kept": kept, "removed": {}}},
        info={"files": {**known_files, **found.files}, "columns_absent": absent},
        append=same_source,
    )
    return version, False
