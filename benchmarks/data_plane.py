"""Rows per second, peak memory and growth of the data half of the graph, raw file to splits, with its checks.

    python benchmarks/data_plane.py --rows 10_000_000
    python benchmarks/data_plane.py --rows 1_000_000 --engine processes --pandas --json
    python benchmarks/data_plane.py --rows 100_000 --sizes --without-names --json

Each size runs in a process of its own: the real stages through `run_use_case` on a generated Parquet file of fictitious
complaints (45 words at the mean; 2 % exact copies, 2 % copies with a changed word, 5 % without consent, an e-mail
address or telephone number in 10 %), without the audit of rendered rows, which `benchmarks/audit.py` measures.
`--without-names` looks for no persons and places: the built-in network, which takes most of the time, is not asked.
`--pandas` does the same steps on the same file with pandas: the platform's own functions row by row through
`DataFrame.apply`, exact duplicates through `drop_duplicates`, no near duplicates, no Great Expectations.

Prints `{"rows_per_second": {stage: r}, "cpu_seconds", "peak_gib", "exponent", ...}`. `cpu_seconds` are those of the
process and its workers together. `peak_gib` is the largest resident memory of the process and, with workers, of the sum
of them; it counts mapped files that the kernel may drop at any time, `peak_anonymous_gib` does not. `exponent` is the
slope of log(seconds) over log(rows) between the smallest and the largest size: 1 is linear.
"""

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.lake.opening import open_lake

CHUNK = 100_000
WORDS = 45
LABELS = ["mortgage", "credit card", "student loan", "bank account", "debt collection", "credit reporting"]
STAGES = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
SAMPLE_SECONDS = 0.1
PSEUDONYM_KEY = "5a" * 32
"""The same in every run, so that runs with different engines can be compared by their content hash."""


