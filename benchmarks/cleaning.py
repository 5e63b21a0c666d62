"""Rows per second of the stage `cleaned_records` on one core, against pandas doing the same, and what it repairs and
leaves alone.

    python benchmarks/cleaning.py
    python benchmarks/cleaning.py --mojibake ../shared/data/ftfy_mojibake --copies
    ../shared/data/chatterbot_tech_support/tech_support.yml --languages --json

Rows are generated: fictitious questions of 40 to 90 characters. `clean_ascii` needs no repair; in `mixed` 3 % of the
rows have HTML, 3 % mojibake, 10 % doubled blanks and 20 % curly quotes or accents.

`rows_per_second`: `BatchCleaner`, the function that the stage runs on every batch (repair, filters, hashes before and
after, the key of duplicates); pandas is `Series.apply` with the same functions: `repair`, `contents_sha256`, the
bounds. Both run in one thread of this process, alternately; cpu-seconds, the best of three rounds. `same_result` says
whether texts, hashes, kinds of change and reasons are equal; if they are not, the exit code is 1.
`stage_rows_per_second`: the whole stage in one process, with its intermediate file, without duplicates, with exact
ones, and with near ones too.

`--mojibake`: the folder of ftfy's test cases; how many texts come out as ftfy's authors want them (gold repairs), and
how many of those that only look like mojibake do (must not be touched); the cases that ftfy's authors list as failures
count apart.
`--copies`: a corpus of ChatterBot (`conversations`: question and answer); how many of its rows the stage keeps, and how
many distinct pairs there are. `--languages`: accuracy of language identification on the message catalogues of Django
(`pip install django "ft-platform[language]"`), by length of text."""

import argparse
import gettext
import json
import platform
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from ft_platform.cleaning.batch import BatchCleaner
from ft_platform.cleaning.clean import clean
from ft_platform.cleaning.repair import repair
from ft_platform.cleaning.unicode_repair import repair_unicode
from ft_platform.lake.stage_table import Work
from ft_platform.records.columns import contents, contents_sha256
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import BATCH_ROWS, TableRows
from ft_platform.records.schemas import raw_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase

QUESTIONS = (
    "why was my card charged twice for the payment at this shop when account balance transfer fee is still pending and"
    " how can I get money back from bank please help with new address on mortgage letter it says that I must pay a late"
    " charge but never received any bill in May or June thank you"
)
WORDS = QUESTIONS.split()
ROUNDS = 3
LOCALES = "ar cs da de el es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv tr uk vi zh_Hans"
"""Of Django's catalogues."""
LANGUAGE_TEXTS = 4000


def use_case(generation: bool = False) -> NamedUseCase:
    settings: dict[str, Any] = {
        "description": "Routes fictitious questions; used to measure cleaning.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification"},
        "source": {"uri": "x.csv"},
        "record": {"id": "id", "text": "text", "label": "label", "consent": "consent"},
        "governance": {"purpose": "measurement", "accepted_consent": ["yes"], "licence": "proprietary"},
        "base_model": {"uri": "not/used"},
        "release": {"intended_use": "Measurement of cleaning."},
    }
    if generation:
        settings |= {
            "task": {"kind": "generation"},
            "record": {"text": "text", "answer": "answer", "consent": "consent"},
        }
    return NamedUseCase(name="cleaning", settings=UseCase.model_validate(settings))


def clean_texts(rows: int) -> list[str]:
    choose = random.Random(7)
    made = []
    for number in range(rows):
        length, text = choose.randint(40, 80), f"{number}"
        while len(text) < length:
            text += " " + choose.choice(WORDS)
        made.append(text + "?")
    return made


def mixed_texts(rows: int) -> list[str]:
    damaged: list[tuple[float, Callable[[str], str]]] = [
        (0.03, lambda text: f"<p>{text}</p> Tom &amp; Ann"),
        (0.06, lambda text: f"{text} the bankâ€™s cafÃ©"),
        (0.16, lambda text: text.replace(" ", "  ", 2)),
        (0.36, lambda text: f"{text} It’s the “café”"),
        (1.01, lambda text: text),
    ]
    choose = random.Random(11)
    return [
        next(damage for below, damage in damaged if share < below)(text)
        for text in clean_texts(rows)
        for share in [choose.random()]
    ]


def table_of(case: NamedUseCase, texts: list[str]) -> pa.Table:
    columns = {
        "record_id": [f"{number:024x}" for number in range(len(texts))],
        "messages": [[{"role": "user", "content": text}] for text in texts],
        "label": [f"label {number % 20}" for number in range(len(texts))],
    }
    schema = raw_schema(case)
    return pa.table({name: columns.get(name, [None] * len(texts)) for name in schema.names}, schema=schema)


