"""The sensor `<use_case>_alerts`: alarms of monitored days and failed runs are told once, and when they are over."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_platform.costs.ledger import Ledger, month_of
from ft_platform.costs.teams import team_of
from ft_platform.errors import FtError, TransientError
from ft_platform.lake import releases
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.day_reports import FILE, STAGE, Alarm, DayReport
from ft_platform.orchestration import retraining_watch
from ft_platform.orchestration.alert_watch import alert_watch
from ft_platform.orchestration.loading import load_definitions
from ft_platform.orchestration.sensors import MOST_FAILURES, source_sensor
from ft_platform.sources import discovery
from ft_platform.use_case.settings.alerting import Alerting
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.quotas import Quotas
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver
from ft_platform_tests.tables import use_case

HOOK = "FT_TEST_HOOK"
WORD = "zanzibar"


def alerting() -> Alerting:
    return Alerting.model_validate({"channels": {"hook": {"kind": "webhook", "url_variable": HOOK}}})


class Watch:
    """A use case whose alerts go to a receiver, and its ticks."""

    def __init__(self, environment: Environment, receiver: HttpReceiver) -> None:
        self.environment = environment.model_copy(update={"alerting": alerting()})
        self.lake: Lake = open_lake(environment)
        self.receiver = receiver
        self.instance = dg.DagsterInstance.ephemeral()
        self.case = use_case(monitoring={"alerts": ["hook"]})
        (self.sensor,) = alert_watch(self.case)
        self.cursor: str | None = None
        self.skipped = ""

    def tick(self) -> list[tuple[str, str, str]]:
        """What arrives: event, what and text of each."""
        before = len(self.receiver.got)
        given: Any = {"lake": self.lake, "environment": self.environment}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=given) as context:
            data = self.sensor.evaluate_tick(context)
        self.cursor, self.skipped = data.cursor, data.skip_message or ""
        told = [json.loads(body)["alerts"][0] for _, body in self.receiver.got[before:]]
        return [(one["event"], one["what"], one["text"]) for one in told]

    def day(self, day: str, *alarms: Alarm) -> None:
        """Publishes the report of a day."""
        report = DayReport(
            use_case=self.case.name, day=day, releases=["rel-1"], reference="eval-1", requests=10, alarms=list(alarms)
        )
        with self.lake.scratch(self.case.name, STAGE) as folder:
            folder.mkdir(parents=True)
            (folder / FILE).write_text(report.model_dump_json())
            self.lake.publish(
                self.case.name,
                STAGE,
                f"day-{day}-{len(alarms)}",
                folder,
                parents=[],
                settings_hash="",
                input_hash=day,
                info={"day": day},
            )

    def materialize(self, fails: bool, *names: str) -> dg.ExecuteInProcessResult:
        """A run that makes assets of the use case; the first one fails."""

        def made(name: str, broken: bool) -> dg.AssetsDefinition:
            @dg.asset(name=name, key_prefix=self.case.name)
            def asset() -> None:
                if broken:
                    raise ValueError(f"the text of a record: {WORD}")

            return asset

        assets = [made(name, fails and name == names[0]) for name in names]
        return dg.materialize(assets, instance=self.instance, raise_on_error=False)


ERRORS = Alarm(what="errors", kind="service", since="2026-11-27", evidence="3.1 % of 1,204 requests failed.")
LABELS = Alarm(
    what="label", kind="outputs", since="2026-11-26", evidence="p = 0.001", cause=[{"kind": "word", "value": WORD}]
)


@pytest.fixture
def watch(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    receiver = HttpReceiver()
    monkeypatch.setenv(HOOK, receiver.url)
    yield Watch(environment, receiver)
    receiver.stop()


def test_an_alarm_of_the_newest_day_is_told_once_without_its_causes_and_when_it_is_gone(watch: Watch) -> None:
    assert watch.tick() == []
    watch.day("2026-11-27", ERRORS, LABELS)
    told = watch.tick()
    assert told == [
        ("raised", "errors", "3.1 % of 1,204 requests failed. Since 2026-11-27; the newest day is 2026-11-27."),
        ("raised", "label", "p = 0.001. Since 2026-11-26; the newest day is 2026-11-27."),
    ]
    severities = [json.loads(body)["alerts"][0]["severity"] for _, body in watch.receiver.got]
    assert severities == ["critical", "warning"]
    assert WORD.encode() not in b"".join(body for _, body in watch.receiver.got)
    assert watch.tick() == []
    watch.day("2026-11-28", LABELS)
    assert [(event, what) for event, what, _ in watch.tick()] == [("resolved", "errors")]


def test_reports_are_read_once_and_an_alarm_that_lasts_is_told_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.day("2026-11-27", ERRORS)
    assert [event for event, *_ in watch.tick()] == ["raised"]
    monkeypatch.setattr("ft_platform.monitoring.day_reports.day_reports", lambda *_, **__: pytest.fail("a second time"))
    assert watch.tick() == []
    later = datetime.now(UTC) + timedelta(days=3, minutes=1)
    monkeypatch.setattr("ft_platform.orchestration.alert_watch.datetime", SimpleNamespace(now=lambda _: later))
    monkeypatch.setattr("ft_platform.monitoring.alerts.delivery.datetime", SimpleNamespace(now=lambda _: later))
    assert [event for event, *_ in watch.tick()] == ["reminder"]


def test_a_failed_run_is_told_with_the_step_and_over_when_the_asset_is_made(watch: Watch) -> None:
    failed = watch.materialize(True, "splits", "data_report")
    ((event, what, text),) = watch.tick()
    assert (event, what) == ("raised", "failed run")
    assert failed.run_id[:8] in text and "tests__splits" in text and WORD not in text
    assert watch.tick() == []
    watch.materialize(False, "data_report")
    assert watch.tick() == [], "another asset was made"
    watch.materialize(True, "splits")
    assert {event for event, *_ in watch.tick()} == {"raised", "resolved"}, "a newer run failed at it"
    watch.materialize(False, "splits")
    assert [event for event, *_ in watch.tick()] == ["resolved"]


def test_a_failed_run_of_a_job_that_only_checks_is_told(watch: Watch) -> None:
    broken = [True]

    @dg.op
    def compares() -> None:
        if broken[0]:
            raise ValueError("no answer")

    @dg.job(name=f"{watch.case.name}_parity")
    def parity() -> None:
        compares()

    parity.execute_in_process(instance=watch.instance, raise_on_error=False)
    assert [(event, what) for event, what, _ in watch.tick()] == [("raised", "failed run of tests_parity")]
    broken[0] = False
    parity.execute_in_process(instance=watch.instance)
    assert [event for event, *_ in watch.tick()] == ["resolved"]


def test_a_report_that_cannot_be_read_does_not_keep_failed_runs_from_being_told(watch: Watch) -> None:
    watch.day("2026-11-27", ERRORS)
    (version,) = watch.lake.artifacts(watch.case.name, STAGE)
    (Path(version.uri.removeprefix("file://")) / FILE).write_text("{}")
    watch.materialize(True, "splits")
    assert [what for _, what, _ in watch.tick()] == ["failed run"]
    assert "does not match its manifest" in watch.skipped


def test_what_waits_is_sent_even_if_a_report_has_a_form_that_nobody_expects(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.monitoring.day_reports.DayReport.model_validate", lambda _: 1 / 0)
    watch.day("2026-11-27", ERRORS)
    watch.materialize(True, "splits")
    with pytest.raises(ZeroDivisionError):
        watch.tick()
    assert [json.loads(body)["alerts"][0]["what"] for _, body in watch.receiver.got] == ["failed run"]


def test_a_release_that_was_rolled_back_is_told_until_a_person_has_looked(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = {"release-7": "9 of 10 answers within a minute failed"}
    monkeypatch.setattr(releases, "blocked_releases", lambda lake, name: blocked)
    ((event, what, text),) = watch.tick()
    assert (event, what) == ("raised", "release-7 was rolled back")
    assert text.startswith("9 of 10 answers within a minute failed") and "--unblock release-7" in text
    assert watch.tick() == []
    blocked.clear()
    assert [event for event, *_ in watch.tick()] == ["resolved"]


def test_a_losing_streak_is_told_until_a_candidate_wins(watch: Watch) -> None:
    for passed, expected in ((False, ["raised"]), (False, []), (True, ["resolved"])):
        retraining_watch._tell(watch.environment, watch.case, passed, {"says": "3 candidates in a row were refused"})
        assert [event for event, *_ in watch.tick()] == expected


def test_a_channel_that_is_down_is_told_without_its_address(watch: Watch) -> None:
    watch.receiver.status = 500
    watch.day("2026-11-27", ERRORS)
    watch.tick()
    assert watch.skipped == "hook: an answer with status 500"


def test_a_use_case_has_the_sensor_if_somebody_is_told_and_only_channels_that_there_are(
    environment: Environment,
) -> None:
    here = environment.model_copy(update={"alerting": alerting()})
    attributes = minimal_attributes("x.csv")

    def sensors(names: list[str]) -> set[str]:
        write_use_case(environment.defs, "letters", {**attributes, "monitoring": {"alerts": names}})
        found = load_definitions(here, only="letters").get_repository_def().sensor_defs
        return {sensor.name for sensor in found}

    assert "letters_alerts" not in sensors([])
    assert "letters_alerts" in sensors(["hook"])
    with pytest.raises(Exception, match=r"'hok' is no channel.*defs.yaml:"):
        sensors(["hok"])


def test_a_quota_of_which_most_is_used_is_told_while_it_lasts(watch: Watch) -> None:
    quotas = Quotas.model_validate({"per_team": {"gpu_hours": 10.0}})
    profiles = {"local": ComputeProfile(gpus=1)}
    watch.environment = watch.environment.model_copy(update={"quotas": quotas, "profiles": profiles})
    team = team_of(watch.case)

    def use(hours: float, run: str) -> None:
        seconds = {"seconds": hours * 3600, "gpu_seconds": hours * 3600, "money": 0.0, "currency": "EUR"}
        about = {"use_case": watch.case.name, "state": "finished", "month": month_of(), "team": team, "run": run}
        Ledger(watch.lake).close({**about, **seconds, "started_at": datetime.now(UTC)})

    use(7.9, "r1")
    assert watch.tick() == []
    use(0.1, "r2")
    [(event, what, text)] = watch.tick()
    assert (event, what) == ("raised", f"quota of {team}")
    assert "8.00 of 10.00 GPU-hours of" in text and "What needs more than is left does not start" in text
    assert watch.tick() == []
    watch.environment = watch.environment.model_copy(update={"quotas": Quotas()})
    assert [event for event, _, _ in watch.tick()] == ["resolved"]


class Looks:
    """Ticks of the sensor of a source."""

    def __init__(self, watch: Watch, source: Path) -> None:
        self.watch = watch
        self.cursor: str | None = None
        case = use_case(monitoring={"alerts": ["hook"]}, source={"uri": str(source)})
        self.sensor = source_sensor(case)

    def look(self) -> str:
        """What the tick came to: `skipped`, `changed`, or the error that it failed with."""
        given: Any = {"lake": self.watch.lake, "environment": self.watch.environment}
        with dg.build_sensor_context(instance=self.watch.instance, cursor=self.cursor, resources=given) as context:
            try:
                result: Any = self.sensor(context)
            except FtError as error:  # a failed tick keeps the cursor that was there
                return type(error).__name__
            self.cursor = context.cursor if isinstance(result, dg.SkipReason) else result.cursor
        return "skipped" if isinstance(result, dg.SkipReason) else "changed"


def test_a_source_that_is_gone_fails_the_tick_at_once_and_people_are_told(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "of_a_person.csv"
    looks = Looks(watch, file)
    assert looks.look() == "SourceError"
    assert [(event, what) for event, what, _ in watch.tick()] == [("raised", "source cannot be read")]
    assert b"of_a_person" not in b"".join(body for _, body in watch.receiver.got)
    assert looks.look() == "SourceError" and watch.tick() == []
    write_csv(file, records(3))
    assert looks.look() == "changed"
    assert [event for event, *_ in watch.tick()] == ["resolved"]


def test_a_source_that_does_not_answer_becomes_an_alarm_after_some_looks(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store that is down is made up; what follows from it is not."""
    looks, down = Looks(watch, write_csv(tmp_path / "a.csv", records(3))), True

    def answer(*arguments: Any, whole: Any = discovery.fingerprint) -> Any:
        if down:
            raise TransientError("the store does not answer")
        return whole(*arguments)

    monkeypatch.setattr(discovery, "fingerprint", answer)
    assert [looks.look() for _ in range(3)] == ["skipped"] * 3 and watch.tick() == []
    down = False
    assert looks.look() == "changed", "it counts looks in a row"
    down = True
    assert [looks.look() for _ in range(MOST_FAILURES + 1)] == [
        *["skipped"] * (MOST_FAILURES - 1),
        "TransientError",
        "TransientError",
    ]
    assert [event for event, *_ in watch.tick()] == ["raised"]
    down = False
    looks.look()
    assert [event for event, *_ in watch.tick()] == ["resolved"]