def write_complaints(path: Path, rows: int, seed: int = 7) -> None:
    """A Parquet file of `rows` fictitious complaints, made and written chunk by chunk."""
    random = np.random.default_rng(seed)
    syllables = (
        list("bcdfglmprst"),
        ["a", "e", "i", "o", "u", "an", "er", "or"],
        ["ment", "tion", "ty", "ing", "ed", "al", "ly", ""],
    )
    vocabulary = pa.array(["".join(word) for word in itertools.product(*syllables)])
    weights = 1.0 / np.arange(1, len(vocabulary) + 1) ** 0.7
    weights /= weights.sum()
    schema = pa.schema([(name, pa.string()) for name in ("id", "customer", "text", "product", "consent", "state")])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            size = min(CHUNK, rows - start)
            lengths = random.integers(WORDS // 2, WORDS * 3 // 2, size)
            offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
            words = random.choice(len(vocabulary), int(lengths.sum()), p=weights)
            texts = _joined(offsets, vocabulary.take(pa.array(words)))
            numbers = np.arange(start, start + size)
            contact = np.where(
                numbers % 20 == 3, " Write to reader" + numbers.astype(str).astype(object) + "@example.org.", ""
            )
            contact = np.where(
                numbers % 20 == 13,
                " Call 415-555-0" + (100 + numbers % 100).astype(str).astype(object) + " please.",
                contact,
            )
            texts = pc.binary_join_element_wise(texts, pa.array(contact, pa.string()), "")
            texts = _with_copies(texts, random)
            table = pa.table(
                {
                    "id": pa.array(numbers.astype(str)),
                    "customer": pa.array((numbers // 2).astype(str)),
                    "text": texts,
                    "product": pa.array(np.array(LABELS)[random.integers(0, len(LABELS), size)]),
                    "consent": pa.array(np.where(random.random(size) < 0.95, "yes", "no")),
                    "state": pa.array(np.array(["CA", "NY", "TX", "WA"])[random.integers(0, 4, size)]),
                },
                schema=schema,
            )
            writer.write_table(table)


def _joined(offsets: pa.Array, words: pa.Array) -> pa.Array:
    return pc.binary_join(pa.ListArray.from_arrays(offsets, words), " ")


def _with_copies(texts: pa.Array, random: np.random.Generator) -> pa.Array:
    """2 % become copies of another text of the chunk, 2 % copies with their first word changed."""
    rows = np.arange(len(texts))
    kind = random.random(len(texts))
    source = random.integers(0, len(texts), len(texts))
    copied = texts.take(pa.array(np.where(kind < 0.04, source, rows)))
    changed = pc.replace_substring_regex(copied, r"^\S+", "altered")
    return pc.if_else(pa.array((kind >= 0.02) & (kind < 0.04)), changed, copied)


def left_out(arguments: argparse.Namespace) -> dict[str, str]:
    """Entities that are not looked for, and why."""
    return dict.fromkeys(("PERSON", "LOCATION"), "The network is measured apart.") if arguments.without_names else {}


def write_use_case(folder: Path, source: Path, arguments: argparse.Namespace) -> None:
    folder.mkdir(parents=True)
    settings = {
        "description": "Routes fictitious complaints; used to measure the data stages.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification", "instruction": "Name the product. One of: {labels}"},
        "source": {"uri": str(source)},
        "record": {
            "id": "id",
            "text": "text",
            "label": "product",
            "subject": "customer",
            "consent": "consent",
            "features": {"state": "state"},
        },
        "governance": {"purpose": "measurement", "accepted_consent": ["yes"], "licence": "proprietary"},
        "privacy": {
            "ner": arguments.ner,
            "left_out": left_out(arguments),
            "without_quasi_identifiers": "The complaints are generated.",
        },
        "base_model": {"uri": "not/used"},
        "release": {"intended_use": "Measurement of the data stages."},
        "compute": {"engine": arguments.engine, "workers": arguments.workers},
    }
    (folder / "defs.yaml").write_text(
        json.dumps({"type": "ft_platform.components.FineTuningUseCase", "attributes": settings})
    )


class PeakMemory(threading.Thread):
    """Largest resident memory of this process and its children together, sampled. Bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.resident = self.anonymous = 0
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        found = [_memory(pid) for pid in family(os.getpid())]
        self.resident = max(self.resident, sum(resident for resident, _ in found))
        self.anonymous = max(self.anonymous, sum(anonymous for _, anonymous in found))

    def stop(self) -> None:
        self._end.set()
        self.join()


def family(pid: int) -> list[int]:
    try:
        children = [
            int(c)
            for task in os.listdir(f"/proc/{pid}/task")
            for c in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(child))]


def _memory(pid: int) -> tuple[int, int]:
    try:
        lines = dict(
            line.split(":", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith(("Rss", "VmRSS"))
        )
    except OSError:
        return 0, 0
    kilobytes = {name: int(value.split()[0]) * 1024 for name, value in lines.items()}
    return kilobytes.get("VmRSS", 0), kilobytes.get("RssAnon", 0)


def run_platform(arguments: argparse.Namespace) -> dict[str, Any]:
    """The data stages on a file, in a fresh installation. In this process."""
    from ft_platform.orchestration.execution import prepare_home, run_use_case
    from ft_platform.use_case.environment import load_environment

    folder = arguments.source.parent
    write_use_case(folder / "defs" / "complaints", arguments.source, arguments)
    os.environ |= {"FT_HOME": str(folder / "home"), "FT_DEFS": str(folder / "defs")}
    os.environ.pop("DAGSTER_HOME", None)
    environment = load_environment()
    environment.key_path.parent.mkdir(parents=True, mode=0o700)
    environment.key_path.write_text(PSEUDONYM_KEY)
    prepare_home(environment)
    _leave_out_the_audit()
    memory = PeakMemory()
    memory.start()
    started, spent = time.monotonic(), _cpu_seconds()
    outcome = run_use_case("complaints", select=STAGES, environment=environment)
    seconds = time.monotonic() - started
    memory.stop()
    if not outcome.success:
        raise SystemExit(f"{outcome.failed_stage} failed: {outcome.error}")

    splits = open_lake(environment).latest("complaints", "splits")
    assert splits is not None
    return {
        "seconds": {stage: outcome.seconds[stage] for stage in STAGES},
        "total_seconds": seconds,
        "cpu_seconds": _cpu_seconds() - spent,
        "peak_gib": memory.resident / 2**30,
        "peak_anonymous_gib": memory.anonymous / 2**30,
        "rows_in_splits": splits.rows,
        "content_hash": splits.content_hash,
    }


def _cpu_seconds() -> float:
    """Of this process and of its workers that have ended."""
    return sum(os.times()[:4])


def _leave_out_the_audit() -> None:
    """Puts a passed audit in place of the last check of `splits`: it renders rows for a base model, and
    `benchmarks/audit.py` measures it."""
    from types import SimpleNamespace

    import ft_platform.assets.splits
    from ft_platform.lake.versions import from_dict
    from ft_platform.stages import AUDIT_PAGE
    from ft_platform.training.audit_faults import Found
    from ft_platform.training.audit_verdict import FIGURES, audit_inputs

    def passed(context: Any, environment: Any, use_case: Any, program: str, extras: dict[str, Any]) -> Any:
        lake, splits = open_lake(environment), from_dict(extras["splits"])
        figures = {
            **Found(use_case.settings.audit).numbers(),
            "passed": True,
            "renderer_hash": None,
            "renderer_hashes": {},
            "rows_per_second": 0,
        }
        audit_id, inputs = audit_inputs(use_case, splits)
        with lake.scratch(use_case.name, AUDIT_PAGE) as folder:
            folder.mkdir(parents=True)
            (folder / FIGURES).write_text(json.dumps(figures))
            audit = lake.publish(
                use_case.name, AUDIT_PAGE, audit_id, folder, parents=[splits], settings_hash="none", input_hash=inputs
            )
        return SimpleNamespace(artifact=audit)

    ft_platform.assets.splits.run_program = passed


def run_pandas(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same steps as a script with pandas would do them. In this process."""
    import pandas as pd
    from sklearn.model_selection import GroupShuffleSplit

    from ft_platform.cleaning.repair import repair
    from ft_platform.lake.keys.key_ring import UseCaseKeys
    from ft_platform.privacy.batch import replace_spans
    from ft_platform.privacy.operators import Operators
    from ft_platform.privacy.scan import Scanner
    from ft_platform.use_case.settings.cleaning import Cleaning
    from ft_platform.use_case.settings.privacy import Privacy

    memory = PeakMemory()
    memory.start()
    started = time.monotonic()
    rows = pd.read_parquet(arguments.source)
    rows = rows[rows["consent"] == "yes"]
    cleaning, privacy = Cleaning(), Privacy(ner="none", left_out=left_out(arguments))
    rows["text"] = rows["text"].apply(lambda text: repair(text, cleaning)[0])
    rows = rows[rows["text"].str.len().between(cleaning.min_characters, cleaning.max_characters)].drop_duplicates(
        "text"
    )
    scanner, operators = Scanner(privacy), Operators(privacy, UseCaseKeys(b"0" * 32, "complaints"))
    rows["text"] = rows["text"].apply(lambda text: replace_spans(text, scanner.find([text])[0], operators, "").text)
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=17).split(rows, groups=rows["customer"]))
    rows.iloc[train].to_parquet(arguments.source.parent / "train.parquet")
    rows.iloc[test].to_parquet(arguments.source.parent / "test.parquet")
    seconds = time.monotonic() - started
    memory.stop()
    return {"total_seconds": seconds, "peak_gib": memory.resident / 2**30}


