"""The champion beside the other systems of an evaluation report, and when it cannot stand there."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.lake.gate import problems_with
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import TinyCase, rows_for, tiny_case


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyCase]:
    return {kind: tiny_case(tmp_path_factory.mktemp(kind), kind) for kind in ("classification", "generation")}


@pytest.fixture(params=["classification", "generation"])
def case(request: pytest.FixtureRequest, made: dict[str, TinyCase]) -> Iterator[TinyCase]:
    """A case without releases, whatever tests before have left."""
    case = made[request.param]
    yield case
    for version in (
        *case.lake.artifacts("complaints", "release"),
        *case.lake.artifacts("complaints", "adapter_checkpoint"),
    ):
        if version != case.checkpoint:
            case.lake.fs.rm(version.uri, recursive=True)


only_labels = pytest.mark.parametrize("case", ["classification"], indirect=True)


def former(case: TinyCase, parents: list[Any] | None = None, **training: Any) -> ArtifactVersion:
    """The checkpoint of the case under another id, released; with other splits behind it or other entries
    in `training.json`."""
    lake = case.lake
    with lake.local_copy(case.checkpoint) as folder, lake.scratch("complaints", "adapter_checkpoint") as copy:
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("manifest.json"))
        told = json.loads((copy / "training.json").read_text()) | training | {"note": "an earlier one"}
        (copy / "training.json").write_text(json.dumps(told))
        old = lake.publish(
            "complaints",
            "adapter_checkpoint",
            "ckpt-former",
            copy,
            parents=parents or [case.splits],
            settings_hash="s",
            input_hash="of a former version",
        )
    released(lake, old)
    return old


def evaluated(case: TinyCase) -> tuple[ArtifactVersion, dict[str, Any]]:
    report = publish_evaluation_report(
        case.lake, case.environment, case.use_case, case.splits, case.checkpoint, case.base
    )
    return report, read_metrics(case.lake, report)


def test_the_champion_answers_the_same_records_with_its_own_adapter(case: TinyCase) -> None:
    old = former(case)
    report, figures = evaluated(case)
    assert report != case.report, "a report without the champion is another one"
    systems = list(figures["systems"])
    assert systems[-2:] == ["champion", "fine_tuned"]
    assert len(systems) == len(read_metrics(case.lake, case.report)["systems"]) + 1
    # It has the same weights, so it must give the same answers; a model with two adapters, or with none, would not.
    assert (
        figures["systems"]["champion"]
        == figures["systems"]["fine_tuned"]
        == read_metrics(case.lake, case.report)["systems"]["fine_tuned"]
    )
    first = next(iter(figures["systems"]["champion"]))
    assert figures["differences"]["champion"][first]["value"] == 0
    assert figures["tests"]["champion"]["p_corrected"] == 1.0
    predictions = read_predictions(case.lake, report)
    assert rows_of(predictions, "champion")["record_id"] == rows_of(predictions, "fine_tuned")["record_id"]
    assert figures["info"]["champion"] == {"checkpoint": old.id, "status": "compared"}
    assert figures["per_1000_requests"]["champion"]["seconds"] > 0
    page = case.lake.read_file(report, "report.html").decode()
    assert "do not show which of the two has the better" in page
    assert problems_with(case.lake, case.use_case, report) == []


@only_labels
@pytest.mark.parametrize(
    "changed", [{"renderer_hash": "0" * 64}, {"base_model": {"sha256": "f" * 64}}], ids=["renderer", "base model"]
)
def test_a_champion_of_another_renderer_or_base_model_is_left_out_and_the_report_says_why(
    case: TinyCase, changed: dict
) -> None:
    former(case, **changed)
    report, figures = evaluated(case)
    assert "champion" not in figures["systems"]
    assert figures["info"]["champion"]["status"].startswith("not compared: checkpoint ckpt-former was trained with")
    assert "The champion ckpt-former is not compared" in case.lake.read_file(report, "report.html").decode()


@only_labels
def test_a_champion_that_learned_from_test_records_is_left_out(case: TinyCase) -> None:
    rows = [{**row, "split": "train"} for row in rows_for("classification")]
    schema = splits_schema(case.use_case)
    now = case.lake.read_table(case.splits)
    other = case.lake.write_table(
        "complaints",
        "splits",
        pa.Table.from_pylist(rows, schema).to_batches(),
        schema,
        zone="shared",
        parents=[],
        settings_hash="s",
        input_hash="all in train",
    )
    former(case, parents=[other], of="other splits")
    again = case.lake.write_table(
        "complaints",
        "splits",
        now.to_batches(),
        schema,
        zone="shared",
        parents=[],
        settings_hash="s",
        input_hash="as before",
    )
    assert again.content_hash == case.splits.content_hash
    _, figures = evaluated(case)
    assert "champion" not in figures["systems"]
    assert figures["info"]["champion"]["status"] == "not compared: ckpt-former learned from 12 of these test records"


@only_labels
def test_the_id_of_the_report_follows_the_champion(case: TinyCase) -> None:
    without = evaluation_inputs(case.use_case, "tuned", case.splits, case.checkpoint, case.base)
    assert without[0] == case.report.artifact_id
    assert evaluation_inputs(case.use_case, "tuned", case.splits, case.checkpoint, case.base, former(case)) != without


@only_labels
def test_a_champion_with_a_label_head_is_left_out_where_labels_are_written(case: TinyCase) -> None:
    settings = case.use_case.settings
    update = {"evaluation": settings.evaluation.model_copy(update={"label_answers": "generated"})}
    written = case.use_case.model_copy(update={"settings": settings.model_copy(update=update)})
    told = json.loads(case.lake.read_file(case.checkpoint, "training.json"))
    former(case, training={**told["training"], "objective": "label_head"})
    base = publish_base_evaluation(case.lake, case.environment, written, case.splits)
    report = publish_evaluation_report(case.lake, case.environment, written, case.splits, case.checkpoint, base)
    figures = read_metrics(case.lake, report)
    assert "champion" not in figures["systems"]
    assert "has a label head, which scores labels" in figures["info"]["champion"]["status"]
    assert figures["info"]["fine_tuned"]["label_answers"] == "generated"
