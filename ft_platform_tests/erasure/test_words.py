"""Words of erased rows leave the checkpoints that list them, and those checkpoints answer nothing any more."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from ft_platform.erasure.artifacts import erase_from_artifact
from ft_platform.erasure.selecting import Selection
from ft_platform.errors import BaseModelError
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import SAW_NO_ERASED
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.dataset import COLUMNS
from ft_platform.training.privacy_attacks.person_scores import scores_of, splits_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.tiny_models import usable_splits

pytestmark = pytest.mark.integration


def test_a_checkpoint_that_learned_from_erased_rows_loses_its_words_and_no_other_does(
    lake: Lake, environment: Any, tmp_path: Path
) -> None:
    attributes = attributes_for(tmp_path / "none", "classification")
    checkpoints = []
    for number, text in enumerate(("swipe of Ms Yilmaz", "swipe of nobody")):
        attributes["training"] = {"method": "tfidf_logreg", "seed": number}
        use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
        rows = rows_for("classification")
        for row in rows[:2]:  # a term of one person alone is not learned
            row["messages"] = [{"role": "user", "content": text}]
        splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
        made = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test"))
        checkpoints.append(made.checkpoint)
    learned, other = checkpoints
    assert "ms yilmaz" in json.loads(lake.read_file(learned, "terms.json"))["terms"]
    own = lake.read_table(splits_of(lake, learned), COLUMNS).filter(pc.field("record_id") == "r0000")
    tuned = UseCase.model_validate({**attributes, "training": {"recipe": "manual", "objective": "label_head"}})
    asked = use_case.model_copy(update={"settings": tuned})  # whatever the file says by then
    measured = scores_of(lake, environment, asked, learned, own)
    assert measured["records"] == 1 and measured["unseen"] == 12 and 0 <= measured["auc"] <= 1
    lake.add_verdict(learned, SAW_NO_ERASED, False, "", {"rows": 1, "reasons": {"erased": 1}})
    for request in ("erasure-1", "erasure-1", "erasure-2"):  # again, as after a killed process
        for one in checkpoints:
            erase_from_artifact(lake, one, Selection(["s0"], ["r0000"]), None, request)
    for one in checkpoints:
        lake.verify_artifact(one)
    assert b"yilmaz" not in lake.read_file(learned, "terms.json")
    with lake.local_copy(learned) as folder, pytest.raises(BaseModelError, match="do not belong together"):
        TextClassifier.load(folder)
    with lake.local_copy(other) as folder:
        assert "of nobody" in TextClassifier.load(folder).terms
