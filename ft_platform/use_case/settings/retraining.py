"""When a model is trained again."""

from datetime import time
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from ft_platform.use_case.settings.section import Section


class When(Section):
    """Which reasons start a retraining, and what holds it back. Read with `mode: by_reasons`."""

    new_records: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description=(
            "New permitted records since the newest training that are a reason. Default: a tenth of those that it was"
            " made from."
        ),
    )
    decline: float | None = Field(
        default=0.02,
        ge=0.0,
        le=1.0,
        description=(
            "A reason: accuracy of the served model, estimated or by feedback, whose whole interval lies so far below"
            " the evaluation's, on each of `decline_days` days. Empty: none."
        ),
    )
    decline_days: int = Field(default=3, ge=1, le=30, description="Days with traffic in a row that a decline takes.")
    drift_days: int | None = Field(
        default=3,
        ge=1,
        le=30,
        description="A reason: an alarm about inputs or outputs on so many days with traffic in a row. Empty: none.",
    )
    feedback: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="A reason: so many requests with feedback since the newest training. Empty: none.",
    )
    withdrawn: bool = Field(default=True, description="A reason: the champion learned from records withdrawn since.")
    new_base_model: bool = Field(
        default=True,
        description="A reason: `base_model` names another model, revision or sha256 than the newest training had.",
    )
    min_new_records: int = Field(
        default=1,
        ge=0,
        le=1_000_000_000,
        description=(
            "With fewer new permitted records no reason counts but withdrawn records, a new base model and a person:"
            " the same data gives the same model."
        ),
    )
    cool_down_days: float = Field(
        default=7.0,
        ge=0.0,
        le=366.0,
        description="Days after a retraining in which only withdrawn records or a person start another one.",
    )
    budget_per_month: float | None = Field(
        default=None,
        ge=0.0,
        le=1_000_000_000.0,
        description=(
            "A retraining starts if this holds what programs of the use case cost in the calendar month (UTC) and what"
            " it will cost. `compute.budget_per_month` and budgets of the environment hold too."
        ),
    )
    quiet_hours: str | None = Field(
        default=None,
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="From when to when only a person starts a retraining, in `time_zone`; may pass midnight.",
    )
    time_zone: str = Field(
        default="UTC", max_length=60, description="Of `quiet_hours`: a name of the IANA database, e.g. `Europe/Berlin`."
    )

    @field_validator("time_zone")
    @classmethod
    def time_zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # of unknown names, of paths, of folders
            raise ValueError(f"there is no time zone {name!r}; a name is e.g. Europe/Berlin") from None
        return name

    @property
    def quiet(self) -> tuple[time, time] | None:
        """First and last moment of `quiet_hours`."""
        if self.quiet_hours is None:
            return None
        start, _, end = self.quiet_hours.partition("-")
        return time.fromisoformat(start), time.fromisoformat(end)


class Retraining(Section):
    """When GPU work runs."""

    mode: Literal["on_demand", "on_data_change", "by_reasons"] = Field(
        default="on_demand",
        description=(
            "`on_demand`: a person starts training. `on_data_change`: new content or settings start it, once per"
            " change. `by_reasons`: a sensor weighs the reasons in `when`."
        ),
    )
    poll_seconds: int = Field(
        default=60, ge=10, le=86_400, description="Seconds between the sensor's checks of the source."
    )
    every: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="Days after a training at which its age is a reason. Empty: age is none.",
    )
    start: Literal["base_model", "champion"] = Field(
        default="base_model",
        description=(
            "Weights that a run of the sensor trains from. `base_model`: as `training.continue_from` says, by default"
            " those of the base model. `champion`: those of the newest release that stands, and of the base model where"
            " they cannot be used; the decision says why."
        ),
    )
    when: When = Field(
        default_factory=When, description="Which reasons start a retraining, and what holds it back (`by_reasons`)."
    )

    @property
    def watches_source(self) -> bool:
        """Whether data stages follow new content by themselves."""
        return self.mode != "on_demand"
