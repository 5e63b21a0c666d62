"""Records that are drawn to be annotated, and what the filled-in file counts for. Persons are fictitious."""

import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.privacy.annotated import among_records, annotated_texts
from ft_platform.privacy.annotation_sample import draw, write_sample
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.strata import NOTHING, Strata
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.sources.samples.generator import sample_file, sample_sha256
from ft_platform_tests.tables import table, use_case

CASE = use_case()


def tables(nothing: int = 900, mails: int = 90, passports: int = 10) -> tuple[TableRows, TableRows]:
    """Records before and after anonymization: most without a finding, some with an address, few with a passport and an
    address."""
    found: list[dict[str, int]] = [{}] * nothing + [{"EMAIL": 1}] * mails + [{"PASSPORT": 1, "EMAIL": 1}] * passports
    texts = [
        f"Record {n} about nothing." if not one else f"Record {n}: write to mirela{n}@example.com"
        for n, one in enumerate(found)
    ]
    entities = pa.array([list(one.items()) for one in found], anonymized_schema(CASE).field("entities").type)
    cleaned = table(cleaned_schema(CASE), texts)
    anonymized = table(anonymized_schema(CASE), ["..."] * len(texts), entities=entities)
    return TableRows(cleaned, 64), TableRows(anonymized, 64)


def test_the_rarest_entity_decides_where_a_record_belongs() -> None:
    strata = Strata(tables()[1])
    assert strata.sizes == {NOTHING: 900, "EMAIL": 90, "PASSPORT": 10} and strata.with_entity == {
        "EMAIL": 100,
        "PASSPORT": 10,
    }
    assert strata.quotas(100) == {NOTHING: 50, "EMAIL": 40, "PASSPORT": 10}
    assert strata.quotas(5000).total() == 1000


def test_found_entities_and_texts_without_findings_are_both_drawn_and_seeds_decide() -> None:
    cleaned, anonymized = tables()
    drawn = draw(cleaned, anonymized, 60, seed=7)
    kinds = Counter("mail" if "@" in one["full_text"] else "nothing" for one in drawn)
    assert kinds == {"mail": 30, "nothing": 30} and all(one["spans"] is None for one in drawn)
    assert drawn == draw(cleaned, anonymized, 60, seed=7) != draw(cleaned, anonymized, 60, seed=8)
    assert not all("@" in one["full_text"] for one in drawn[:30]), "the order says nothing about what was found"


