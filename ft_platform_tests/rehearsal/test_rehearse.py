"""Some rows led through the data stages and the audit: what would stop a run is found, and nothing is written."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import Work
from ft_platform.onboarding.rehearsal import rehearse as rehearsing
from ft_platform.onboarding.rehearsal.rehearse import rehearse
from ft_platform.sources.looking import Looked
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import save_tiny_model

WORDS = [
    "about",
    "my",
    "card",
    "that",
    "the",
    "machine",
    "kept",
    "and",
    "the",
    "loan",
    "that",
    "I",
    "asked",
    "for",
    "last",
    "week",
    "in",
    "the",
    "branch",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def looked(rows: int = 60, complete: bool = True, **changed: list) -> Looked:
    texts = [f"Case {number}: {' '.join(WORDS[number % 9 :])} {number * 7}" for number in range(rows)]
    columns = {
        "id": [str(number) for number in range(rows)],
        "text": texts,
        "label": [("loan", "card")[number % 2] for number in range(rows)],
        "consent": ["yes"] * rows,
        "region": ["north"] * rows,
        **changed,
    }
    return Looked(pa.table(columns), complete, 1)


def case(model: Path, **sections: dict[str, Any]) -> NamedUseCase:
    attributes = {**minimal_attributes("unused.csv"), "base_model": {"uri": str(model), "dtype": "float32"}}
    for section, values in sections.items():
        attributes[section] = {**attributes.get(section, {}), **values}
    attributes["cleaning"] |= {"near_duplicates": "keep"}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def test_rows_that_come_through_are_counted_stage_by_stage(environment: Environment, model: Path) -> None:
    found = rehearse(case(model), looked(consent=["no"] * 10 + ["yes"] * 50), environment)
    assert found.problems == []
    expected = (60, 60, 50, 50)
    assert (found.rows, found.kept["raw_records"], found.kept["permitted_records"], found.kept["splits"]) == expected
    assert found.removed["permitted_records"] == {"consent_not_accepted": 10}


def test_nothing_is_written_to_the_installation(environment: Environment, model: Path) -> None:
    before = sorted(environment.home.rglob("*"))
    rehearse(case(model), looked(), environment)
    assert sorted(environment.home.rglob("*")) == before


def test_records_lie_in_the_restricted_zone_meanwhile_where_the_use_case_has_one(
    environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(rehearsing, "Work", lambda folder, engine: (folders.append(folder), Work(folder, engine))[1])
    zone = Path(open_lake(environment).path_of("restricted", case(model).name))
    zone.mkdir(parents=True)
    assert rehearse(case(model), looked(), environment).problems == []
    assert folders[0].is_relative_to(zone) and not folders[0].exists()


def test_the_first_stage_that_refuses_is_named_and_no_text_is(environment: Environment, model: Path) -> None:
    found = rehearse(case(model), looked(consent=["no"] * 60), environment)
    assert len(found.problems) == 1 and found.problems[0].startswith("permitted_records of 60 rows:")
    assert "machine" not in found.problems[0]


def test_answers_that_do_not_fit_are_found_with_the_length_that_would_do(environment: Environment, model: Path) -> None:
    found = rehearse(case(model, training={"max_length": 32}), looked(), environment)
    assert any("answer_truncated" in problem and "99 of 100 rows have at most" in problem for problem in found.problems)


def test_labels_in_the_prompt_of_a_label_head_are_a_hint(environment: Environment, model: Path) -> None:
    instruction = {"instruction": "Name the product, and take your time for it. " * 3 + "One of: {labels}."}
    scored = {"objective": "label_head"}
    hints = rehearse(case(model, task=instruction, training=scored), looked(), environment).hints
    assert any("a label head needs no {labels}" in hint for hint in hints)
    assert not rehearse(case(model, task={"instruction": "Name it."}, training=scored), looked(), environment).hints


AUTO = {"recipe": "auto"}


@pytest.mark.parametrize("code", ["3", "C17", "cat_4", "B", "A.1"])
def test_labels_that_are_codes_are_a_hint_unless_they_have_names(
    environment: Environment, model: Path, code: str
) -> None:
    labels, asked = {"label": [code, "loan"] * 30}, {"instruction": "Name the product."}
    (hint,) = rehearse(case(model, task=asked, training=AUTO), looked(**labels), environment).hints
    assert hint.startswith("1 of 2 labels are codes (") and "record.label_names" in hint
    ids = looked(label=[f"K{number // 2}93" for number in range(60)])  # a column of the source that is no label
    assert "93" not in "".join(rehearse(case(model, task=asked, training=AUTO), ids, environment).hints)
    for changes in (
        {"training": {**AUTO, "objective": "sft"}},
        {"training": {"recipe": "manual", "objective": "label_head"}},
    ):
        assert not rehearse(case(model, task=asked, **changes), looked(**labels), environment).hints
    for name in ("no", "credit card", "借款", "4x4 vehicles"):
        named = looked(label=[name, "loan"] * 30)
        assert not rehearse(case(model, task=asked, training=AUTO), named, environment).hints


def test_personal_data_that_the_second_scan_still_finds_is_a_problem_without_its_text(
    environment: Environment, model: Path
) -> None:
    privacy = {"entities": ["IBAN"], "left_out": {}}
    texts = looked().rows.column("text").to_pylist()
    texts[7] += " Write to erika.musterfrau@example.org"  # fictitious
    found = rehearse(case(model, privacy=privacy), looked(text=texts), environment)
    (problem,) = [one for one in found.problems if one.startswith("no_residual_pii: 1 of 60 rows")]
    assert "erika" not in problem and "EMAIL" in problem


def test_some_rows_are_not_asked_for_what_only_all_rows_can_have(environment: Environment, model: Path) -> None:
    rows = looked(complete=False, label=["rare", *["loan", "card"] * 29, "card"], region=[str(n) for n in range(60)])
    attributes = {"quasi_identifiers": {"region": "category"}, "without_quasi_identifiers": None}
    assert rehearse(case(model, privacy=attributes), rows, environment).problems == []
    assert rehearse(case(model, privacy=attributes), Looked(rows.rows, True, 1), environment).problems


def test_some_rows_may_lack_a_label_on_a_given_side_but_each_names_one(environment: Environment, model: Path) -> None:
    labels, sides = ["loan", "card", "late"] * 20, ["train", "train", "test"] * 20
    given = case(model, splits={"strategy": "given", "given_by": "region"})
    assert rehearse(given, looked(complete=False, label=labels, region=sides), environment).problems == []
    (missing,) = rehearse(given, looked(label=labels, region=sides), environment).problems
    assert "no training record has the label(s)" in missing
    (wrong,) = rehearse(given, looked(complete=False, label=labels, region=["later", *sides[1:]]), environment).problems
    assert "1 of 60 records name none of train, validation, test" in wrong


def test_a_base_model_that_is_not_here_is_not_fetched(environment: Environment) -> None:
    found = rehearse(case(Path("example/none")), looked(), environment)
    assert found.problems == [] and "the training audit was not tried" in found.hints[0]


def test_no_row_is_gone_without_a_reason_and_labels_that_conflict_are_told(
    environment: Environment, model: Path
) -> None:
    labels = [("loan", "card")[number % 2] for number in range(58)] + ["seldom", "never"]
    texts = looked().rows["text"].to_pylist()
    texts[1], texts[3] = texts[0], texts[2]
    for some in (looked(text=texts, label=labels, complete=False), looked(text=texts, label=labels)):
        rare = "drop" if some.complete else "error"
        found = rehearse(case(model, splits={"rare_labels": rare}), some, environment)
        assert found.problems == []
        stages = list(found.kept)
        for before, stage in pairwise(stages):
            assert found.kept[before] - found.kept[stage] == sum(found.removed.get(stage, {}).values()), stage
        assert found.removed["splits"] == {"rare_label": 2}
        assert found.removed["cleaned_records"] == {"label_conflict": 4}
        assert any(hint.startswith("label_conflict: 2 texts occur with several labels") for hint in found.hints)
        assert any(hint.startswith("rare_label: 2 of these rows") for hint in found.hints) != some.complete
