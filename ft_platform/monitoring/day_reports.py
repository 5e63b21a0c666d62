"""What the monitoring of a day found, as it is kept: an artifact `monitoring_report` for each day that had requests."""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

STAGE, FILE = "monitoring_report", "monitoring.json"
Kind = Literal["service", "inputs", "outputs", "accuracy"]


class Record(BaseModel):
    """Read again as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Alarm(Record):
    """Something that is not as it was, or not as it must be.

    Attributes:
        what: the measure, e.g. `label`, `confidence`, `errors`, `p95_seconds`, `estimated_accuracy`.
        since: day of the alarm; it stays until a person acknowledged it or another release is served.
        evidence: what it rests on, in one sentence with figures.
        cause: what goes with it (`causes.Cause` as a mapping), the surest first; empty where nothing stands out. Of
            `service` alarms `before` is the share among the other requests of the day.
        records: ids of requests of that day to look at.
    """

    what: str
    kind: Kind
    since: str
    evidence: str
    cause: list[dict[str, Any]] = []
    records: list[str] = []


class Accuracy(Record):
    """Share of right answers of a day, in [0, 1].

    Attributes:
        value, low, high: None where nothing can be said.
        of: share that the evaluation behind the release measured.
        answers: that it rests on.
        note: why there is none, or what it cannot see.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    of: float | None = None
    answers: int = 0
    note: str = ""


class DayReport(Record):
    """One day of one use case.

    Attributes:
        day: YYYY-MM-DD, UTC.
        releases: ids of those that answered, most answers first.
        reference: id of the evaluation report whose test split the day is compared with.
        figures: section (`service`, `inputs`, `outputs`, `fairness`) -> figure -> value.
    """

    use_case: str
    day: str
    releases: list[str]
    reference: str
    requests: int
    alarms: list[Alarm] = []
    estimated_accuracy: Accuracy = Accuracy()
    measured_accuracy: Accuracy = Accuracy()
    figures: dict[str, dict[str, Any]] = {}


def day_reports(lake: Lake, use_case: str, newest: int | None = None) -> list[tuple[ArtifactVersion, DayReport]]:
    """The newest report of each day, oldest day first.

    Args:
        newest: so many days at most; default all.

    Raises:
        CorruptVersion: the bytes of one are not what its manifest says.
    """
    found: dict[str, ArtifactVersion] = {}
    for version in lake.artifacts(use_case, STAGE):
        found.setdefault(lake.manifest(version).info["day"], version)
    days = sorted(found)[-newest if newest else 0 :]
    for day in days:
        lake.verify_artifact(found[day])
    return [(found[day], DayReport.model_validate(json.loads(lake.read_file(found[day], FILE)))) for day in days]
