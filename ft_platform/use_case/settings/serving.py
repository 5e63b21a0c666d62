"""How released models are served."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.guardrails import Guardrails
from ft_platform.use_case.settings.rollout import Rollout
from ft_platform.use_case.settings.section import Section
from ft_platform.use_case.settings.serving_targets import LocalTarget, ServingTarget

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Serving(Section):
    """Where a released model is deployed, and what guards its answers."""

    targets: dict[TargetName, ServingTarget] = Field(
        default={"local": LocalTarget()},
        max_length=20,
        description="Name -> where releases are deployed. Each is an asset `deployment/<name>`.",
    )
    mode: Literal["on_demand", "on_release"] = Field(
        default="on_demand",
        description="`on_demand`: a person deploys (`ft deploy`). `on_release`: every new release is deployed.",
    )
    parity_records: int = Field(
        default=200,
        ge=10,
        le=10_000,
        description="Test records that an endpoint must answer as the evaluation did before it gets traffic.",
    )
    guardrails: Guardrails = Field(
        default_factory=Guardrails, description="What guards requests and answers of the platform's own server."
    )

    rollout: Rollout = Field(
        default_factory=Rollout, description="How a new release takes over from the one before, at our own server."
    )

    @model_validator(mode="after")
    def rolls_out_at_our_server(self) -> "Serving":
        others = [f"{name} ({target.kind})" for name, target in self.targets.items() if target.kind != "local"]
        if self.rollout.mode != "all_at_once" and others:
            raise ValueError(
                f"`serving.rollout.mode: {self.rollout.mode}` needs targets of kind `local` only, not"
                f" {', '.join(others)}; of the others `sagemaker` has its own `canary_percent`"
            )
        return self

    @model_validator(mode="after")
    def one_server_of_ours(self) -> "Serving":
        """A server of ours reads from one file what has the traffic."""
        ours = [name for name, target in self.targets.items() if target.kind == "local"]
        if len(ours) > 1:
            raise ValueError(f"`serving.targets` has {len(ours)} of kind `local` ({', '.join(ours)}); keep one")
        return self

    @property
    def without_label_heads(self) -> list[str]:
        """Targets at which a model with a label head cannot answer."""
        return [name for name, target in self.targets.items() if not target.serves_label_heads]
