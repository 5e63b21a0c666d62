"""splits: which record is for training, validation and test. Decided once, by group, before any model sees a record."""

import dagster as dg

from ft_platform.assets.cleaned import expectations_of
from ft_platform.assets.stage import judged, key, materialized, stage, with_typed_failures
from ft_platform.lake import Lake, TableVersion
from ft_platform.lake.stage_table import write_stage
from ft_platform.records import splits_schema
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "splits"))
    @with_typed_failures
    def splits(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.MaterializeResult[TableVersion]:
        """Train, validation and test records. A person's records and near duplicates stay on one side."""
        from ft_platform.reporting.funnel import funnel
        from ft_platform.reporting.plots import funnel_plot
        from ft_platform.splitting.split import split

        written = write_stage(
            lake,
            use_case,
            "splits",
            [anonymized_records],
            lambda work: split(use_case, lake.read_table(anonymized_records)),
            splits_schema(use_case),
        )
        rows = {k: dg.MetadataValue.json(v) for k, v in written.manifest.counts.items() if isinstance(v, dict) and k != "funnel"}
        pictures = {"funnel_from_source": funnel_plot(funnel(lake, use_case.name))}
        return materialized(written.version, written.manifest, reused=written.reused, pictures=pictures, **rows)

    @dg.asset_check(asset=key(use_case, "splits"), blocking=True, description="No person, no identical text and no near duplicate is on two sides.")
    @with_typed_failures
    def no_leakage(lake: dg.ResourceParam[Lake], splits: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.splitting.leakage import leakage

            numbers = leakage(use_case, lake.read_table(splits))
            return bool(numbers.pop("passed")), numbers

        return judged(lake, use_case, splits, "no_leakage", judge)

    @dg.asset_check(
        asset=key(use_case, "splits"),
        name="meets_expectations",
        blocking=True,
        description="Great Expectations: the suite of the YAML and the defaults of the stage.",
    )
    @with_typed_failures
    def splits_meet_expectations(lake: dg.ResourceParam[Lake], splits: TableVersion) -> dg.AssetCheckResult:
        return judged(lake, use_case, splits, "meets_expectations", lambda: expectations_of(lake, use_case, splits))

    return [splits, no_leakage, splits_meet_expectations]
