"""How long it takes to erase many persons at once: every version of every table, reports, lists of training records, a
search of every byte. All persons are fictitious.

python benchmarks/erasure.py --rows 1000000 --persons 1000 --json
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import ask, decide
from ft_platform.lake.inspection import inspect
from ft_platform.lake.keys.key_ring import UseCaseKeys, pseudonym_key_place, read_key_ring
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.privacy.pseudonyms import Pseudonyms
from ft_platform.records.columns import MESSAGES, text_fields
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment

ANA, BO = named("ana.ruiz@example.org"), named("bo.lund@example.org")
NAME = "complaints"
BATCH = 50_000
ROWS_OF_A_PERSON = 5
SCHEMA = pa.schema([*text_fields("record_id source_key subject_id label split"), pa.field("messages", MESSAGES)])
TABLES = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
WORDS = " ".join(f"word{number} of a fictitious letter about an account" for number in range(6))
"""Some 300 characters a record."""


def use_case() -> NamedUseCase:
    settings = {
        "description": "Routes complaints of fictitious customers.",
        "owners": {"accountable": ANA.name, "compliance": "team:privacy", "teams": {"privacy": [ANA.name, BO.name]}},
        "task": {"kind": "classification", "instruction": "Name the product. One of: {labels}."},
        "source": {"uri": "letters.csv"},
        "record": {
            "id": "id",
            "text": "text",
            "label": "label",
            "consent": "consent",
            "subject": "person",
            "features": {"region": "region"},
        },
        "governance": {"purpose": "complaint routing", "accepted_consent": ["yes"], "licence": "proprietary"},
        "privacy": {"ner": "none", "without_quasi_identifiers": "The persons of this benchmark are fictitious."},
        "base_model": {"uri": "example/none"},
        "training": {"recipe": "manual"},
        "fairness": {"sensitive_features": ["region"]},
        "release": {"intended_use": "A benchmark."},
    }
    return NamedUseCase(name=NAME, settings=UseCase.model_validate(settings))


def batches(first: int, last: int, persons: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows with these numbers.

    Args:
        persons: id or pseudonym of each.
    """
    known = pa.array(persons)
    for start in range(first, last, BATCH):
        numbers = np.arange(start, min(start + BATCH, last))
        texts = pc.cast(pa.array(numbers), pa.string())
        whose = known.take(pa.array(numbers // ROWS_OF_A_PERSON))
        content = pc.binary_join_element_wise(pc.cast(pa.array(numbers * 7919), pa.string()), WORDS, " ")
        message = pa.StructArray.from_arrays(
            [pa.array(["user"] * len(numbers)), content], fields=list(MESSAGES.value_type)
        )
        messages = pa.ListArray.from_arrays(pa.array(np.arange(len(numbers) + 1), pa.int32()), message, type=MESSAGES)
        ids = pc.binary_join_element_wise("record", texts, "-")
        sides = pa.array(np.where(numbers % 10, "train", "test"))
        yield pa.RecordBatch.from_arrays([ids, texts, whose, texts, sides, messages], schema=SCHEMA)


def build(lake: Lake, rows: int, ids: list[str], pseudonyms: list[str]) -> None:
    """Two versions of the source, one of each later table, a checkpoint, and a report with two rows per record."""
    for name in TABLES:
        zone = "shared" if name in TABLES[3:] else "restricted"
        whose = pseudonyms if zone == "shared" else ids
        halves = [(0, rows // 2), (rows // 2, rows)] if name == "raw_records" else [(0, rows)]
        for number, half in enumerate(halves):
            version = lake.write_table(
                NAME, name, batches(*half, whose), SCHEMA, zone=zone, append=bool(number), input_hash=f"{half}"
            )
    publish(lake, "adapter_checkpoint", "ckpt", TRAINING_RECORDS, rows, version)
    publish(lake, "evaluation_report", "eval", "predictions.parquet", rows, version)


def publish(lake: Lake, stage: str, artifact: str, file: str, rows: int, splits: TableVersion) -> None:
    with lake.scratch(NAME, stage) as folder:
        folder.mkdir()
        ids = pc.binary_join_element_wise("record", pc.cast(pa.array(np.arange(rows)), pa.string()), "-")
        pq.write_table(pa.table({"record_id": ids}), folder / file)
        lake.publish(NAME, stage, artifact, folder, parents=[splits], settings_hash="s", input_hash=artifact)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--persons", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured (default: a temporary one)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measured(Path(folder), arguments.rows, arguments.persons)
    for name, value in found.items() if not arguments.json else ():
        print(f"{name.replace('_', ' '):24} {value}")
    if arguments.json:
        print(json.dumps(found, indent=1))


def measured(home: Path, rows: int, persons: int) -> dict[str, object]:
    environment = Environment(home=home, defs=home, tracking_uri="none")
    create_pseudonym_key(environment)
    lake, case = open_lake(environment), use_case()
    keys = UseCaseKeys(read_key_ring(pseudonym_key_place(environment)).keys[1], NAME)
    ids = [f"customer-{number:09d}" for number in range(rows // ROWS_OF_A_PERSON)]
    build(lake, rows, ids, [Pseudonyms(keys).subject(one) for one in ids])
    permissions, today = Permissions(use_cases={NAME: case}), datetime.now(UTC).date()
    wanted = ids[:: max(len(ids) // persons, 1)][:persons]
    about = {"reason": "A benchmark of erasure", "received": today, "today": today}
    request = ask(lake, environment, case, permissions, ANA, wanted, **about)
    request = decide(lake, case, permissions, BO, request.id, approved=True)
    steps: list[tuple[str, float]] = []
    started, used = time.perf_counter(), time.process_time()
    made = erase_approved(
        lake, environment, case, request, ANA, lambda step: steps.append((step.split()[0], time.perf_counter()))
    )
    ended, used = time.perf_counter(), time.process_time() - used
    seconds: dict[str, float] = {}
    for (step, begun), until in zip(steps, [*(at for _, at in steps[1:]), ended], strict=True):
        seconds[step] = round(seconds.get(step, 0.0) + until - begun, 1)
    problems = inspect(open_lake(environment), NAME).problems
    if problems or made["bytes_found_after"]:
        sys.exit(f"not erased, or not intact: {problems or made['found_in']}")
    return {
        "rows": rows,
        "persons": len(wanted),
        "rows_erased": made["rows"],
        "seconds": round(ended - started, 1),
        "cpu_seconds": round(used, 1),
        "megabytes_searched": made["searched"]["bytes"] >> 20,
        "bytes_found_after": made["bytes_found_after"],
        "by_step": {step: spent for step, spent in seconds.items() if spent >= 0.1},
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


if __name__ == "__main__":
    main()
