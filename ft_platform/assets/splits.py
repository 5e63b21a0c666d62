"""splits: which record is for training, validation and test. Decided once, by group, before any model sees a record."""

from dataclasses import replace
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.expectations import CHECK, DESCRIPTION, expectations_check
from ft_platform.assets.pictures import pictures_of_table
from ft_platform.assets.profile import profile_link
from ft_platform.assets.stage import check_result, judged, key, materialized, report_link, stage, with_typed_failures
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.parents import tables_behind
from ft_platform.lake.stage_table import Work, existing_table, write_stage
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.records.stage_results import StageStream
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.stages import TRAINING_AUDIT
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash


def training_only(lake: Lake, use_case: NamedUseCase) -> Any:
    """Which records were requests to a served model, and which ones experts gave their label: those were chosen because
    a model was unsure of them (`splitting.feedback.Asked`)."""
    from ft_platform.evaluation.annotation.repairs import repairs
    from ft_platform.evaluation.annotation.unlabelled_overlay import given_labels
    from ft_platform.governance.feedback_releases import ever_released
    from ft_platform.splitting.feedback import Asked

    by_date = use_case.settings.splits.strategy == "temporal"  # a date says the side of every record
    labelled = () if by_date else tuple(given_labels(repairs(lake, use_case)))
    return Asked(ever_released(lake, use_case.name), labelled=labelled)


def asked_about(lake: Lake, use_case: NamedUseCase, anonymized_records: TableVersion) -> Any:
    """What `training_only` says, and of which other records cleaning found a request to be a duplicate."""
    found = training_only(lake, use_case)
    if not (records := found.records):
        return found
    cleaned = tables_behind(lake, anonymized_records)["cleaned_records"]
    number = lake.manifest(cleaned).info["removed_version"]
    removed = TableVersion(use_case.name, f"{cleaned.name}_removed", cleaned.zone, number, "", 0, "")
    rows = lake.read_table(removed, ["record_id", "duplicate_of"]).to_pylist()
    repeated = {one["duplicate_of"] for one in rows if one["record_id"] in records} - {None}
    return replace(found, repeated=repeated - records)


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, anonymized_records: TableVersion
) -> TableVersion | None:
    """The table of these records, with what experts repaired."""
    from ft_platform.evaluation.annotation.repairs import repairs

    depends_on = _depends_on(use_case, asked_about(lake, use_case, anonymized_records), repairs(lake, use_case))
    return existing_table(lake, use_case, "splits", [anonymized_records], **depends_on)


