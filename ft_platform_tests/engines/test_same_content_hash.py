"""The real stages on every engine: the same content hash, the same counts, and workers that really are other
processes."""

import functools
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cleaning.clean import clean
from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import Written, write_stage
from ft_platform.privacy.anonymize import anonymize
from ft_platform.records.engines import BatchFunction, engine_of
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, splits_schema
from ft_platform.splitting.split import split
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Compute
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.privacy.anonymizing import key_in
from ft_platform_tests.tables import raw, use_case

pytestmark = pytest.mark.integration

TEXTS = [
    "My name is Zebulon Quartermain and the bank charged me {} dollars, write to zebulon{}@example.org",
    "<p>Tom &amp; Ann</p> paid  at the cafÃ© number {} and the fee {} was refused",
    "Call 415-555-01{:02d} about account {} please.\n-- \nAnn Reed",
    "The branch in Wien lost letter {}\u200b of customer {} and nobody answered since May",
    "{} THEY CHARGED ME AGAIN AND NOBODY AT THE BANK WANTS TO HELP ME WITH CASE {}",
]
"""Fictitious, of every kind that the stages treat apart."""
ENGINES = [
    "in_process",
    "processes",
    pytest.param("ray", marks=pytest.mark.components(name="ray")),
    pytest.param("spark", marks=pytest.mark.components(name="spark")),
]


@pytest.fixture(autouse=True, scope="module")
def no_ray_is_left():
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def needs(engine: str, request: pytest.FixtureRequest) -> None:
    if engine == "ray" and not importlib.util.find_spec("ray"):
        pytest.skip("needs the extra `ray`")
    if engine == "spark":
        request.getfixturevalue("spark_folder")


def made(engine: str, folder: Path) -> dict[str, Written]:
    """The three stages in a lake of their own."""
    case: NamedUseCase = use_case(
        cleaning={"boilerplate": ["signatures"]},
        privacy={"ner": "none", "columns": {"region": "pseudonym"}},
        splits={"paraphrases": "ngrams", "rare_labels": "drop"},
        compute={"engine": engine, "workers": 2},
    )
    texts = [TEXTS[n % len(TEXTS)].format(n % 100, n) for n in range(900)]
    features = {
        "feature_region": [f"region {n % 4}" for n in range(900)],
        "subject_id": [f"person {n // 2}" for n in range(900)],
    }
    records = raw(
        case,
        texts,
        label=[f"label {n % 3}" for n in range(900)],
        record_id=[f"r{n:03d}" for n in range(900)],
        **features,
    )
    lake, keys = open_lake(Environment(home=folder)), key_in(folder, case.name)
    permitted = lake.write_table(
        case.name, "permitted_records", records.to_batches(max_chunksize=100), records.schema, zone="restricted"
    )
    cleaned = write_stage(
        lake,
        case,
        "cleaned_records",
        [permitted],
        lambda work: clean(case, TableRows(records, 100), work),
        cleaned_schema(case),
    )
    anonymized = write_stage(
        lake,
        case,
        "anonymized_records",
        [cleaned.version],
        lambda work: anonymize(case, lake.rows(cleaned.version), work, keys, findings=folder / "findings"),
        anonymized_schema(case),
    )
    divided = write_stage(
        lake,
        case,
        "splits",
        [anonymized.version],
        lambda work: split(case, lake.rows(anonymized.version), work),
        splits_schema(case),
    )
    return {"cleaned_records": cleaned, "anonymized_records": anonymized, "splits": divided}


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    return made("in_process", tmp_path_factory.mktemp("in_process"))


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_every_stage_has_the_same_content_hash_on_every_engine(
    engine: str, in_process: dict[str, Written], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    needs(engine, request)
    found = made(engine, tmp_path)
    for name, written in found.items():
        expected = in_process[name]
        assert (name, written.version.content_hash, written.version.rows) == (
            name,
            expected.version.content_hash,
            expected.version.rows,
        )
        assert written.manifest.counts == expected.manifest.counts
    counts = in_process["anonymized_records"].manifest.counts["entities"]
    assert (
        counts["EMAIL"]
        and counts["PHONE"]
        and counts["PERSON"]
        and in_process["cleaned_records"].manifest.counts["changed_unicode"]
    )


def who_works() -> BatchFunction:
    return lambda batch: pa.RecordBatch.from_arrays([pa.array([os.getpid()] * batch.num_rows)], names=["process"])


@pytest.mark.parametrize("engine", ENGINES)
def test_workers_are_other_processes_and_no_more_than_were_asked_for(
    engine: str, request: pytest.FixtureRequest
) -> None:
    needs(engine, request)
    rows: Any = TableRows(pa.table({"record_id": [str(n) for n in range(400)]}), 4)
    batches = engine_of(Compute.model_validate({"engine": engine, "workers": 2})).map(
        rows, functools.partial(who_works)
    )
    workers = set(pa.Table.from_batches(batches)["process"].to_pylist())
    # A pool starts its second worker only while the first is busy.
    assert workers == {os.getpid()} if engine == "in_process" else 1 <= len(workers) <= 2 and os.getpid() not in workers
