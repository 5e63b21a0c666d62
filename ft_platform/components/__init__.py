"""The component that turns one YAML file into one graph."""

from ft_platform.errors.vouched import figures, shown
from ft_platform.orchestration.fine_tuning import FineTuningUseCase

__all__ = ["FineTuningUseCase", "figures", "shown"]
