"""permitted_records: records that may be used for this purpose. What is not positively permitted is removed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.pictures import pictures_of_table
from ft_platform.assets.profile import profile_link
from ft_platform.assets.retention_report import retention_report
from ft_platform.assets.stage import check_result, judged, key, materialized, stage, tags, with_typed_failures
from ft_platform.lake.forecast import WINDOWS
from ft_platform.lake.stage_table import existing_table, write_stage
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import raw_schema
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, raw_records: TableVersion
) -> TableVersion | None:
    """The table of these records, judged as they would be today."""
    from ft_platform.erasure.tombstones import erased_persons
    from ft_platform.governance.feedback_releases import released_now
    from ft_platform.governance.ledger import pin_ledger

    depends_on = _depends_on(
        use_case,
        datetime.now(UTC).date(),
        lake.manifest(raw_records).info.get("columns_absent", []),
        pin_ledger(use_case, lake.storage_options),
        released_now(lake, use_case.name),
        erased_persons(lake, environment, use_case),
    )
    return existing_table(lake, use_case, "permitted_records", [raw_records], **depends_on)


def _depends_on(
    use_case: NamedUseCase, today: date, absent: Sequence[str], ledger: Any, released: Any, erased: Any
) -> dict[str, str]:
    """What may be used depends on beside the records and the section `governance`."""
    from ft_platform.governance.feedback_releases import fingerprint
    from ft_platform.governance.judge import depends_on_the_day

    return {
        # Where nothing depends on the day, yesterday's version can be used again.
        "today": today.isoformat() if depends_on_the_day(use_case) else "",
        "columns_absent": ",".join(absent),
        "ledger": ledger.content if ledger else "",
        **({"released": fingerprint(released)} if released else {}),
        **({"erased": erased.fingerprint} if erased.hashes else {}),
        "mapping": settings_hash({"record": use_case.settings.record}),
    }


def build(use_case: NamedUseCase) -> list:
    has_ledger = bool(use_case.settings.governance.consent_ledger)
    ledger = dg.AssetSpec(
        key(use_case, "consent_ledger"),
        description="One row per person with the consent that holds now. A sensor reports new content here.",
        group_name=use_case.name,
        kinds={"file"},
        tags=tags(use_case, "restricted", "external"),
        owners=[use_case.settings.owners.of("compliance")],
        metadata={"dagster/uri": use_case.settings.governance.consent_ledger or ""},
    )

    @asset(**stage(use_case, "permitted_records"), deps=[ledger.key] if has_ledger else [])
    @with_typed_failures
    def permitted_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], raw_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """Records whose consent, purpose, lawful basis, jurisdiction, licence and expiry permit this use. The others
        are kept separately with their reason.

        Versions and checkpoints with records that may no longer be used are marked as tainted, and refused from then
        on."""
        from ft_platform.erasure.tombstones import erased_persons
        from ft_platform.governance.feedback_releases import as_index, released_now
        from ft_platform.governance.ledger import Ledger, pin_ledger
        from ft_platform.governance.licences import require_accepted_licences
        from ft_platform.governance.permission import Refused, permit
        from ft_platform.governance.taint import mark_refused, tainted_now
        from ft_platform.reporting.plots import funnel_plot

        require_accepted_licences(use_case)
        today = datetime.now(UTC).date()
        absent = lake.manifest(raw_records).info["columns_absent"]
        pinned = pin_ledger(use_case, lake.storage_options)
        released = released_now(lake, use_case.name)
        erased = erased_persons(lake, environment, use_case)

        def mark_older(refused: Refused, known: Ledger | None) -> None:
            mark_refused(lake, use_case, raw_records, today, refused, known, released)

        written = write_stage(
            lake,
            use_case,
            "permitted_records",
            [raw_records],
            lambda work: permit(
                use_case,
                lake.rows(raw_records),
                work,
                today,
                absent,
                pinned,
                mark_older,
                as_index(released),
                erased.among,
            ),
            raw_schema(use_case),
            **_depends_on(use_case, today, absent, pinned, released, erased),
        )
        pictures = {"funnel": funnel_plot([written.manifest.counts["funnel"]])}
        return materialized(
            use_case,
            written.version,
            written.manifest,
            reused=written.reused,
            **pictures_of_table(lake, environment, written.version, pictures),
            **profile_link(lake, environment, use_case, written.version),
            tainted=dg.MetadataValue.json(tainted_now(lake, use_case.name)),
        )

    @asset_check(
        asset=key(use_case, "permitted_records"),
        blocking=True,
        description="A second look: consent, purpose, basis, licence and days left.",
    )
    @with_typed_failures
    def only_permitted_records(lake: dg.ResourceParam[Lake], permitted_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.governance.feedback_releases import released_now
            from ft_platform.governance.ledger import pin_ledger
            from ft_platform.governance.second_look import look_again

            rows, counts = lake.rows(permitted_records), lake.manifest(permitted_records).counts
            released = released_now(lake, use_case.name)
            with lake.scratch(use_case.name, "only_permitted_records", zone="restricted") as folder:
                folder.mkdir(mode=0o700)
                today = datetime.now(UTC).date()
                ledger = pin_ledger(use_case, lake.storage_options)
                numbers = look_again(use_case, rows, counts, today, ledger, folder, released)
            return numbers.pop("passed"), numbers

        return judged(lake, use_case, permitted_records, "only_permitted_records", judge)

    @asset_check(
        asset=key(use_case, "permitted_records"),
        name=NOT_TAINTED,
        description=(
            "All records may still be used today. Checks every version and checkpoint, and marks those that contain"
            " others."
        ),
    )
    @with_typed_failures
    def no_withdrawn_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], permitted_records: TableVersion
    ) -> dg.AssetCheckResult:
        from ft_platform.governance.forecast import foresee
        from ft_platform.governance.taint import must_be_swept, sweep, tainted_now
        from ft_platform.monitoring.traffic.shipping import forget_withdrawn, spool_path

        forget_withdrawn(lake, spool_path(environment), use_case)
        today = datetime.now(UTC).date()
        if must_be_swept(lake, use_case, permitted_records, today):
            sweep(lake, use_case, today)
        found = tainted_now(lake, use_case.name)
        own = next(
            (one for one in found if one["stage"] == permitted_records.name and one["version"] == permitted_records.id),
            None,
        )
        numbers = {"rows": own["rows"] if own else 0, "on_day": today.isoformat(), "tainted": found}
        forecast = foresee(lake, use_case, permitted_records, today)
        numbers |= {f"ends_within_{days}_days": forecast.within(today, days) for days in WINDOWS}
        verdict = lake.verdicts(permitted_records, intact_only=True).get(NOT_TAINTED)
        if verdict is None:
            settings = check_settings_hash(use_case, permitted_records.name, NOT_TAINTED)
            verdict = lake.add_verdict(
                permitted_records,
                NOT_TAINTED,
                own is None,
                settings,
                {"rows": 0, "reasons": {}, "on_day": today.isoformat()},
            )
        return check_result(verdict.model_copy(update={"numbers": numbers}))

    ledgers = [ledger] if has_ledger else []
    return [permitted_records, only_permitted_records, no_withdrawn_records, *ledgers, *retention_report(use_case)]
