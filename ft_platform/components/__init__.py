"""The component that turns one YAML file into one graph."""

from ft_platform.components.fine_tuning import FineTuningUseCase
from ft_platform.process.vouched import figures, shown

__all__ = ["FineTuningUseCase", "figures", "shown"]
