"""The artifact `monitoring_report` of a day: figures, what is kept for the next day, pictures and page.

A report is made after those of the days before it. Late feedback makes another report of its day, in which only what
people said is new; the days after it stay as they are, unless an alarm begins or ends."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.lake.deployments import Deployment, deployments
from ft_platform.lake.draft import Draft
from ft_platform.lake.releases import evaluation_behind, releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.sentence_encoder import encoder_fingerprint
from ft_platform.monitoring.acknowledging import acknowledged_on
from ft_platform.monitoring.day import begin_again, observed, standing, with_feedback, without
from ft_platform.monitoring.day_reports import FILE, STAGE, DayReport
from ft_platform.monitoring.embedded import SETTING
from ft_platform.monitoring.reference import Reference, reference_of
from ft_platform.monitoring.served import Served, read_sample, read_served, releases_of
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.monitoring.watching import Kept
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.gate import SUGGESTS
from ft_platform.use_case.settings.hash import settings_hash

VERSION = 3
"""Of the code that makes a report; raise it when it makes another one of the same requests."""
OBSERVED = "observed.json"
"""File of an artifact with the report as it is without feedback, and what is kept for the next day."""
LATE_DAYS = 35
"""Reports of older days stay as they are."""
WEEK = 7


def publish_monitoring(lake: Lake, use_case: NamedUseCase, day: str) -> ArtifactVersion:
    """The report of a day, after those of the days before that are missing or have other requests or feedback now.

    Raises:
        DataError: nobody asked a released model on this day.
        VersionRefused: the release that answered, or its evaluation, is not in the lake.
    """
    made = dict(Reports(lake, use_case, day).made())
    if day not in made:
        raise DataError(f"nobody asked {use_case.name} on {day}", f"See the days: ft traffic {use_case.name}")
    return made[day]


def feedback_by_day(lake: Lake, use_case: str, days: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Day of a request -> what was said of its answers, whenever."""
    tables = TrafficTables(lake, use_case)
    given = tables.read("feedback")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if given.num_rows:
        asked = tables.read("requests", days, ["request_id", "day"])
        asked = asked.filter(pc.is_in(asked["request_id"], value_set=pa.array(given["request_id"].unique())))
        day_of = dict(zip(asked["request_id"].to_pylist(), asked["day"].to_pylist(), strict=True))
        for one in given.to_pylist():
            if one["request_id"] in day_of:
                found[day_of[one["request_id"]]].append(one)
    return dict(found)


