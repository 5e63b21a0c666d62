"""A champion that needs a base model beside a checkpoint that needs none, and the other way round: both answer the same
records, each by its own prompts."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ft_platform.evaluation.files import read_metrics
from ft_platform.lake.store import Lake
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.regression import publish_regression_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

pytestmark = pytest.mark.integration
LOG = logging.getLogger("test")


@pytest.mark.parametrize(("before", "after"), [("lora", "tfidf_logreg"), ("tfidf_logreg", "lora")])
def test_it_is_compared_as_it_was_evaluated(
    lake: Lake, environment: Any, tmp_path: Path, before: str, after: str
) -> None:
    attributes = attributes_for(save_tiny_model(tmp_path / "model"), "classification")
    manual = {**attributes["training"], "objective": "label_head"}
    cases, reports, checkpoints = {}, {}, {}
    for method in (before, after):
        settings = UseCase.model_validate({**attributes, "training": {**manual, "method": method}})
        cases[method] = NamedUseCase(name="complaints", settings=settings)
    splits = usable_splits(lake, cases[before], rows_for("classification"), splits_schema(cases[before]))
    base = publish_base_evaluation(lake, environment, cases[before], splits)
    assert publish_base_evaluation(lake, environment, cases[after], splits) == base, "no method changes it"
    for method in (before, after):
        of = (lake, environment, cases[method], splits)
        checkpoints[method] = checkpoint_for(*of, LOG).checkpoint
        reports[method] = publish_evaluation_report(*of, checkpoints[method], base)
        if method == before:
            released(lake, checkpoints[method])
    own, figures = (read_metrics(lake, reports[method]) for method in (before, after))
    assert figures["info"]["champion"]["status"] == "compared"
    assert list(figures["systems"])[-2:] == ["champion", "fine_tuned"]
    assert figures["systems"]["champion"] == own["systems"]["fine_tuned"]
    assert figures["systems"]["champion"] != figures["systems"]["fine_tuned"]
    assert figures["tests"]["champion"]["mcnemar"] and figures["per_1000_requests"]["champion"]["seconds"] >= 0
    asked = publish_regression_report(lake, environment, cases[after], checkpoints[after])
    assert json.loads(lake.read_file(asked, "regression.json"))["champion"]["checkpoint"] == checkpoints[before].id
