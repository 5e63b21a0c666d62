"""What was deployed to a target, and who may change it now."""

from contextlib import AbstractContextManager

from ft_platform.lake.deployments import FILE, STAGE, Deployment, deployments
from ft_platform.lake.files import locked
from ft_platform.settings.environment import Environment

__all__ = ["FILE", "STAGE", "Deployment", "alone", "deployments"]


def alone(environment: Environment, use_case: str, target: str) -> AbstractContextManager[None]:
    """Others who would change the same target wait."""
    return locked(environment.home / "serving" / "locks" / f"{use_case}.{target}")
