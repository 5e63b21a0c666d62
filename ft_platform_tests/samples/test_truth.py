"""The score says what was caught and what was missed, and can tell the difference."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ft_platform.lake.store import Lake
from ft_platform.records.columns import contents, with_contents
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, raw_schema
from ft_platform.records.stage_results import StageResult, removed_table
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.samples import sample_file, truth_file
from ft_platform.sources.samples.truth import score_planted
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.cleaning.test_clean import clean
from ft_platform_tests.governance.tables import result_of
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
MAPPINGS = {
    "complaints": {
        "id": "Complaint ID",
        "text": "Consumer complaint narrative",
        "label": "Product",
        "consent": "Consumer consent provided?",
        "features": {"region": "State"},
    },
    "support": {"text": ["instruction", "input"], "answer": "output"},
}


def case_of(name: str) -> NamedUseCase:
    kind = "classification" if name == "complaints" else "generation"
    accepted = ["Consent provided" if name == "complaints" else "yes"]
    return use_case(
        kind,
        source={"uri": f"sample://{name}?rows=400"},
        record=MAPPINGS[name],
        governance={"accepted_consent": accepted},
        cleaning={"min_characters": 20},
    )


def run_stages(case: NamedUseCase, environment: Environment, lake: Lake, replaced: dict[str, str]) -> None:
    """All stages up to anonymized_records; `replaced` says what the anonymization finds."""
    raw = pa.Table.from_batches(read_new_records(case, environment, {}, None, NOW).batches, raw_schema(case))
    lake.write_table(case.name, "raw_records", raw.to_batches(), raw_schema(case), zone="restricted")
    permitted = result_of(case, raw)
    cleaned = clean(case, permitted.kept)
    anonymized = StageResult(anonymized_table(case, cleaned.kept, replaced), removed_table([], []))
    schemas = {
        "permitted_records": raw_schema(case),
        "cleaned_records": cleaned_schema(case),
        "anonymized_records": anonymized_schema(case),
    }
    for (name, schema), result in zip(schemas.items(), (permitted, cleaned, anonymized), strict=True):
        zone = "shared" if name == "anonymized_records" else "restricted"
        removed = lake.write_table(
            case.name, f"{name}_removed", result.removed.to_batches(), result.removed.schema, zone=zone
        )
        lake.write_table(
            case.name, name, result.kept.to_batches(), schema, zone=zone, info={"removed_version": removed.version}
        )


def anonymized_table(case: NamedUseCase, records: pa.Table, replaced: dict[str, str]) -> pa.Table:
    texts = contents(records["messages"]).to_pylist()
    for value, token in replaced.items():
        texts = [text.replace(value, token) for text in texts]
    columns = {name: records[name] for name in anonymized_schema(case).names if name in records.schema.names}
    columns |= {
        "messages": with_contents(records["messages"], pa.array(texts, pa.string())),
        "entities": pa.nulls(records.num_rows, anonymized_schema(case).field("entities").type),
    }
    return pa.table({name: columns[name] for name in anonymized_schema(case).names}, schema=anonymized_schema(case))


def personal_values(case: NamedUseCase, environment: Environment) -> dict[str, str]:
    truth = json.loads(
        truth_file(sample_file(case.settings.source.uri, environment.home / "samples")).read_text(encoding="utf-8")
    )
    return {t["value"]: t["entity"] for things in truth["records"].values() for t in things if t["kind"] == "pii"}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["complaints", "support"])
def test_what_the_stages_catch_and_miss_is_counted(environment: Environment, lake: Lake, name: str) -> None:
    case = case_of(name)
    values = personal_values(case, environment)
    found = {value: f"<{entity}>" for value, entity in values.items() if entity != "PHONE"}
    run_stages(case, environment, lake, found)
    score = score_planted(lake, case, environment)
    for kind in ("consent", "empty", "over_long", "exact_duplicate", "near_duplicate", "mojibake", "html"):
        assert score[kind]["planted"] > 0 and score[kind]["missed"] == 0, (kind, score[kind])
    entities = score["pii"]["entities"]
    assert entities["PHONE"]["missed"] == entities["PHONE"]["planted"] > 0
    assert all(counts["missed"] == 0 for entity, counts in entities.items() if entity != "PHONE")
    assert (
        score["pii"]["planted"]
        == sum(counts["planted"] for counts in entities.values())
        == score["pii"]["caught"] + score["pii"]["missed"]
    )
    assert not any(value in json.dumps(score) for value in values)


def test_a_name_of_which_a_part_is_left_is_missed(environment: Environment, lake: Lake) -> None:
    case = case_of("complaints")
    names = {
        value.split()[0]: "<PERSON>"
        for value, entity in personal_values(case, environment).items()
        if entity == "PERSON"
    }
    run_stages(case, environment, lake, names)
    assert score_planted(lake, case, environment)["pii"]["entities"]["PERSON"]["caught"] == 0


def test_faults_that_stay_are_missed(environment: Environment, lake: Lake) -> None:
    case = case_of("complaints")
    off = {
        "fix_unicode": False,
        "strip_html": False,
        "exact_duplicates": "keep",
        "near_duplicates": "keep",
        "min_characters": 1,
        "max_characters": 100_000,
    }
    run_stages(
        use_case(
            source={"uri": case.settings.source.uri},
            record=MAPPINGS["complaints"],
            governance={"accepted_consent": ["Consent provided"]},
            cleaning=off,
        ),
        environment,
        lake,
        {},
    )
    score = score_planted(lake, case, environment)
    for kind in ("mojibake", "html", "over_long", "exact_duplicate", "near_duplicate", "pii"):
        assert score[kind]["caught"] == 0 < score[kind]["missed"], (kind, score[kind])


def test_without_a_sample_or_without_tables_there_is_no_score(environment: Environment, lake: Lake) -> None:
    assert score_planted(lake, use_case(), environment) == {}
    assert score_planted(lake, case_of("support"), environment) == {}
