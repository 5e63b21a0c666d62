"""`ft fairness` prints the newest fairness report, in the keys that scripts rely on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ft_platform import cli
from ft_platform.commands.fairness import printable
from ft_platform.evaluation.amplification import amplification
from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.fairness_summary import summary, summary_lines
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes, write_use_case

EVIL = "so\x1b[31muth"


def found_of(rows: int = 80) -> tuple[NamedUseCase, dict[str, Any]]:
    """Figures of a model that says `loan` to the north and to few others."""
    values = {**minimal_attributes("x.csv"), "evaluation": {"bootstrap_samples": 100}}
    use_case = NamedUseCase(name="tests", settings=UseCase.model_validate(values))
    rng = np.random.default_rng(1)
    groups = ["north"] * rows + [EVIL] * rows
    truth = rng.choice(["card", "loan"], 2 * rows)
    parts = []
    for system, other in (("base_zero_shot", "loan"), ("fine_tuned", "card")):
        said = np.where((np.array(groups) == "north") | (rng.random(2 * rows) < 0.1), "loan", other)
        correct = (said == truth).tolist()
        columns = {"feature_region": groups, "label": truth.tolist(), "predicted": said.tolist(), "correct": correct}
        parts.append(pa.table({"system": [system] * (2 * rows), **columns}))
    both = pa.concat_tables(parts)
    found = fairness(use_case, parts[1])
    region = found["features"]["region"]
    compared = [group for group, row in region["groups"].items() if row["enough_evidence"]]
    label = region["demographic_parity"]["label"] if region["demographic_parity"] else None
    region["amplification"] = amplification(
        both, np.array(groups, dtype=object), compared, label, "accuracy", use_case.settings.evaluation
    )
    swaps = {"gender": {"rows": 3, "flip_rate": None, "status": "not_enough_evidence"}}
    return use_case, {**found, "data": {}, "swaps": swaps, "mitigation": None}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FT_DEFS", str(tmp_path / "defs"))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    write_use_case(tmp_path / "defs", "tests", minimal_attributes("x.csv"))
    _, found = found_of()
    lake = open_lake(load_environment())
    with lake.scratch("tests", "fairness_report") as folder:
        folder.mkdir(parents=True)
        (folder / "fairness.json").write_text(json.dumps(found))
        lake.publish("tests", "fairness_report", "fair-1", folder, parents=[], settings_hash="", input_hash="")
    return found


def test_json_has_the_figures_of_the_report_under_their_keys(
    published: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fairness", "tests", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    region = shown["features"]["region"]
    assert set(region) >= {"groups", "demographic_parity_difference", "equalized_odds_difference", "amplification"}
    of_report = published["features"]["region"]
    assert region["groups"] == of_report["groups"]
    assert region["demographic_parity_difference"] == of_report["demographic_parity"]
    assert region["equalized_odds_difference"] == of_report["equalized_odds"] and region["amplification"]["value"] > 0.5
    found = (shown["use_case"], shown["report"], shown["within_max_gap"])
    assert found == ("tests", "fair-1", published["within_max_gap"])


def test_people_read_lines_and_names_of_groups_do_not_steer_the_terminal(
    published: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fairness", "tests"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "so�[31muth: 80 test records" in text
    assert "added by training: 0." in text
    assert "swapped terms, gender: 3 test prompts, answers that change: not enough evidence" in text
    assert printable("a\u202eb\nc") == "a�b\nc"


def test_without_a_report_the_command_says_how_to_make_one(
    published: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_use_case(tmp_path / "defs", "other", minimal_attributes("x.csv"))
    assert cli.main(["fairness", "other"]) == 1
    assert capsys.readouterr().err == "ft fairness: other has no fairness report. Run: ft run other\n"


def test_a_changed_report_is_refused(published: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    lake = open_lake(load_environment())
    file = Path(lake.path_of("shared", "tests", "fairness_report", "fair-1")) / "fairness.json"
    file.write_text(file.read_text().replace("0.", "9."))
    assert cli.main(["fairness", "tests"]) == 1
    assert "does not match its manifest" in capsys.readouterr().err


def test_figures_without_evidence_have_no_value() -> None:
    use_case, found = found_of(rows=8)
    assert use_case.name == "tests"
    shown = summary(ArtifactVersion("tests", "fairness_report", "fair-1", "", "file"), found, use_case)
    region = shown["features"]["region"]
    for key in ("demographic_parity_difference", "equalized_odds_difference", "amplification", "gap"):
        assert region[key]["value"] is None and region[key]["status"] == "not_enough_evidence"
    assert "not enough evidence" in "\n".join(summary_lines(shown))
