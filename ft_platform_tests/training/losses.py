"""The validation loss alone."""

from typing import Any

from ft_platform.training.loop import validation_figures


def validation_loss(*arguments: Any) -> float:
    return validation_figures(*arguments)["validation_loss"]