def _depends_on(use_case: NamedUseCase, asked: Any, corrections: Any) -> dict[str, str]:
    from ft_platform.evaluation.annotation.overlay import fingerprint
    from ft_platform.splitting.benchmark_texts import benchmark_fingerprint
    from ft_platform.splitting.paraphrases import paraphrase_fingerprint

    settings = use_case.settings.splits
    depends_on = {**benchmark_fingerprint(settings), **paraphrase_fingerprint(settings)}
    if asked.records:
        depends_on["asked"] = settings_hash({"records": sorted(asked.records), "repeated": sorted(asked.repeated)})
    if corrections:
        depends_on["repairs"] = fingerprint(corrections)
    return depends_on


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "splits"))
    @with_typed_failures
    def splits(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], anonymized_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """Train, validation and test records. A person's records and near duplicates stay on one side, and on the side
        they had before. Labels and answers that experts repaired are taken in place of those of the source; no repair
        changes a side."""
        from ft_platform.evaluation.annotation.overlay import repaired
        from ft_platform.evaluation.annotation.repairs import repairs
        from ft_platform.evaluation.output_mitigation import require_target
        from ft_platform.reporting.data_plots import split_balance_plot
        from ft_platform.reporting.funnel import funnel
        from ft_platform.reporting.plots import funnel_plot
        from ft_platform.splitting.benchmark_texts import benchmark_texts
        from ft_platform.splitting.membership import carried_on
        from ft_platform.splitting.split import split

        settings = use_case.settings.splits
        asked = asked_about(lake, use_case, anonymized_records)
        corrections = repairs(lake, use_case)

        def divide(work: Work) -> StageStream:
            previous = carried_on(lake, use_case)
            stream = split(
                use_case,
                lake.rows(anonymized_records),
                work,
                benchmark_texts(settings),
                lake.rows(previous) if previous else None,
                asked,
            )
            stream.counts["carries_on"] = previous.id if previous else "nothing"
            return repaired(stream, corrections, work) if corrections else stream

        depends_on = _depends_on(use_case, asked, corrections)
        schema = splits_schema(use_case)
        written = write_stage(lake, use_case, "splits", [anonymized_records], divide, schema, **depends_on)
        counts = written.manifest.counts
        require_target(use_case.settings.fairness.in_evaluation, counts)
        rows: dict[str, Any] = {
            k: dg.MetadataValue.json(v) for k, v in counts.items() if isinstance(v, dict) and k != "funnel"
        }
        pictures = {
            "funnel_from_source": funnel_plot(funnel(lake, use_case.name)),
            "split_balance": split_balance_plot(counts["rows_per_label"] or {"": counts["rows_per_split"]}),
        }
        shown = pictures_of_table(lake, environment, written.version, pictures)
        links = profile_link(lake, environment, use_case, written.version)
        return materialized(
            use_case, written.version, written.manifest, reused=written.reused, **shown, **links, **rows
        )

    @asset_check(
        asset=key(use_case, "splits"),
        blocking=True,
        description=(
            "No person, conversation, identical text, near duplicate or (if the YAML asks) paraphrase is on two sides;"
            " no benchmark text."
        ),
    )
    @with_typed_failures
    def no_leakage(lake: dg.ResourceParam[Lake], splits: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.splitting.benchmark_texts import benchmark_texts
            from ft_platform.splitting.leakage import leakage

            with lake.scratch(use_case.name, "no_leakage") as folder:
                folder.mkdir(mode=0o700)
                benchmark = benchmark_texts(use_case.settings.splits)
                asked = training_only(lake, use_case)
                numbers = leakage(use_case, lake.rows(splits), folder, benchmark, asked)
            return bool(numbers.pop("passed")), numbers

        return judged(lake, use_case, splits, "no_leakage", judge)

    @asset_check(
        asset=key(use_case, "splits"),
        blocking=True,
        description="On each side, the labels have about the same shares as in all records.",
    )
    @with_typed_failures
    def label_shares_hold(lake: dg.ResourceParam[Lake], splits: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.splitting.label_shares import label_shares

            numbers = label_shares(use_case, lake.rows(splits), training_only(lake, use_case))
            return bool(numbers.pop("passed")), numbers

        return judged(lake, use_case, splits, "label_shares_hold", judge)

    @asset_check(asset=key(use_case, "splits"), name=CHECK, blocking=True, description=DESCRIPTION)
    @with_typed_failures
    def splits_meet_expectations(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], splits: TableVersion
    ) -> dg.AssetCheckResult:
        return expectations_check(lake, environment, use_case, splits)

    @asset_check(
        asset=key(use_case, "splits"),
        name=TRAINING_AUDIT,
        blocking=True,
        description=(
            "Every record, rendered as the base model will see it: answers whole and learned with their end of turn,"
            " labels known, nothing longer than the context, no word of a person a control token, no duplicates, one"
            " renderer for training, evaluation and serving."
        ),
    )
    @with_typed_failures
    def passes_training_audit(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.AssetCheckResult:
        from ft_platform.training.audit_verdict import add_verdict, current_verdict, existing_audit

        verdict = current_verdict(lake, use_case, splits)
        audit = existing_audit(lake, use_case, splits) if verdict is None else None
        if verdict is None:
            # Has what a back end asks of the context of an asset: run, log, instance.
            step: Any = context.op_execution_context
            audit = audit or run_program(step, environment, use_case, "audit", {"splits": splits.to_dict()}).artifact
            verdict = add_verdict(lake, use_case, splits, audit)
        result = check_result(verdict)
        audit = audit or existing_audit(lake, use_case, splits)
        link = report_link(environment, audit, lake.manifest(audit)) if audit else {}
        metadata = vouched_metadata({**result.metadata, **link})
        return dg.AssetCheckResult(passed=result.passed, metadata=metadata, severity=result.severity)

    return [splits, no_leakage, label_shares_hold, splits_meet_expectations, passes_training_audit]
