"""Course and result of one training: what the loop fills and what a saved state holds."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from ft_platform.training.gpu import GpuMeter
from ft_platform.training.memory import peak_gib
from ft_platform.training.privacy_budget import PrivacyBudget


@dataclass
class TrainingRun:
    """Course and result of one training.

    Attributes:
        steps: optimizer steps that are planned.
        step: optimizer steps that are done.
        curve: per optimizer step loss, learning rate and tokens per second; the validation loss where it was measured.
        best: trained weights that validation records found best (with differential privacy: the last ones), on the CPU;
            where weights are divided between processes, what this one has of them.
        best_loss: validation loss of `best`.
        best_step: optimizer step after which they were taken.
        misses: validations in a row without improvement.
        stopped_early: whether `patience` ran out before all steps were done.
        seconds: computed so far, in all attempts; what a killed attempt did after its last saved state is not in it.
        attempts: where each attempt began and on what it ran.
        privacy: what differential privacy promises; None: it is off.
        secret: what its noise is drawn from. It is in saved states, which go when the checkpoint is published, and
            nowhere else.
        gpu: measures the device; its figures are in the curve as well.
    """

    steps: int
    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    best_loss: float = math.inf
    best_step: int = 0
    misses: int = 0
    stopped_early: bool = False
    seconds: float = 0.0
    tokens: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    privacy: PrivacyBudget | None = None
    secret: str = field(default="", repr=False)
    gpu: GpuMeter = field(default_factory=GpuMeter)

    @property
    def finished(self) -> bool:
        return self.stopped_early or self.step >= self.steps

    def metrics(self) -> dict[str, float]:
        """Figures for the manifest and the tracker."""
        # A step of differential privacy may be without records.
        trained = [p["loss"] for p in self.curve if "loss" in p]
        validated = {int(p["step"]): p for p in self.curve if "validation_loss" in p}
        kept, first = validated.get(self.best_step, {}), min(validated)
        return {
            **{name: value for name, value in kept.items() if name.startswith("validation_")},
            **{
                f"{name}_before": value
                for name, value in validated[first].items()
                if name in ("validation_loss", "validation_macro_f1", "validation_preferred")
            },
            **({"train_loss": trained[-1]} if trained else {}),
            "best_step": self.best_step,
            "steps": self.step,
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "seconds": round(self.seconds, 2),
            "attempts": len(self.attempts),
            "peak_memory_gib": round(peak_gib(), 3),
            **self.gpu.means(),
            **(
                {name: getattr(self.privacy, name) for name in ("epsilon", "delta", "noise_multiplier")}
                if self.privacy
                else {}
            ),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything but the tensors and the meter, JSON values only (no best loss yet: null)."""
        plain = {name: value for name, value in self.__dict__.items() if name not in ("best", "gpu")}
        return {
            **plain,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "privacy": self.privacy and self.privacy.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingRun":
        privacy = PrivacyBudget(**values["privacy"]) if values.get("privacy") else None
        return cls(
            **{
                **values,
                "best_loss": math.inf if values["best_loss"] is None else values["best_loss"],
                "privacy": privacy,
            }
        )
