"""What is noted of requests to a served model, and what is watched in them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ft_platform.use_case.settings.alerting import ChannelName
from ft_platform.use_case.settings.section import Section
from ft_platform.use_case.settings.serving import TargetName

Required = Literal["subject", "consent", "purpose"]


class Capture(Section):
    """Which texts of requests and answers are kept, in the restricted zone. By default none are."""

    share: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description=(
            "Share of requests in [0, 1], drawn by chance, whose texts are kept, with what they say of sensitive"
            " features. 0: none."
        ),
    )
    purpose: str | None = Field(
        default=None,
        min_length=3,
        max_length=300,
        description="What kept texts are used for. A request must name it where `requires` has `purpose`.",
    )
    requires: Annotated[list[Required], Field(max_length=3)] = Field(
        default=["subject", "consent", "purpose"],
        description=(
            "What a request must say for its texts to be kept, in `metadata` or in the headers `X-FT-Subject`,"
            " `X-FT-Consent` (one of `governance.accepted_consent`) and `X-FT-Purpose`."
        ),
    )
    retention_days: int = Field(
        default=30, ge=1, le=3650, description="Days after which kept texts are deleted, from the disk too."
    )

    @model_validator(mode="after")
    def says_what_for(self) -> "Capture":
        if self.share and self.purpose is None:
            raise ValueError("`purpose` must say what texts are kept for, if `share` is above 0")
        return self


class TrafficLog(Section):
    """Logs of a server of others, whose requests become traffic."""

    uri: str = Field(
        min_length=1,
        max_length=4000,
        description=(
            "File, folder (its `.jsonl` files, also packed) or glob: a local path or an fsspec URI (`s3://...`)."
            " What is new in it is read every minute."
        ),
    )
    format: Literal["otel", "jsonl"] = Field(
        description="`otel`: spans of OpenTelemetry as JSON lines. `jsonl`: a request a line (docs/how_to/traffic.md)."
    )
    target: TargetName = Field(
        description="One of `serving.targets`: its deployments say which release answered a request."
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What the log calls the model; requests to others are left out. Default: as the target does.",
    )

    @field_validator("format", mode="before")
    @classmethod
    def is_still_read(cls, value: Any) -> Any:
        if value in ("vllm", "hf_endpoint", "sagemaker"):
            raise ValueError(f"`{value}` is not read any more: write its requests as `jsonl` (docs/how_to/traffic.md)")
        return value


Watched = Literal[
    "label",
    "confidence",
    "entropy",
    "characters",
    "answer_characters",
    "prompt_tokens",
    "completion_tokens",
    "abstained",
    "guardrails",
    "refused",
    "language",
    "new_words",
    "embedding_distance",
    "embedding_direction",
]
"""Measures of requests; the last five of texts that are kept."""


class Watch(Section):
    """When a day raises an alarm."""

    p95_seconds: float | None = Field(
        default=None, gt=0, description="Target: 95 of 100 answers take at most so long. Default: no target."
    )
    error_share: float = Field(
        default=0.01, ge=0, lt=1, description="Target: at most this share of requests fails (status 500 and above)."
    )
    false_alarms: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="Probability that a measure raises a false alarm within 90 days, over all measures of requests.",
    )
    weekends_apart: bool = Field(
        default=False, description="Compare weekends with weekends; the first one is only looked at."
    )
    encoder: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "Folder of a sentence encoder or of the base model, whose hidden states also compare texts that are kept."
            " Default: none do."
        ),
    )
    leave_out: Annotated[list[Watched], Field(max_length=14)] = Field(
        default=[], description="Measures that raise no alarm because they are known to change."
    )


class Monitoring(Section):
    """What is noted of requests to a served model, and who is told. Each request leaves one record without its
    text."""

    capture: Capture = Field(
        default_factory=Capture, description="Which texts of requests and answers are kept, in the restricted zone."
    )
    logs: Annotated[list[TrafficLog], Field(max_length=20)] = Field(
        default=[], description="Logs of servers of others, whose requests are noted as well."
    )
    alerts: Annotated[list[ChannelName], Field(max_length=20)] = Field(
        default_factory=list,
        description=(
            "Channels that alerts of this use case go to, from `alerting.channels` of the installation. Default: none."
        ),
    )
    watch: Watch = Field(default_factory=Watch, description="When a day raises an alarm.")
    retention_days: int = Field(
        default=730, ge=1, le=3650, description="Days after which records without texts are deleted."
    )
