"""anonymized_records: texts without personal data; the first table of the shared zone."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.pictures import pictures_of_table
from ft_platform.assets.profile import profile_link
from ft_platform.assets.stage import check_result, judged, key, materialized, stage, with_typed_failures
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.stage_table import Written, existing_table, write_stage
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import anonymized_schema
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.lake.keys.key_ring import KeyHandle

STAGE = "anonymized_records"
RECALL = "recall_above_floor"


def with_words(result: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The result of a check with the verdict's own sentence beside it."""
    return result._replace(description=result.metadata["says"].text)


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, cleaned_records: TableVersion
) -> TableVersion | None:
    """The table of these records, with this key and what experts marked."""
    from ft_platform.evaluation.annotation.marks import in_force

    depends_on = _depends_on(use_case, _keys(environment, use_case), in_force(lake, use_case))
    return existing_table(lake, use_case, STAGE, [cleaned_records], **depends_on)


def _keys(environment: Environment, use_case: NamedUseCase) -> "KeyHandle":
    from ft_platform.lake.keys.key_ring import key_handle, pseudonym_key_place, read_key_ring

    place = pseudonym_key_place(environment)
    return key_handle(read_key_ring(place), place, use_case.name, use_case.settings.privacy.key_version)


def _depends_on(use_case: NamedUseCase, keys: "KeyHandle", marks: Any) -> dict[str, str]:
    from ft_platform.privacy.ner import identity

    ner = identity(use_case.settings.privacy)
    marked = {"marks": marks.fingerprint} if marks else {}
    return {"key_version": str(keys.version), "key_fingerprint": keys.fingerprint, "ner": ner, **marked}


def build(use_case: NamedUseCase) -> list:
    return [
        _anonymized_records(use_case),
        _no_residual_pii(use_case),
        _is_k_anonymous(use_case),
        _recall_above_floor(use_case),
        _recall_is_proven(use_case),
    ]


def _anonymized_records(use_case: NamedUseCase) -> dg.AssetsDefinition:
    @asset(**stage(use_case, STAGE))
    @with_typed_failures
    def anonymized_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], cleaned_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """Records with personal data replaced, and with columns that together identify a person made coarser. What
        experts marked as missed is replaced too; what two of them say hides no personal data stays as it was.

        The same original gets the same pseudonym. Pseudonyms are keyed: without the key, nobody can tell whether a
        given name is behind one. A missing or different key stops the stage."""
        written = _write(lake, environment, use_case, cleaned_records)
        return _materialized(lake, environment, use_case, written)

    return anonymized_records


def _write(lake: Lake, environment: Environment, use_case: NamedUseCase, cleaned_records: TableVersion) -> Written:
    from ft_platform.evaluation.annotation.marks import in_force
    from ft_platform.lake.keys.key_ring import pseudonym_key_place, read_key_ring, require_known_key
    from ft_platform.privacy.anonymize import anonymize
    from ft_platform.privacy.vault import VaultWriter, read_public_key

    latest = lake.latest(use_case.name, STAGE)
    if latest:
        ring = read_key_ring(pseudonym_key_place(environment))
        require_known_key(ring, use_case.name, lake.manifest(latest).info)
    keys, marks = _keys(environment, use_case), in_force(lake, use_case)
    depends_on = _depends_on(use_case, keys, marks)
    vault_key = read_public_key(environment.vault_public_key_path) if use_case.settings.privacy.vault else None
    vault_id = input_hash(use_case, STAGE, [cleaned_records], **depends_on)
    return write_stage(
        lake,
        use_case,
        STAGE,
        [cleaned_records],
        lambda work: anonymize(
            use_case,
            lake.rows(cleaned_records),
            work,
            keys,
            VaultWriter(lake, use_case.name, vault_id, vault_key, work.folder) if vault_key else None,
            environment.home / "findings" / use_case.name if use_case.settings.privacy.cache_findings else None,
            marks,
        ),
        anonymized_schema(use_case),
        **depends_on,
    )


