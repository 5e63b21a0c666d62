"""anonymized_records: texts without personal data; the first table of the shared zone."""

import dagster as dg

from ft_platform.assets.stage import judged, key, materialized, stage, with_typed_failures
from ft_platform.environment import Environment, read_pseudonym_key
from ft_platform.lake import Lake, TableVersion
from ft_platform.lake.stage_table import write_stage
from ft_platform.records import anonymized_schema
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "anonymized_records"))
    @with_typed_failures
    def anonymized_records(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], cleaned_records: TableVersion
    ) -> dg.MaterializeResult[TableVersion]:
        """Records in which personal data is replaced by pseudonyms that are equal for equal originals.

        The pseudonyms are keyed: without the key nobody can tell whether a given name is behind one. A missing or another
        key stops the stage.
        """
        from ft_platform.privacy.anonymize import anonymize
        from ft_platform.privacy.pseudonyms import key_fingerprint, require_same_key

        secret = read_pseudonym_key(environment)
        latest = lake.latest(use_case.name, "anonymized_records")
        if latest:
            require_same_key(lake.manifest(latest).info["key_fingerprint"], secret, use_case.name)
        written = write_stage(
            lake,
            use_case,
            "anonymized_records",
            [cleaned_records],
            lambda work: anonymize(use_case, lake.read_table(cleaned_records), secret),
            anonymized_schema(use_case),
            key_fingerprint=key_fingerprint(secret, use_case.name),
        )
        entities = dg.MetadataValue.json(written.manifest.counts.get("entities", {}))
        return materialized(written.version, written.manifest, reused=written.reused, entities=entities)

    @dg.asset_check(
        asset=key(use_case, "anonymized_records"), blocking=True, description="A second, independent scan finds no direct identifier in the output."
    )
    @with_typed_failures
    def no_residual_pii(lake: dg.ResourceParam[Lake], anonymized_records: TableVersion) -> dg.AssetCheckResult:
        def judge() -> tuple[bool, dict]:
            from ft_platform.privacy.residual import residual

            numbers = residual(use_case, lake.read_table(anonymized_records))
            return numbers.pop("passed"), numbers

        return judged(lake, use_case, anonymized_records, "no_residual_pii", judge)

    return [anonymized_records, no_residual_pii]
