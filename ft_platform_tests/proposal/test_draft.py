"""From a file to the file of a use case: it loads, says why, asks for permission and shows no value."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from ft_platform.errors import ConfigError, SourceError
from ft_platform.governance.licences import require_accepted_licences
from ft_platform.onboarding.proposal.draft import draft
from ft_platform.onboarding.rehearsal.file_problems import validate_all
from ft_platform.use_case.file import load_use_case
from ft_platform_tests.tiny_models import save_tiny_model

PERSON = "Erika Musterfrau"
"""Fictitious, as all persons of the tests."""


def complaints(path: Path, rows: int = 120) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Case ID", "Message", "Team", "Sex", "Consent given", "Received"])
        for number in range(rows):
            team = ("cards", "loans", "accounts")[number % 3]
            text = f"{PERSON} writes: please look at case {number}, about my {team}, and answer me soon."
            day = f"2024-01-{1 + number % 28:02d}"
            writer.writerow(
                [1000 + number, text, team, ("f", "m")[number % 2], ("granted", "refused")[number % 2], day]
            )
    return path


def written(environment, found) -> Path:
    folder = environment.defs / "claims"
    folder.mkdir()
    (folder / "defs.yaml").write_text(found.text, encoding="utf-8")
    return folder


def drafted(environment, path, kind=None, **stated):
    """`base_model` is by default one that is not on this machine, so that nothing is converted."""
    stated = {"base_model__uri": "example/none", **stated}
    return draft("claims", str(path), environment, {k.replace("__", "."): v for k, v in stated.items()}, kind)


def test_a_csv_becomes_some_thirty_lines_that_load(environment, tmp_path):
    found = drafted(environment, complaints(tmp_path / "a.csv"))
    settings = load_use_case(written(environment, found), environment=environment).settings
    record = settings.record
    assert (record.id, record.text, record.label, record.date) == ("Case ID", "Message", "Team", "Received")
    assert record.consent == "Consent given" and record.features == {"sex": "Sex"}
    assert settings.fairness.sensitive_features == ["sex"]
    assert settings.privacy.quasi_identifiers == {"sex": "category", "record_date": "date"}
    assert settings.task.kind == "classification" and settings.training.objective == "label_head"
    assert "{labels}" not in settings.task.instruction
    assert 25 <= found.text.count("\n") <= 40
    assert set(found.proposal.why) >= {"record.id", "record.text", "record.label", "task.kind", "training.max_length"}


def test_no_value_of_the_source_is_in_the_file_or_in_the_reasons(environment, tmp_path):
    found = drafted(environment, complaints(tmp_path / "a.csv"))
    told = found.text + json.dumps(found.proposal.why)
    assert not [value for value in (PERSON, "granted", "loans", "please", "2024-01") if value in told]


def test_permission_is_asked_for_and_nothing_is_used_until_it_is_stated(environment, tmp_path):
    found = drafted(environment, complaints(tmp_path / "a.csv"))
    folder = written(environment, found)
    assert found.proposal.asked == ["governance.accepted_consent", "governance.licence"]
    problems = validate_all(environment.defs, environment)
    assert len(problems) == 2 and all("is still to be stated" in problem for problem in problems)
    line = next(n for n, text in enumerate(found.text.splitlines(), 1) if "licence: to be stated" in text)
    assert any(f"defs.yaml:{line})" in problem for problem in problems)
    with pytest.raises(ConfigError, match=r"governance\.licence.*is still to be stated"):
        require_accepted_licences(load_use_case(folder, environment=environment))


def test_what_a_person_states_is_taken_and_not_asked_again(environment, tmp_path):
    stated = {"governance__accepted_consent": ["granted"], "governance__licence": "proprietary", "record__label": "Sex"}
    found = drafted(environment, complaints(tmp_path / "a.csv"), **stated)
    written(environment, found)
    assert not found.proposal.asked and not validate_all(environment.defs, environment)
    attributes = yaml.safe_load(found.text)["attributes"]
    assert attributes["record"]["label"] == "Sex" and "features" not in attributes["record"]


def test_without_a_column_of_consent_the_licence_is_the_question(environment, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        "\n".join(json.dumps({"text": f"What is the {n}th of them?", "label": "ab"[n % 2]}) for n in range(60))
    )
    governance = yaml.safe_load(drafted(environment, path).text)["attributes"]["governance"]
    assert governance["without_consent_column"] == "licence" and governance["licence"] == "to be stated"


@pytest.mark.parametrize(
    ("row", "record"),
    [
        (
            {"instruction": "Say in words what {n} is.", "input": "", "output": "It is the number {n}, in words."},
            {"text": ["instruction", "input"], "answer": "output"},
        ),
        (
            {"turns": [{"speaker": "USER", "utterance": "Hi {n}"}, {"speaker": "SYSTEM", "utterance": "Hello {n}"}]},
            {"messages": "turns"},
        ),
        (
            {
                "conversations": [{"from": "human", "value": "Hi {n}"}],
                "chosen": {"from": "gpt", "value": "Hello to you, number {n} of all"},
                "rejected": {"from": "gpt", "value": "Go away, number {n} of all"},
            },
            {"text": "conversations", "answer": "chosen", "rejected": "rejected"},
        ),
    ],
)
def test_chat_data_is_recognized_and_its_rows_are_conversations(environment, tmp_path, row, record):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row).replace("{n}", str(n)) for n in range(30)))
    found = drafted(environment, path, governance__licence="CC0-1.0")
    settings = load_use_case(written(environment, found), environment=environment).settings
    assert settings.task.kind == "generation"
    assert {name: getattr(settings.record, name) for name in record} == record


def test_rows_of_categories_are_joined_where_they_differ_and_refused_where_they_repeat(environment, tmp_path):
    lines = [f"{n % 7},{n % 11},{n % 13},{'yn'[n % 2]}" for n in range(300)]
    (tmp_path / "a.csv").write_text("\n".join(["size,height,width,risk", *lines]))
    assert drafted(environment, tmp_path / "a.csv").proposal.values["record.text"] == ["size", "height", "width"]
    (tmp_path / "b.csv").write_text("\n".join(["size,risk", *[f"{n % 7},{'yn'[n % 2]}" for n in range(300)]]))
    with pytest.raises(ConfigError, match="no column holds texts to learn from"):
        drafted(environment, tmp_path / "b.csv")


def test_the_longest_row_follows_from_rendered_rows(environment, tmp_path):
    model = save_tiny_model(tmp_path / "model")
    short = drafted(environment, complaints(tmp_path / "a.csv"), base_model__uri=str(model))
    assert short.proposal.why["training.max_length"].startswith("tokens: 99 of 100 rendered rows have at most")
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text().replace("please look", "please look " * 40))
    long = drafted(environment, tmp_path / "b.csv", base_model__uri=str(model))
    assert long.proposal.values["training.max_length"] > 2 * short.proposal.values["training.max_length"]


def test_a_file_without_names_of_columns_is_refused_without_its_first_row(environment, tmp_path):
    (tmp_path / "a.csv").write_text(f"{PERSON},erika@example.org,0151 234\n" * 30)
    with pytest.raises(SourceError, match="the first row has numbers or addresses") as refused:
        drafted(environment, tmp_path / "a.csv")
    assert "example.org" not in str(refused.value)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "kind", "record"),
    [
        ("banking77/train.csv", "classification", {"text": "text", "label": "category"}),
        (
            "german_credit_ibm/german_credit_data_biased_training.csv",
            "classification",
            {"label": "Risk", "features": {"sex": "Sex", "age": "Age", "foreign_worker": "ForeignWorker"}},
        ),
        (
            "cfpb_2020/complaints_sample.csv",
            "classification",
            {
                "id": "Complaint ID",
                "text": "Consumer complaint narrative",
                "label": "Product",
                "date": "Date received",
                "consent": "Consumer consent provided?",
            },
        ),
        ("sgd_dialogues/dialogues_005.json", "generation", {"id": "dialogue_id", "messages": "turns"}),
        ("llamafactory_demo/alpaca_en_demo.json", "generation", {"text": ["instruction", "input"], "answer": "output"}),
        ("llamafactory_demo/dpo_en_demo.json", "generation", {"answer": "chosen", "rejected": "rejected"}),
        (
            "llamafactory_demo/glaive_toolcall_en_demo.json",
            "generation",
            {"messages": "conversations", "tools": "tools"},
        ),
    ],
)
def test_public_data_sets_get_the_columns_that_their_authors_meant(environment, shared_data, file, kind, record):
    found = drafted(environment, shared_data / file, governance__licence="CC0-1.0")
    settings = load_use_case(written(environment, found), environment=environment).settings
    assert settings.task.kind == kind
    assert {name: getattr(settings.record, name) for name in record} == record
    assert found.text.count("\n") <= 40


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("nyc311_animals/311_Animals_short.csv", "no column holds texts to learn from"),
        ("chatterbot_tech_support/tech_support.yml", "Set source.format"),
    ],
)
def test_public_data_sets_that_are_no_training_data_are_refused(environment, shared_data, file, says):
    with pytest.raises((ConfigError, SourceError), match=says):
        drafted(environment, shared_data / file)


def test_what_is_odd_about_a_source_is_noted_without_a_value(environment, tmp_path):
    path = tmp_path / "a.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Ticket No", "Anliegen", "Kategorie", "Kunde"])
        for number in range(120):
            text = f"Bitte schauen Sie sich den Fall {number * 7} an und antworten Sie mir bald."
            team = ("Shipping", "shipping", "SHIPPING", "Technical")[number % 4]
            writer.writerow([max(number, 3), text, team, f"K{number % 50}"])
    found = drafted(environment, path)
    assert load_use_case(written(environment, found), environment=environment).settings.record.subject == "Kunde"
    repeated, alike = found.proposal.notes
    assert repeated.startswith("column 'Ticket No' is called like an id and repeats in 3 of 120 rows")
    assert alike.startswith("3 labels are probably 1:") and "hipping" not in alike
    assert drafted(environment, complaints(tmp_path / "b.csv")).proposal.notes == []
