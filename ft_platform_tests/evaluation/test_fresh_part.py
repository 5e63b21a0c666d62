"""Models on requests that are kept for testing, with a tiny model and real releases of feedback. Persons are
fictitious."""

import logging
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ft_platform.assets import evaluation_report
from ft_platform.errors import DataError
from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.governance.feedback_releases import feedback_releases, release_batch, revoke
from ft_platform.lake.gate import problems_with
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.traffic.captured import record_id
from ft_platform.monitoring.traffic.fresh import fresh_requests, right_of
from ft_platform.monitoring.traffic.tables import ALL, TrafficTables
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.reporting.publishing.evaluation import publish_evaluation_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.test_champion_system import former
from ft_platform_tests.evaluation.tiny_case import TinyCase, rows_for, tiny_case

MIN_RECORDS = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyCase]:
    return {kind: tiny_case(tmp_path_factory.mktemp(kind), kind) for kind in ("classification", "generation")}


@pytest.fixture(params=["classification", "generation"])
def case(request: pytest.FixtureRequest, made: dict[str, TinyCase]) -> TinyCase:
    """A case without feedback and releases, whatever tests before have left."""
    case = made[request.param]
    for name in ("feedback_release", "release", "adapter_checkpoint"):
        for one in case.lake.artifacts("complaints", name):
            if one != case.checkpoint:
                case.lake.fs.rm(one.uri, recursive=True)
    return case


only_labels = pytest.mark.parametrize("case", ["classification"], indirect=True)


def keeping(case: TinyCase, share: float = 0.2) -> NamedUseCase:
    settings = case.use_case.settings
    fresh = settings.source.feedback.fresh_test.model_copy(update={"share": share, "min_records": MIN_RECORDS})
    feedback = settings.source.feedback.model_copy(update={"fresh_test": fresh})
    source = settings.source.model_copy(update={"feedback": feedback})
    return case.use_case.model_copy(update={"settings": settings.model_copy(update={"source": source})})


def asked(number: int, kind: str, **other: Any) -> dict[str, Any]:
    """A row of `labelled_traffic`, near to no other."""
    words = " ".join(f"word{(number * 31 + k * 17) % 9973}" for k in range(12))
    messages = [{"role": "user", "content": f"Question {number}: {words}"}]
    if kind == "generation":
        messages.append({"role": "assistant", "content": f"Answer {number}."})
    request_id = f"classify-{number:032x}"
    told = {"request_id": request_id, "day": f"2026-11-{number % 20 + 1:02d}", "index": 0, "subject": f"caller{number}"}
    told |= {"record_id": record_id("complaints", request_id, 0), "messages": messages, "decision": "card"}
    told |= {"label": "loan" if kind == "classification" else None, "verdict": "wrong", "edited": False}
    return {**told, "votes": 1, "people": 1, "share": 1.0, **other}


def keep(case: TinyCase, rows: list[dict[str, Any]]) -> None:
    """Puts rows into `labelled_traffic`, and releases them for testing."""
    TrafficTables(case.lake, "complaints").replace("labelled", pa.Table.from_pylist(rows, ALL["labelled"]))
    fresh = {row["record_id"]: right_of(row) for row in rows}
    release_batch(case.lake, case.use_case, "2026-11-20-0a", {}, {}, fresh, reason="looked at them together")


def kind_of(case: TinyCase) -> str:
    return case.use_case.settings.task.kind


def evaluated(case: TinyCase) -> tuple[ArtifactVersion, dict[str, Any]]:
    report = publish_evaluation_report(
        case.lake, case.environment, keeping(case), case.splits, case.checkpoint, case.base
    )
    return report, read_metrics(case.lake, report)


def fresh_hash(case: TinyCase) -> str:
    requests = fresh_requests(case.lake, keeping(case))
    assert requests is not None
    return requests.content_hash


def test_the_model_answers_fresh_requests_and_the_test_split_is_judged_as_before(case: TinyCase) -> None:
    keep(case, [asked(number, kind_of(case)) for number in range(12)])
    report, figures = evaluated(case)
    fresh, before = figures["fresh"], read_metrics(case.lake, case.report)
    assert figures["systems"] == before["systems"] and figures["test_rows"] == before["test_rows"] == 12
    assert (fresh["records"], fresh["first_day"], fresh["last_day"]) == (12, "2026-11-01", "2026-11-12")
    assert set(fresh["systems"]) == {"fine_tuned"} and fresh["left_out"] == {} and fresh["differences"] == {}
    main = fresh["systems"]["fine_tuned"][figures["main_metric"]]
    assert main["low"] <= main["value"] <= main["high"]
    assert EvaluationEvidence.model_validate(figures).fresh is not None
    page = case.lake.read_file(report, "report.html").decode()
    assert "12 labelled requests to the released model, of 2026-11-01 to 2026-11-12" in page
    assert "word31" not in page and "word31" not in case.lake.read_file(report, "metrics.json").decode()
    assert problems_with(case.lake, keeping(case), report) == []
    assert evaluated(case)[0] == report, "made again, it is the same"


@only_labels
def test_a_champion_that_needs_no_base_model_answers_fresh_requests_too(case: TinyCase) -> None:
    requests = [asked(number, kind_of(case)) for number in range(12)]
    for request in requests:  # of the label loan; every training record of it says the same
        request["messages"][0]["content"] += " my house"
    keep(case, requests)
    settings = case.use_case.settings
    training = settings.training.model_copy(update={"method": "tfidf_logreg", "objective": "label_head"})
    words = case.use_case.model_copy(update={"settings": settings.model_copy(update={"training": training})})
    log = logging.getLogger("test")
    released(case.lake, checkpoint_for(case.lake, case.environment, words, case.splits, log).checkpoint)
    _, figures = evaluated(case)
    assert figures["info"]["champion"]["status"] == "compared"
    assert set(figures["fresh"]["systems"]) == {"champion", "fine_tuned"}
    assert figures["fresh"]["systems"]["champion"]["accuracy"]["value"] == 1.0
    assert figures["fresh"]["systems"]["fine_tuned"]["accuracy"]["value"] < 1.0


