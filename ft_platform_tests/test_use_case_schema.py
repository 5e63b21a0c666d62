"""The published JSON Schema and the shipped use-case files agree."""

import copy
from pathlib import Path

import jsonschema
import pytest
import yaml

import ft_platform
from ft_platform.scaffold import scaffold_yaml
from ft_platform.use_case_file import find_use_cases
from ft_platform.use_case_schema import fields, file_schema

SHIPPED = find_use_cases(Path(ft_platform.__file__).parent / "defs")


def test_there_are_shipped_use_cases():
    assert {"complaint_routing", "support_assistant"} <= {folder.name for folder in SHIPPED}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_file_is_valid_by_the_json_schema(folder):
    jsonschema.validate(yaml.safe_load((folder / "defs.yaml").read_text(encoding="utf-8")), file_schema())


def test_the_json_schema_is_a_valid_schema_and_refuses_what_the_loader_refuses():
    jsonschema.Draft202012Validator.check_schema(file_schema())
    good = yaml.safe_load(scaffold_yaml("x1", "classification"))
    jsonschema.validate(good, file_schema())
    for section, field, value in [("training", "learning_rate", -1), ("training", "rnak", 1), ("task", "kind", "sorting"), ("owners", "accountable", "nobody")]:
        bad = copy.deepcopy(good)
        bad["attributes"][section][field] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, file_schema())


def test_every_field_has_a_description_and_every_number_has_bounds():
    for path, field in fields().items():
        assert field.description, path
        if field.kind in ("a number", "a whole number"):
            assert field.bounds, path


def test_facts_say_kind_bounds_and_default():
    assert fields()["training.rank"].facts() == ["1 to 512", "default 16"]
    assert fields()["training.learning_rate"].facts() == ["greater than 0, at most 0.1", "default 0.0005"]
    assert fields()["source.format"].facts() == ["one of `auto`, `csv`, `jsonl`, `json`, `parquet`", "default auto"]
    assert fields()["record.text"].facts() == ["text or a list of text", "at most 200 characters", "default empty"]
    assert fields()["base_model.uri"].facts() == ["text", "required"]
