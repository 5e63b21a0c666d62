"""What measures the effect of repairs once a model has learned from them: a sensor that looks at evaluations."""

from hashlib import sha256

import dagster as dg

from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase

WATCH_SECONDS = 300


def effect_watch(use_case: NamedUseCase) -> dg.SensorDefinition:
    """The sensor `<use_case>_repair_effect`. It looks again once there is another evaluation or import of repairs."""

    @dg.sensor(
        name=f"{use_case.name}_repair_effect",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Measures on the test records of {use_case.name} what learning from repairs of experts changed. See: ft"
            f" annotate effect {use_case.name}"
        ),
    )
    def sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.evaluation.annotation.effect import measure_effect
        from ft_platform.evaluation.annotation.effect_words import in_words
        from ft_platform.evaluation.annotation.repairs import REPAIRS

        stated = lake.artifact_paths(use_case.name, REPAIRS)
        if not stated:
            return dg.SkipReason("experts have repaired nothing")
        names = "".join([*stated, *lake.artifact_paths(use_case.name, "evaluation_report")])
        there = sha256(names.encode()).hexdigest()
        if context.cursor == there:
            return dg.SkipReason("no evaluation since the last look")
        try:
            found = measure_effect(lake, use_case)
        except FtError as error:
            return dg.SkipReason(str(error))
        context.update_cursor(there)
        return dg.SkipReason(vouch(in_words(found)) if found else "no evaluation yet with repairs and one without")

    return sensor
