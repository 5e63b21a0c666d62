"""release: the checkpoint of an accepted decision, signed, for everybody who serves it."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.order import PREVIOUS, Order
from ft_platform.assets.stage import key, materialized, stage, train_rows, with_typed_failures
from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.stages import STAGES, way_back
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

ROLLED_BACK = "Rolled back in Dagster, whose run says when and by whom"


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "release"), deps=[key(use_case, name) for name in STAGES["release"].after])
    @with_typed_failures
    def release(
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        order: dg.ResourceParam[Order],
        release_decision: ArtifactVersion,
        adapter_checkpoint: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """An immutable, signed record: checkpoint, base model, renderer, decision, evidence, signatures, waivers.

        Refused unless the decision is accepted and holds again today, and everybody has signed whom the use case asks
        for."""
        from ft_platform.lake.releases import FILE, standing_releases
        from ft_platform.monitoring.rollout.going_back import switch_back
        from ft_platform.people.may import Permissions
        from ft_platform.release import releasing
        from ft_platform.reporting.evidence.pack import evidence_digest
        from ft_platform.tracking.registry import show_releases

        if not order.standing:
            use_case.require_as_filed()
        if order.standing:
            stands = next(iter(standing_releases(lake, use_case.name)), None)
            if stands is None:
                raise DataError(f"{use_case.name} has no release that stands", f"See: ft releases {use_case.name}")
            made = stands.version
        elif order.release or order.job == way_back(use_case.name):
            to = None if order.release in ("", PREVIOUS) else order.release
            reason = order.reason if order.release else ROLLED_BACK  # a command names its own, or is refused
            earlier = releasing.earlier_release(lake, use_case, to)
            switch_back(lake, environment, use_case, earlier, reason=reason, by=order.by)
            made = releasing.roll_back(lake, use_case, earlier.id, reason=reason, by=order.by)
        else:
            made = releasing.release(
                lake,
                use_case,
                release_decision,
                adapter_checkpoint,
                lambda checkpoint: evidence_digest(lake, use_case, checkpoint),
                by=order.by,
                reason=order.reason,
                permissions=Permissions(environment.people, {use_case.name: use_case}),
            )
        record = json.loads(lake.read_file(made, FILE))
        registry = show_releases(environment, lake, use_case.name, model_card(lake, release_decision))
        return materialized(
            use_case,
            made,
            lake.manifest(made),
            rows=train_rows(lake, adapter_checkpoint),
            released=dg.MetadataValue.json(record),
            number=record["number"],
            checkpoint=record["checkpoint"]["id"],
            previous=record["previous"],
            registry=registry if isinstance(registry, str) else dg.MetadataValue.json(registry),
        )

    return [release]


def model_card(lake: Lake, decision: ArtifactVersion) -> str:
    """The model card that a decision rests on; empty where it has none."""
    said = json.loads(lake.read_file(decision, "decision.json"))
    named = next((one["id"] for one in said["evidence"] if one["stage"] == "model_card"), None)
    card = lake.artifact(decision.use_case, "model_card", named) if named else None
    return lake.read_file(card, "README.md").decode() if card else ""
