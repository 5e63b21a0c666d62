"""Anonymization of whole tables. Persons and numbers are fictitious."""

from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError, DataError, KeyMissing
from ft_platform.lake.stage_table import Work
from ft_platform.privacy import anonymize as stage
from ft_platform.privacy.anonymize import anonymize
from ft_platform.privacy.ner.built_in import BuiltInNer
from ft_platform.privacy.spans import Span
from ft_platform.process.progress import Update, listening
from ft_platform.records.columns import contents_sha256
from ft_platform.records.engines import engine_of
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Compute
from ft_platform_tests.privacy.anonymizing import anonymized, key_in
from ft_platform_tests.tables import table, use_case

BATCH_ROWS = 64
PLANTED = "My name is Mirela Okonjo, mail mirela@example.com, call (415) 555-0132, SSN 219-09-9999."
CLEAN = "I paid {$1,234.56} on XX/XX/2019 and XXXX XXXX never answered."


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "BATCH_ROWS", BATCH_ROWS)


def cleaned(case: NamedUseCase, texts: list[str], answers: list[str] | None = None, **columns: list) -> pa.Table:
    return table(cleaned_schema(case), texts, answers, **columns)


def texts_of(result: pa.Table) -> list[str]:
    return [row[0]["content"] for row in result["messages"].to_pylist()]


def test_planted_identifiers_are_replaced_and_counted() -> None:
    result = anonymized(use_case(), cleaned(use_case(), [PLANTED, CLEAN]))
    planted, clean = texts_of(result.kept)
    assert not any(original in planted for original in ("Mirela", "Okonjo", "mirela@", "555", "219-09"))
    assert all(f"<{entity}_" in planted for entity in ("PERSON", "EMAIL", "PHONE", "US_SSN"))
    assert clean == CLEAN
    assert dict(result.kept["entities"].to_pylist()[0]) == {"EMAIL": 1, "PERSON": 1, "PHONE": 1, "US_SSN": 1}
    assert result.counts["entities"] == {"EMAIL": 1, "PERSON": 1, "PHONE": 1, "US_SSN": 1}
    assert result.counts["rows_with_any"] == 1


def test_no_row_is_lost_and_the_schema_has_nothing_of_the_restricted_zone() -> None:
    case = use_case()
    result = anonymized(case, cleaned(case, [PLANTED] * 3, source_key=["a", "b", "c"], sha256_before=["x"] * 3))
    assert result.kept.schema.equals(anonymized_schema(case))
    assert not {"source_key", "source_uri", "source_position", "sha256_before", "consent"} & set(
        result.kept.schema.names
    )
    assert (result.kept.num_rows, result.removed.num_rows) == (3, 0)


def test_all_messages_are_anonymized_and_their_hash_and_length_are_new() -> None:
    case = use_case("generation")
    records = cleaned(case, [PLANTED], ["Dear Mirela Okonjo, we wrote to mirela@example.com."])
    row = anonymized(case, records).kept.to_pylist()[0]
    user, assistant = (m["content"] for m in row["messages"])
    assert "mirela" not in (user + assistant).lower()
    token = user[user.index("<EMAIL_") :].split(">")[0]
    assert token in assistant
    assert row["sha256_after"] == contents_sha256([user, assistant])
    assert row["text_characters"] == len(user)


def test_a_text_that_stays_keeps_the_hash_and_length_that_cleaning_gave_it() -> None:
    case, texts = use_case(), [CLEAN, PLANTED, CLEAN]
    known = {"sha256_after": ["0" * 64, "1" * 64, None], "text_characters": [1, 2, 3]}
    first, changed, last = anonymized(case, cleaned(case, texts, **known)).kept.to_pylist()
    assert (first["sha256_after"], first["text_characters"]) == ("0" * 64, 1)
    assert changed["sha256_after"] == contents_sha256([changed["messages"][0]["content"]])
    assert changed["text_characters"] == len(changed["messages"][0]["content"])
    assert (last["sha256_after"], last["text_characters"]) == (contents_sha256([CLEAN]), len(CLEAN))


