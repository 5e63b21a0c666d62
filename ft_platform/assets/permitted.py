"""permitted_records: records that may be used for this purpose. What is not positively permitted is removed."""

from datetime import UTC, datetime

import dagster as dg

from ft_platform.assets.stage import judged, key, materialized, stage, with_typed_failures
from ft_platform.lake import Lake, TableVersion
from ft_platform.lake.stage_table import write_stage
from ft_platform.records import raw_schema
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "permitted_records"))
    @with_typed_failures
    def permitted_records(lake: dg.ResourceParam[Lake], raw_records: TableVersion) -> dg.MaterializeResult[TableVersion]:
        """Records whose consent, purpose and expiry permit this use. The others are kept apart with their reason."""
        from ft_platform.governance.permission import permit

        today = datetime.now(UTC).date()
        absent = lake.manifest(raw_records).info["columns_absent"]
        written = write_stage(
            lake,
            use_case,
            "permitted_records",
            [raw_records],
            lambda work: permit(use_case, lake.read_table(raw_records), today, absent),
            raw_schema(use_case),
            # Without an expiry column the verdict does not depend on the day, and yesterday's version can be used again.
            today=today.isoformat() if use_case.settings.record.expires else "",
            columns_absent=",".join(absent),
        )
        return materialized(written.version, written.manifest, reused=written.reused)

    @dg.asset_check(asset=key(use_case, "permitted_records"), blocking=True, description="Every record has an accepted consent, or the dataset a licence.")
    @with_typed_failures
    def only_permitted_records(lake: dg.ResourceParam[Lake], permitted_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            governance = use_case.settings.governance
            consents = lake.read_table(permitted_records, ["consent"])["consent"].to_pylist()
            by_licence = governance.without_consent_column == "licence" and all(c is None for c in consents)
            accepted = set(governance.accepted_consent)
            refused = 0 if by_licence else sum((c or "").strip() not in accepted for c in consents)
            return refused == 0, {"rows": len(consents), "rows_without_accepted_consent": refused, "basis": governance.licence if by_licence else "consent"}

        return judged(lake, use_case, permitted_records, "only_permitted_records", judge)

    return [permitted_records, only_permitted_records]
