"""quarantined_records: which records did not meet an expectation about single records, and which expectation."""

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.expectations import data_docs_link
from ft_platform.assets.stage import materialized, stage, with_typed_failures
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, cleaned_records: TableVersion
) -> TableVersion:
    """The table that was written together with these records."""
    return lake.beside(cleaned_records, "quarantined_records")


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "quarantined_records"))
    @with_typed_failures
    def quarantined_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], cleaned_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """One row per quarantined record and expectation that it does not meet; never a value.

        The rows are written together with `cleaned_records`; the records themselves stay readable in
        `permitted_records`."""
        counts = lake.manifest(cleaned_records).counts["quarantine"]
        version = existing(lake, environment, use_case, cleaned_records)
        by_expectation = "\n".join(f"- {rows} × `{name}`" for name, rows in counts["expectations"].items()) or "none"
        return materialized(
            use_case,
            version,
            lake.manifest(version),
            **data_docs_link(lake, environment, cleaned_records),
            records=counts["rows"],
            records_judged=counts["rows_judged"],
            by_expectation=dg.MetadataValue.md(by_expectation),
        )

    return [quarantined_records]