@dataclass
class Reports:
    """The reports up to a day.

    Attributes:
        day: the last one.
    """

    lake: Lake
    use_case: NamedUseCase
    day: str
    _references: dict[str, Reference] = field(default_factory=dict)

    def made(self) -> Iterator[tuple[str, ArtifactVersion]]:
        """Day -> report, of the days that are not settled yet."""
        days = [one for one in self._rows if one <= self.day]
        settled = (date.fromisoformat(self.day) - timedelta(LATE_DAYS)).isoformat()
        first = next((i for i, one in enumerate(days) if one > settled or one not in self._newest), len(days))
        before = next((self._newest[one] for one in reversed(days[:first]) if one in self._newest), None)
        feedback = feedback_by_day(self.lake, self.use_case.name, days[first:])
        for place in range(first, len(days)):
            week = [one for one in days[:place] if one >= _days_before(days[place], WEEK)]
            found = self._of_day(days[place], week, before, feedback.get(days[place], []))
            if found:
                before = found
                yield days[place], found

    @cached_property
    def _rows(self) -> dict[str, int]:
        return TrafficTables(self.lake, self.use_case.name).rows_of_days()

    @cached_property
    def _known(self) -> list[tuple[ArtifactVersion, Mapping[str, Any]]]:
        """Every report with its info, newest first."""
        return [(one, self.lake.manifest(one).info) for one in self.lake.artifacts(self.use_case.name, STAGE)]

    @cached_property
    def _newest(self) -> dict[str, ArtifactVersion]:
        return {info["day"]: one for one, info in reversed(self._known)}

    @cached_property
    def _deployments(self) -> list[Deployment]:
        return deployments(self.lake, self.use_case.name)

    @cached_property
    def _suggesting(self) -> list[str]:
        """Ids of releases that only suggest."""
        return [one.id for one in releases(self.lake, self.use_case.name) if one.record.get("claim") == SUGGESTS]

    @cached_property
    def _encoder(self) -> str:
        """Hash of its files."""
        named = self.use_case.settings.monitoring.watch.encoder
        return encoder_fingerprint(named, SETTING) if named else ""

    @cached_property
    def _groups(self) -> dict[str, Any]:
        """Settings by which groups are compared."""
        settings = self.use_case.settings
        named = settings.fairness.model_dump(
            include={"sensitive_features", "min_group_rows", "pooled_groups", "max_gap"}
        )
        return {**named, "confidence": settings.evaluation.confidence}

    def _of_day(
        self, day: str, week: Sequence[str], before: ArtifactVersion | None, feedback: Sequence[Mapping[str, Any]]
    ) -> ArtifactVersion | None:
        last = _report(self.lake, before) if before else None
        looked_at = acknowledged_on(self.lake, self.use_case.name, last.day) if last else {}
        watch = self.use_case.settings.monitoring.watch
        seen = settings_hash(
            {
                "day": day,
                "rows": {one: self._rows[one] for one in [*week, day]},
                "watch": watch,
                "encoder": self._encoder,
                "groups": self._groups,
                "before": self.lake.manifest(before).files[OBSERVED] if before else "",
                "acknowledged": sorted((measure, said["at"]) for measure, said in looked_at.items()),
                "version": VERSION,
            }
        )
        said = hashlib.sha256(json.dumps(sorted(one["feedback_id"] for one in feedback)).encode()).hexdigest()
        standing_before = [(one.what, one.since) for one in last.alarms] if last else []
        inputs = settings_hash({"observed": seen, "feedback": said, "standing": standing_before})
        artifact_id = f"monitoring-{day}-{inputs}"
        if existing := self.lake.intact_artifact(self.use_case.name, STAGE, artifact_id):
            return existing
        served = read_served(self.lake, self.use_case.name, [day])
        if not served.requests:
            return None
        reference = self._reference(releases_of(served)[0])
        report, kept = self._observed(day, seen, served, week, before, reference, looked_at)
        whole = with_feedback(report, served, reference, feedback, watch)
        same = last is not None and last.releases[0] == report.releases[0]
        whole = whole.model_copy(
            update={"alarms": standing(last.alarms if last and same else [], looked_at, whole.alarms)}
        )
        parents = [reference.evaluation, *([before] if before else [])]
        draft = Draft(self.lake, self.use_case, STAGE, artifact_id, inputs, parents, settings_hash({"watch": watch}))
        return _published(draft, whole, report, kept, seen)

    def _reference(self, release: str) -> Reference:
        if release not in self._references:
            self._references[release] = self._read_reference(release)
        return self._references[release]

    def _read_reference(self, release: str) -> Reference:
        found = next((one for one in releases(self.lake, self.use_case.name) if one.id == release), None)
        if found is None:
            raise DataError(
                f"{release} answered requests and is not in the lake", f"See: ft releases {self.use_case.name}"
            )
        return reference_of(self.lake, self.use_case, evaluation_behind(self.lake, found))

    def _observed(
        self,
        day: str,
        seen: str,
        served: Served,
        week: Sequence[str],
        before: ArtifactVersion | None,
        reference: Reference,
        looked_at: Mapping[str, Any],
    ) -> tuple[DayReport, Kept]:
        """As an earlier report of the same requests has it, whose texts may be gone since; else made now."""
        for one, info in self._known:
            if info["day"] == day and info["observed"] == seen:
                self.lake.verify_artifact(one)
                found = json.loads(self.lake.read_file(one, OBSERVED))
                return DayReport.model_validate(found["report"]), Kept.from_json(found["kept"])
        last = Kept.from_json(json.loads(self.lake.read_file(before, OBSERVED))["kept"]) if before else None
        kept = begin_again(
            without(last, looked_at) if last else None,
            releases_of(served)[0],
            reference,
            self.use_case.settings.monitoring.watch,
        )
        earlier = read_sample(self.lake, self.use_case.name, week, kept.release)
        deployed = (
            one
            for one in self._deployments
            if one.record["release"] == kept.release and one.record["deployed_at"][:10] <= day
        )
        return observed(self.use_case, day, served, earlier, reference, kept, next(deployed, None), self._suggesting)


def _published(draft: Draft, report: DayReport, seen: DayReport, kept: Kept, observed: str) -> ArtifactVersion:
    from ft_platform.reporting.monitoring_report import write_monitoring_report

    with draft.folder() as folder:
        (folder / FILE).write_text(report.model_dump_json(indent=1), encoding="utf-8")
        said = {"report": seen.model_dump(mode="json"), "kept": kept.to_json()}
        (folder / OBSERVED).write_text(json.dumps(said, sort_keys=True), encoding="utf-8")
        write_monitoring_report(folder, draft, report, kept.history)
        counts = {"requests": report.requests, "alarms": len(report.alarms)}
        info = {"day": report.day, "observed": observed, "release": kept.release}
        return draft.publish(folder, counts=counts, info=info)


def _report(lake: Lake, version: ArtifactVersion) -> DayReport:
    lake.verify_artifact(version)
    return DayReport.model_validate_json(lake.read_file(version, FILE))


def _days_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days)).isoformat()
