"""Settings, files of annotations and verdicts that would let records pass whose anonymization nobody has shown to work.
Persons are fictitious."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from pydantic import ValidationError

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.store import Lake
from ft_platform.privacy import annotated, recall_floor
from ft_platform.privacy.annotated import Annotated, annotated_texts
from ft_platform.privacy.annotation_sample import draw, write_sample
from ft_platform.privacy.entities import default_entities
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.k_anonymity import measure, read_groups
from ft_platform.privacy.recall_floor import recall_on
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.release.evidence import NotProven
from ft_platform.release.rules import recall as recall_rule
from ft_platform.reporting.documents import statements
from ft_platform.sources.samples.generator import sample_sha256
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.tables import table, use_case

Cases = Iterator[tuple[str, Attack]]
NO_SHARES = (float("nan"), float("inf"), "0.99", None, True, 1.5)
NAMES = ("mirela", "zebulon", "odalys", "thandiwe")


def cases(rng: Random, folder: Path, size: int) -> Cases:
    yield from k_anonymity_without_a_reason(rng, size)
    yield from columns_that_hide(rng, size)
    yield from entities_without_a_reason(rng, size)
    yield from figures_that_prove_too_little(rng, size)
    yield from files_that_are_not_of_this_source(rng, folder, size)
    yield from verdicts_that_prove_nothing(rng, size)
    yield from sentences_about_what_was_not_looked_at(rng, size)


def k_anonymity_without_a_reason(rng: Random, size: int) -> Cases:
    """No columns, and no reason or what looks like one."""
    blanks = [
        "",
        " " * rng.randint(1, 40),
        "\t\n" * rng.randint(1, 9),
        "-" * rng.randint(1, 40),
        "." * 12,
        "n/a",
        "none",
        "\u200b" * 12,
    ]
    for number, reason in enumerate([None, *rng.sample(blanks, min(size, len(blanks)))]):

        def attack(reason: str | None = reason) -> str | None:
            try:
                case = use_case(privacy={"without_quasi_identifiers": reason})
            except ValidationError:
                return None
            numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"] * 3)))
            return "is_k_anonymous passed without columns and without a reason" if numbers["passed"] else None

        yield f"k-anonymity {number} {reason!r}", attack


def columns_that_hide(rng: Random, size: int) -> Cases:
    """Records that claim to have one text and a label alone, in a file that gives no reason."""
    for number in range(size):
        ages, codes = ([f"{rng.randint(low, high)}" for _ in range(60)] for low, high in ((18, 90), (10000, 99999)))
        hidden: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, list[Any]]]] = {
            "a feature": ({"features": {"age": "age"}}, {}, {"feature_age": ages}),
            "a feature that is empty": ({"features": {"age": "age"}}, {}, {}),
            "an emptied feature with one value": (
                {"features": {"age": "age"}},
                {"columns": {"age": "drop"}},
                {"feature_age": [*ages[:1], *[None] * 59]},
            ),
            "a pseudonym": ({"features": {"zip": "zip"}}, {"columns": {"zip": "pseudonym"}}, {}),
            "the date": ({"features": {}, "date": "day"}, {}, {}),
            "a date that is not mapped": ({"features": {}}, {}, {"record_date": ["2020-01-13"] * 60}),
            "columns joined to the text": ({"features": {}, "text": ["age", "zip", "text"]}, {}, {}),
            "a label that is an identifier": ({"features": {}}, {}, {"label": codes}),
            "a label of one person": ({"features": {}}, {}, {"subject_id": ["subject_a"] * 60}),
        }
        for name, (record, privacy, columns) in hidden.items():

            def attack(
                record: dict[str, Any] = record,
                privacy: dict[str, Any] = privacy,
                columns: dict[str, list[Any]] = columns,
            ) -> str | None:
                case = use_case(
                    record=record,
                    fairness={"sensitive_features": []},
                    privacy={"without_quasi_identifiers": None, "columns": {}, **privacy},
                )
                filled = {"label": ["card"] * 60, **columns}
                numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"] * 60, **filled)))
                return "is_k_anonymous passed without a reason" if numbers["passed"] else None

            yield f"hidden {number} {name}", attack


def entities_without_a_reason(rng: Random, size: int) -> Cases:
    """Entities that are taken out of the search, in each way that the YAML has."""
    for number in range(size):
        out = rng.sample(default_entities(), rng.randint(1, 5))
        ways = {
            "not named": {"entities": [entity for entity in default_entities() if entity not in out]},
            "kept": {"operators": dict.fromkeys(out, "keep")},
            "one reason for many": {"entities": ["EMAIL"], "left_out": {"URL": "They are all public here."}},
        }
        for way, privacy in ways.items():

            def attack(privacy: dict[str, Any] = privacy) -> str | None:
                passed = recall_on(use_case(privacy=privacy), own(mails(40)))["passed"]
                return "recall_above_floor passed, and an entity is left out without a reason" if passed else None

            yield f"left out {number} {way} {'+'.join(sorted(out))}", attack


def mails(count: int, missed: int = 0) -> list[GoldText]:
    values = [f"mirela{n:04d}@example.com" for n in range(count - missed)] + [
        f"qqqqqqqqqqqqqqqqqqq{n:04d}" for n in range(missed)
    ]
    return [GoldText(f"I said {value} then", ((7, 7 + len(value), "EMAIL"),)) for value in values]


def phones(count: int, missed: int = 0) -> list[GoldText]:
    values = [f"(312) 555-01{n % 100:02d}" for n in range(count - missed)] + [
        f"three one two {n:04d}x" for n in range(missed)
    ]
    found = []
    for n, value in enumerate(values):
        before = f"Case {n}, call "
        found.append(GoldText(f"{before}{value} today", ((len(before), len(before) + len(value), "PHONE"),)))
    return found


def own(texts: list[GoldText]) -> Annotated:
    return Annotated(texts, "own_records", f"{len(texts)} annotated texts of this source")


def figures_that_prove_too_little(rng: Random, size: int) -> Cases:
    """Many good texts of one entity beside few, or too many missed, of another."""
    for number in range(size):
        few, wide = rng.randint(1, 19), rng.randint(20, 34)
        of_many = rng.randint(60, 100)
        kinds = {
            f"{few} texts": (phones(few), rng.choice((0.5, 0.8, 0.9))),
            f"{wide} texts and 0.9": (phones(wide), 0.9),
            f"a tenth of {of_many} missed": (phones(of_many, missed=of_many // 10), 0.9),
        }
        for kind, (texts, floor) in kinds.items():

            def attack(texts: list[GoldText] = texts, floor: float = floor) -> str | None:
                numbers = recall_on(use_case(privacy={"min_recall": floor}), own([*mails(400), *texts]))
                return (
                    f"{len(texts)} texts with {floor:g} count as above the floor"
                    if numbers["status"] == "above_floor"
                    else None
                )

            yield f"recall {number} {kind}", attack


def tables(rng: Random, nothing: int = 60, with_mail: int = 60) -> tuple[TableRows, TableRows]:
    """Records with and without an address, before and after anonymization."""
    case, found = use_case(), [False] * nothing + [True] * with_mail
    texts = [
        f"Record {n}: {rng.choice(NAMES)}{n}@example.com" if one else f"Record {n} about nothing."
        for n, one in enumerate(found)
    ]
    entities = pa.array(
        [[("EMAIL", 1)] if one else [] for one in found], anonymized_schema(case).field("entities").type
    )
    return TableRows(table(cleaned_schema(case), texts)), TableRows(
        table(anonymized_schema(case), ["..."] * len(texts), entities=entities)
    )


def filled_in(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def spans(text: str) -> list[dict[str, str]]:
        return [{"entity_type": "EMAIL", "entity_value": word} for word in text.split() if "@" in word]

    return [{**row, "spans": spans(row["full_text"])} for row in rows]


def files_that_are_not_of_this_source(rng: Random, folder: Path, size: int) -> Cases:
    """Files of annotations, and sources that only seem to be generated."""
    for number in range(size):
        cleaned, anonymized = tables(rng)
        drawn = draw(cleaned, anonymized, 120, rng.randint(0, 999))
        foreign = [
            {"full_text": f"Write to {rng.choice(NAMES)}{n}@example.org", "spans": None, "record_id": f"r{n:03d}"}
            for n in range(80)
        ]
        easy = [row for row in drawn if "@" in row["full_text"]]
        files = {
            "nothing filled in": drawn,
            "texts of another source with our ids": filled_in(foreign),
            "only texts with a finding": filled_in(easy),
            "one text many times": filled_in(easy[:1] * 80 + [row for row in drawn if "@" not in row["full_text"]]),
            "findings not annotated": filled_in([row for row in drawn if "@" not in row["full_text"]]),
        }
        for name, rows in files.items():

            def attack(
                rows: list[dict[str, Any]] = rows,
                name: str = f"{number}-{name}.jsonl",
                tables: Any = (cleaned, anonymized),
            ) -> str | None:
                lake = Lake(folder / "lake")
                write_sample(lake, "tests", name, rows)
                case = use_case(privacy={"gold": name})
                return accepted(case, annotated_texts(case, lake, *tables, ["hash"]))

            yield f"file {number} {name}", attack
        uri = f"sample://complaints?rows={rng.randint(100, 130)}"
        hashes = {
            "a replaced sample": [f"{rng.getrandbits(256):064x}"],
            "a file beside the sample": [sample_sha256(uri), f"{rng.getrandbits(256):064x}"],
            "no file": [],
        }
        for name, sha256s in hashes.items():

            def generated(
                uri: str = uri, sha256s: list[str] = sha256s, tables: Any = (cleaned, anonymized)
            ) -> str | None:
                case = use_case(source={"uri": uri})
                return accepted(case, annotated_texts(case, Lake(folder / "lake"), *tables, sha256s))

            yield f"generated {number} {name}", generated


def accepted(case: NamedUseCase, texts: Annotated) -> str | None:
    try:
        numbers = recall_on(case, texts)
    except (ConfigError, DataError):
        return None
    return (
        "the floor counts as proven on this source"
        if numbers["passed"] and numbers["status"] == "above_floor"
        else None
    )


def verdicts_that_prove_nothing(rng: Random, size: int) -> Cases:
    """Numbers of a verdict as somebody may have written them: each lacks one thing that a release needs."""
    whole = {"recall": 0.99, "low": 0.95, "high": 1.0, "texts": 60}
    good = {"status": "above_floor", "says": "Fine.", "basis": "own_records", "entities": {"EMAIL": whole}}
    for number in range(size):
        other = rng.choice(default_entities())
        worse: dict[str, dict[str, Any]] = {
            "other texts": {"basis": "other_texts"},
            "an unknown basis": {"basis": rng.choice(("", "real", None, 7))},
            "not proven": {"status": rng.choice(("not_proven", "below_floor", "not_measured_on_this_source", None))},
            "no entities": {"entities": {}},
            "one low": {"entities": {"EMAIL": whole, other: {**whole, "low": rng.uniform(0.0, 0.899)}}},
            "few texts": {"entities": {"EMAIL": whole, other: {**whole, "texts": rng.randint(0, 19)}}},
            "no number": {
                "entities": {"EMAIL": {**whole, rng.choice(("recall", "low", "high")): rng.choice(NO_SHARES)}}
            },
            "a pooled figure": {"entities": None, "recall": 0.999},
            "text as a count": {"entities": {"EMAIL": {**whole, "texts": rng.choice(("60", None, True, 60.5))}}},
        }
        for name, change in worse.items():

            def attack(numbers: dict[str, Any] = {**good, **change}, passed: bool = True) -> str | None:  # noqa: B006
                verdict = Verdict(
                    check="recall_above_floor",
                    passed=passed,
                    settings_hash="s",
                    content_hash="c",
                    numbers=numbers,
                    checked_at="today",
                )
                evidence: Any = SimpleNamespace(verdicts={"anonymized_records": {"recall_above_floor": verdict}})
                try:
                    held = recall_rule.judge_recall(evidence, use_case()).passed
                except NotProven:
                    return None
                return f"the release rule holds with {json.dumps(numbers, default=str)[:80]}" if held else None

            yield f"verdict {number} {name} {other}", attack
        yield f"verdict {number} failed", lambda: attack(good, passed=False)


def sentences_about_what_was_not_looked_at(rng: Random, size: int) -> Cases:
    for number in range(size):
        rows = rng.randint(20, 5000)
        numbers = {"subjects": 0, "identical_texts": 0, "near_duplicate_pairs": 0, "rows": rows}

        def attack(numbers: dict[str, int] = numbers) -> str | None:
            for known in ({}, {"rows_with_person": 0}):
                verdict = SimpleNamespace(numbers={**numbers, **known})
                facts: Any = SimpleNamespace(
                    manifest=lambda stage: SimpleNamespace(counts={}),
                    verdict=lambda stage, check, verdict=verdict: verdict,
                )
                said = " ".join(one.text for one in statements.splits(facts))
                if "persons 0" in said or "not looked for" not in said:
                    return "a document says that no person is on two sides, and no record names one"
            return None

        yield f"sentence {number} {rows}", attack


def _always_above(one: Any, floor: float) -> str:
    return "above_floor" if one["recall"] >= floor else "below_floor"


AREA = Area(
    name="privacy_gate",
    cases=cases,
    defences={
        "k-anonymity-needs-a-reason": lambda: patch(
            "ft_platform.privacy.k_anonymity.unmeasured",
            lambda use_case, rows, written: {
                "passed": True,
                "k": None,
                "says": "",
                "rows": rows,
                "not_looked_at": ["a column"],
            },
        ),
        "columns-of-the-file": lambda: patch("ft_platform.privacy.k_anonymity.columns_beside_text", lambda _: []),
        "columns-with-values": lambda: patch("ft_platform.privacy.k_anonymity._with_values", lambda *_: []),
        "labels-are-shared-by-persons": lambda: patch(
            "ft_platform.privacy.k_anonymity.read_groups",
            lambda rows, columns: replace(read_groups(rows, columns), labelled=False),
        ),
        "left-out-needs-a-reason": lambda: patch.object(recall_floor, "left_out", lambda privacy: {}),
        "recall-by-its-interval": lambda: patch.object(recall_floor, "_status_of", _always_above),
        "recall-on-own-records": lambda: patch.object(
            annotated, "_records_with", lambda texts, _: {text: f"r{n:03d}" for n, text in enumerate(texts)}
        ),
        "recall-without-findings-too": lambda: patch.object(annotated, "_gaps", lambda *_: ()),
        "samples-generated-again": lambda: patch(
            "ft_platform.sources.samples.generator.is_generated", lambda uri, _: uri.startswith("sample://")
        ),
        "recall-rule-reads-the-basis": lambda: patch.object(
            recall_rule, "OF_THIS_SOURCE", ("own_records", "own_sample", "generated_records", "other_texts")
        ),
        "recall-rule-counts-texts": lambda: patch.object(recall_rule, "LEAST_TEXTS", 0),
        "persons-only-where-named": lambda: patch.object(
            statements, "_on_two_sides", lambda numbers: ["On two sides: persons 0."]
        ),
    },
)
