"""Money and energy of a program run, from the price and the power of its compute profile."""

from dataclasses import dataclass

from ft_platform.use_case.settings.compute_profile import ComputeProfile


@dataclass(frozen=True)
class Cost:
    """What some seconds on a compute profile cost.

    Attributes:
        gpu_hours: GPUs of the profile times hours; 0.0 without GPUs.
        money: in `currency`, to a ten-thousandth; None: the profile names no price, so nobody knows.
        kwh: energy in kilowatt-hours, or None where nobody knows the power.
    """

    hours: float
    gpu_hours: float
    money: float | None
    currency: str
    kwh: float | None


def cost_of(seconds: float, profile: ComputeProfile, gpu_watts: float | None = None) -> Cost:
    """The cost of `seconds` of wall time.

    Args:
        gpu_watts: measured mean power of one GPU in watts; `profile.watts` is what is known without it.
    """
    hours = seconds / 3600
    watts = gpu_watts * max(profile.gpus, 1) if gpu_watts else profile.watts
    return Cost(
        hours=hours,
        gpu_hours=round(hours * profile.gpus, 6),
        money=None if profile.price_per_hour is None else round(hours * profile.price_per_hour, 4),
        currency=profile.currency,
        kwh=None if watts is None else round(hours * watts / 1000, 6),
    )
