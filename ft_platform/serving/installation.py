"""What an installation serves: its engine and its catalog, from the releases in its lake."""

from collections.abc import Sequence

from ft_platform.errors import ConfigError
from ft_platform.serving.catalog import Catalog
from ft_platform.serving.protocol import Engine
from ft_platform.settings.environment import Environment


def engine_and_catalog(environment: Environment, use_cases: Sequence[str]) -> tuple[Engine, Catalog]:
    """The engine, not started, and the catalog of the released checkpoints of some use cases, or of all.

    Raises:
        ConfigError: nothing was released.
    """
    named = ", ".join(use_cases) or "any use case"
    raise ConfigError([f"no release of {named} in {environment.lake_uri}"], "See what is missing with: ft decide")