def _materialized(
    lake: Lake, environment: Environment, use_case: NamedUseCase, written: Written
) -> dg.MaterializeResult[TableVersion]:
    from ft_platform.reporting.data_plots import entity_counts_plot, k_anonymity_plot

    counts = written.manifest.counts
    reason = use_case.settings.privacy.without_quasi_identifiers or "the file names no quasi-identifiers"
    unmeasured = f"not measured: {reason}"
    pictures = {"entities": entity_counts_plot(counts["entities"])}
    if "k_anonymity" in counts:
        pictures["k_anonymity"] = k_anonymity_plot(counts["k_anonymity"], counts["funnel"]["rows_in"])
    return materialized(
        use_case,
        written.version,
        written.manifest,
        reused=written.reused,
        **pictures_of_table(lake, environment, written.version, pictures),
        **profile_link(lake, environment, use_case, written.version),
        key_version=int(written.manifest.info["key_version"]),
        entities=dg.MetadataValue.json(counts["entities"]),
        emptied=dg.MetadataValue.json(counts["emptied"]),
        **({"k": counts["k_anonymity"]["k"]} if "k_anonymity" in counts else {}),
        k_anonymity=dg.MetadataValue.json(counts.get("k_anonymity") or unmeasured),
    )


def _no_residual_pii(use_case: NamedUseCase) -> dg.AssetChecksDefinition:
    @asset_check(
        asset=key(use_case, STAGE),
        blocking=True,
        description="A second, independent scan finds no direct identifier in the output.",
    )
    @with_typed_failures
    def no_residual_pii(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.privacy.residual import residual

            numbers = residual(use_case, lake.rows(anonymized_records))
            return numbers.pop("passed"), numbers

        return judged(lake, use_case, anonymized_records, "no_residual_pii", judge)

    return no_residual_pii


def _is_k_anonymous(use_case: NamedUseCase) -> dg.AssetChecksDefinition:
    @asset_check(
        asset=key(use_case, STAGE),
        blocking=True,
        description=(
            "At least `privacy.k` persons share each combination of quasi-identifiers in the output, or it has no"
            " columns beside text and label, or the file says why it names none."
        ),
    )
    @with_typed_failures
    def is_k_anonymous(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.privacy.k_anonymity import measure

            numbers = measure(use_case, lake.rows(anonymized_records))
            return numbers.pop("passed"), numbers

        return with_words(judged(lake, use_case, anonymized_records, "is_k_anonymous", judge))

    return is_k_anonymous


def _recall_above_floor(use_case: NamedUseCase) -> dg.AssetChecksDefinition:
    @asset_check(
        asset=key(use_case, STAGE),
        blocking=True,
        description="No annotated text shows that the recognizers find less than `privacy.min_recall` of an entity.",
    )
    @with_typed_failures
    def recall_above_floor(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.AssetCheckResult:
        # Measured anew each time: the annotated file may have changed.
        from ft_platform.privacy.recall_verdict import measure_recall

        return with_words(check_result(measure_recall(lake, use_case, anonymized_records)))

    return recall_above_floor


def _recall_is_proven(use_case: NamedUseCase) -> dg.AssetChecksDefinition:
    # A check of its own: automation takes a blocking check that warns for one that failed, and would never train on
    # records without annotated texts.
    @asset_check(
        asset=key(use_case, STAGE),
        description=(
            "Annotated records of this source show that the recognizers find at least `privacy.min_recall` of every"
            " entity. If they do not, this is a warning: training continues, but the release is refused until they do"
            " or an owner approves it by name."
        ),
    )
    @with_typed_failures
    def recall_is_proven(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.AssetCheckResult:
        from ft_platform.privacy.recall_floor import ABOVE
        from ft_platform.privacy.recall_verdict import measure_recall

        verdict = lake.verdicts(anonymized_records, intact_only=True).get(RECALL)
        if verdict is None or verdict.settings_hash != check_settings_hash(use_case, STAGE, RECALL):
            verdict = measure_recall(lake, use_case, anonymized_records)
        proven = verdict.passed and verdict.numbers.get("status") == ABOVE
        return with_words(check_result(verdict))._replace(passed=proven, severity=dg.AssetCheckSeverity.WARN)

    return recall_is_proven
