"""FineTuningUseCase: one `defs.yaml` becomes one graph of assets, checks, a job and a sensor."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster.components import Scaffolder, ScaffoldRequest
from pydantic import BaseModel

from ft_platform.assets.asset_keys import asset_keys
from ft_platform.assets.jobs import asset_job
from ft_platform.costs.fair_queue import run_priority
from ft_platform.errors import ConfigError
from ft_platform.orchestration.alert_watch import alert_watch
from ft_platform.orchestration.identities import is_served_here
from ft_platform.orchestration.permission_watch import permission_watch
from ft_platform.orchestration.retraining_watch import retraining_watch
from ft_platform.orchestration.run_settings import USE_CASE_TAG
from ft_platform.orchestration.sensors import measurements_sensor, source_sensor
from ft_platform.orchestration.shared import by_itself, prepared_environment
from ft_platform.stages import ON_DEMAND, STAGES
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform.use_case.schema import UseCase


class UseCaseScaffolder(Scaffolder):
    """`dg scaffold defs ft_platform.components.FineTuningUseCase <name>` writes a complete, commented YAML."""

    def scaffold(self, request: ScaffoldRequest) -> None:
        request.target_path.mkdir(parents=True, exist_ok=True)
        (request.target_path / "defs.yaml").write_text(scaffold_yaml(request.target_path.name, "classification"))


@dg.scaffold_with(UseCaseScaffolder)
class FineTuningUseCase(dg.Component):
    """One fine-tuning use case: raw records to evaluated checkpoint.

    To replace, add or leave out a stage in one use case, subclass it in `defs/<use_case>/component.py`, override
    `stages`, and name the class in the YAML: `type: .component.LegalUseCase`.
    """

    def __init__(self, use_case: NamedUseCase) -> None:
        self.use_case = use_case

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return UseCase

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "FineTuningUseCase":
        """By Dagster's own loader, in a project that uses the component.

        Raises:
            ConfigError: the instance would store texts of records.
        """
        assert isinstance(attributes, UseCase)
        environment = prepared_environment()
        return cls(
            NamedUseCase(
                name=context.path.name,
                settings=attributes,
                path=context.path / "defs.yaml",
                policy=environment.policy,
                people=environment.people,
            )
        )

    def stages(self) -> Mapping[str, Any]:
        """Stage -> builder, in the order the data flows. A subclass returns another mapping; a name of its own adds a
        stage."""
        return {name: stage.build for name, stage in STAGES.items()}

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        stages = self.stages()
        require_parents(self.use_case, stages)
        built = [item for build in stages.values() for item in build(self.use_case)]
        checks = [item for item in built if isinstance(item, dg.AssetChecksDefinition)]
        others = [item for item in built if isinstance(item, OTHERS)]
        stage_assets = [item for item in built if not isinstance(item, (dg.AssetChecksDefinition, *OTHERS))]
        job = asset_job(
            self.use_case,
            self.use_case.name,
            selection=dg.AssetSelection.groups(self.use_case.name),
            description=self.use_case.settings.description,
            tags=run_tags(self.use_case),
        )
        jobs = [job, *on_demand_jobs(self.use_case, stages), *_of(UnresolvedAssetJobDefinition, others)]
        graph = dg.Definitions(
            assets=stage_assets,
            asset_checks=checks,
            jobs=jobs,
            schedules=_of(dg.ScheduleDefinition, others),
            sensors=[*self._sensors(), *_of(dg.SensorDefinition, others)],
        )
        if "permitted_records" in stages:
            graph = dg.Definitions.merge(graph, permission_watch(self.use_case))
        if "release_decision" in stages:
            graph = dg.Definitions.merge(graph, retraining_watch(self.use_case, job))
        if context is None:
            return graph
        environment = load_environment()
        served = is_served_here(environment, self.use_case.name)
        return by_itself(graph, self.use_case, environment) if served else dg.Definitions()

    def _sensors(self) -> list[dg.SensorDefinition]:
        measures = "roi_report" in self.stages() and self.use_case.settings.business.measurements
        measuring = [measurements_sensor(self.use_case)] if measures else []
        return [source_sensor(self.use_case), *measuring, *alert_watch(self.use_case)]


OTHERS = (UnresolvedAssetJobDefinition, dg.ScheduleDefinition, dg.SensorDefinition)
"""What the builder of a stage may return beside assets and checks."""


def _of(kind: type, items: list[Any]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]


def run_tags(use_case: NamedUseCase) -> dict[str, str]:
    """Tags of the jobs of a use case and of their runs."""
    tags = {USE_CASE_TAG: use_case.name, "ft/task": use_case.settings.task.kind}
    if use_case.settings.compute.priority == "normal":
        return tags
    return {**tags, **run_priority(use_case, load_environment().quotas)}


def require_parents(use_case: NamedUseCase, stages: Mapping[str, Any]) -> None:
    """Refuses stages of which some are built from one that is left out.

    Raises:
        ConfigError: with those that have to be left out, or replaced, too.
    """
    left_out = [name for name in STAGES if name not in stages]
    orphans = [
        name
        for name in STAGES
        if name in stages and STAGES[name].build == stages[name] and not set(STAGES[name].parents).isdisjoint(left_out)
    ]
    if orphans:
        raise ConfigError(
            [
                f"its stages() leaves out {', '.join(left_out)}; built from that: {', '.join(orphans)}"
                f" ({use_case.path}:1)"
            ],
            "Leave these out too, or replace them. Without release_decision nothing of this use case is released",
        )


def on_demand_jobs(use_case: NamedUseCase, stages: Mapping[str, Any]) -> list[Any]:
    """The job of the stages that only a person starts; none if the use case leaves them out."""
    names = [name for name in stages if name in STAGES and STAGES[name].on_demand]
    found = [key for name in names for key in asset_keys(use_case, name)]
    if not found:
        return []
    description = "What a person starts: release and deployment, and experiments, from which nothing follows."
    return [
        asset_job(
            use_case,
            f"{use_case.name}{ON_DEMAND}",
            selection=dg.AssetSelection.assets(*found),
            description=description,
            tags=run_tags(use_case),
        )
    ]
