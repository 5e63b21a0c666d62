"""What assets share: values as the UI shows them, and verdicts that are not computed twice."""

import dagster as dg

from ft_platform.assets.stage import check_result, judged, tracking
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import usable_splits

USE_CASE = NamedUseCase(name="complaints", settings=UseCase.model_validate(minimal_attributes("records.csv")))


def manifest(**info) -> Manifest:
    return Manifest(
        use_case="complaints",
        name="model_card",
        id="a",
        content_hash="c",
        input_hash="i",
        settings_hash="s",
        code="1",
        parents=[],
        counts={},
        info=info,
        written_at="",
    )


def test_a_tracked_run_is_json_and_the_reason_for_none_is_text():
    run = {"uri": "sqlite:///mlflow.db", "run_id": "1", "experiment": "complaints"}
    assert tracking(manifest(tracking=run)) == {"tracking": dg.MetadataValue.json(run)}
    assert tracking(manifest(tracking="off: tracking_uri is none")) == {"tracking": "off: tracking_uri is none"}


def test_a_run_on_a_server_is_a_link_and_one_in_a_file_says_what_serves_it():
    run = {"run_id": "1", "url": "http://mlflow:5000/#/experiments/2/runs/1"}
    assert tracking(manifest(tracking=run))["tracking/mlflow"] == dg.MetadataValue.url(run["url"])
    served = {**run, "served_by": "mlflow ui --backend-store-uri sqlite:///mlflow.db"}
    expected = f"[open the run]({run['url']}) while `mlflow ui --backend-store-uri sqlite:///mlflow.db` runs"
    assert tracking(manifest(tracking=served))["tracking/mlflow"].md_str == expected


def test_the_numbers_of_a_check_are_json_and_empty_ones_a_word():
    numbers = {"rows": 3, "failed": [], "results": [{"passed": True}], "gaps": {}}
    verdict = Verdict(check="c", passed=True, settings_hash="s", content_hash="h", numbers=numbers, checked_at="today")
    shown = {name: value.value for name, value in check_result(verdict).metadata.items()}
    assert shown == {"rows": 3, "failed": "none", "results": [{"passed": True}], "gaps": "none", "checked_at": "today"}


def test_a_verdict_that_holds_is_not_computed_again(lake):
    splits = usable_splits(lake, USE_CASE)
    asked = []

    def judge():
        asked.append(1)
        return False, {"rows": 1}

    assert not judged(lake, USE_CASE, splits, "new_check", judge).passed
    assert not judged(lake, USE_CASE, splits, "new_check", judge).passed
    assert asked == [1]
