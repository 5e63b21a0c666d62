"""An exported classifier of words answers as its checkpoint does, with nothing of the platform."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ExportRefused
from ft_platform.lake.store import Lake
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.serving.exporting.export import Order, export
from ft_platform.serving.exporting.words import require_same_words
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.tiny_models import usable_splits

pytestmark = pytest.mark.integration
TEXTS = ["My SWIPE, my swipe was handled badly: größe", "house", "nothing known", ""]


@pytest.fixture
def made(lake: Lake, environment: Any, tmp_path: Path) -> tuple[Any, ...]:
    attributes = attributes_for(tmp_path / "none", "classification") | {"training": {"method": "tfidf_logreg"}}
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    splits = usable_splits(lake, use_case, rows_for("classification"), splits_schema(use_case))
    return (
        lake,
        environment,
        use_case,
        checkpoint_for(lake, environment, use_case, splits, logging.getLogger("t")).checkpoint,
    )


def test_what_is_exported_answers_as_the_checkpoint(made: tuple[Any, ...], tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = export(*made, Order("words", "float32", "f16", out))
    assert told["kind"] == "words" and told["decision_holds"] and told["equivalence"]["status"] == "equal"
    assert told["start"] == ['python load.py "Your text"'] and (out / "README.md").read_text().count("load.py") == 1
    lake, *_, checkpoint = made
    with lake.local_copy(checkpoint) as folder:
        expected = TextClassifier.load(folder).log_probabilities(TEXTS)
    for text, row in zip(TEXTS, expected, strict=True):
        command = [sys.executable, "-I", str(out / "load.py"), text]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout)
        assert [*found] == told["labels"] and [*found.values()] == pytest.approx(row.tolist(), abs=1e-9)


def test_it_has_no_form_of_a_language_model_and_other_files_are_told_apart(
    made: tuple[Any, ...], tmp_path: Path
) -> None:
    for form in ("adapter", "merged", "gguf", "savedmodel"):
        with pytest.raises(ExportRefused, match="is no language model"):
            export(*made, Order(form, "float32", "f16", tmp_path / form))
        assert not (tmp_path / form).exists()
    out = tmp_path / "out"
    export(*made, Order("words", "float32", "f16", out))
    with made[0].local_copy(made[-1]) as folder:
        (out / "terms.json").write_text((out / "terms.json").read_text().replace("swipe", "wipes"))
        with pytest.raises(ExportRefused, match=r"not as in the checkpoint: terms\.json"):
            require_same_words(out, folder)