def test_the_champion_answers_fresh_requests_with_its_own_adapter(case: TinyCase) -> None:
    keep(case, [asked(number, kind_of(case)) for number in range(12)])
    former(case)
    report, figures = evaluated(case)
    systems, main = figures["fresh"]["systems"], figures["main_metric"]
    assert list(systems) == ["champion", "fine_tuned"]
    # It has the same weights; a model with two adapters, or with none, would not give the same answers.
    assert systems["champion"] == systems["fine_tuned"]
    assert figures["fresh"]["differences"]["champion"][main]["value"] == 0
    assert figures["info"]["champion"]["status"] == "compared"
    assert "Fine-tuned minus the champion on these requests" in case.lake.read_file(report, "report.html").decode()


@only_labels
def test_a_champion_that_learned_a_fresh_request_is_compared_on_neither_part(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: an earlier training had what is kept for testing."""
    rows = [asked(number, "classification") for number in range(100, 112)]
    keep(case, rows)
    former(case)
    learned = {rows[0]["record_id"]}
    monkeypatch.setattr("ft_platform.evaluation.champion_system.learned_record_ids", lambda lake, version: learned)
    _, figures = evaluated(case)
    assert "champion" not in figures["systems"] and "champion" not in figures["fresh"]["systems"]
    assert "learned from 1 of these test records" in figures["info"]["champion"]["status"]


@only_labels
def test_what_is_related_to_a_record_or_has_an_unknown_label_is_left_out_and_counted(case: TinyCase) -> None:
    sides = {row["split"]: row for row in rows_for("classification")}
    rows = [asked(number, "classification") for number in range(MIN_RECORDS)]
    rows += [asked(20 + place, "classification", messages=sides[side]["messages"]) for place, side in enumerate(sides)]
    rows.append(asked(30, "classification", subject=sides["train"]["subject_id"]))
    near = [{"role": "user", "content": rows[-1]["messages"][0]["content"] + " please"}]
    rows.append(asked(31, "classification", messages=near))  # by way of the one before
    rows += [asked(40, "classification", label="unheard of"), asked(41, "classification", label="other")]
    keep(case, rows)
    rows[0] = {**rows[0], "label": "card"}  # people changed their minds
    TrafficTables(case.lake, "complaints").replace("labelled", pa.Table.from_pylist(rows, ALL["labelled"]))
    _, figures = evaluated(case)
    fresh = figures["fresh"]
    assert fresh["left_out"] == {"changed_since_release": 1, "related_to_a_record": 5, "label_unknown": 2}
    assert fresh["records"] == MIN_RECORDS - 1 and "systems" not in fresh


def test_too_few_are_counted_and_compared_with_nothing(case: TinyCase) -> None:
    report, figures = evaluated(case)
    assert figures["fresh"] == {
        "records": 0,
        "min_records": MIN_RECORDS,
        "first_day": None,
        "last_day": None,
        "left_out": {},
        "content_hash": fresh_hash(case),
    }
    assert "there is none that can be used yet" in case.lake.read_file(report, "report.html").decode()
    keep(case, [asked(number, kind_of(case)) for number in range(MIN_RECORDS - 1)])
    report, figures = evaluated(case)
    assert figures["fresh"]["records"] == MIN_RECORDS - 1 and "systems" not in figures["fresh"]
    assert "too few to compare models on: 10 are needed" in case.lake.read_file(report, "report.html").decode()


@only_labels
def test_a_request_that_is_among_the_records_ends_the_evaluation(case: TinyCase) -> None:
    """Planted fault: a request that is kept for testing came into training."""
    trained = next(row["record_id"] for row in rows_for("classification") if row["split"] == "train")
    rows = [asked(number, "classification") for number in range(MIN_RECORDS)]
    keep(case, [*rows, asked(50, "classification", record_id=trained)])
    with pytest.raises(DataError, match="1 requests to complaints that are kept for testing are among the records"):
        evaluated(case)


@only_labels
def test_the_asset_asks_for_the_report_that_the_program_makes(case: TinyCase) -> None:
    keep(case, [asked(number, "classification") for number in range(200, 212)])
    report, _ = evaluated(case)
    asset: Any = evaluation_report.build(keeping(case))[0]
    parents = {"splits": case.splits, "base_evaluation": case.base, "adapter_checkpoint": case.checkpoint}
    where: dict[str, Any] = {"lake": case.lake, "environment": case.environment}
    assert asset(dg.build_asset_context(), **where, **parents).value == report


@only_labels
def test_other_fresh_requests_are_another_evaluation(case: TinyCase) -> None:
    def inputs() -> tuple[str, str]:
        of = (case.splits, case.checkpoint, case.base, None, fresh_hash(case))
        return evaluation_inputs(keeping(case), "tuned", *of)

    keep(case, [asked(number, "classification") for number in range(3)])
    first = inputs()
    assert inputs() == first
    keep(case, [asked(number, "classification") for number in range(4)])
    second = inputs()
    assert second != first
    for one in feedback_releases(case.lake, "complaints"):
        revoke(case.lake, case.use_case, one.release.id, reason="labels of a broken import")
    assert len({first, second, inputs()}) == 3
    without = evaluation_inputs(case.use_case, "tuned", case.splits, case.checkpoint, case.base)
    assert without[0] == case.report.artifact_id, "who keeps nothing has the evaluation that was there"