def in_own_process(size: int, arguments: argparse.Namespace, *, pandas: bool = False) -> dict[str, Any]:
    if arguments.folder:
        Path(arguments.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="data-plane-", dir=arguments.folder) as folder:
        source = Path(folder) / "complaints.parquet"
        write_complaints(source, size)
        command = [
            sys.executable,
            __file__,
            "--rows",
            str(size),
            "--source",
            str(source),
            "--engine",
            arguments.engine,
            "--workers",
            str(arguments.workers),
            "--ner",
            arguments.ner,
        ]
        command += [*(["--without-names"] if arguments.without_names else []), *(["--pandas"] if pandas else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def exponent(small: tuple[int, float], large: tuple[int, float]) -> float:
    return math.log(large[1] / small[1]) / math.log(large[0] / small[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="largest size; those of --sizes run before it")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="*",
        help="sizes below --rows; default: a hundredth and a tenth of it, at least 10,000",
    )
    parser.add_argument("--engine", choices=["in_process", "processes", "ray", "spark"], default="in_process")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--ner", choices=["none", "spacy"], default="none")
    parser.add_argument("--without-names", action="store_true", help="look for no persons and places")
    parser.add_argument(
        "--pandas", action="store_true", help="also the same steps with pandas, on the largest size but one"
    )
    parser.add_argument("--folder", help="where files are written; default: the temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source:
        found = run_pandas(arguments) if arguments.pandas else run_platform(arguments)
        print(json.dumps(found), flush=True)
        os._exit(0)
    smaller = (
        arguments.sizes if arguments.sizes is not None else [max(10_000, arguments.rows // part) for part in (100, 10)]
    )
    sizes = sorted({*smaller, arguments.rows})
    measured = {}
    for size in sizes:
        measured[size] = in_own_process(size, arguments)
        print(
            f"{size:>12,} rows  {measured[size]['total_seconds']:8.1f} s  {measured[size]['peak_gib']:.2f} GiB",
            file=sys.stderr,
        )
    largest = measured[sizes[-1]]
    found = {
        "rows": sizes[-1],
        "rows_per_second": {
            stage: round(sizes[-1] / max(seconds, 1e-9)) for stage, seconds in largest["seconds"].items()
        },
        "rows_per_second_whole": round(sizes[-1] / largest["total_seconds"]),
        "cpu_seconds": round(largest["cpu_seconds"], 1),
        "peak_gib": round(largest["peak_gib"], 2),
        "peak_anonymous_gib": round(largest["peak_anonymous_gib"], 2),
        "exponent": (
            round(exponent(*((size, measured[size]["total_seconds"]) for size in (sizes[0], sizes[-1]))), 3)
            if len(sizes) > 1
            else None
        ),
        "rows_in_splits": largest["rows_in_splits"],
        "content_hash": largest["content_hash"],
    }
    if arguments.pandas:
        size = sizes[-2] if len(sizes) > 1 else sizes[0]
        pandas = in_own_process(size, arguments, pandas=True)
        found |= {
            "pandas_rows": size,
            "pandas_rows_per_second": round(size / pandas["total_seconds"]),
            "pandas_peak_gib": round(pandas["peak_gib"], 2),
            "ratio_to_pandas": round(pandas["total_seconds"] / measured[size]["total_seconds"], 2),
        }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