def ours(case: NamedUseCase, records: pa.Table) -> pa.Table:
    cleaner = BatchCleaner(case)
    return pa.Table.from_batches([cleaner(batch) for batch in records.to_batches(max_chunksize=BATCH_ROWS)])


def whole_stage(case: NamedUseCase, records: pa.Table, **settings: str) -> float:
    """Rows per cpu-second of the stage with some settings of cleaning changed."""
    cleaning = case.settings.cleaning.model_copy(update=settings)
    case = NamedUseCase(name=case.name, settings=case.settings.model_copy(update={"cleaning": cleaning}))
    with tempfile.TemporaryDirectory(prefix="benchmark-cleaning-") as folder:
        started = time.process_time()
        stream = clean(case, TableRows(records), Work(Path(folder), InProcess()))
        rows = sum(part.num_rows for pair in stream.parts for part in pair if part is not None)
        seconds = time.process_time() - started
    assert rows == records.num_rows
    return round(rows / seconds)


def with_pandas(case: NamedUseCase, frame: pd.DataFrame) -> pd.DataFrame:
    cleaning = case.settings.cleaning
    repaired = frame["text"].apply(lambda text: repair(text, cleaning))
    made = pd.DataFrame(
        {"text": repaired.apply(lambda found: found[0]), "changes": repaired.apply(lambda found: found[1])}
    )
    made["label"] = frame["label"].apply(lambda label: " ".join(label.split()) or None)
    made["sha256_before"] = frame["text"].apply(lambda text: contents_sha256([text]))
    made["sha256_after"] = made["sha256_before"]
    changed = made["changes"].apply(bool)
    made.loc[changed, "sha256_after"] = made.loc[changed, "text"].apply(lambda text: contents_sha256([text]))
    made["text_characters"] = made["text"].str.len()
    made["removed"] = made["text"].apply(lambda text: not text.strip()) | ~made["text_characters"].between(
        cleaning.min_characters, cleaning.max_characters
    )
    return made


def compared(case: NamedUseCase, texts: list[str]) -> dict[str, Any]:
    """`{"rows_per_second", "pandas_rows_per_second", "ratio_to_pandas", "same_result", "stage_rows_per_second": {part:
    r}}`."""
    records = table_of(case, texts)
    frame = pd.DataFrame({"text": texts, "label": records["label"].to_pylist()})
    best: dict[str, float] = defaultdict(lambda: float("inf"))
    for _ in range(ROUNDS):
        results = []
        for name, run in (("ours", lambda: ours(case, records)), ("pandas", lambda: with_pandas(case, frame))):
            started = time.process_time()
            results.append(run())
            best[name] = min(best[name], time.process_time() - started)
        table, made = results
    expected = {
        name: made[name].tolist() for name in ("changes", "sha256_before", "sha256_after", "text_characters", "label")
    }
    same = all(sorted_changes(table[name].to_pylist()) == sorted_changes(values) for name, values in expected.items())
    same = (
        same
        and contents(table["messages"]).to_pylist() == made["text"].tolist()
        and table["reason"].is_valid().to_pylist() == made["removed"].tolist()
    )
    per_second = {name: round(len(texts) / seconds) for name, seconds in best.items()}
    return {
        "rows_per_second": per_second["ours"],
        "pandas_rows_per_second": per_second["pandas"],
        "ratio_to_pandas": round(best["pandas"] / best["ours"], 2),
        "same_result": same,
        "stage_rows_per_second": {
            "without_duplicates": whole_stage(case, records, exact_duplicates="keep", near_duplicates="keep"),
            "exact_duplicates": whole_stage(case, records, near_duplicates="keep"),
            "near_duplicates": whole_stage(case, records),
        },
    }


def sorted_changes(values: list[Any]) -> list[Any]:
    """Kinds of change in one order: a list of `repair` has them in the order of the repairs."""
    return [sorted(value) if isinstance(value, list) else value for value in values]


def mojibake(folder: Path) -> dict[str, dict[str, int]]:
    """`{group: {"right", "of"}}`: texts that come out as they should."""
    groups = {
        "gold_repairs": ("in-the-wild", "language-names", "synthetic"),
        "must_not_touch": ("negative",),
        "failures_known_to_ftfy": ("known-failures",),
    }
    scores = {}
    for group, names in groups.items():
        cases = [case for name in names for case in json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))]
        right = sum(repair_unicode(case["original"]) == case.get("fixed-encoding", case["fixed"]) for case in cases)
        scores[group] = {"right": right, "of": len(cases)}
    return scores


