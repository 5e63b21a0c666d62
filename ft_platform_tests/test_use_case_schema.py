"""The published JSON Schema and the shipped use-case files agree."""

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

import ft_platform
from ft_platform.errors import ConfigError
from ft_platform.serving.exporting.matrix import problem
from ft_platform.stages import STAGES
from ft_platform.use_case.fields import UseCaseField, fields, file_schema
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.problems import schema_problems
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.source import CHAT_FORMATS, RecordMapping
from ft_platform_tests.conftest import minimal_attributes, write_use_case

SHIPPED = find_use_cases(Path(ft_platform.__file__).parent / "defs")


def test_there_are_shipped_use_cases():
    assert {"complaint_routing", "support_assistant"} <= {folder.name for folder in SHIPPED}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_file_is_valid_by_the_json_schema(folder):
    jsonschema.validate(yaml.safe_load((folder / "defs.yaml").read_text(encoding="utf-8")), file_schema())


def test_the_json_schema_is_a_valid_schema_and_refuses_what_the_loader_refuses():
    jsonschema.Draft202012Validator.check_schema(file_schema())
    good = yaml.safe_load(scaffold_yaml("x1", every_field=True))
    jsonschema.validate(good, file_schema())
    for section, field, value in [
        ("training", "learning_rate", -1),
        ("training", "rnak", 1),
        ("task", "kind", "sorting"),
        ("owners", "accountable", "nobody"),
    ]:
        bad = copy.deepcopy(good)
        bad["attributes"][section][field] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, file_schema())


def test_every_field_has_a_description_and_every_number_has_bounds():
    for path, field in every_field():
        assert field.description, path
        if field.kind in ("a number", "a whole number"):
            assert field.bounds, path


def every_field() -> Iterator[tuple[str, UseCaseField]]:
    """With those of the entries that have kinds."""
    for path, field in fields().items():
        yield path, field
        for kind, known in field.kinds.items():
            yield from ((f"{path} {kind} {name}", one) for name, one in known.items())


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those of its fields."""
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from sections(part)


def test_every_field_that_may_be_left_out_says_in_the_json_schema_what_it_is_then():
    schema = file_schema()
    checked = 0
    for model in sections(UseCase):
        published = schema["properties"]["attributes"] if model is UseCase else schema["$defs"][model.__name__]
        for name, field in model.model_fields.items():
            if not field.is_required():
                default = field.get_default(call_default_factory=True, validated_data={})
                expected = (
                    {}
                    if isinstance(default, BaseModel)
                    else json.loads(TypeAdapter(field.annotation).dump_json(default))
                )
                assert published["properties"][name]["default"] == expected, f"{model.__name__}.{name}"
                checked += 1
    assert checked > 100


def unbounded(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> Iterator[str]:
    """Paths of texts, lists and mappings below a schema that may be of any size."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    for option in schema.get("anyOf", []):
        yield from unbounded(option, definitions, path)
    kind = schema.get("type")
    if kind == "string" and not {"enum", "const", "maxLength"} & schema.keys():
        # A pattern bounds a text where it is anchored and repeats nothing without end.
        pattern = schema.get("pattern", "*")
        if re.search(r"[*+]|\{\d+,\}", pattern) or not (pattern.startswith("^") and pattern.endswith("$")):
            yield path
    if kind == "array":
        if "maxItems" not in schema:
            yield f"{path} (length of the list)"
        yield from unbounded(schema["items"], definitions, f"{path}[]")
    if kind == "object" and "properties" in schema:
        for name, field in schema["properties"].items():
            yield from unbounded(field, definitions, f"{path}.{name}")
    elif kind == "object":
        if "maxProperties" not in schema:
            yield f"{path} (size of the mapping)"
        for pattern, values in {
            "*": schema.get("additionalProperties", {}),
            **schema.get("patternProperties", {}),
        }.items():
            if isinstance(values, dict) and "type" in values:
                yield from unbounded(
                    {"type": "string", "pattern": pattern, **schema.get("propertyNames", {})},
                    definitions,
                    f"{path} (keys)",
                )
                yield from unbounded(values, definitions, f"{path}.*")


