"""The component that turns one YAML file into one graph."""

from ft_platform.components.fine_tuning import FineTuningUseCase

__all__ = ["FineTuningUseCase"]
