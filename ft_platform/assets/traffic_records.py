"""traffic_records and labelled_traffic: what a released model was asked, through the same stages as training data."""

from typing import Any

import dagster as dg
from dagster import AutomationCondition as AC

from ft_platform.assets.served_traffic import SERVED_TRAFFIC
from ft_platform.assets.stage import key, tags, with_typed_failures
from ft_platform.lake.store import Lake
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

TRAFFIC_RECORDS, LABELLED_TRAFFIC = "traffic_records", "labelled_traffic"
Made = tuple[dg.MaterializeResult, dg.MaterializeResult]
DAILY = "37 2 * * *"
"""Every day at 02:37 UTC, after texts that are too old were deleted."""


def traffic_records(use_case: NamedUseCase) -> list[Any]:
    """Both assets; none where no text is kept."""
    if not use_case.settings.monitoring.capture.share:
        return []
    ledger = [key(use_case, "consent_ledger")] if use_case.settings.governance.consent_ledger else []
    changed = AC.any_deps_match(AC.data_version_changed()).allow(dg.AssetSelection.assets(*ledger)) if ledger else None
    due = AC.cron_tick_passed(DAILY) if changed is None else AC.cron_tick_passed(DAILY) | changed
    common: dict[str, Any] = {
        "group_name": f"{use_case.name}_traffic",
        "kinds": {"deltalake"},
        "tags": tags(use_case, "shared"),
        "owners": [use_case.settings.owners.of("compliance")],
        "automation_condition": due.since_last_handled() & ~AC.in_progress(),
    }
    records = dg.AssetSpec(
        key(use_case, TRAFFIC_RECORDS),
        deps=[key(use_case, SERVED_TRAFFIC), *ledger],
        description=(
            "Captured requests that may be used, cleaned and anonymized by the stages of the training data. Made anew"
            " as a whole: what was deleted or lost its permission is gone."
        ),
        **common,
    )
    labelled = dg.AssetSpec(
        key(use_case, LABELLED_TRAFFIC),
        deps=[records.key],
        description="Those of them whose right label or answer people gave, with how many and how it was settled.",
        **common,
    )

    @dg.multi_asset(specs=[records, labelled], name=f"{use_case.name}_traffic_records")
    @with_typed_failures
    def made(lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]) -> Made:
        from ft_platform.monitoring.traffic.remaking import remake

        found = remake(lake, environment, use_case)
        removed = {one["stage"]: one["removed"] for one in found.funnel}
        shown = vouched_metadata({"dagster/row_count": found.rows, "removed": dg.MetadataValue.json(removed)})
        return (
            dg.MaterializeResult(asset_key=records.key, metadata=shown),
            dg.MaterializeResult(
                asset_key=labelled.key, metadata=vouched_metadata({"dagster/row_count": found.labelled})
            ),
        )

    return [made]