def test_a_drawn_file_is_for_its_owner_only_whatever_the_umask_and_never_replaced(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = Path(
            write_sample(
                Lake(tmp_path / "lake"),
                "tests",
                "sample-7.jsonl",
                [{"full_text": "x", "spans": None, "record_id": "r"}],
            )
        )
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600 and stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert "restricted" in place.parts
    with pytest.raises(DataError, match="may contain annotations"):
        write_sample(Lake(tmp_path / "lake"), "tests", "sample-7.jsonl", [])


def filled_in(folder: Path, drawn: list[dict[str, Any]], name: str = "sample-7.jsonl") -> Lake:
    """What a person makes of a drawn file: every address is marked, by its words."""
    lake = Lake(folder / "lake")
    rows = [
        {
            **one,
            "spans": (
                [{"entity_type": "EMAIL", "entity_value": one["full_text"].rsplit(" ", 1)[-1]}]
                if "@" in one["full_text"]
                else []
            ),
        }
        for one in drawn
    ]
    write_sample(lake, "tests", name, rows)
    return lake


def test_a_filled_in_sample_is_of_the_source_and_stands_for_the_records_it_was_drawn_from(tmp_path: Path) -> None:
    cleaned, anonymized = tables()
    lake = filled_in(tmp_path, draw(cleaned, anonymized, 100, seed=7))
    found = annotated_texts(use_case(privacy={"gold": "sample-7.jsonl"}), lake, cleaned, anonymized, ["hash"])
    assert found.basis == "own_records" and len(found.texts) == 100 and found.gaps == () and found.unseen == {}
    assert {round(one.weight, 6) for one in found.texts if not one.spans} == {18.0}  # 50 of 900
    assert sum(one.weight for one in found.texts) == pytest.approx(1000)


def test_texts_that_are_not_among_the_records_do_not_count_whatever_the_file_says(tmp_path: Path) -> None:
    cleaned, anonymized = tables()
    foreign = [{"full_text": f"Write to anna{n}@example.com", "spans": [], "record_id": f"r{n:03d}"} for n in range(40)]
    lake = filled_in(tmp_path, foreign)
    found = annotated_texts(use_case(privacy={"gold": "sample-7.jsonl"}), lake, cleaned, anonymized, ["hash"])
    assert (
        found.basis == "other_texts" and found.why_not == "none of the 40 texts in sample-7.jsonl is among the records"
    )


def test_one_text_many_times_counts_once() -> None:
    cleaned, anonymized = tables()
    mail = GoldText("Record 900: write to mirela900@example.com", ((21, 42, "EMAIL"),))
    assert len(among_records([mail] * 40, cleaned, anonymized).texts) == 1


def test_a_file_without_the_texts_in_which_nothing_was_found_has_a_gap() -> None:
    cleaned, anonymized = tables()
    easy = [GoldText(f"Record {n}: write to mirela{n}@example.com", ((0, 3, "EMAIL"),)) for n in range(900, 1000)]
    assert "of 900 records without any finding 0 were annotated" in among_records(easy, cleaned, anonymized).gaps[0]
    assert among_records(easy, *tables(nothing=0, mails=990)).gaps == ()


def test_an_entity_that_was_found_and_is_in_no_annotated_text_is_told() -> None:
    cleaned, anonymized = tables()
    without = [GoldText(f"Record {n} about nothing.", ()) for n in range(30)]
    assert among_records(without, cleaned, anonymized).unseen == {
        "EMAIL": "0 of the 100 records with a finding were annotated",
        "PASSPORT": "0 of the 10 records with a finding were annotated",
    }


def test_a_file_that_nobody_has_filled_in_measures_nothing(tmp_path: Path) -> None:
    cleaned, anonymized = tables()
    lake = Lake(tmp_path / "lake")
    write_sample(lake, "tests", "sample-7.jsonl", draw(cleaned, anonymized, 50, seed=7))
    found = annotated_texts(use_case(privacy={"gold": "sample-7.jsonl"}), lake, cleaned, anonymized, ["hash"])
    assert found.basis == "generated_texts" and found.why_not == "none of the texts in sample-7.jsonl is annotated yet"


def test_a_missing_file_names_both_places_and_the_command(tmp_path: Path) -> None:
    for name in ("sample-9.jsonl", "../sample-9.jsonl"):
        with pytest.raises(DataError, match=r"beside the YAML or in .*annotation") as error:
            annotated_texts(use_case(privacy={"gold": name}), Lake(tmp_path / "lake"), *tables(), [])
        assert "ft privacy sample tests" in str(error.value)


def test_the_use_cases_own_file_lies_beside_its_yaml(tmp_path: Path) -> None:
    cleaned, anonymized = tables()
    rows = [
        {
            "full_text": "Record 900: write to mirela900@example.com",
            "spans": [{"entity_type": "EMAIL_ADDRESS", "start_position": 21, "end_position": 42}],
        }
    ]
    (tmp_path / "gold.json").write_text(json.dumps(rows))
    case = use_case(privacy={"gold": "gold.json"}).model_copy(update={"path": tmp_path / "defs.yaml"})
    assert annotated_texts(case, Lake(tmp_path / "lake"), cleaned, anonymized, []).basis == "own_records"


def test_generated_sentences_count_for_records_that_the_platform_generated_and_for_no_others(tmp_path: Path) -> None:
    uri = "sample://complaints?rows=100"
    generated, lake = use_case(source={"uri": uri}), Lake(tmp_path / "lake")
    assert annotated_texts(generated, lake, *tables(), [sample_sha256(uri)]).basis == "generated_records"
    for case, hashes in [
        (generated, []),
        (generated, ["0" * 64]),  # a file that was put in the sample's place
        (generated, [sample_sha256(uri), "0" * 64]),  # and one beside it
        (generated, [sample_sha256("sample://complaints?rows=100&seed=8")]),
        (use_case(source={"uri": "complaints.csv"}), [sample_sha256(uri)]),
    ]:
        found = annotated_texts(case, lake, *tables(), hashes)
        assert (found.basis, found.why_not) == ("generated_texts", "privacy.gold names no annotated texts")


def test_the_hash_of_a_sample_is_that_of_its_file(tmp_path: Path) -> None:
    import hashlib

    for uri in ("sample://support?rows=100", "sample://complaints?rows=100&bias=50"):
        assert hashlib.sha256(sample_file(uri, tmp_path).read_bytes()).hexdigest() == sample_sha256(uri)
