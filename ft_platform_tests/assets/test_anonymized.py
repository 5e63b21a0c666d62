"""The stage anonymized_records in its graph: keys, vault, quasi-identifiers, and what happens when it is killed.
Persons are fictitious."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.lake.gate import problems_with
from ft_platform.lake.keys.key_ring import KeyRing, pseudonym_key_place, read_key_ring, vault_key_place
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.execution import run_use_case
from ft_platform.privacy.vault import Vault, VaultKeys, new_vault_ring, write_public_key
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records"]
CANARY = "zebulon.quartermain@corp.com"


def make_use_case(environment: Environment, folder: Path, name: str = "complaints", **sections: Any) -> None:
    rows = [
        {**row, "text": f"{row['text']} Write to {CANARY} please.", "customer": f"customer {n // 2}"}
        for n, row in enumerate(records())
    ]
    file = write_csv(folder / "records.csv", rows)
    attributes = minimal_attributes(str(file))
    attributes["record"]["subject"] = "customer"
    for section, settings in sections.items():
        attributes[section] = {**attributes.get(section, {}), **settings}
    write_use_case(environment.defs, name, attributes)


def run(environment: Environment, name: str = "complaints", stages: list[str] = DATA):
    with dg.DagsterInstance.ephemeral() as instance:
        return run_use_case(name, select=stages, environment=environment, instance=instance)


def newest(environment: Environment, name: str = "complaints"):
    lake = open_lake(environment)
    version = lake.latest(name, "anonymized_records")
    assert version
    return lake, version, lake.manifest(version)


def subjects(environment: Environment, name: str = "complaints") -> set[str]:
    lake, version, _ = newest(environment, name)
    return {s.split("_")[1] for s in lake.read_table(version, ["subject_id"])["subject_id"].to_pylist()}


def everything_below(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


@pytest.mark.integration
def test_equal_within_a_use_case_and_unlinkable_across_two_on_the_same_rows(
    environment: Environment, tmp_path: Path
) -> None:
    for name in ("complaints", "support"):
        make_use_case(environment, tmp_path, name)
        assert run(environment, name).success
    assert len(subjects(environment)) == len(subjects(environment, "support")) == 45
    assert subjects(environment).isdisjoint(subjects(environment, "support"))
    assert CANARY.encode() not in everything_below(Path(environment.lake_uri) / "shared")


def test_without_a_key_the_stage_stops_and_writes_nothing(environment: Environment, tmp_path: Path) -> None:
    make_use_case(environment, tmp_path)
    environment.key_path.unlink()
    outcome = run(environment)
    assert not outcome.success and outcome.failed_stage == "anonymized_records"
    assert "there is no key in" in outcome.error and "ft init" in outcome.error
    assert open_lake(environment).latest("complaints", "anonymized_records") is None
    assert not (Path(environment.lake_uri) / "shared/complaints/tables/anonymized_records").exists()


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (bytes(32).hex(), "the pseudonym key is not the one behind earlier versions"),
        ("no key at all", "contains neither hexadecimal digits"),
        ("", "contains a key of less than 32 bytes"),
    ],
)
def test_another_or_a_damaged_key_stops_and_the_version_before_stays(
    environment: Environment, tmp_path: Path, key: str, problem: str
) -> None:
    make_use_case(environment, tmp_path)
    assert (done := run(environment)).success, done.error
    _, before, _ = newest(environment)
    environment.key_path.write_text(key)
    outcome = run(environment)
    assert not outcome.success and outcome.failed_stage == "anonymized_records"
    assert problem in outcome.error and (not key or key not in outcome.error)
    assert newest(environment)[1] == before


def test_a_manifest_of_the_first_release_and_its_key_file_are_read(environment: Environment, tmp_path: Path) -> None:
    """It has a fingerprint and no version, and the file holds plain hexadecimal digits."""
    make_use_case(environment, tmp_path)
    assert (done := run(environment)).success, done.error
    lake, version, manifest = newest(environment)
    info = {"key_fingerprint": manifest.info["key_fingerprint"]}
    old = manifest.model_copy(update={"info": info, "input_hash": "of the first release"})
    lake._write_signed(version.use_case, lake._manifest_path(version), old.model_dump(mode="json"))
    before = subjects(environment)
    assert (done := run(environment)).success, done.error
    assert newest(environment)[2].info["key_version"] == "1" and subjects(environment) == before
    lake, version, manifest = newest(environment)
    value = old.model_copy(update={"id": manifest.id, "version": manifest.version}).model_dump(mode="json")
    lake._write_signed(version.use_case, lake._manifest_path(version), value)
    environment.key_path.write_text(bytes(32).hex())
    assert "the pseudonym key is not the one" in run(environment).error


@pytest.mark.integration
def test_a_rotated_key_makes_new_pseudonyms_once_and_the_old_version_can_be_asked_for(
    environment: Environment, tmp_path: Path
) -> None:
    make_use_case(environment, tmp_path)
    assert (done := run(environment)).success, done.error
    before = subjects(environment)
    place = pseudonym_key_place(environment)
    place.open().write(read_key_ring(place).rotated().to_text())
    outcome = run(environment)
    assert outcome.success and "anonymized_records" not in outcome.reused
    assert newest(environment)[2].info["key_version"] == "2"
    rotated = subjects(environment)
    assert rotated and rotated.isdisjoint(before)
    assert "anonymized_records" in run(environment).reused
    make_use_case(environment, tmp_path, privacy={"key_version": 1})
    assert (done := run(environment)).success, done.error
    assert newest(environment)[2].info["key_version"] == "1" and subjects(environment) == before
    place.open().write(read_key_ring(place).without(1).to_text())
    assert "version 1 of the pseudonym key was retired" in run(environment).error
    make_use_case(environment, tmp_path)
    assert (done := run(environment)).success, done.error
    assert newest(environment)[2].info["key_version"] == "2" and subjects(environment) == rotated


def test_another_version_of_the_model_that_finds_names_makes_a_new_version(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_use_case(environment, tmp_path)
    assert (done := run(environment)).success, done.error
    assert "anonymized_records" in run(environment).reused
    assert newest(environment)[2].info["ner"].startswith("built-in ")
    monkeypatch.setattr("ft_platform.privacy.ner.identity", lambda privacy: "spacy 3.9, some-model 2")
    outcome = run(environment)
    assert outcome.success and "anonymized_records" not in outcome.reused
    assert newest(environment)[2].info["ner"] == "spacy 3.9, some-model 2"


def test_the_vault_is_written_with_the_version_and_opens_for_its_key(environment: Environment, tmp_path: Path) -> None:
    make_use_case(environment, tmp_path, privacy={"vault": True})
    outcome = run(environment)
    assert not outcome.success and "there is no public vault key" in outcome.error
    ring = new_vault_ring()
    write_public_key(environment.vault_public_key_path, VaultKeys(ring).public)
    assert (done := run(environment)).success, done.error
    lake, version, manifest = newest(environment)
    (subject,) = set(lake.read_table(version, ["subject_id"])["subject_id"].to_pylist()[:1])
    assert Vault(lake, "complaints").read(subject, VaultKeys(ring), "case 1")[0].startswith("customer ")
    # Persons, the one address, and `house26` and `university84`, which are taken for places.
    assert manifest.counts["vault_entries"] == 45 + 1 + 2
    assert not vault_key_place(environment).file.exists()  # the stage never had the key that reads
    assert CANARY.encode() not in everything_below(Path(environment.lake_uri) / "vault")


def test_quasi_identifiers_are_generalized_and_reported(environment: Environment, tmp_path: Path) -> None:
    privacy = {"quasi_identifiers": {"region": "category"}, "k": 5, "without_quasi_identifiers": None}
    make_use_case(environment, tmp_path, privacy=privacy)
    assert (done := run(environment)).success, done.error
    lake, version, manifest = newest(environment)
    assert manifest.counts["k_anonymity"]["k"] >= 5
    assert manifest.counts["k_anonymity"]["levels"] == {"feature_region": "0 of 1"}
    verdict = lake.verdicts(version)["is_k_anonymous"]
    assert verdict.passed and verdict.numbers["k"] == manifest.counts["k_anonymity"]["k"]
    assert verdict.numbers["l_diversity"] >= 1


def test_a_version_that_is_not_k_anonymous_is_refused_by_the_gate(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    privacy = {"quasi_identifiers": {"region": "category"}, "k": 5, "without_quasi_identifiers": None}
    make_use_case(environment, tmp_path, privacy=privacy)
    monkeypatch.setattr("ft_platform.privacy.batch.BatchAnonymizer.__call__", lone_region())
    outcome = run(environment)
    assert not outcome.success and "is_k_anonymous" in outcome.error
    lake, version, _ = newest(environment)
    verdict = lake.verdicts(version)["is_k_anonymous"]
    assert not verdict.passed and (verdict.numbers["k"], verdict.numbers["unique_rows"]) == (1, 1)
    use_case = load_use_case(environment.defs / "complaints")
    assert any(
        "check is_k_anonymous" in problem and "failed" in problem for problem in problems_with(lake, use_case, version)
    )


def lone_region():
    """The real function, but the first row gets a region of its own."""
    import pyarrow as pa

    from ft_platform.privacy.batch import BatchAnonymizer

    real = BatchAnonymizer.__call__

    def call(self: BatchAnonymizer, batch: pa.RecordBatch) -> pa.RecordBatch:
        made = real(self, batch)
        place = made.schema.names.index("feature_region")
        return made.set_column(
            place, made.schema.field(place), pa.array(["nowhere", *made.column(place).to_pylist()[1:]])
        )

    return call


def run_and_die(environment: Environment, after_rows: int) -> None:
    from ft_platform.privacy import anonymize
    from ft_platform.privacy.batch import BatchAnonymizer

    anonymize.BATCH_ROWS = 20
    real, done = BatchAnonymizer.__call__, 0

    def call(self, batch):
        nonlocal done
        done += batch.num_rows
        if done > after_rows:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, batch)

    BatchAnonymizer.__call__ = call
    raise SystemExit(f"not killed: {run(environment)}")


@pytest.mark.integration
@pytest.mark.parametrize("vault", [False, True])
def test_a_kill_in_the_middle_leaves_nothing_and_the_next_run_comes_to_the_same_rows(
    environment: Environment, tmp_path: Path, vault: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.privacy.anonymize.BATCH_ROWS", 20)
    write_public_key(environment.vault_public_key_path, VaultKeys(KeyRing({1: bytes(range(32))})).public)
    make_use_case(environment, tmp_path, privacy={"vault": vault})
    assert (done := run(environment)).success, done.error
    _, whole, _ = newest(environment)
    keys = {"key_file": environment.key_path, "vault_public_key_file": environment.vault_public_key_path}
    other = environment.model_copy(update={"home": tmp_path / "other", **keys})
    assert run(other, stages=DATA[:3]).success
    process = multiprocessing.get_context("spawn").Process(target=run_and_die, args=(other, 30))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    lake = open_lake(other)
    assert lake.latest("complaints", "anonymized_records") is None
    assert list(Vault(lake, "complaints")._manifests()) == []
    assert run(other).success
    assert newest(other)[1].content_hash == whole.content_hash


@pytest.mark.integration
def test_without_quasi_identifiers_or_a_reason_nothing_may_be_trained_and_the_run_says_why(
    environment: Environment, tmp_path: Path
) -> None:
    make_use_case(environment, tmp_path, privacy={"without_quasi_identifiers": None})
    outcome = run(environment)
    assert not outcome.success
    said = (
        "check is_k_anonymous of anonymized_records failed: k-anonymity was not measured on 90 records: no"
        " quasi-identifiers are named, and the file gives no"
    )
    assert outcome.error.startswith(said)
