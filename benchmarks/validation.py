"""Great Expectations on a table that does not fit into memory: seconds and peak memory, beside plain Great
Expectations.

    python benchmarks/validation.py --rows 10_000_000
    python benchmarks/validation.py --rows 1_000_000 --compare 1_000_000 --json

The suite is that of `cleaned_records` (4 defaults) with 7 expectations of a YAML: sets, a regular expression, lengths,
a mean, quantiles, a count of different values, a pair of columns. Ours reads a Parquet file batch by batch
(`cleaning.validation.expectations.validate`); plain Great Expectations gets the whole table of `--compare` rows as one
pandas frame. Both give the same verdicts and counts, or the benchmark ends with an error. Each measurement runs in a
process of its own, the two on `--compare` rows alternate `--repeat` times, and the medians are compared.

Prints `{"rows", "seconds", "peak_gib", "peak_anonymous_gib", "exponent", "compared_rows", "ratio_seconds",
"ratio_peak"}`; the ratios are plain / ours on the same rows. Memory as in `data_plane.py`: all that is resident, and
without mapped files.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from data_plane import PeakMemory

CHUNK = 65_536
LABELS = ["mortgage", "credit card", "student loan", "bank account", "debt collection", "credit reporting"]
EXPECTATIONS = [
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": LABELS}),
    ("expect_column_values_to_match_regex", {"column": "record_date", "regex": r"^20\d\d-\d\d-\d\d$", "mostly": 0.99}),
    ("expect_column_value_lengths_to_equal", {"column": "feature_state", "value": 2}),
    ("expect_column_mean_to_be_between", {"column": "text_characters", "min_value": 100, "max_value": 400}),
    (
        "expect_column_quantile_values_to_be_between",
        {"column": "text_characters", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[100, 400]]}},
    ),
    ("expect_column_unique_value_count_to_be_between", {"column": "label", "max_value": len(LABELS)}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "label", "column_B": "feature_state", "mostly": 0.0}),
]


def case() -> Any:
    """The use case whose suite is run."""
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.schema import UseCase

    settings = {
        "description": "Routes fictitious complaints; used to measure validation.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification", "instruction": "Name the product. One of: {labels}"},
        "source": {"uri": "not/used.csv"},
        "record": {
            "id": "id",
            "text": "text",
            "label": "product",
            "consent": "consent",
            "features": {"state": "state"},
        },
        "governance": {"purpose": "measurement", "accepted_consent": ["yes"], "licence": "proprietary"},
        "validation": {
            "expectations": [
                {"table": "cleaned_records", "expectation": name, "kwargs": kwargs} for name, kwargs in EXPECTATIONS
            ]
        },
        "base_model": {"uri": "not/used"},
        "release": {"intended_use": "Measurement of validation."},
    }
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(settings))


class ParquetRows:
    """Rows of a Parquet file (`ft_platform.records.rows.Rows`), read as the lake reads them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with pq.ParquetFile(path) as file:
            self.schema, self.num_rows = file.schema_arrow, file.metadata.num_rows

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._path, memory_map=True) as file:
            yield from file.iter_batches(batch_size=8192, columns=columns)


def written(path: Path, rows: int, seed: int = 7) -> ParquetRows:
    """A file of `rows` cleaned records with 300 bytes of text each (columns that no expectation reads are left out)."""
    from ft_platform.records.columns import MESSAGES, with_contents

    random = np.random.default_rng(seed)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, CHUNK):
        size = min(CHUNK, rows - start)
        numbers = pa.array(np.arange(start, start + size))
        texts = pc.binary_repeat("fictitious complaint ", pa.array(random.integers(5, 25, size)))  # type: ignore[attr-defined]
        one = [[{"role": "user", "content": ""}]]
        batch = pa.record_batch(
            {
                "record_id": pc.binary_join_element_wise("r", pc.utf8_lpad(numbers.cast(pa.string()), 15, "0"), ""),  # type: ignore[attr-defined]
                "messages": with_contents(pa.array(one * size, MESSAGES), texts),
                "label": pa.array(LABELS).take(pa.array(random.integers(0, len(LABELS), size))),
                "record_date": (
                    pa.array(["2026-01-05", "2026-02-11", "2026-03-30"]).take(pa.array(random.integers(0, 3, size)))
                ),
                "feature_state": pa.array(["CA", "NY", "TX"]).take(pa.array(random.integers(0, 3, size))),
                "text_characters": pc.utf8_length(texts).cast(pa.int32()),  # type: ignore[attr-defined]
            }
        )
        writer = writer or pq.ParquetWriter(path, batch.schema)
        writer.write_batch(batch)
    assert writer is not None
    writer.close()
    return ParquetRows(path)