def copies(file: Path) -> dict[str, Any]:
    """`{"rows", "distinct_pairs", "kept", "removed"}` of question-answer pairs that repeat each other."""
    pairs = yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]
    case = use_case(generation=True)
    columns = {
        "record_id": [f"{number:024x}" for number in range(len(pairs))],
        "messages": [
            [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}] for pair in pairs
        ],
    }
    schema = raw_schema(case)
    records = pa.table({name: columns.get(name, [None] * len(pairs)) for name in schema.names}, schema=schema)
    kept, reasons = 0, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="benchmark-cleaning-") as folder:
        for stays, removed in clean(case, TableRows(records), Work(Path(folder), InProcess())).parts:
            kept += stays.num_rows if stays is not None else 0
            reasons.update(removed["reason"].to_pylist() if removed is not None else [])
    return {"rows": len(pairs), "distinct_pairs": len(set(map(tuple, pairs))), "kept": kept, "removed": dict(reasons)}


def languages() -> dict[str, dict[str, float]]:
    """Shares of texts by length: kept, undetermined and wrongly removed where their language is the only one allowed,
    and removed where English is."""
    from ft_platform.cleaning.language import _identifier, share_of
    from ft_platform.use_case.settings.cleaning import Cleaning

    confidence = Cleaning().language_confidence
    identifier = _identifier()
    texts = sorted(set(_catalogue_texts()))
    random.Random(0).shuffle(texts)
    shares: dict[str, list[tuple[float, float]]] = defaultdict(list)
    started = time.process_time()
    for language, text in texts[:LANGUAGE_TEXTS]:
        length = "20 to 39" if len(text) < 40 else "40 to 79" if len(text) < 80 else "80 and more"
        shares[length].append(
            (share_of(identifier, text, frozenset([language])), share_of(identifier, text, frozenset(["en"])))
        )
    seconds = time.process_time() - started
    result = {}
    for length, found in sorted(shares.items()):
        of_own = [share for share, _ in found]
        result[length] = {
            "texts": len(found),
            "kept": round(sum(share >= confidence for share in of_own) / len(found), 4),
            "wrongly_removed": round(sum(1 - share >= confidence for share in of_own) / len(found), 4),
            "foreign_removed": round(sum(1 - share >= confidence for _, share in found) / len(found), 4),
        }
    return {**result, "speed": {"texts_per_second": round(2 * LANGUAGE_TEXTS / seconds)}}


def _catalogue_texts() -> Iterator[tuple[str, str]]:
    import django  # pyright: ignore[reportMissingImports]

    for name in LOCALES.split():
        for file in Path(str(django.__file__)).parent.rglob(f"locale/{name}/LC_MESSAGES/django.mo"):
            with file.open("rb") as stream:
                catalogue = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
            for original, translated in catalogue.items():
                text = " ".join(re.sub(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]*>", "", translated).split())
                if isinstance(original, str) and original not in ("", translated) and len(text) >= 20:
                    yield name.split("_")[0], text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows",
        type=lambda text: int(text.replace("_", "")),
        default=200_000,
        help="rows of each kind (default 200_000)",
    )
    parser.add_argument("--mojibake", type=Path, help="folder of ftfy's test cases (JSON)")
    parser.add_argument("--copies", type=Path, help="corpus of ChatterBot (YAML)")
    parser.add_argument("--languages", action="store_true", help="measure language identification, too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    case = use_case()
    result: dict[str, Any] = {
        "rows": arguments.rows,
        "python": platform.python_version(),
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
    }
    result |= {
        name: compared(case, make(arguments.rows))
        for name, make in (("clean_ascii", clean_texts), ("mixed", mixed_texts))
    }
    if arguments.mojibake:
        result["mojibake"] = mojibake(arguments.mojibake)
    if arguments.copies:
        result["copies"] = copies(arguments.copies)
    if arguments.languages:
        result["languages"] = languages()
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)
    return 0 if all(result[name]["same_result"] for name in ("clean_ascii", "mixed")) else 1


def show(result: dict[str, Any]) -> None:
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, figures in value.items():
                print(
                    f"  {key}:"
                    f" {' '.join(f'{k} {v}' for k, v in figures.items()) if isinstance(figures, dict) else figures}"
                )
        else:
            print(f"{name}: {value}")


if __name__ == "__main__":
    sys.exit(main())