def test_a_persons_name_is_replaced_everywhere_in_a_text_once_it_was_found() -> None:
    text = "My name is Mirela Okonjo. Later they asked for Okonjo again, and Mirela answered."
    (result,) = texts_of(anonymized(use_case(), cleaned(use_case(), [text])).kept)
    assert "Okonjo" not in result and "Mirela" not in result


@pytest.fixture
def _only_whole_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network finds `Mirela Okonjo`, and nothing else."""

    def find(self: BuiltInNer, texts: list[str]) -> list[list[Span]]:
        places = [text.find("Mirela Okonjo") for text in texts]
        return [[Span(start, start + 13, "PERSON", 0.9, "built_in")] if start >= 0 else [] for start in places]

    monkeypatch.setattr(BuiltInNer, "find", find)


@pytest.mark.usefixtures("_only_whole_names")
def test_a_name_is_found_in_the_other_records_of_the_person_only() -> None:
    texts = ["My name is Mirela Okonjo.", "they lost the file of okonyo", "they lost the file of okonyo"]
    records = cleaned(use_case(), texts, subject_id=["c-1", "c-1", "c-2"])
    _, same, other = texts_of(anonymized(use_case(), records).kept)
    assert same.startswith("they lost the file of <PERSON_") and other == texts[2]


@pytest.mark.usefixtures("_only_whole_names")
def test_names_of_a_person_are_known_in_every_batch() -> None:
    texts = ["My name is Mirela Okonjo.", *[f"{CLEAN} {number}" for number in range(BATCH_ROWS)], "the file of okonyo"]
    records = cleaned(use_case(), texts, subject_id=["c-1", *[None] * BATCH_ROWS, "c-1"])
    assert texts_of(anonymized(use_case(), records).kept)[-1].startswith("the file of <PERSON_")


def test_subjects_get_consistent_pseudonyms_and_null_stays_null() -> None:
    records = cleaned(use_case(), [CLEAN] * 3, subject_id=["c-1", None, "c-1"])
    subjects = anonymized(use_case(), records).kept["subject_id"].to_pylist()
    assert subjects[0] == subjects[2] and subjects[0].startswith("subject_") and subjects[1] is None


def test_operators_choose_redaction_and_keeping_by_entity() -> None:
    case = use_case(privacy={"operators": {"EMAIL": "keep", "PHONE": "redact"}, "default_operator": "pseudonym"})
    (text,) = texts_of(anonymized(case, cleaned(case, [PLANTED])).kept)
    assert "mirela@example.com" in text and "<PHONE>" in text and "<US_SSN_" in text


def test_only_named_entities_are_replaced() -> None:
    case = use_case(privacy={"entities": ["EMAIL"]})
    (text,) = texts_of(anonymized(case, cleaned(case, [PLANTED])).kept)
    assert "<EMAIL_" in text and "219-09-9999" in text


def test_a_higher_minimum_score_leaves_less_certain_findings() -> None:
    case = use_case(privacy={"min_score": 0.95})
    (text,) = texts_of(anonymized(case, cleaned(case, ["mail mirela@example.com or 07700 900123"])).kept)
    assert "<EMAIL_" in text and "07700 900123" in text


def test_anonymizing_twice_changes_nothing() -> None:
    case = use_case()
    once = texts_of(anonymized(case, cleaned(case, [PLANTED])).kept)
    assert texts_of(anonymized(case, cleaned(case, once)).kept) == once


def test_the_result_does_not_depend_on_neighbours_or_batches() -> None:
    case = use_case()
    texts = [f"{PLANTED} {i}" if i % 3 else CLEAN for i in range(BATCH_ROWS + 5)]
    whole = anonymized(case, cleaned(case, texts)).kept
    alone = anonymized(case, cleaned(case, texts).slice(BATCH_ROWS - 2, 4)).kept
    assert whole.slice(BATCH_ROWS - 2, 4).to_pylist() == alone.to_pylist()


@pytest.mark.integration
@pytest.mark.parametrize(
    "engine", ["processes", pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.components(name="ray")])]
)
def test_workers_open_the_key_themselves_and_come_to_the_same_rows(engine: str, tmp_path: Path) -> None:
    case = use_case(privacy={"operators": {"PERSON": "surrogate", "EMAIL": "pseudonym"}})
    records = cleaned(case, [f"{PLANTED} {i}" for i in range(600)], subject_id=[f"c-{i % 50}" for i in range(600)])
    work = Work(tmp_path, engine_of(Compute.model_validate({"engine": engine, "workers": 2})))
    made = anonymize(case, TableRows(records), work, key_in(tmp_path, case.name)).collect(anonymized_schema(case))
    assert made.kept.to_pylist() == anonymized(case, records).kept.to_pylist()
    assert made.counts == anonymized(case, records).counts


def test_a_worker_without_the_key_stops_the_stage(tmp_path: Path) -> None:
    case = use_case()
    handle = key_in(tmp_path, case.name)
    (tmp_path / "key").unlink()
    with pytest.raises(KeyMissing, match="there is no key"):
        anonymize(case, TableRows(cleaned(case, [CLEAN])), Work(tmp_path, InProcess()), handle).collect(
            anonymized_schema(case)
        )


def test_dates_of_a_person_move_alike_in_all_records_and_without_a_subject_in_one(tmp_path: Path) -> None:
    case = use_case(privacy={"operators": {"DATE_OF_BIRTH": "date_shift"}})
    text = "My date of birth is 03/04/1980."
    first, second, third, fourth = texts_of(
        anonymized(case, cleaned(case, [text] * 4, subject_id=["anna", "anna", None, None])).kept
    )
    assert first == second != text and len({first, third, fourth}) == 3


def test_long_texts_go_to_workers_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "BATCH_BYTES", 40_000)
    rows = TableRows(cleaned(use_case(), ["long " * 2_000] * 12 + ["short"] * 2))
    batches = list(stage.SmallBatches(rows, BATCH_ROWS).batches())
    assert 3 <= max(batch.num_rows for batch in batches) <= 5
    assert pa.Table.from_batches(batches).equals(pa.Table.from_batches(list(rows.batches())))


def test_progress_is_reported_per_batch() -> None:
    updates: list[Update] = []
    with listening(updates.append):
        anonymized(use_case(), cleaned(use_case(), [CLEAN] * (BATCH_ROWS + 1)))
    assert [(u.stage, u.done, u.total) for u in updates] == [
        ("anonymized_records", BATCH_ROWS, BATCH_ROWS + 1),
        ("anonymized_records", BATCH_ROWS + 1, BATCH_ROWS + 1),
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [("feature_region", "mirela@example.com"), ("feature_region", "219-09-9999"), ("label", "call (415) 555-0132")],
)
def test_a_feature_or_label_with_identifiers_is_a_mapping_mistake(column: str, value: str) -> None:
    records = cleaned(use_case(), [CLEAN, CLEAN], **{column: ["north", value]})
    with pytest.raises(DataError, match=f"column {column} contains direct identifiers") as caught:
        anonymized(use_case(), records)
    assert value not in str(caught.value)


def test_ordinary_features_pass_through() -> None:
    values = ["Older American", "10115", "CA", "2019-03", "35-44", "$50,000", None]
    records = cleaned(use_case(), [CLEAN] * len(values), feature_region=values)
    assert anonymized(use_case(), records).kept["feature_region"].to_pylist() == values


def test_an_unknown_entity_is_refused_before_any_work() -> None:
    case = use_case(privacy={"entities": ["EMIAL"]})
    with pytest.raises(ConfigError, match="did you mean EMAIL"):
        anonymized(case, cleaned(case, [CLEAN]))


def test_empty_and_missing_texts_stay_as_they_are() -> None:
    case = use_case("generation")
    result = anonymized(case, cleaned(case, ["", CLEAN], [None, "fine"])).kept  # type: ignore[list-item]
    assert [[m["content"] for m in row] for row in result["messages"].to_pylist()] == [["", None], [CLEAN, "fine"]]
