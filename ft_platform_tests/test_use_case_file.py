"""Loading `defs.yaml`: what is right loads, and what is wrong is named with its line, all of it at once."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from ft_platform.errors import ConfigError
from ft_platform.onboarding.rehearsal.file_problems import validate_all
from ft_platform.use_case import yaml_file
from ft_platform.use_case.file import find_use_cases, load_use_case, parse_overrides, use_case_folder
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY

GOOD = """\
    # Routes complaints.
    type: ft_platform.components.FineTuningUseCase
    attributes:
      description: Routes complaints to the right department.
      owners:
        accountable: team:complaints
      task:
        kind: classification
      source:
        uri: sample://complaints
      record:
        text: Consumer complaint narrative
        label: Product
        consent: Consumer consent provided?
        features: {state: State}
      governance:
        purpose: complaint routing
        accepted_consent: [Consent provided]
        licence: CC0-1.0
      training:
        epochs: 2
        learning_rate: 5e-4
      base_model:
        uri: org/model
      release:
        intended_use: Routing of complaints.
      privacy:
        without_quasi_identifiers: A state alone points to nobody.
    """


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "defs"


def write(defs: Path, text: str, name: str = "complaints") -> Path:
    folder = defs / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "defs.yaml").write_text(dedent(text))
    return folder


def problems_of(folder: Path, overrides: dict | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_use_case(folder, overrides)
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_file_loads_and_has_the_name_of_its_folder(defs):
    use_case = load_use_case(write(defs, GOOD))
    assert (use_case.name, use_case.settings.training.learning_rate, use_case.settings.record.label) == (
        "complaints",
        5e-4,
        "Product",
    )
    assert use_case.path == defs / "complaints" / "defs.yaml"
    assert load_use_case(defs / "complaints" / "defs.yaml") == use_case


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("5e-4", "-1", "training.learning_rate must be greater than 0, got -1 (defs/complaints/defs.yaml:22)"),
        ("5e-4", "fast", "training.learning_rate must be a number, got 'fast' (defs/complaints/defs.yaml:22)"),
        (
            "epochs: 2",
            "epochs: .nan",
            "training.epochs must be a finite number, got nan (defs/complaints/defs.yaml:21)",
        ),
        (
            "epochs: 2",
            "epochs: [1, 2]",
            "training.epochs must be a number, got a list of 2 (defs/complaints/defs.yaml:21)",
        ),
        (
            "epochs: 2",
            "epoch: 2",
            "training.epoch is not a field of training; did you mean epochs? (defs/complaints/defs.yaml:21)",
        ),
        (
            "training:",
            "null: 2\n      training:",
            "attributes has the key null, which is no name of a field: remove it (defs/complaints/defs.yaml:20)",
        ),
        (
            "epochs: 2",
            "2: 2",
            "training has the key 2, which is no name of a field: remove it (defs/complaints/defs.yaml:21)",
        ),
        (
            "training:",
            "epochs: 2\n      training:",
            "epochs is not a field of a use case; did you mean training.epochs? (defs/complaints/defs.yaml:20)",
        ),
        (
            "kind: classification",
            "kind: sorting",
            "task.kind must be one of `classification`, `generation`, got 'sorting' (defs/complaints/defs.yaml:8)",
        ),
        (
            "label: Product",
            "label: 2020",
            "record.label must be text, got 2020: put it in quotes (defs/complaints/defs.yaml:13)",
        ),
        (
            "label: Product",
            "label: no",
            (
                "record.label must be text, got false (so are `yes`, `no`, `on`, `off` read): put it in quotes"
                " (defs/complaints/defs.yaml:13)"
            ),
        ),
        (
            "text: Consumer complaint narrative",
            "text: 5",
            "record.text must be text or a list of text, got 5 (defs/complaints/defs.yaml:12)",
        ),
        (
            "features: {state: State}",
            "features: {State: State}",
            (
                "record.features: the name 'State' must be lower case letters, digits and `_`, a letter first"
                " (defs/complaints/defs.yaml:15)"
            ),
        ),
        (
            "team:complaints",
            "complaints",
            (
                "owners.accountable must be an e-mail address or `team:<name>`, got 'complaints'"
                " (defs/complaints/defs.yaml:6)"
            ),
        ),
        (
            "intended_use",
            "intended_for",
            "release.intended_use is required: What the model is for. (defs/complaints/defs.yaml:25)",
        ),
        (
            "label: Product",
            "answer: Product",
            "`record.label` is needed for `task.kind: classification` (defs/complaints/defs.yaml:3)",
        ),
        (
            "epochs: 2",
            "epochs: 2\n        epochs: 3",
            "`training.epochs` is a duplicate, first in line 21; remove one (defs/complaints/defs.yaml:22)",
        ),
        (
            "type: ft_platform.components.FineTuningUseCase",
            "type: os.system",
            (
                "type must be ft_platform.components.FineTuningUseCase, "
                "or .<module>.<Class> of a file in the same folder, got 'os.system' (defs/complaints/defs.yaml:2)"
            ),
        ),
        (
            "type: ft_platform.components.FineTuningUseCase",
            "",
            "type is required: `type: ft_platform.components.FineTuningUseCase` (defs/complaints/defs.yaml:3)",
        ),
        (
            "attributes:",
            "attribute:",
            "attribute is not a field of the file; did you mean attributes? (defs/complaints/defs.yaml:3)",
        ),
    ],
)
def test_a_mistake_is_named_with_field_expected_got_and_line(defs, old, new, problem):
    assert problem in problems_of(write(defs, changed(old, new)))


def test_five_mistakes_are_reported_at_once_in_the_order_of_the_file(defs):
    text = GOOD
    for old, new in [
        ("description: Routes complaints to the right department.", "description: Routes"),
        ("kind: classification", "kind: sorting"),
        ("uri: sample://complaints", "url: sample://complaints"),
        ("epochs: 2", "epochs: 0"),
        ("5e-4", "7"),
    ]:
        text = text.replace(old, new)
    problems = problems_of(write(defs, text))
    assert [p.split(" ")[0] for p in problems] == [
        "description",
        "task.kind",
        "source.uri",
        "source.url",
        "training.epochs",
        "training.learning_rate",
    ]
    assert [int(p.rsplit(":", 1)[1].rstrip(")")) for p in problems] == [4, 8, 9, 10, 21, 22]


def test_how_fields_fit_together_is_checked_although_another_field_is_wrong(defs):
    text = changed("epochs: 2", "epochs: 0").replace("accepted_consent: [Consent provided]", "accepted_consent: []")
    problems = problems_of(write(defs, text))
    assert len(problems) == 2
    assert any("`accepted_consent` needs at least one value" in p and p.endswith("defs.yaml:18)") for p in problems)


def test_a_typing_mistake_brings_no_second_message_about_the_field_it_was_meant_to_be(defs):
    assert problems_of(write(defs, changed("label: Product", "lable: Product"))) == [
        "record.lable is not a field of record; did you mean label? (defs/complaints/defs.yaml:13)"
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("type: x\nattributes:\n  a: [1\n", 4, "expected ',' or ']'"),
        ("type: x\nattributes:\n\ta: 1\n", 3, "cannot start any token"),
        ("type: x\nattributes: {a: &b 1, c: *b}\n", 2, "aliases"),
        ("type: x\n---\ntype: y\n", 2, "expected a single document"),
        ("type: !!python/name:os.system x\n", 1, "tags (`!name`) are not supported"),
        ("type: x\nattributes: !!set {a, b}\n", 2, "tags (`!name`) are not supported"),
        ("type: x\nattributes: !!binary aGk=\n", 2, "tags (`!name`) are not supported"),
        ("type: ! x\n", 1, "tags (`!name`) are not supported"),
        ("type: x\n\nattributes: \x1b\n", 3, "the character U+001B is not allowed there"),
        ("type: x\nattributes: " + "[" * 40, 2, "nested too deeply (more than 32 levels)"),
        ('type: x\nattributes: "\\UFFFFFFFF"\n', 2, "a number or an escape is too large"),
    ],
)
def test_yaml_that_cannot_be_read_is_named_with_its_line(defs, text, line, what):
    (problem,) = problems_of(write(defs, text))
    assert what in problem
    assert problem.endswith(f"defs.yaml:{line})")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "epochs: 2",
            "epochs: true",
            "training.epochs must be a number, got true (so are `yes`, `no`, `on`, `off` read)",
        ),
        ("epochs: 2", "epochs: '2'", "training.epochs must be a number, got '2': write it without quotes"),
        ("epochs: 2", "rank: 16.0", "training.rank must be a whole number, got 16.0"),
        ("epochs: 2", "rank: 0400", "training.rank must be a whole number, got '0400'"),
        ("epochs: 2", "max_length: 1:30", "training.max_length must be a whole number, got '1:30'"),
        ("epochs: 2", "epochs: 1e999", "training.epochs must be a finite number, got inf"),
        ("epochs: 2", f"rank: {'9' * 4000}", f"got {'9' * 60}... (4000 digits)"),
        ("epochs: 2", f"rank: {'9' * 5000}", "this day or number does not exist or is too long"),
        ("epochs: 2", "checkpoint_at: 2020-13-45", "this day or number does not exist or is too long"),
        ("uri: org/model", 'uri: "\\ud83d"', "half of a surrogate pair is not a character"),
        ("uri: org/model", "<<: {uri: org/model}", "base_model.<< is not a field of base_model"),
        ("uri: org/model", "uri: [org/model]", "base_model.uri must be text, got a list of 1"),
    ],
)
def test_a_value_of_another_type_is_not_made_to_fit(defs, old, new, problem):
    found = problems_of(write(defs, changed(old, new)))
    line = next(number for number, text in enumerate(dedent(changed(old, new)).splitlines(), 1) if new in text)
    assert any(problem in one and one.endswith(f"(defs/complaints/defs.yaml:{line})") for one in found), found


def test_numbers_are_read_as_in_yaml_1_2(defs):
    text = changed("epochs: 2", "epochs: 1_0.5").replace("5e-4", "+5E-4").replace("label: Product", "label: 010")
    assert "training.epochs must be a number, got '1_0.5'" in problems_of(write(defs, text))[0]
    settings = load_use_case(write(defs, text.replace("1_0.5", "10."))).settings
    assert (settings.training.epochs, settings.training.learning_rate, settings.record.label) == (10.0, 5e-4, "010")


def test_only_regular_files_up_to_a_size_are_read_and_links_to_them(defs, monkeypatch):
    """Kubernetes mounts a configuration as a link to a file beside it."""
    (defs / "elsewhere").mkdir(parents=True)
    for name, made in {
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "endless": lambda path: path.symlink_to("/dev/zero"),
        "nowhere": lambda path: path.symlink_to("none"),
        "large": lambda path: path.write_text("a: " + "b" * 300_000),
    }.items():
        (defs / name).mkdir()
        made(defs / name / "defs.yaml")
    told = dict(zip(("endless", "folder", "large", "nowhere", "pipe"), validate_all(defs), strict=True))
    assert "it has more than 262,144 bytes" in told["large"] and "No such file" in told["nowhere"]
    assert all("it must be a regular file" in told[name] for name in ("endless", "folder", "pipe"))
    folder = write(defs, GOOD)
    (folder / "defs.yaml").rename(folder / "..data")
    (folder / "defs.yaml").symlink_to("..data")
    assert load_use_case(folder).name == "complaints"


def test_a_file_that_may_not_be_read_is_named(defs, monkeypatch):
    folder = write(defs, GOOD)
    monkeypatch.setattr(
        "ft_platform.use_case.yaml_file.os.open",
        lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")),
    )
    assert problems_of(folder) == ["the file cannot be read: Permission denied (defs/complaints/defs.yaml:1)"]


def test_a_file_that_is_not_utf8_or_nested_too_deeply_or_empty_is_an_error_not_a_crash(defs):
    folder = write(defs, "")
    assert problems_of(folder) == [
        "the file must hold `type` and `attributes`, and is empty (defs/complaints/defs.yaml:1)",
    ]
    (folder / "defs.yaml").write_bytes(b"type: x\nattributes: \xff\n")
    assert problems_of(folder) == ["the file is not UTF-8 text (byte 20) (defs/complaints/defs.yaml:2)"]
    (folder / "defs.yaml").write_text("[" * 20_000)
    assert "nested too deeply" in problems_of(folder)[0]


def test_a_section_with_all_lines_commented_out_has_its_defaults(defs):
    text = changed("training:\n        epochs: 2\n        learning_rate: 5e-4", "training:\n        # epochs: 2")
    assert load_use_case(write(defs, text)).settings.training.rank == 16


def test_environment_variables_are_filled_in(defs, monkeypatch):
    monkeypatch.setenv("COMPLAINTS_BUCKET", "s3://bucket")
    monkeypatch.setenv("EPOCHS", "3")
    text = changed("sample://complaints", '"{{ env.COMPLAINTS_BUCKET }}/x.csv"').replace(
        "epochs: 2", 'epochs: "{{env.EPOCHS}}"'
    )
    settings = load_use_case(write(defs, text)).settings
    assert (settings.source.uri, settings.training.epochs) == ("s3://bucket/x.csv", 3.0)


def test_an_environment_variable_is_read_as_the_type_of_its_field(defs, monkeypatch):
    monkeypatch.setenv("VALUE", "true")
    text = changed("epochs: 2", 'epochs: "{{env.VALUE}}"')
    assert "training.epochs must be a number, got the value of VALUE" in problems_of(write(defs, text))[0]
    text = changed("training:", "splits: {stratify: '{{ env.VALUE }}'}\n      training:").replace(
        "label: Product", 'label: "{{env.VALUE}}"'
    )
    settings = load_use_case(write(defs, text)).settings
    assert (settings.splits.stratify, settings.record.label) == (True, "true")


def test_an_unset_environment_variable_is_a_problem_and_not_an_empty_text(defs, monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    assert problems_of(write(defs, changed("sample://complaints", '"{{ env.NOT_THERE }}"'))) == [
        "source.uri needs the environment variable NOT_THERE, which is not set (defs/complaints/defs.yaml:10)"
    ]


def test_other_templates_are_refused(defs):
    (problem,) = problems_of(write(defs, changed("sample://complaints", '"{{ secrets.X }}"')))
    assert "only `{{ env.NAME }}` can stand in double braces" in problem


def test_a_value_from_the_environment_is_never_printed(defs, monkeypatch):
    secret = "hunter2-very-secret"
    monkeypatch.setenv("SECRET", secret)
    text = GOOD
    for old in ["team:complaints", "5e-4", "classification", "org/model"]:
        text = text.replace(f": {old}", ': "{{ env.SECRET }}"')
    text = text.replace(
        "intended_use: Routing of complaints.",
        "intended_use: Routing of complaints.\n      fairness: {sensitive_features: [hunter2]}\n      compute:"
        " {profile: '{{ env.SECRET }}'}",
    )
    problems = problems_of(write(defs, text))
    assert len(problems) >= 4
    assert not any(secret in p for p in problems)


def test_a_compute_profile_must_be_one_of_the_installation(defs, tmp_path):
    folder = write(defs, changed("training:", "compute: {profile: locl}\n      training:"))
    assert problems_of(folder) == [
        "compute.profile must be a profile of this environment (local), got 'locl'; did you mean local?"
        " (defs/complaints/defs.yaml:20)"
    ]
    assert (
        load_use_case(
            folder, environment=Environment(home=tmp_path, profiles={"locl": ComputeProfile()})
        ).settings.compute.profile
        == "locl"
    )


def test_an_entity_that_no_recognizer_finds_is_a_problem(defs):
    folder = write(
        defs, changed("privacy:", "privacy:\n        entities: [PERSON, EMAL]\n        operators: {IBAM: redact}")
    )
    problems = problems_of(folder)
    assert len(problems) == 2
    assert problems[0].startswith("privacy.entities: 'EMAL' is not an entity") and problems[0].endswith(
        "(defs/complaints/defs.yaml:28)"
    )
    assert problems[1].startswith("privacy.operators: 'IBAM' is not an entity; did you mean IBAN")


def test_a_folder_name_that_cannot_be_a_use_case_name_is_a_problem(defs):
    (problem,) = problems_of(write(defs, GOOD, name="My-Case"))
    assert "the folder's name is the use case's name" in problem and "'My-Case'" in problem


def test_overrides_are_read_as_yaml_and_applied(defs):
    overrides = parse_overrides(
        [
            "training.epochs=1",
            "record.features.age=Age",
            "record.label_names.a.b=c",
            "splits.stratify=false",
            "source.uri=s3://a/b=c.csv",
        ]
    )
    assert overrides["splits.stratify"] is False
    settings = load_use_case(write(defs, GOOD), overrides).settings
    assert (settings.training.epochs, settings.splits.stratify, settings.source.uri) == (1.0, False, "s3://a/b=c.csv")
    assert settings.record.features == {"state": "State", "age": "Age"}
    assert settings.record.label_names == {"a.b": "c"}


def test_null_as_override_empties_a_field(defs):
    text = changed(
        "accepted_consent: [Consent provided]",
        "accepted_consent: [Consent provided]\n        without_consent_column: licence",
    )
    assert load_use_case(write(defs, text), parse_overrides(["record.consent=null"])).settings.record.consent is None


def test_a_wrong_override_is_named_as_such(defs):
    assert problems_of(write(defs, GOOD), parse_overrides(["training.epochs=-1"])) == [
        "training.epochs must be greater than 0, got -1 (--set training.epochs)"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("source={}", "source.uri is required: "),
        ("source=null", "source must be a mapping, got nothing"),
        ("training=[]", "training must be a mapping, got a list of 0"),
        ("training={epoch: 1}", "training.epoch is not a field of training; did you mean epochs?"),
        ("source={uri: {}}", "source.uri must be text, got a mapping"),
    ],
)
def test_what_is_wrong_in_a_whole_section_that_was_set_is_not_looked_for_in_the_file(defs, text, problem):
    found = problems_of(write(defs, GOOD), parse_overrides([text]))
    assert len(found) == 1 and found[0].startswith(problem) and found[0].endswith(f"(--set {text.split('=')[0]})")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("training.epoch=1", "--set training.epoch is not a field; did you mean training.epochs?"),
        ("training.epochs", "--set training.epochs is not of the form path.to.field=value"),
        ("training.epochs.deep=1", "--set training.epochs.deep is not a field; did you mean training.epochs?"),
        ("=1", "--set =1 is not of the form path.to.field=value"),
        (
            "task.instruction=[a",
            "--set task.instruction: the value is not YAML; put it in quotes, e.g. --set 'task.instruction=\"...\"'",
        ),
    ],
)
def test_an_override_that_cannot_be_used_is_refused(text, problem):
    with pytest.raises(ConfigError) as caught:
        parse_overrides([text])
    assert caught.value.problems == [problem]


def test_validate_all_reports_every_file_and_only_the_broken_ones(defs):
    write(defs, GOOD, "good")
    write(defs, changed("5e-4", "-1"), "bad_rate")
    write(defs, "a: [", "bad_yaml")
    write(defs, "a: [", ".hidden")
    assert [p.name for p in find_use_cases(defs)] == ["bad_rate", "bad_yaml", "good"]
    problems = validate_all(defs)
    assert len(problems) == 2
    assert "defs/bad_rate/defs.yaml:22" in problems[0] and "defs/bad_yaml/defs.yaml:1" in problems[1]


def test_two_folders_with_one_name_are_a_problem(defs):
    write(defs, GOOD, "a/complaints")
    write(defs, GOOD, "b/complaints")
    assert "2 use cases have the name complaints" in validate_all(defs)[0]


def test_no_use_case_at_all_is_a_problem(defs):
    assert validate_all(defs) == ["there is no use case in defs"]


def test_of_two_folders_with_one_name_neither_is_taken(defs):
    write(defs, GOOD, "a/complaints")
    write(defs, GOOD, "b/complaints")
    with pytest.raises(ConfigError, match="2 use cases have the name complaints"):
        use_case_folder(defs, "complaints")


def test_an_unknown_use_case_suggests_the_closest_name(defs):
    write(defs, GOOD, "complaint_routing")
    with pytest.raises(ConfigError, match="did you mean complaint_routing"):
        use_case_folder(defs, "complaint_ruoting")
    with pytest.raises(ConfigError, match="ft new other"):
        load_use_case(defs / "other")


EXPECTATIONS = """\
  validation:
    expectations:
      - {table: cleaned_records, expectation: expect_column_values_to_not_be_null, kwargs: {column: feature_state}}
      - table: cleaned_records
        expectation: expect_column_values_to_be_unikue
        kwargs: {column: record_id}
      - table: cleaned_records
        expectation: expect_column_values_to_be_between
        kwargs:
          column: text_characters
          min_value: [1]
      - table: splits
        expectation: expect_column_values_to_be_between
        kwargs: {column: lable, min: 3}
      - table: splitz
        expectation: expect_column_values_to_be_unique
      - table: splits
        expectation: expect_column_values_to_be_in_set
        kwargs: {column: label}