def ours(rows: ParquetRows, use_case: Any) -> list[tuple[bool, int | None]]:
    from ft_platform.cleaning.validation.expectations import validate

    found = validate(use_case, "cleaned_records", rows)
    return [(e["passed"], e["unexpected_count"]) for e in found.expectations]


def plain(rows: ParquetRows, use_case: Any) -> list[tuple[bool, int | None]]:
    """As the documentation of Great Expectations shows it: the whole table as a data frame."""
    from ft_platform.cleaning.validation.suite import suite

    expectations = suite(use_case, "cleaned_records")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    columns = ["record_id", "label", "record_date", "feature_state", "text_characters"]
    frame = pa.Table.from_batches(list(rows.batches(columns))).to_pandas()
    asset = context.data_sources.add_pandas("records").add_dataframe_asset("flat")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
    raw = [batch.validate(implementation, result_format="SUMMARY").to_json_dict() for _, implementation in expectations]
    return [(bool(r["success"]), r["result"].get("unexpected_count")) for r in raw]


def measured_here(which: str, rows: int, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of this process, after the imports and after the file was written."""
    import great_expectations  # noqa: F401

    use_case, table = case(), written(folder / "records.parquet", rows)
    memory = PeakMemory()
    memory.start()
    started = time.monotonic()
    verdicts = ours(table, use_case) if which == "ours" else plain(table, use_case)
    seconds = time.monotonic() - started
    memory.stop()
    return {
        "seconds": seconds,
        "peak_gib": memory.resident / 2**30,
        "peak_anonymous_gib": memory.anonymous / 2**30,
        "verdicts": verdicts,
    }


def in_own_process(which: str, rows: int, folder: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="validation-", dir=folder) as place:
        command = [sys.executable, __file__, "--measure", which, "--rows", str(rows), "--folder", place]
        found = json.loads(
            subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
        )
        print(f"{which:>6} {rows:>12,} rows  {found['seconds']:8.1f} s  {found['peak_gib']:.2f} GiB", file=sys.stderr)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--compare", type=int, help="rows for the comparison with plain Great Expectations; default: at most a million"
    )
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of the comparison")
    parser.add_argument("--folder", help="where files are written; default: the temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", choices=["ours", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured_here(arguments.measure, arguments.rows, Path(arguments.folder))))
        return
    compared = arguments.compare or min(arguments.rows, 1_000_000)
    pairs = [
        (in_own_process("ours", compared, arguments.folder), in_own_process("plain", compared, arguments.folder))
        for _ in range(arguments.repeat)
    ]
    if any(mine["verdicts"] != theirs["verdicts"] for mine, theirs in pairs):
        raise SystemExit(f"the verdicts differ: {pairs[0][0]['verdicts']} and {pairs[0][1]['verdicts']}")
    large = in_own_process("ours", arguments.rows, arguments.folder)
    small = statistics.median(mine["seconds"] for mine, _ in pairs)
    found = {
        "rows": arguments.rows,
        "seconds": round(large["seconds"], 1),
        "peak_gib": round(large["peak_gib"], 2),
        "peak_anonymous_gib": round(large["peak_anonymous_gib"], 2),
        "exponent": (
            round(math.log(large["seconds"] / small) / math.log(arguments.rows / compared), 3)
            if arguments.rows > compared
            else None
        ),
        "compared_rows": compared,
        "ratio_seconds": round(statistics.median(theirs["seconds"] / mine["seconds"] for mine, theirs in pairs), 2),
        "ratio_peak": round(statistics.median(theirs["peak_gib"] / mine["peak_gib"] for mine, theirs in pairs), 2),
    }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
