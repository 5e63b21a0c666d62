"""Fine-tune LLMs on Dagster: one YAML file becomes one lineage graph."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.serving.loaded import LoadedModel

__version__ = "0.2.0"


def load(name: str) -> "LoadedModel":
    """The released model of a use case: `load("customer_feedback").classify(["..."])`."""
    # By its name: every file imports this one, which must not import them.
    loaded: Any = import_module("ft_platform.serving.loaded")
    return loaded.LoadedModel(name)
