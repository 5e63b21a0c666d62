"""Two processes, because one would be `local`."""

from typing import Any

from ft_platform_tests.compute.contract.case import profile_module

RAN_AGAINST = "real"
NOT_RUN = getattr(profile_module("local"), "NOT_RUN")  # noqa: B009


def settings() -> dict[str, Any]:
    return {"processes": 2}
