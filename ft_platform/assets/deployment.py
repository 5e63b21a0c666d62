"""deployment: a release that answers at a target, compared with its evaluation before it got the traffic."""

import json
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.deployment_watch import deployment_watch
from ft_platform.assets.monitoring_report import monitoring_report
from ft_platform.assets.order import Order
from ft_platform.assets.report import shown
from ft_platform.assets.rollout_watch import rollout_watch
from ft_platform.assets.served_traffic import served_traffic
from ft_platform.assets.stage import stage, train_rows, with_typed_failures
from ft_platform.assets.traffic_records import traffic_records
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.stages import SERVED_CHECK
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

CHECKED_RECORDS = 50
"""Test records that the check asks of what has the traffic."""


def build(use_case: NamedUseCase) -> list:
    targets = use_case.settings.serving.targets
    built = [item for target in targets for item in _build(use_case, target)]
    if not targets:
        return []
    watches = [*deployment_watch(use_case), rollout_watch(use_case)]
    traffic = [*served_traffic(use_case), *traffic_records(use_case), *monitoring_report(use_case)]
    return [*built, *watches, *traffic]


def _build(use_case: NamedUseCase, target: str) -> list:
    key = dg.AssetKey([use_case.name, "deployment", target])

    @asset(**{**stage(use_case, "deployment"), "name": target, "key_prefix": [use_case.name, "deployment"]})
    @with_typed_failures
    def deployment(
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        order: dg.ResourceParam[Order],
        release: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """The newest release that stands, with the traffic of this target. It gets it only when it answers the test
        records there as it was evaluated; otherwise what had it keeps it."""
        from ft_platform.lake.deployments import FILE
        from ft_platform.lake.releases import released_versions
        from ft_platform.reporting.publishing.deploying import chosen_release, deploy
        from ft_platform.serving.parity import in_words

        use_case.require_as_filed()
        chosen = chosen_release(lake, use_case.name, order.release)
        made = deploy(lake, environment, use_case, target, chosen, by=order.by)
        record = json.loads(lake.read_file(made, FILE))
        return shown(
            lake,
            environment,
            use_case,
            made,
            rows=train_rows(lake, released_versions(lake, chosen)[1]),
            endpoint=dg.MetadataValue.url(record["endpoint"]),
            release=record["release"],
            served_as=record["model"],
            previous=record["previous"],
            deployed_by=vouch(record["deployed_by"]),
            rollout=record.get("rollout", {}).get("mode", "all_at_once"),
            parity=vouch(in_words(record["parity"])),
            cost_per_day=record["cost_per_day"],
            cost_per_1000_requests=record["cost_per_1000_requests"],
        )

    description = (
        "What has the traffic of this target answers test records as the released model did in its evaluation."
        f" Asked after each restart, and every day once the schedule {use_case.name}_parity is switched on."
    )

    @asset_check(asset=key, name=SERVED_CHECK, description=description)
    @with_typed_failures
    def serves_what_was_evaluated(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.AssetCheckResult:
        from ft_platform.serving.upkeep import check_live

        passed, figures, words = check_live(lake, environment, use_case, target, CHECKED_RECORDS)
        told: dict[str, Any] = {
            name: dg.MetadataValue.json(value) if isinstance(value, dict | list) else value
            for name, value in figures.items()
            if value not in ({}, [])
        }
        return dg.AssetCheckResult(passed=passed, description=vouch(words), metadata=vouched_metadata(told))

    return [deployment, serves_what_was_evaluated]