@pytest.mark.parametrize("section", list(UseCase.model_fields))
def test_every_text_list_and_mapping_has_a_largest_size(section):
    schema = UseCase.model_json_schema()
    assert list(unbounded(schema["properties"][section], schema["$defs"], section)) == []


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "string"}, ["x"]),
        ({"type": "string", "maxLength": 9}, []),
        ({"type": "string", "pattern": "^[a-z]{1,9}$"}, []),
        ({"type": "string", "pattern": "^[a-z]+$"}, ["x"]),
        ({"type": "string", "pattern": "[a-z]{1,9}"}, ["x"]),
        ({"enum": ["a"], "type": "string"}, []),
        ({"type": "array", "items": {"type": "string"}}, ["x (length of the list)", "x[]"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, []),
        ({"type": "object", "additionalProperties": True}, ["x (size of the mapping)"]),
        ({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 3}, ["x (keys)", "x.*"]),
        (
            {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "maxProperties": 3,
                "propertyNames": {"maxLength": 9},
            },
            [],
        ),
        ({"type": "object", "patternProperties": {"^[a-z]{0,4}$": {"type": "integer"}}, "maxProperties": 3}, []),
        ({"anyOf": [{"$ref": "#/$defs/Section"}, {"type": "null"}]}, ["x.name"]),
    ],
)
def test_what_has_no_largest_size_is_found(schema, found):
    assert (
        list(unbounded(schema, {"Section": {"type": "object", "properties": {"name": {"type": "string"}}}}, "x"))
        == found
    )


def read_by_nothing(names: list[str]) -> list[str]:
    """Names that no code and no template of the package reads as an attribute or names as a string, beyond their
    declaration."""
    package = Path(ft_platform.__file__).parent
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in package.rglob("*") if file.suffix in (".py", ".html", ".md")
    )
    used = set(re.findall(r"\.(\w+)|[\"'](\w+)[\"']", text))
    return [name for name in names if (name, "") not in used and ("", name) not in used]


def test_no_field_is_accepted_and_ignored():
    leaves = {path: field.name for path, field in every_field() if not field.is_section}
    unread = read_by_nothing(list(leaves.values()))
    assert {path for path, name in leaves.items() if name in unread} == set()
    assert read_by_nothing(["a_field_of_no_stage", "learning_rate"]) == ["a_field_of_no_stage"]


@pytest.mark.parametrize("part", ["requirements", "post_processing", "template_vars_module"])
def test_parts_of_dagsters_component_file_that_nothing_reads_are_refused(tmp_path, part):
    good = yaml.safe_load(scaffold_yaml("x1", every_field=True))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, part: {"env": ["A"]}}, file_schema())
    (tmp_path / "x1").mkdir()
    (tmp_path / "x1" / "defs.yaml").write_text(yaml.safe_dump({**good, part: {"env": ["A"]}}))
    with pytest.raises(ConfigError, match=f"{part} is not a field of the file; it has type, attributes"):
        load_use_case(tmp_path / "x1")


def test_facts_say_kind_bounds_and_default():
    assert fields()["training.rank"].facts() == ["1 to 512", "default 16"]
    assert fields()["training.learning_rate"].facts() == ["greater than 0, at most 0.1", "default 0.0005"]
    assert fields()["training.schedule"].facts() == ["one of `linear`, `cosine`, `constant`", "default linear"]
    assert fields()["record.text"].facts() == ["text or a list of text", "at most 200 characters", "default empty"]
    assert fields()["base_model.uri"].facts() == ["at most 2,000 characters", "required"]
    assert fields()["fairness.sensitive_features"].facts()[1:] == ["at most 50 entries", "default empty"]
    assert fields()["compute.profile"].facts()[1:] == ["at most 60 characters", "default local"]


