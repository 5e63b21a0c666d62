"""A use case with code of its own: what is wrong in that code is a problem of this use case alone, and `ft check` finds
it."""

import json
from pathlib import Path

import dagster as dg
import pytest

from ft_platform import cli
from ft_platform.errors import ConfigError
from ft_platform.orchestration.loading import load_definitions
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.yaml_file import parse_yaml
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case

SUBCLASS = """
from ft_platform.components import FineTuningUseCase


class Own(FineTuningUseCase):
    def stages(self):
        return {name: build for name, build in super().stages().items() if name not in %s}
"""
REPLACED = """
import dagster as dg
from ft_platform.components import FineTuningUseCase


def own_splits(use_case):
    @dg.asset(key_prefix=use_case.name, group_name=use_case.name, deps=[[use_case.name, "cleaned_records"]])
    def splits() -> None: ...

    return [splits]


class Own(FineTuningUseCase):
    def stages(self):
        kept = {name: build for name, build in super().stages().items() if name != "anonymized_records"}
        return {**kept, "splits": own_splits}
"""
BROKEN = {
    "def stages(:": r"SyntaxError: invalid syntax \(.*letters/component\.py:1\)",
    "import json\nimport no_such_package": (
        r"ModuleNotFoundError: No module named 'no_such_package' \(.*letters/component\.py:2\)"
    ),
    "class Other: ...": r"has no class Own derived from FineTuningUseCase \(.*letters/defs\.yaml:1\)",
    (SUBCLASS % "()").replace(
        "super().stages()", "(1 / 0)"
    ): r"ZeroDivisionError: division by zero \(.*letters/component\.py:7\)",
    "import sys\nsys.exit(3)": r"SystemExit, text withheld: .* \(.*letters/component\.py:2\)",
    "class Panic(BaseException): ...\n\n\nraise Panic('of a library')": (
        r"Panic, text withheld: .* \(.*letters/component\.py:4\)"
    ),
    "class Rude(Exception):\n    def __str__(self): raise self\n\n\nraise Rude": (
        r"Rude, text withheld: .* \(.*letters/component\.py:5\)"
    ),
    (SUBCLASS % "()").replace(
        "super().stages()", "exit(1)"
    ): r"SystemExit, text withheld: .* \(.*letters/component\.py:7\)",
    SUBCLASS % '("fairness_report",)': (
        r"leaves out fairness_report; built from that: model_card, release_decision \(.*letters/defs\.yaml:1\)"
    ),
}

ASSETS = {*STAGES, "deployment/local"} - {"deployment"}


