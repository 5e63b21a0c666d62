"""Where the batch functions of the data stages run. Every engine gives the same rows in the same order."""

from ft_platform.records.engines.engine import BatchFunction, Engine
from ft_platform.use_case.schema import Compute

__all__ = ["BatchFunction", "Engine", "engine_of"]


def engine_of(compute: Compute) -> Engine:
    """The engine that a use case names.

    Raises:
        MissingExtra: its package is not installed (on first use).
    """
    if compute.engine == "ray":
        from ft_platform.records.engines.ray import Ray

        return Ray(compute.workers)
    if compute.engine == "spark":
        from ft_platform.records.engines.spark import Spark

        return Spark(compute.workers)
    if compute.engine == "processes":
        from ft_platform.records.engines.processes import Processes

        return Processes(compute.workers)
    from ft_platform.records.engines.in_process import InProcess

    return InProcess()