def test_a_list_that_is_too_long_says_how_long_it_may_be(tmp_path):
    values = yaml.safe_load(scaffold_yaml("x1", every_field=True))
    values["attributes"]["training"]["target_modules"] = ["q_proj"] * 1001
    values["attributes"]["validation"] = {
        "expectations": [{"table": "splits", "expectation": "expect_x", "kwargs": dict.fromkeys(map(str, range(51)))}]
    }
    (tmp_path / "x1").mkdir()
    (tmp_path / "x1" / "defs.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError) as raised:
        load_use_case(tmp_path / "x1")
    assert sorted(problem.split(" (")[0] for problem in raised.value.problems) == [
        "training.target_modules must be at most 1000 entries long, got a list of 1001",
        "validation.expectations[0].kwargs must be at most 50 entries long, got a mapping",
    ]


@pytest.mark.parametrize("chat_format", CHAT_FORMATS)
def test_a_format_of_chat_data_reads_back_as_it_was_dumped(chat_format):
    """A run with a setting of its own, and every program, reads the dump: with other hashes nothing would be usable."""
    mapping = RecordMapping(chat_format=chat_format)
    again = RecordMapping.model_validate(mapping.model_dump(mode="json"))
    assert again == mapping and RecordMapping.model_validate(again.model_dump(mode="json")) == mapping


REMOTE = {
    "vllm": {"url": "https://v.example.org", "folder": "/shared"},
    "kubernetes": {"namespace": "models", "image": "vllm:1"},
    "openai_endpoint": {"url": "https://m.example.org", "model": "m-{release}"},
}


@pytest.mark.parametrize("kind", sorted(REMOTE))
def test_a_target_that_cannot_serve_a_label_head_is_refused_before_training(kind):
    """As `serving.exporting.matrix` says it when the model is there."""
    attributes = {**minimal_attributes("records.csv"), "serving": {"targets": {"gpu": {"kind": kind, **REMOTE[kind]}}}}
    attributes["training"] = {"objective": "label_head"}
    with pytest.raises(ValidationError, match=r"`serving.targets` has gpu, which cannot serve the label head"):
        UseCase.model_validate(attributes)
    UseCase.model_validate({**attributes, "training": {"objective": "sft"}})
    assert problem("label_head", "adapter", "vllm") and problem("label_head", "adapter", "platform") is None


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"one": {"kind": "local"}, "two": {"kind": "local", "url": "http://127.0.0.1:9"}}, "has 2 of kind `local`"),
        ({"pods": {"kind": "kubernetes", **REMOTE["kubernetes"], "ours": True}}, "every pod serves the same release"),
    ],
)
def test_targets_that_would_serve_one_thing_for_another_are_refused(targets, said):
    attributes = {**minimal_attributes("records.csv"), "serving": {"targets": targets}}
    with pytest.raises(ValidationError, match=said):
        UseCase.model_validate(attributes)


VLLM = {"kind": "vllm", "url": "http://127.0.0.1:9", "folder": "/shared"}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({**VLLM, "folder": ...}, "serving.targets.far.folder is required: A folder shared with its machine"),
        (
            {**VLLM, "foldr": "/x"},
            "serving.targets.far.foldr is not a field of serving.targets.far; did you mean folder?",
        ),
        ({**VLLM, "x": 1}, "serving.targets.far.x is not a field of serving.targets.far; there are cost_per_hour, "),
        ({**VLLM, "url": 9}, "serving.targets.far.url must be an address that starts with `http://` or"),
        ({**VLLM, "cost_per_hour": -1}, "serving.targets.far.cost_per_hour must be at least 0, got -1"),
        ({**VLLM, "kind": "vlm"}, "kind must be one of local, openai_endpoint, vllm, "),
        ({**VLLM, "kind": "vlm"}, "got 'vlm'; did you mean vllm?"),
        ({**VLLM, "kind": ["vllm"]}, "serving.targets.far.kind must be one of local, "),
        ({**VLLM, "kind": ...}, "serving.targets.far.kind is required: one of local, openai_endpoint, vllm, "),
        ("vllm", "serving.targets.far must be a mapping, got 'vllm'"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told_in_the_words_of_its_kind(target, told):
    values = {name: value for name, value in target.items() if value is not ...} if isinstance(target, dict) else target
    attributes = {**minimal_attributes("records.csv"), "serving": {"targets": {"far": values}}}
    (problem,) = [text for _, text in schema_problems(attributes, {})[1]]
    assert told in problem and "serving.targets.far" in problem


def test_a_number_of_an_entry_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("COST", "1.5")
    target = {**VLLM, "cost_per_hour": "{{ env.COST }}"}
    attributes = {**minimal_attributes("records.csv"), "serving": {"targets": {"far": target}}}
    write_use_case(tmp_path, "complaints", attributes)
    assert load_use_case(tmp_path / "complaints").settings.serving.targets["far"].cost_per_hour == 1.5


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_hash_of_a_stage_is_that_of_its_settings_as_json(folder: Path) -> None:
    use_case = load_use_case(folder)
    left_out = 0
    for name, stage in STAGES.items():
        counting: dict[str, Any] = {"use_case": use_case.name, "stage": name, "version": stage.version}
        for read in stage.reads:
            section = use_case.section(read)
            hashed = getattr(section, "hashed", None)
            plain = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
            counting |= {read: hashed() if hashed else plain} if hashed is None or hashed() else {}
            left_out += hashed is not None and not hashed()
        text = json.dumps(counting, sort_keys=True, ensure_ascii=False)
        assert stage.settings_hash(use_case) == hashlib.sha256(text.encode()).hexdigest()[:16], name
    assert left_out
