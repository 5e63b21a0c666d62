"""What a differentially private training promises: epsilon and delta, from Opacus' accountant. No torch at import."""

import functools
import importlib.util
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.use_case.settings.training import Training

LARGEST_EPSILON = 100.0
"""Beyond it a promise says nothing any more: whoever guesses membership may be right e^100 times as often as wrong."""
ORDERS = [*(1 + tenth / 10 for tenth in range(1, 100)), *range(12, 64), 64, 96, 128, 192, 256, 384, 512, 768, 1024]
"""Orders of Renyi divergence that are tried: those of Opacus, and higher ones, without which an epsilon below 0.2
cannot be reached."""


@dataclass(frozen=True)
class PrivacyBudget:
    """The promise about the weights after all steps, and what it rests on.

    Attributes:
        epsilon, delta: with one unit more or less among the training records, the odds of any outcome change by
            e^epsilon at most, but for a probability of delta.
        noise_multiplier: standard deviation of the noise, in units of `max_grad_norm`.
        max_grad_norm: norm that the gradient of each unit is clipped to.
        sampling_rate: probability of each unit to be in a step, in (0, 1].
        steps: optimizer steps.
        unit: whom it is about: a `record`, or a `person` with all records.
        units: how many there are.
        most_records: of one unit.
        accountant: of Opacus.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    max_grad_norm: float
    sampling_rate: float
    steps: int
    unit: str
    units: int
    most_records: int
    accountant: str

    @property
    def expected_units(self) -> float:
        """Of one step, on average."""
        return self.sampling_rate * self.units

    def in_words(self) -> str:
        """The promise in one sentence; epsilon is rounded up."""
        of_persons = (
            "a person with k records has about k times that epsilon"
            if self.unit == "record"
            else f"a person has up to {self.most_records:,} records"
        )
        return (
            f"epsilon {math.ceil(self.epsilon * 100) / 100:.2f} with delta {self.delta:.1e} per {self.unit}"
            f" ({self.units:,} of them; {of_persons}), noise multiplier {self.noise_multiplier:.3f}, gradients clipped"
            f" to {self.max_grad_norm:g}, sampling rate {self.sampling_rate:.4f}, {self.steps:,} steps"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def promise(training: Mapping[str, Any]) -> str:
    """What a checkpoint promises, as sentences from its `training.json`; empty where it was trained without
    differential privacy."""
    budget = training.get("differential_privacy")
    if not budget:
        return ""
    return (
        f"Trained with differential privacy: {PrivacyBudget(**budget).in_words()}. This is about the weights of the"
        " adapter alone: loss curves, reports, the list of labels and the choice of the settings come from the records"
        " without noise."
    )


def privacy_budget(sizes: list[int], persons: bool, steps: int, training: Training) -> PrivacyBudget:
    """The budget of a training.

    Args:
        sizes: records of each unit.
        persons: whether a unit is a person.
        steps: optimizer steps.

    Raises:
        ConfigError: the settings make a promise that is worth nothing.
        MissingExtra: Opacus is not installed.
    """
    require_opacus()
    settings, units = training.differential_privacy, len(sizes)
    delta = units**-1.1 if settings.target_delta is None else settings.target_delta
    if delta >= 1 / units:
        raise ConfigError(
            [
                f"training.differential_privacy.target_delta is {delta:g}: with {units:,} to protect it must be below"
                f" {1 / units:.3g}, or one of them may be given away whole"
            ],
            "Lower it, or train on more",
        )
    rate = min(1.0, training.batch_rows / sum(sizes))
    noise = settings.noise_multiplier
    if noise is None:
        assert settings.target_epsilon is not None
        noise = _noise_for(settings.target_epsilon, delta, rate, steps, settings.accountant)
    elif (loose := epsilon_of(noise, delta, rate, steps, "rdp")) > LARGEST_EPSILON:
        raise ConfigError(
            [
                f"training.differential_privacy.noise_multiplier {noise:g} gives an epsilon of {loose:.0f}, which"
                " protects nobody"
            ],
            "Set target_epsilon instead, or a larger noise_multiplier",
        )
    return PrivacyBudget(
        epsilon=epsilon_of(noise, delta, rate, steps, settings.accountant),
        delta=delta,
        noise_multiplier=noise,
        max_grad_norm=training.max_grad_norm,
        sampling_rate=rate,
        steps=steps,
        unit="person" if persons else "record",
        units=units,
        most_records=max(sizes),
        accountant=settings.accountant,
    )


def require_opacus() -> None:
    """Raises:
    MissingExtra: Opacus is not installed.
    """
    if importlib.util.find_spec("opacus") is None:
        raise MissingExtra("opacus (training.differential_privacy)", "dp")


@functools.cache
def epsilon_of(noise_multiplier: float, delta: float, sampling_rate: float, steps: int, accountant: str) -> float:
    """Upper bound of epsilon after so many steps of the Gaussian mechanism on Poisson samples."""
    from opacus.accountants import create_accountant

    counting = create_accountant(accountant)
    counting.history = [(noise_multiplier, sampling_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logarithms of zero in tails, and hints about orders
        return max(float(counting.get_epsilon(delta, alphas=ORDERS)), 0.0)


@functools.cache
def _noise_for(epsilon: float, delta: float, sampling_rate: float, steps: int, accountant: str) -> float:
    """The least noise multiplier that Opacus finds for an epsilon."""
    from opacus.accountants.utils import get_noise_multiplier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_noise_multiplier(
            target_epsilon=epsilon,
            target_delta=delta,
            sample_rate=sampling_rate,
            steps=steps,
            accountant=accountant,
            epsilon_tolerance=epsilon / 1000,
            alphas=ORDERS,
        )
