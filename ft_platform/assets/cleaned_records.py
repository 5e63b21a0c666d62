"""cleaned_records: repaired texts without duplicates, validated by Great Expectations."""

from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.expectations import CHECK, DESCRIPTION, expectations_check
from ft_platform.assets.pictures import pictures_of_table
from ft_platform.assets.profile import profile_link
from ft_platform.assets.stage import key, materialized, stage, with_typed_failures
from ft_platform.lake.stage_table import existing_table, write_stage
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import cleaned_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, permitted_records: TableVersion
) -> TableVersion | None:
    """The table of these records, with the labels that experts gave."""
    from ft_platform.evaluation.annotation.repairs import repairs
    from ft_platform.evaluation.annotation.unlabelled_overlay import given_labels

    depends_on = _depends_on(use_case, given_labels(repairs(lake, use_case)))
    return existing_table(lake, use_case, "cleaned_records", [permitted_records], **depends_on)


def _depends_on(use_case: NamedUseCase, given: Any) -> dict[str, str]:
    from ft_platform.cleaning.token_counts import tokenizer_fingerprint
    from ft_platform.cleaning.validation.quarantine import expectations_hash
    from ft_platform.evaluation.annotation.unlabelled_overlay import fingerprint

    return {
        "expectations": expectations_hash(use_case),
        **tokenizer_fingerprint(use_case.settings.cleaning),
        **({"given_labels": fingerprint(given)} if given else {}),
    }


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "cleaned_records"))
    @with_typed_failures
    def cleaned_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], permitted_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """Records with repaired Unicode, HTML and whitespace, within the limits in the YAML, without exact and near
        duplicates.

        Records that do not meet an expectation about single records go to `quarantined_records`. Each changed text
        keeps its hashes before and after and the kinds of change; `ft diff <use_case> cleaned` shows them. A record
        without a label takes the one that experts gave it.
        """
        from ft_platform.cleaning.clean import clean
        from ft_platform.cleaning.repair import KINDS
        from ft_platform.cleaning.validation.quarantine import quarantine
        from ft_platform.evaluation.annotation.repairs import repairs
        from ft_platform.evaluation.annotation.unlabelled_overlay import LabelledRows, given_labels
        from ft_platform.reporting.cleaning_plots import changes_plot, lengths_plot
        from ft_platform.reporting.plots import funnel_plot

        given = given_labels(repairs(lake, use_case))
        rows = lake.rows(permitted_records)
        written = write_stage(
            lake,
            use_case,
            "cleaned_records",
            [permitted_records],
            lambda work: quarantine(
                use_case, clean(use_case, LabelledRows(rows, given) if given else rows, work), work
            ),
            cleaned_schema(use_case),
            **_depends_on(use_case, given),
        )
        counts = written.manifest.counts
        pictures = {
            "funnel": funnel_plot([counts["funnel"]]),
            "changes": changes_plot({kind: counts[f"changed_{kind}"] for kind in KINDS}, counts["funnel"]["rows_in"]),
            "lengths": lengths_plot(*counts["characters"].values()),
        }
        links = profile_link(lake, environment, use_case, written.version)
        shown = pictures_of_table(lake, environment, written.version, pictures)
        return materialized(use_case, written.version, written.manifest, reused=written.reused, **shown, **links)

    @asset_check(asset=key(use_case, "cleaned_records"), name=CHECK, blocking=True, description=DESCRIPTION)
    @with_typed_failures
    def cleaned_records_meet_expectations(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], cleaned_records: TableVersion
    ) -> dg.AssetCheckResult:
        return expectations_check(lake, environment, use_case, cleaned_records)

    return [cleaned_records, cleaned_records_meet_expectations]
