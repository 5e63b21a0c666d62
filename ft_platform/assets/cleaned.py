"""cleaned_records: repaired texts without duplicates, validated by Great Expectations."""

import dagster as dg

from ft_platform.assets.stage import judged, key, materialized, stage, with_typed_failures
from ft_platform.lake import Lake, TableVersion
from ft_platform.lake.stage_table import write_stage
from ft_platform.records import cleaned_schema
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "cleaned_records"))
    @with_typed_failures
    def cleaned_records(lake: dg.ResourceParam[Lake], permitted_records: TableVersion) -> dg.MaterializeResult[TableVersion]:
        """Records with repaired Unicode, HTML and whitespace, within length bounds, without exact and near duplicates.

        Each changed text keeps its hashes before and after and the kinds of change.
        """
        from ft_platform.cleaning.clean import clean
        from ft_platform.reporting.plots import funnel_plot

        written = write_stage(
            lake,
            use_case,
            "cleaned_records",
            [permitted_records],
            lambda work: clean(use_case, lake.read_table(permitted_records)),
            cleaned_schema(use_case),
        )
        pictures = {"funnel": funnel_plot([written.manifest.counts["funnel"]])}
        return materialized(written.version, written.manifest, reused=written.reused, pictures=pictures)

    @dg.asset_check(
        asset=key(use_case, "cleaned_records"), blocking=True, description="Great Expectations: the suite of the YAML and the defaults of the stage."
    )
    @with_typed_failures
    def meets_expectations(lake: dg.ResourceParam[Lake], cleaned_records: TableVersion) -> dg.AssetCheckResult:
        return judged(lake, use_case, cleaned_records, "meets_expectations", lambda: expectations_of(lake, use_case, cleaned_records))

    return [cleaned_records, meets_expectations]


def expectations_of(lake: Lake, use_case: NamedUseCase, version: TableVersion) -> tuple[bool, dict]:
    """Runs the suite of a table. Failing rows appear by record_id only."""
    from ft_platform.validation.expectations import validate

    result = validate(use_case, version.name, lake.read_table(version))  # type: ignore[arg-type]
    failed = [e["expectation"] for e in result.expectations if not e["passed"]]
    return result.passed, {"rows": result.rows, "expectations": len(result.expectations), "failed": failed, "results": result.expectations}
