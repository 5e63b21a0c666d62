"""publishing.monitoring: twenty days of made-up requests, in which a label becomes frequent on the twelfth."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.proportions import share
from ft_platform.lake.opening import open_lake
from ft_platform.monitoring.accuracy import judgements_for
from ft_platform.monitoring.acknowledging import acknowledge, acknowledged_on
from ft_platform.monitoring.day_reports import DayReport, day_reports
from ft_platform.monitoring.traffic.days import summary
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.reporting.monitoring_report import alarm_in_words
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform.use_case.settings.monitoring import Watch
from ft_platform_tests.monitoring.made_up import SHARES, WORDS, MadeUp, day, made_up
from ft_platform_tests.planted import places_of, readable
from ft_platform_tests.tiny_models import save_tiny_encoder

CHANGED = (0.3, 0.2, 0.5)
DAYS = 20
CHANGE = 12
KNOWN = WORDS["wire"]


def filled(home: Path, changed: tuple[float, ...]) -> MadeUp:
    made = made_up(home)
    for number in range(1, DAYS + 1):
        made.asked(number, shares=changed if number >= CHANGE else SHARES)
    return made


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    return filled(tmp_path_factory.mktemp("traffic"), CHANGED)


@pytest.fixture(scope="module")
def changed(traffic: MadeUp, tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    made = copied(traffic, tmp_path_factory.mktemp("changed"))
    publish_monitoring(made.lake, made.use_case, day(DAYS))
    return made


def copied(made: MadeUp, folder: Path) -> MadeUp:
    shutil.copytree(made.environment.home, folder / "home")
    environment = made.environment.model_copy(update={"home": folder / "home"})
    return replace(made, environment=environment, lake=open_lake(environment))


@pytest.fixture
def own(changed: MadeUp, tmp_path: Path) -> MadeUp:
    """The lake with its reports, for a test that changes it."""
    return copied(changed, tmp_path)


@pytest.fixture
def few(tmp_path: Path) -> MadeUp:
    """A release that nobody asked yet."""
    return made_up(tmp_path, p95_seconds=1.0)


def reports(made: MadeUp) -> dict[str, DayReport]:
    return {one.day: one for _, one in day_reports(made.lake, made.use_case.name)}


def test_a_label_that_becomes_frequent_raises_an_alarm_with_the_label_as_cause(changed: MadeUp) -> None:
    found = reports(changed)
    assert len(found) == DAYS
    assert not any(found[day(n)].alarms for n in range(1, CHANGE))
    alarms = {one.what: one for one in found[day(DAYS)].alarms}
    assert day(CHANGE) <= alarms["label"].since <= day(CHANGE + 1)
    cause = alarms["label"].cause[0]
    assert (cause["kind"], cause["value"]) == ("label", "wire") and cause["now"] > cause["before"]
    assert cause["records"] and "wire" in alarms["label"].evidence


def test_requests_that_stay_as_they_were_raise_no_alarm(tmp_path: Path) -> None:
    made = filled(tmp_path, SHARES)
    publish_monitoring(made.lake, made.use_case, day(DAYS))
    assert [one.alarms for one in reports(made).values()] == [[]] * DAYS


def test_a_day_that_is_made_again_has_the_same_bytes(traffic: MadeUp, changed: MadeUp, tmp_path: Path) -> None:
    again = copied(traffic, tmp_path)
    for number in (3, DAYS):  # in two steps, and once more
        publish_monitoring(again.lake, again.use_case, day(number))
    version = publish_monitoring(again.lake, again.use_case, day(DAYS))
    first = publish_monitoring(changed.lake, changed.use_case, day(DAYS))
    files = again.lake.manifest(version).files
    assert files == changed.lake.manifest(first).files and version.artifact_id == first.artifact_id
    assert {"monitoring.json", "observed.json", "days.png", "watched.png", "labels.png", "report.html"} == set(files)
    assert len(again.lake.artifacts("complaints", "monitoring_report")) == DAYS


def test_requests_of_a_day_are_the_same_number_wherever_they_are_shown(
    few: MadeUp,
) -> None:
    few.asked(1)
    few.asked(1, 20, writer="failed", status=500)
    few.asked(1, 10, writer="on trial", trial=True)
    version = publish_monitoring(few.lake, few.use_case, day(1))
    report = reports(few)[day(1)]
    (asked,) = summary(few.lake, few.use_case.name, 9)
    page = few.lake.read_file(version, "report.html").decode()
    shown = {
        "ft traffic": (asked["requests"], asked["errors"]),
        "report": (report.requests, report.figures["service"]["errors"]),
        "service": (report.figures["service"]["requests"], report.figures["service"]["errors"]),
        "page": tuple(
            int(number)
            for row in ("requests", "failed requests")
            for number in re.findall(rf"<td>{row}</td><td[^>]*>(\d+)", page)
        ),
    }
    assert shown == dict.fromkeys(shown, (170, 20))


@pytest.mark.parametrize(
    ("claim", "abstained", "alarms"),
    [({}, False, []), ({"claim": "suggests"}, True, []), ({"claim": "suggests"}, False, ["decided_alone"])],
)
def test_labels_of_a_model_that_only_suggests_and_that_no_person_decided_on_raise_an_alarm(
    few: MadeUp, claim: dict[str, str], abstained: bool, alarms: list[str]
) -> None:
    release = few.released(few.evaluation, **claim)
    few.asked(1, release=release, abstained=abstained)
    publish_monitoring(few.lake, few.use_case, day(1))
    found = reports(few)[day(1)].alarms
    assert [one.what for one in found] == alarms
    assert all("150 of 150 labels" in one.evidence and len(one.records) == 5 for one in found)


def test_late_labels_change_the_measured_accuracy_of_their_day_only(own: MadeUp) -> None:
    asked = own.asked(DAYS + 1, shares=CHANGED)
    publish_monitoring(own.lake, own.use_case, day(DAYS + 1))
    before = reports(own)
    own.judged(asked[:100], on=DAYS + 4)
    publish_monitoring(own.lake, own.use_case, day(DAYS + 1))
    after = reports(own)
    assert {one for one in after if after[one] != before[one]} == {day(DAYS + 1)}
    old, new = before[day(DAYS + 1)], after[day(DAYS + 1)]
    right = sum(truth == predicted for _, truth, predicted in asked[:100])
    assert old.measured_accuracy.value is None and new.measured_accuracy.value == right / 100
    assert new.measured_accuracy.low == pytest.approx(share(right, 150, 0.95)["low"])
    assert "may differ" in new.measured_accuracy.note
    left = {"measured_accuracy": old.measured_accuracy, "figures": {**new.figures, "feedback": old.figures["feedback"]}}
    assert new.model_copy(update=left) == old


def test_labels_that_show_many_mistakes_raise_an_alarm_that_stays(few: MadeUp) -> None:
    asked = few.asked(1, rows=100, texts=True, share=0.25)
    few.asked(1, rows=300, writer="no texts", share=0.25)
    few.asked(2)
    publish_monitoring(few.lake, few.use_case, day(2))
    few.judged([(request, "card" if told != "card" else "loan", told) for request, _, told in asked], on=3)
    publish_monitoring(few.lake, few.use_case, day(2))
    for one in reports(few).values():
        assert [(alarm.what, alarm.since) for alarm in one.alarms] == [("measured_accuracy", day(1))]
        assert one.alarms[0].records and set(one.alarms[0].records) <= {request for request, *_ in asked}
    first = reports(few)[day(1)].measured_accuracy
    assert (first.value, first.answers) == (0.0, 100) and "drawn by chance" in first.note
    assert first.high == pytest.approx(share(0, 100, 0.95)["high"])


def test_with_few_judgements_it_says_how_many_would_do(few: MadeUp) -> None:
    """Of an accuracy of 80 % by (1.96 / 0.05)^2 * 0.8 * 0.2 = 246 of very many, and 246 / (1 + 245 / 400) of 400."""
    assert judgements_for(0.05, 0.8, 10**9) == 246 and judgements_for(0.05, 0.8, 400) == 153
    assert judgements_for(0.05, None, 10**9) == 385 and judgements_for(0.05, 0.99, 40) == 30
    asked = few.asked(1, rows=400)
    few.judged(asked[:60], on=2)
    publish_monitoring(few.lake, few.use_case, day(1))
    found = reports(few)[day(1)].measured_accuracy
    assert "judgements of answers drawn by chance would tell it to within 5 points" in found.note


def test_of_a_sample_in_which_some_are_not_judged_the_interval_holds_whatever_these_are(few: MadeUp) -> None:
    asked = few.asked(1, rows=100, texts=True, share=0.25)
    few.asked(1, rows=300, writer="no texts", share=0.25)
    few.judged(asked[:80], on=2)
    publish_monitoring(few.lake, few.use_case, day(1))
    found = reports(few)[day(1)].measured_accuracy
    right = sum(truth == told for _, truth, told in asked[:80])
    assert found.value == right / 80 and "20 are not judged" in found.note
    bounds = share(right, 100, 0.95)["low"], share(right + 20, 100, 0.95)["high"]
    assert (found.low, found.high) == pytest.approx(bounds)


def test_the_estimate_without_labels_holds_what_the_labels_say(changed: MadeUp) -> None:
    for one in reports(changed).values():
        found = one.estimated_accuracy
        assert found.value is not None and found.low is not None and found.high is not None
        assert found.low < 0.8 < found.high and found.of == pytest.approx(0.8, abs=0.06)


def test_an_alarm_stays_until_somebody_acknowledged_it_and_then_begins_anew(own: MadeUp) -> None:
    with pytest.raises(DataError, match="no alarm"):
        acknowledge(own.lake, "complaints", "entropy", "we know about it")
    with pytest.raises(ConfigError, match="at least 10 characters, got 2"):
        acknowledge(own.lake, "complaints", "label", "ok")
    acknowledge(own.lake, "complaints", "label", "a campaign for transfers", by="alda@example.com")
    (entry,) = AuditLog(own.lake).entries(1)
    assert (entry.kind, entry.what, entry.person) == ("evidence", "acknowledged an alarm", "alda@example.com")
    own.asked(DAYS + 1)
    own.asked(DAYS + 2, shares=CHANGED)
    version = publish_monitoring(own.lake, own.use_case, day(DAYS + 2))
    found = reports(own)
    assert "label" not in [one.what for one in found[day(DAYS + 1)].alarms]
    assert publish_monitoring(own.lake, own.use_case, day(DAYS + 2)) == version
    said = acknowledged_on(own.lake, "complaints", day(DAYS))["label"]
    assert (said["by"], said["reason"]) == ("alda@example.com", "a campaign for transfers")


def test_another_release_begins_without_the_alarms_of_the_one_before(own: MadeUp) -> None:
    release = own.released(own.evaluation)
    own.asked(DAYS + 1, shares=CHANGED, rows=40, release=release)
    publish_monitoring(own.lake, own.use_case, day(DAYS + 1))
    found = reports(own)[day(DAYS + 1)]
    assert found.releases == [release] and "label" not in [one.what for one in found.alarms if one.since <= day(DAYS)]


def test_failed_and_slow_requests_raise_an_alarm_against_their_targets(few: MadeUp) -> None:
    few.asked(1)
    few.asked(2, rows=100)
    few.asked(2, rows=30, writer="failed", status=503, answers=[])
    few.asked(2, rows=40, writer="slow", seconds=5.0)
    publish_monitoring(few.lake, few.use_case, day(2))
    found = reports(few)
    assert not found[day(1)].alarms
    alarms = {one.what: one for one in found[day(2)].alarms}
    assert {"errors", "p95_seconds"} <= set(alarms) and alarms["errors"].kind == "service"
    assert "30 of 170 requests failed" in alarms["errors"].evidence and "40 of 140" in alarms["p95_seconds"].evidence
    assert found[day(2)].figures["service"]["error_budget"] == {"days": 2, "allowed": 3.2, "spent": 30}


def test_a_slow_day_shows_its_slow_requests_and_nothing_of_labels_that_moved(few: MadeUp) -> None:
    few.asked(1)
    quick = few.asked(2, rows=200, shares=(0.1, 0.1, 0.8))
    slow = few.asked(2, rows=40, writer="slow", seconds=5.0, key="k2", shares=(0.1, 0.1, 0.8))
    publish_monitoring(few.lake, few.use_case, day(2))
    alarms = {one.what: one for one in reports(few)[day(2)].alarms}
    assert {"label", "p95_seconds"} <= set(alarms)
    late = alarms["p95_seconds"]
    assert set(late.records) <= {request for request, *_ in slow} and len(late.records) == 5
    assert (late.cause[0]["kind"], late.cause[0]["value"]) == ("key", "k2")
    assert (late.cause[0]["before"], late.cause[0]["now"]) == (0.0, 1.0)
    assert "label" not in {one["kind"] for one in late.cause}
    assert {one["kind"] for one in alarms["label"].cause} == {"label"}
    assert set(alarms["label"].records) <= {request for request, _, told in [*quick, *slow] if told == "wire"}
    said = alarm_in_words(late)
    assert "key k2: 0.0% of the other requests, 100.0% of these" in said and "wire" not in said


def test_requests_to_look_at_are_of_that_day_and_never_of_the_test_split(changed: MadeUp) -> None:
    asked = {one["request_id"]: one["day"] for one in changed.tables.read("requests").to_pylist()}
    shown = [
        (alarm.since, record)
        for _, one in day_reports(changed.lake, "complaints")
        for alarm in one.alarms
        for record in [*alarm.records, *(record for cause in alarm.cause for record in cause["records"])]
    ]
    assert shown and all(asked[record] == since for since, record in shown)


def test_a_label_that_became_rare_shows_requests_of_the_others_that_took_its_place(tmp_path: Path) -> None:
    made = made_up(tmp_path)
    made.asked(1)
    asked = made.asked(2, shares=(0.05, 0.55, 0.4))
    publish_monitoring(made.lake, made.use_case, day(2))
    (alarm,) = [one for one in reports(made)[day(2)].alarms if one.what == "label"]
    fell = [one for one in alarm.cause if one["now"] < one["before"]]
    assert [one["value"] for one in fell] == ["card"] and not fell[0]["records"]
    told = {request: label for request, _, label in asked}
    assert alarm.records and "card" not in {told[record] for record in alarm.records}


def test_trials_are_no_requests_and_a_day_of_them_has_no_report(few: MadeUp) -> None:
    few.asked(1, trial=True)
    with pytest.raises(DataError, match="nobody asked"):
        publish_monitoring(few.lake, few.use_case, day(1))
    few.asked(2)
    few.asked(2, rows=20, writer="trial", trial=True)
    publish_monitoring(few.lake, few.use_case, day(2))
    assert reports(few)[day(2)].requests == 150


def test_texts_tell_of_new_words_and_leave_none_but_known_ones(few: MadeUp) -> None:
    few.asked(1, texts=True)
    few.asked(2, texts=True, rows=200)
    publish_monitoring(few.lake, few.use_case, day(2))
    assert not reports(few)[day(2)].alarms and reports(few)[day(2)].figures["inputs"]["new_words"]["day"] == 0
    WORDS["wire"] += ("Zanzibar", "Quokka", "Xylophone", "refund")
    try:
        few.asked(3, texts=True, rows=200)
    finally:
        WORDS["wire"] = KNOWN
    publish_monitoring(few.lake, few.use_case, day(3))
    found = reports(few)[day(3)]
    assert {"new_words", "characters"} <= {one.what for one in found.alarms}
    assert not places_of("quokka", readable(few.environment.home / "lake"))


def test_a_measure_that_is_left_out_is_not_watched(tmp_path: Path) -> None:
    made = made_up(tmp_path, leave_out=["label", "entropy"])
    made.asked(1)
    made.asked(2, shares=(0.1, 0.1, 0.8))
    publish_monitoring(made.lake, made.use_case, day(2))
    found = reports(made)[day(2)]
    assert "confidence" in found.figures["watched"] and not {"label", "entropy"} & set(found.figures["watched"])
    assert "label" not in [one.what for one in found.alarms]


def test_a_measure_that_is_left_out_later_is_watched_no_more(few: MadeUp) -> None:
    few.asked(1)
    publish_monitoring(few.lake, few.use_case, day(1))
    few.asked(2, shares=(0.1, 0.1, 0.8))
    watch = Watch(leave_out=["label"])
    monitoring = few.use_case.settings.monitoring.model_copy(update={"watch": watch})
    changed = few.use_case.settings.model_copy(update={"monitoring": monitoring})
    publish_monitoring(few.lake, few.use_case.model_copy(update={"settings": changed}), day(2))
    assert "label" not in reports(few)[day(2)].figures["watched"]


def test_fewer_false_alarms_take_more_evidence(tmp_path: Path) -> None:
    levels = {}
    for rate in (0.001, 0.5):
        made = made_up(tmp_path / str(rate), false_alarms=rate)
        made.asked(1, shares=(0.3, 0.3, 0.4))
        publish_monitoring(made.lake, made.use_case, day(1))
        levels[rate] = reports(made)[day(1)].figures["watched"]["label"]
    assert levels[0.5] > 1.2 * levels[0.001]


@pytest.mark.parametrize("apart", [True, False])
def test_weekends_with_other_requests_raise_an_alarm_unless_they_stand_apart(tmp_path: Path, apart: bool) -> None:
    made = made_up(tmp_path, weekends_apart=apart)
    for number in range(5, 15):  # a Friday to the second Sunday
        made.asked(number, shares=(0.1, 0.2, 0.7) if number % 7 in (6, 0) else SHARES)
    publish_monitoring(made.lake, made.use_case, day(14))
    alarmed = {one.what for one in reports(made)[day(14)].alarms if one.kind != "accuracy"}
    assert ("label" in alarmed) is not apart


def test_written_answers_are_watched_for_length_refusals_and_personal_data(tmp_path: Path) -> None:
    made = made_up(tmp_path, kind="generation")
    made.asked(1, texts=True)
    made.asked(2, texts=True, said="I can't help with that. Write to erika.musterfrau@example.com or ask again later.")
    publish_monitoring(made.lake, made.use_case, day(2))
    found = reports(made)
    assert not found[day(1)].alarms and found[day(1)].figures["outputs"]["personal_data"] == {}
    assert {one.what for one in found[day(2)].alarms} == {"answer_characters", "refused"}
    outputs = found[day(2)].figures["outputs"]
    assert (outputs["refused_share"], outputs["searched"], outputs["personal_data"]["EMAIL"]) == (1.0, 150, 150)
    assert found[day(2)].estimated_accuracy.value is None and "no labels" in found[day(2)].estimated_accuracy.note
    assert not places_of("musterfrau", readable(made.environment.home / "lake"))


def test_embeddings_find_texts_unlike_the_test_split_where_an_encoder_is_named(tmp_path: Path) -> None:
    made = made_up(
        tmp_path, encoder=str(save_tiny_encoder(tmp_path / "encoder")), leave_out=["characters", "new_words"]
    )
    for number in (1, 2):
        made.asked(number, rows=100, texts=True)
    WORDS["wire"] = ("0000000000", "######", "9999999", "$$$$$")
    try:
        made.asked(3, rows=100, texts=True, shares=SHARES)
    finally:
        WORDS["wire"] = KNOWN
    publish_monitoring(made.lake, made.use_case, day(3))
    found = reports(made)
    assert {"embedding_distance", "embedding_direction"} <= set(found[day(2)].figures["watched"])
    assert not found[day(2)].alarms
    assert {"embedding_distance"} <= {one.what for one in found[day(3)].alarms}
    assert next(one for one in found[day(3)].alarms if one.what == "embedding_distance").kind == "inputs"
