"""The file that `ft new` writes: some thirty lines, or every field with the truth about it; it loads as it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ft_platform.errors import ConfigError
from ft_platform.onboarding.rehearsal.file_problems import look_closer
from ft_platform.use_case.fields import COMPONENT_TYPE, fields
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.scaffold import check_name, scaffold_yaml
from ft_platform_tests.conftest import REPOSITORY


def write(folder: Path, kind, every_field: bool) -> Path:
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(scaffold_yaml(folder.name, kind, every_field=every_field), encoding="utf-8")
    return folder


@pytest.mark.parametrize("every_field", [False, True])
@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_the_written_file_loads_as_it_is_on_sample_data(tmp_path, kind, every_field):
    use_case = load_use_case(write(tmp_path / "contract_questions", kind, every_field), closer=look_closer)
    assert use_case.settings.task.kind == kind
    assert use_case.settings.source.uri.startswith("sample://")


@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_a_department_reads_some_forty_lines_with_the_same_values(kind):
    short, every = scaffold_yaml("x1", kind), scaffold_yaml("x1", kind, every_field=True)
    assert short.count("\n") <= 40
    assert max(map(len, short.splitlines())) <= 120
    for section, values in yaml.safe_load(short)["attributes"].items():
        whole = yaml.safe_load(every)["attributes"][section]
        assert values == whole if not isinstance(values, dict) else values.items() <= whole.items()


def test_values_stand_in_the_order_of_the_schema_with_their_reasons():
    values = {"record.text": ["a" * 60, "b" * 60], "description": "What it does.", "task.kind": "generation"}
    text = scaffold_yaml("x1", values=values, why={"record.text": "the texts", "task.kind": "answers in words"})
    assert text.splitlines()[5:] == [
        "  description: What it does.",
        "  task: {kind: generation} # answers in words",
        "  # the texts",
        f"  record: {{text: [{'a' * 60}, {'b' * 60}]}}",
    ]


@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_every_field_of_the_schema_is_in_it(kind):
    values = yaml.safe_load(scaffold_yaml("x1", kind, every_field=True))["attributes"]
    for path, field in fields().items():
        if "[]" in path:
            continue
        value = values
        for part in path.split("."):
            assert part in value, f"{path} is missing"
            value = value[part]
        if field.default is not None and not field.required and path not in ("task.instruction",):
            assert type(value) is type(field.default), path


def test_each_field_is_explained_with_its_bounds_and_default_right_above_it():
    lines = scaffold_yaml("x1", every_field=True).splitlines()
    position = lines.index("    rank: 16")
    assert (
        lines[position - 1]
        == "    # Rank r of the adapters (LoRA, arXiv:2106.09685); 16 as in TRL's `ModelConfig`. 1 to 512; default 16."
    )
    text = " ".join(line.strip(" #") for line in lines)
    for path, field in fields().items():
        assert field.description, path
        assert field.description in text, path


def test_the_file_opens_with_its_purpose_and_the_command_that_uses_it():
    head = "".join(scaffold_yaml("my_case", "classification").splitlines()[:3])
    assert "Use case my_case" in head and "ft run my_case" in head


@pytest.mark.parametrize("name", ["", "A", "my-case", "1x", "x" * 62, "a b", "../x"])
def test_a_name_that_cannot_be_an_asset_group_is_refused(name):
    with pytest.raises(ConfigError, match="lower case letters"):
        check_name(name)


@pytest.mark.integration
def test_dg_scaffold_defs_writes_the_file_that_ft_new_writes_and_it_loads(tmp_path):
    """In a copy of the project: `dg` writes below the module that its pyproject.toml names."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "ft_platform", tmp_path / "ft_platform", ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    command = [Path(sys.executable).parent / "dg", "scaffold", "defs", COMPONENT_TYPE, "contract_questions"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "ft_platform" / "defs" / "contract_questions"
    assert (folder / "defs.yaml").read_text(encoding="utf-8") == scaffold_yaml("contract_questions", "classification")
    assert load_use_case(folder).settings.task.kind == "classification"
