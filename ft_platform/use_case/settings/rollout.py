"""How a new release takes the traffic over from the one before."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ft_platform.use_case.settings.section import Section


class Rollout(Section):
    """How much of the traffic a new release is tried on before it gets all of it, and what takes it away again."""

    mode: Literal["all_at_once", "canary", "shadow"] = Field(
        default="all_at_once",
        description="`all_at_once`: it gets all traffic after parity. `canary`: it answers a share of the callers."
        " `shadow`: it is asked a share of the requests after they were answered, and nobody sees what it says.",
    )
    share: float = Field(
        default=0.1, gt=0.0, le=1.0, description="Share of the traffic that it is tried on, in (0, 1]."
    )
    sticky_by: Literal["caller", "key"] = Field(
        default="caller",
        description="What stays with one release. `caller`: whom a request names (`user`, `metadata.subject`,"
        " `X-FT-Subject`), else the conversation. `key`: all requests with one API key; only for many keys alike.",
    )
    max_days: float = Field(default=14.0, gt=0.0, le=365.0, description="Days after which it is decided at the latest.")
    max_requests: int = Field(
        default=50_000, ge=1, description="Requests of the candidate after which it is decided at the latest."
    )
    min_requests: int = Field(
        default=500, ge=1, description="Fewest requests of the candidate before it gets all traffic."
    )
    max_error_rate: float = Field(
        default=0.02, ge=0.001, le=0.5, description="Share of its answers, in [0.001, 0.5], that may fail."
    )
    max_p95_ratio: float = Field(
        default=1.5,
        ge=1.1,
        le=100.0,
        description="One in 20 of its answers may take longer than this times the 95th percentile of the champion.",
    )
    max_guardrail_increase: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="By how much more often than on the champion's answers guardrails may act on its answers.",
    )
    min_agreement: float = Field(
        default=0.8, ge=0.01, lt=1.0, description="`shadow`: share of labels that must be those of the champion."
    )

    @model_validator(mode="after")
    def can_end(self) -> Self:
        if self.min_requests > self.max_requests:
            raise ValueError("`min_requests` must be at most `max_requests`")
        return self
