"""`ft trace subject` finds every version, split and checkpoint with rows of a person. Persons are fictitious."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform import cli
from ft_platform.cleaning.validation.quarantine import QUARANTINED
from ft_platform.lake.keys.key_ring import KeyRing
from ft_platform.lake.store import Lake
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.governance.house import House, rows

PERSON = "Zebulon Quartermain"


@pytest.fixture
def house(installation: Environment) -> House:  # noqa: F811
    """`letters`: three rows of the person, of which one was withdrawn after a checkpoint had been trained on it."""
    made = House(installation, name="letters")
    write_use_case(installation.defs, "letters", made.attributes)
    made.write(rows(8, person={0: PERSON, 1: PERSON, 4: f" {PERSON} "}))
    made.build(checkpoint="ckpt-first")
    made.build(leave_out=["0", "1", "4"], checkpoint="ckpt-of-others")
    made.write(rows(8, person={0: PERSON, 1: PERSON, 4: f" {PERSON} "}, consent={0: "withdrawn"}))
    made.build(checkpoint="ckpt-second")
    return made


def traced(capsys: pytest.CaptureFixture, *words: str) -> dict:
    assert cli.main(["trace", "subject", *words, "--json"]) == 0
    printed = capsys.readouterr().out
    assert "Zebulon" not in printed
    return json.loads(printed)


def failed(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert cli.main(["trace", "subject", *words]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Zebulon" not in error
    return error


def test_every_version_split_and_checkpoint_with_rows_of_the_person(house, capsys):
    found = traced(capsys, PERSON)
    versions = {(one["version"]): (one["rows"], one["tainted"], one["removed"]) for one in found["versions"]}
    assert versions == {
        "raw_records@1": (4, False, {}),
        "raw_records@0": (3, False, {}),
        "permitted_records@1": (2, False, {"consent_withdrawn": 1, "superseded": 1}),
        "permitted_records@0": (3, True, {}),
        "cleaned_records@0": (3, True, {}),
        "cleaned_records@2": (2, False, {}),
        "anonymized_records@0": (3, True, {}),
        "anonymized_records@2": (2, False, {}),
        "splits@0": (3, True, {}),
        "splits@2": (2, False, {}),
    }
    assert found["records"] == 4, "the row that was withdrawn and the one before it are two records"
    assert found["splits"] == [
        {"use_case": "letters", "version": "splits@2", "train": 2, "validation": 0, "test": 0},
        {"use_case": "letters", "version": "splits@0", "train": 1, "validation": 2, "test": 0},
    ]
    seen = {one["checkpoint"]: (one["rows"], one["tainted"], one["splits"]) for one in found["checkpoints"]}
    assert seen == {"ckpt-first": (3, True, ["splits@0"]), "ckpt-second": (2, False, ["splits@2"])}
    assert traced(capsys, "letters", PERSON) == found


def test_a_training_that_saved_states_and_published_nothing_yet_is_listed(house, capsys):
    splits = house.lake.latest("letters", "splits")
    house.save_states("ckpt-on-its-way", splits)
    expected = [{"use_case": "letters", "checkpoint": "ckpt-on-its-way", "splits": splits.id}]
    assert traced(capsys, PERSON)["unfinished_trainings"] == expected
    assert traced(capsys, "p7")["unfinished_trainings"] == expected, "another person of the same version"
    assert cli.main(["trace", "subject", PERSON]) == 0
    assert f"unfinished training ckpt-on-its-way ({splits.id})" in capsys.readouterr().out
    record = house.lake.read_table(splits, ["record_id"])["record_id"][0].as_py()
    assert cli.main(["trace", "record", record]) == 0
    assert f"unfinished training ckpt-on-its-way ({splits.id})" in capsys.readouterr().out


def test_rows_in_quarantine_and_in_reports_are_listed_as_well(house, capsys):
    lake, cleaned = house.lake, house.lake.latest("letters", "cleaned_records")
    ids = lake.read_table(cleaned, ["record_id", "subject_id"]).to_pylist()
    own, others = ([row["record_id"] for row in ids if (PERSON in row["subject_id"]) is mine] for mine in (True, False))
    told = [{"record_id": own[0], "expectation": e, "columns": "text"} for e in ("first", "second")] + [
        {"record_id": others[0]}
    ]
    lake.write_table(
        "letters",
        "quarantined_records",
        pa.Table.from_pylist(told, QUARANTINED).to_batches(),
        QUARANTINED,
        zone="restricted",
    )
    for artifact_id, about in (("eval-a", own), ("eval-b", others)):
        with lake.scratch("letters", "evaluation_report") as folder:
            folder.mkdir()
            system = ["tuned"] * len(about) + ["base"] * len(about)
            pq.write_table(pa.table({"record_id": [*about, *about], "system": system}), folder / "predictions.parquet")
            pq.write_table(pa.table({"metric": ["accuracy"]}), folder / "figures.parquet")
            lake.publish(
                "letters",
                "evaluation_report",
                artifact_id,
                folder,
                parents=[],
                settings_hash="s",
                input_hash=artifact_id,
            )
    found = traced(capsys, PERSON)
    seen = [(one["version"], one["rows"]) for one in found["versions"] if one["stage"] == "quarantined_records"]
    assert seen == [("quarantined_records@0", 1)]
    assert [(one["report"], one["records"]) for one in found["reports"]] == [("eval-a", 2)]
    assert cli.main(["trace", "subject", PERSON]) == 0
    assert "eval-a has a row about 2 of them" in capsys.readouterr().out


def test_it_says_the_same_to_people_and_never_the_person(house, capsys):
    assert cli.main(["trace", "subject", PERSON]) == 0
    shown = capsys.readouterr().out
    assert "4 records of this person" in shown and "trained ckpt-first on 3 rows, tainted" in shown
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    assert "Zebulon" not in shown and pseudonym not in shown


def test_all_use_cases_are_searched_and_those_without_persons_are_named(house, capsys):
    claims = House(house.environment, name="claims")
    claims.write(rows(2, person={1: PERSON}))
    claims.build()
    nameless = House(house.environment, name="nameless")
    nameless.attributes["record"].pop("subject")
    nameless.write(rows(2))
    nameless.build()
    found = traced(capsys, PERSON)
    assert {one["use_case"] for one in found["versions"]} == {"claims", "letters"}
    assert (found["searched"], found["not_searched"]) == (["claims", "letters"], ["nameless"])
    assert {one["use_case"] for one in traced(capsys, "claims", PERSON)["checkpoints"]} == {"claims"}
    error = failed(capsys, "somebody else")
    assert (
        "no version has rows of this person. Searched: claims, letters; not searched, because their records name no"
        " person: nameless" in error
    )
    assert "no version has" in failed(capsys, "nameless", PERSON)


def test_rows_whose_raw_record_is_gone_are_found_by_the_keyed_pseudonym(house, capsys):
    for name in ("raw_records", "permitted_records", "cleaned_records"):
        for file in Path(house.lake.root, "restricted", "letters", "manifests", name).glob("*.json"):
            file.unlink()
    expected = {"anonymized_records@0", "anonymized_records@2", "splits@0", "splits@2"}
    assert {one["version"] for one in traced(capsys, PERSON)["versions"]} == expected


def test_rows_whose_pseudonym_nobody_can_make_any_more_are_found_by_their_records(house, capsys, installation):  # noqa: F811
    before = traced(capsys, PERSON)
    ring = KeyRing.from_text(installation.key_path.read_text(), "the key file").rotated()
    installation.key_path.write_text(ring.without(1).to_text())
    assert subject_pseudonyms(installation, "letters", PERSON).keys() == {2}
    assert traced(capsys, PERSON) == before


def test_without_the_key_there_is_no_answer(house, capsys, installation):  # noqa: F811
    installation.key_path.unlink()
    assert "there is no key" in failed(capsys, PERSON)


def test_a_restricted_zone_that_may_not_be_read_is_not_an_empty_one(house, capsys, monkeypatch):
    original = type(house.lake.fs).ls

    def ls(self, path, *arguments, **options):
        if "/restricted" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(type(house.lake.fs), "ls", ls)
    assert "no permission to read the restricted zone of the lake" in failed(capsys, PERSON)


def test_the_id_may_come_from_standard_input(house, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PERSON}\n"))
    assert traced(capsys, "-")["records"] == 4


@pytest.mark.parametrize("words", [["letters", "a", "b"], [""]], ids=str)
def test_too_many_words_and_none_are_errors(house, capsys, words):
    assert "expected the id of one person" in failed(capsys, *words)
    assert "did you mean letters" in failed(capsys, "leters", PERSON)


def test_of_each_version_only_ids_are_read_and_no_whole_table(house, capsys, monkeypatch):
    asked: set[str] = set()
    original = Lake.read

    def read(lake, version, columns=None, batch_rows=8192):
        asked.update(columns or ["everything"])
        return original(lake, version, columns, batch_rows)

    monkeypatch.setattr(Lake, "read", read)
    monkeypatch.setattr(Lake, "read_table", lambda *_: pytest.fail("a whole table was read into memory"))
    traced(capsys, PERSON)
    assert asked == {"record_id", "subject_id", "split", "reason"}