@pytest.fixture
def own_code(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `type: .component.Own` of the use case `letters` names; `complaints` beside it has none."""
    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_DEFS", str(environment.defs))
    write_use_case(environment.defs, "complaints", minimal_attributes("records.csv"))
    file = write_use_case(environment.defs, "letters", minimal_attributes("records.csv"))
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Own"))
    return file.parent / "component.py"


def assets(environment: Environment) -> set[str]:
    return {
        key.to_user_string()
        for key in load_definitions(environment).get_repository_def().asset_graph.get_all_asset_keys()
    }


@pytest.mark.integration
def test_a_stage_that_is_left_out_is_left_out_of_this_use_case_only(environment, own_code):
    own_code.write_text(
        SUBCLASS % '("fairness_report", "model_card", "release_decision", "sign_off", "release", "deployment")'
    )
    found = assets(environment)
    assert {name for name in ASSETS if f"letters/{name}" not in found} == {
        "fairness_report",
        "model_card",
        "release_decision",
        "sign_off",
        "release",
        "deployment/local",
    }
    assert {f"complaints/{name}" for name in ASSETS} <= found
    assert cli.main(["check", "--files"]) == 0


def test_the_example_of_the_documentation_leaves_stages_out_and_adds_one(environment, own_code):
    page = REPOSITORY / "docs" / "how_to" / "extend.md"
    (example,) = [block for block in page.read_text().split("```") if "class LegalUseCase" in block]
    own_code.write_text(example.removeprefix("python").replace("LegalUseCase", "Own"))
    found = {name for name in assets(environment) if name.startswith("letters/")}
    assert found == {
        f"letters/{name}"
        for name in {*ASSETS, "letters", "source"}
        - {"fairness_report", "model_card", "release_decision", "sign_off", "release", "deployment/local"}
    }
    assert cli.main(["check", "--files"]) == 0


@pytest.mark.integration
def test_a_stage_of_ones_own_is_run_by_its_name_and_one_that_is_left_out_is_not_offered(environment, own_code, capsys):
    page = REPOSITORY / "docs" / "how_to" / "extend.md"
    (example,) = [block for block in page.read_text().split("```") if "class LegalUseCase" in block]
    own_code.write_text(example.removeprefix("python").replace("LegalUseCase", "Own"))
    assert cli.main(["run", "letters", "--select", "letters"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert cli.main(["run", "letters", "--select", "fairness_report"]) == 1
    said = capsys.readouterr().err
    assert "letters has no stage 'fairness_report'; it has raw_records" in said and said.rstrip().endswith("letters")
    assert cli.main(["run", "complaints", "--select", "letters"]) == 1
    assert "complaints has no stage 'letters'" in capsys.readouterr().err


def test_a_stage_is_replaced_with_what_is_built_from_it(environment, own_code):
    own_code.write_text(REPLACED)
    definitions = load_definitions(environment, only="letters")
    parents = definitions.resolve_asset_graph().get(dg.AssetKey(["letters", "splits"])).parent_keys
    assert parents == {dg.AssetKey(["letters", "cleaned_records"])}


@pytest.mark.parametrize(
    "code",
    list(BROKEN),
    ids=["syntax", "import", "no class", "exception", "exit", "panic", "no text", "exit later", "a stage"],
)
def test_broken_code_takes_no_other_use_case_down_and_is_told_with_file_and_line(environment, own_code, code, capsys):
    own_code.write_text(code)
    found = assets(environment)
    assert {name for name in found if name.startswith("letters/")} == {"letters/does_not_load"}
    assert {f"complaints/{name}" for name in ASSETS} <= found
    with pytest.raises(ConfigError, match=BROKEN[code]):
        load_definitions(environment, only="letters")
    capsys.readouterr()
    assert cli.main(["check", "--files"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    with pytest.raises(ConfigError, match=BROKEN[code]):
        raise ConfigError(errors)


CLASHES = {
    "an asset of another use case": (
        "return dg.Definitions.merge(made, dg.Definitions(assets=[dg.AssetSpec(['complaints', 'splits'])]))"
    ),
    "a job of another use case": (
        "return dg.Definitions.merge(made, dg.Definitions(jobs=[dg.define_asset_job('complaints', selection='*')]))"
    ),
}


@pytest.mark.parametrize("clash", CLASHES.values(), ids=CLASHES)
def test_what_clashes_with_another_use_case_is_an_error_of_the_one_with_its_own_code(environment, own_code, clash):
    lines = ["def build_defs(self, *_):", "    import dagster as dg", "    made = super().build_defs()", f"    {clash}"]
    own_code.write_text((SUBCLASS % "()") + "".join(f"\n    {line}" for line in lines))
    found = assets(environment)
    assert {name for name in found if name.startswith("letters/")} == {"letters/does_not_load"}
    assert {f"complaints/{name}" for name in ASSETS} <= found


def test_own_code_is_found_however_the_file_is_written(environment, own_code):
    own_code.write_text("import sys\nsys.exit(3)")
    file = own_code.parent / "defs.yaml"
    file.write_text(json.dumps(parse_yaml(file.read_text()).value))
    assert "letters/does_not_load" in assets(environment)


def test_a_problem_of_the_file_is_told_once(environment, own_code, capsys):
    own_code.write_text(SUBCLASS % "()")
    file = own_code.parent / "defs.yaml"
    file.write_text(file.read_text().replace("min_characters: 5", "min_characters: -5"))
    assert cli.main(["check", "--files"]) == 1
    assert capsys.readouterr().err.count("min_characters") == 1


def test_loading_warns_of_nothing_that_is_not_ready_for_production(environment, own_code, recwarn):
    own_code.write_text(SUBCLASS % "()")
    assert "letters/splits" in assets(environment)
    assert [str(w.message) for w in recwarn if "not considered ready for production" in str(w.message)] == []
