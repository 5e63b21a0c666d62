"""A tick of the sensor as a daemon makes it, in this process or in one of its own."""

from typing import Any

import dagster as dg

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.graph_template import NAME


def evaluated(definitions: dg.Definitions, environment: Environment, instance: dg.DagsterInstance) -> Any:
    sensor = definitions.resolve_sensor_def(f"{NAME}_retraining")
    resources = {"lake": open_lake(environment), "environment": environment}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        return sensor(context)


def daemon(environment: Environment, barrier: Any, answers: Any) -> None:
    """Evaluates the sensor once all are ready, and answers with the key of the run that it asks for."""
    definitions = load_definitions(environment, only=NAME)
    with dg.DagsterInstance.from_config(str(environment.dagster_home)) as instance:
        barrier.wait()
        found = evaluated(definitions, environment, instance)
        answers.put(found.run_key if isinstance(found, dg.RunRequest) else "")
