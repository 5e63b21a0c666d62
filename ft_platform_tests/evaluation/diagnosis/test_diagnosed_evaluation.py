"""From planted faults to the published diagnosis, with a tiny model that is really trained; the pages that repeat it,
and the records behind it, of which ids are told only where they belong. Persons are fictitious."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ft_platform import cli
from ft_platform.evaluation.files import DOUBTED, read_metrics
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.tracking.runs import REPORT_FILES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.tiny_case import CANARY, attributes_for, rows_for
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

pytestmark = pytest.mark.integration

WORDS = {"card": "swipe", "loan": "house", "wire": "money"}
ROWS = 300


def evaluated(home: Path, records: list[tuple[str, str]], **training: Any) -> tuple[Lake, ArtifactVersion]:
    """The evaluation of a model that is trained on these pairs of text and label."""
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = attributes_for(save_tiny_model(home / "model"), "classification", few_shot_examples=1)
    attributes["training"] = {"recipe": "auto", "epochs": 6, "rank": 4, "learning_rate": 0.005, **training}
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake, rows = open_lake(environment), rows_for("classification", len(records))
    for row, (text, label) in zip(rows, records, strict=True):
        row["messages"][0]["content"] = f"{text} {CANARY} {row['record_id']}"
        row["label"] = label
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    where = (lake, environment, use_case, splits)
    base = publish_base_evaluation(*where)
    checkpoint = checkpoint_for(*where, logging.getLogger("test")).checkpoint
    return lake, publish_evaluation_report(*where, checkpoint, base)


def labelled(noise: float) -> list[tuple[str, str]]:
    """Texts with a word of their own label; a share of labels is drawn again at random."""
    rng, labels = np.random.default_rng(5), list(WORDS)
    true = [labels[number % 3] for number in range(ROWS)]
    return [
        (f"My {WORDS[label]} was handled badly.", labels[rng.integers(3)] if rng.random() < noise else label)
        for label in true
    ]


def true_label(text: str) -> str:
    return next(label for label, word in WORDS.items() if f" {word} " in text)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake, ArtifactVersion]:
    home = tmp_path_factory.mktemp("noisy")
    return home, *evaluated(home, labelled(0.3))


def test_wrong_labels_that_were_planted_are_the_diagnosis(noisy) -> None:
    _, lake, report = noisy
    found = read_metrics(lake, report)["diagnosis"]
    assert found["case"] == "wrong_labels" and found["command"] == "ft errors complaints --wrong-labels --text"


def test_the_listed_records_are_those_with_a_planted_label(noisy) -> None:
    _, lake, report = noisy
    listed = pq.read_table(lake.open_file(report, DOUBTED)).to_pylist()
    records = dict(zip((row["record_id"] for row in rows_for("classification", ROWS)), labelled(0.3), strict=True))
    right = [one["suggested"] == true_label(records[one["record_id"]][0]) for one in listed]
    assert len(listed) > 20 and np.mean(right) > 0.95
    assert all(one["label"] == records[one["record_id"]][1] for one in listed)


def test_ids_are_in_no_file_that_leaves_the_lake_and_texts_in_none(noisy) -> None:
    _, lake, report = noisy
    ids = pq.read_table(lake.open_file(report, DOUBTED))["record_id"].to_pylist()
    for name in lake.manifest(report).files:
        content = lake.read_file(report, name)
        assert CANARY.encode() not in content, name
        if name.endswith(REPORT_FILES):
            assert not [one for one in ids if one.encode() in content], name


def test_the_report_says_it_with_the_command(noisy) -> None:
    _, lake, report = noisy
    page, found = lake.read_file(report, "report.html").decode(), read_metrics(lake, report)["diagnosis"]
    assert "What would make it better" in page and f"Type: {found['command']}" in page


def test_ft_errors_names_the_doubted_records_and_shows_texts_to_a_terminal_only(
    noisy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lake, report = noisy
    monkeypatch.setenv("FT_HOME", str(home))
    monkeypatch.setenv("FT_DEFS", str(home / "defs"))
    listed = pq.read_table(lake.open_file(report, DOUBTED)).to_pylist()
    assert cli.main(["errors", "complaints", "--wrong-labels", "--show", "500"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{len(listed)} training records whose label is probably wrong") and CANARY not in told
    assert all(one["record_id"] in told for one in listed)
    assert cli.main(["errors", "complaints", "--wrong-labels", "--text"]) == 1
    assert cli.main(["errors", "complaints", "--wrong-labels", "--text", "--force", "--label", "card"]) == 0
    told = capsys.readouterr().out
    assert CANARY in told and "× card perhaps" in told and "× loan" not in told
    assert cli.main(["errors", "complaints", "--wrong-labels", "--json"]) == 0
    assert sum(one["count"] for one in json.loads(capsys.readouterr().out)["wrong_labels"]) == len(listed)


def test_clean_labels_are_not_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, report = evaluated(tmp_path, labelled(0.0))
    cases = read_metrics(lake, report)["diagnosis"]
    assert "wrong_labels" not in {cases["case"], *(one["case"] for one in cases["further"])}
    assert DOUBTED not in lake.manifest(report).files
    monkeypatch.setenv("FT_HOME", str(tmp_path))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    assert cli.main(["errors", "complaints", "--wrong-labels", "--text", "--force"]) == 0
    assert capsys.readouterr().out.startswith("0 training records")


def test_a_rare_label_that_is_not_learned_is_the_diagnosis(tmp_path: Path) -> None:
    """Ten of 300 records are of a label whose word stands in the others' texts as well."""
    labels = [
        "rare" if number % 20 in (8, 12) and number % 3 == 0 else list(WORDS)[number % 3] for number in range(ROWS)
    ]
    texts = [f"My {WORDS[list(WORDS)[number % 3]]} was handled badly." for number in range(ROWS)]
    lake, report = evaluated(tmp_path, list(zip(texts, labels, strict=True)), epochs=4)
    found = read_metrics(lake, report)["diagnosis"]
    assert found["case"] == "label_too_rare" and "rare: " in found["text"], found
