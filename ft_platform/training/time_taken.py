"""How long a training took: its optimizer steps and validations, in all attempts. Every report shows this figure.

Not covered: starting the program, loading the model and writing the checkpoint. They are in what the ledger of costs
calls the seconds of a program, which is what is paid for."""

from collections.abc import Mapping
from typing import Any

TITLE = "seconds of training (steps and validations)"


def training_seconds(metrics: Mapping[str, Any]) -> str:
    """In words: `76 seconds`.

    Args:
        metrics: of a checkpoint, in `training.json` and its manifest.
    """
    seconds = metrics.get("seconds")
    return "a time that is not known" if seconds is None else f"{seconds:,.{0 if seconds >= 10 else 1}f} seconds"