"""


def test_expectations_that_great_expectations_does_not_accept_are_named_with_their_line(defs):
    text = dedent(GOOD).replace("epochs: 2", "epochs: -2") + EXPECTATIONS
    write(defs, text)
    path = "validation.expectations"
    expected = [  # start of the problem, line of the file
        ("training.epochs must be greater than 0, got -2", "epochs: -2"),
        (
            (
                f"{path}[1].expectation 'expect_column_values_to_be_unikue' is not offered; did you mean"
                " 'expect_column_values_to_be_unique'?"
            ),
            "unikue",
        ),
        (f"{path}[2].kwargs.min_value: value is not a valid float, got [1]", "min_value: [1]"),
        (f"{path}[3].kwargs.min is not an argument of expect_column_values_to_be_between; it has ['column', ", "lable"),
        (f"{path}[3].kwargs.column: 'lable' is not a column of splits; did you mean 'label'?", "lable"),
        (f"{path}[4].table must be one of `cleaned_records`, `splits`, got 'splitz'", "splitz"),
        (f"{path}[5].kwargs.value_set: field required", "kwargs: {column: label}"),
    ]
    found = validate_all(defs)
    assert len(found) == len(expected)
    for problem, (start, part) in zip(found, expected, strict=True):
        line = next(number for number, line in enumerate(text.splitlines(), 1) if part in line)
        assert problem.startswith(start) and problem.endswith(f"(defs/complaints/defs.yaml:{line})"), problem


def test_without_a_sound_record_section_columns_are_unknown_and_only_the_record_is_named(defs):
    write(defs, dedent(GOOD).replace("label: Product", "lable: Product") + EXPECTATIONS)
    assert not [problem for problem in validate_all(defs) if "is not a column" in problem]


def test_an_argument_from_the_environment_is_never_printed(defs, monkeypatch):
    monkeypatch.setenv("LEAST", "secret" * 20)
    argument = "{column: text_characters, min_value: '{{ env.LEAST }}'}"
    listed = f"[{{table: splits, expectation: expect_column_values_to_be_between, kwargs: {argument}}}]"
    write(defs, dedent(GOOD) + f"  validation: {{expectations: {listed}}}\n")
    (problem,) = validate_all(defs)
    assert "value is not a valid float, got the value of LEAST" in problem and "secret" not in problem


@pytest.mark.integration
@pytest.mark.parametrize("expectations", ["[]", "[{table: splits, expectation: expect_column_values_to_be_unique}]"])
def test_great_expectations_is_imported_only_where_there_are_expectations_and_only_by_the_check(defs, expectations):
    folder = write(defs, dedent(GOOD) + f"  validation: {{expectations: {expectations}}}\n")
    code = "\n".join(
        [
            "import sys; from pathlib import Path",
            "from ft_platform.onboarding.rehearsal.file_problems import validate_all",
            "from ft_platform.use_case.file import load_use_case",
            f"load_use_case(Path({str(folder)!r})); loaded = 'great_expectations' in sys.modules",
            (
                f"problems = validate_all(Path({str(defs)!r})); print(loaded, 'great_expectations' in sys.modules,"
                " len(problems))"
            ),
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stdout.split() == ["False", str(expectations != "[]"), str(int(expectations != "[]"))]


def test_what_the_checks_of_personal_data_will_refuse_is_a_problem_of_the_check_and_no_reason_not_to_load(defs):
    write(
        defs,
        dedent(GOOD).replace(
            "  privacy:\n    without_quasi_identifiers: A state alone points to nobody.\n",
            "  privacy:\n    entities: [EMAIL]\n",
        ),
    )
    assert load_use_case(defs / "complaints").settings.privacy.entities == ["EMAIL"]
    columns, entities = validate_all(defs)
    assert "why there are none among state: " in columns
    assert columns.startswith("privacy names neither `quasi_identifiers` nor") and columns.endswith(
        "(defs/complaints/defs.yaml:27)"
    )
    assert (
        entities.startswith("privacy does not look for ADDRESS, API_KEY, ")
        and "`left_out` does not say why" in entities
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("left_out: {EMIAL: Customers have none.}", "'EMIAL' is not an entity; did you mean EMAIL?"),
        ("left_out: {EMAIL: because}", "left_out.EMAIL must be"),
        (
            "left_out: {EMAIL: Customers have none.}, entities: [EMAIL]",
            "`privacy.left_out` names ['EMAIL'], which are looked for",
        ),
        ("min_recall: 0.2", "privacy.min_recall must be at least 0.5, got 0.2"),
    ],
)
def test_reasons_and_floors_are_checked_where_the_file_is_read(defs, settings, words):
    text = dedent(GOOD).replace("    without_quasi_identifiers: A state alone points to nobody.\n", "")
    (problem,) = problems_of(write(defs, text.replace("  privacy:\n", f"  privacy: {{{settings}}}\n")))
    assert words in problem


SIGNS = [
    *" \t\n:-#'\"{}[],|>%@`&*!?~\\0.Za\xe9\u2028\x85\ufeff\x07",
    "\n  ",
    ": ",
    "- ",
    "\r\n",
    "---\n",
    "? ",
    " #",
    "|\n",
    ">-\n",
]


def read_otherwise(cases: int) -> list[str]:
    """Parts of files with some signs put in, of which libyaml makes something else than the rules of YAML."""
    chance = random.Random(7)
    files = [file.read_text() for file in sorted(REPOSITORY.glob("*/**/*.yaml")) if file.stat().st_size < 6_000]
    assert len(files) > 20
    found = []
    for _ in range(cases):
        lines = chance.choice(files).split("\n")
        start = chance.randrange(len(lines))
        text = "\n".join(lines[start : start + chance.randrange(1, 12)])
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            place, left_out = chance.randrange(len(text) + 1), chance.choice([0, 0, 1, 2])
            text = text[:place] + chance.choice(SIGNS) + text[place + left_out :]
        quick, slow = yaml_file._quickly(text), yaml_file._slowly(text)
        if quick and repr(vars(quick)) != repr(vars(slow)):
            found.append(text)
    return found


def test_a_file_that_libyaml_reads_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read_otherwise(4_000)
    monkeypatch.setattr(yaml_file, "UNUSUAL", re.compile("a^"))
    assert read_otherwise(4_000), "nothing would be found"


def test_what_nobody_foresaw_in_one_file_takes_no_other_use_case_down(defs, monkeypatch):
    """The fault is planted: who knows what the next one is."""
    from ft_platform.orchestration.loading import load_definitions
    from ft_platform.use_case import file

    write(defs, GOOD, "letters")
    write(defs, GOOD.replace("epochs: 2", "epochs: 13"))

    def faulty(attributes, from_environment, whole=file.schema_problems):
        if attributes["training"]["epochs"] == 13:
            raise IndexError("a value of the file")
        return whole(attributes, from_environment)

    monkeypatch.setattr(file, "schema_problems", faulty)
    (problem,) = problems_of(defs / "complaints")
    assert "IndexError in test_use_case_file.py" in problem and "a value of the file" not in problem
    graph = load_definitions(Environment(home=defs.parent / "home", defs=defs)).get_repository_def().asset_graph
    keys = {tuple(key.path) for key in graph.get_all_asset_keys()}
    assert {("letters", "splits"), ("complaints", "does_not_load")} <= keys
