"""The vault opens for the holder of its key only, notes each look-up, and notices what was changed. Persons are
fictitious."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError, CorruptVersion, KeyMissing
from ft_platform.lake.keys.key_ring import KeyRing
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.privacy import vault as vault_module
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.vault import (
    Vault,
    VaultKeys,
    VaultPublicKey,
    VaultWriter,
    new_vault_ring,
    read_public_key,
    use_cases_with_vault,
    write_public_key,
)
from ft_platform.records.schemas import cleaned_schema
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import aws_server
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case

RING = KeyRing({1: bytes(range(32))})
PAIRS = [
    ("<PERSON_aaaaaaaa>", "Mirela Okonjo"),
    ("<PERSON_aaaaaaaa>", "MIRELA OKONJO"),
    ("<EMAIL_bbbbbbbb>", "mirela@example.com"),
]


def sealed(
    lake: Lake,
    folder: Path,
    pairs: list[tuple[str, str]],
    vault_id: str = "v1",
    ring: KeyRing = RING,
    use_case: str = "complaints",
) -> int:
    """Writes pairs, each in a row of its own, some twice."""
    folder.mkdir(exist_ok=True)
    writer = VaultWriter(lake, use_case, vault_id, VaultKeys(ring).public, folder)
    for pair in [*pairs, *pairs]:
        writer.add(pa.array([[], [{"pseudonym": pair[0], "original": pair[1]}]], ORIGINALS))
    return writer.finish()


@pytest.fixture
def vault(lake: Lake, tmp_path: Path) -> Vault:
    assert sealed(lake, tmp_path / "work", PAIRS) == 3
    return Vault(lake, "complaints")


def files_of(lake: Lake) -> list[Path]:
    return sorted(p for p in Path(lake.root, "vault").rglob("*") if p.is_file())


def test_the_holder_of_the_key_reads_every_original_of_a_pseudonym(vault: Vault) -> None:
    keys = VaultKeys(RING)
    assert sorted(vault.read("<PERSON_aaaaaaaa>", keys, "case 1")) == ["MIRELA OKONJO", "Mirela Okonjo"]
    assert vault.read("<EMAIL_bbbbbbbb>", keys, "case 1") == ["mirela@example.com"]
    assert vault.read("<PERSON_zzzzzzzz>", keys, "case 1") == []


def test_each_look_up_is_noted_with_who_when_why_and_what_came_of_it(vault: Vault) -> None:
    vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 4711")
    vault.read("<PERSON_zzzzzzzz>", VaultKeys(RING), "case 4712")
    first, second = vault.notes()
    assert (first["pseudonym"], first["reason"], first["outcome"]) == ("<PERSON_aaaaaaaa>", "case 4711", "2 found")
    assert (
        second["outcome"] == "0 found"
        and first["by"]
        and first["at"] < second["at"]
        and first["use_case"] == "complaints"
    )
    assert "Mirela" not in json.dumps(vault.notes(), ensure_ascii=False)


def test_values_are_compared_with_every_original_and_only_their_number_is_told_and_noted(
    vault: Vault, lake: Lake, tmp_path: Path
) -> None:
    sealed(lake, tmp_path / "more", [("subject_cccccccc", "Tarik Bello")], "v2")
    asked = ["mirela  OKONJO", "Tarik Bello", "mirela@example.org", "Okonjo", "Tarik Bello"]
    assert vault.originals_among(asked, VaultKeys(RING), "attack") == 3
    assert vault.originals_among([], VaultKeys(RING), "attack") == 0
    first, _ = vault.notes()
    assert (first["pseudonym"], first["outcome"], len(first["vaults"])) == ("*", "3 of 5 values are originals", 2)
    assert "Tarik" not in json.dumps(vault.notes(), ensure_ascii=False)


def test_comparing_needs_a_fitting_key_and_whole_parts_and_the_attempt_is_noted(vault: Vault, lake: Lake) -> None:
    with pytest.raises(KeyMissing, match="can be opened here"):
        vault.originals_among(["Mirela Okonjo"], VaultKeys(new_vault_ring()), "attack")
    part = next(path for path in files_of(lake) if path.suffix == ".sealed")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptVersion):
        vault.originals_among(["Mirela Okonjo"], VaultKeys(RING), "attack")
    assert [note["outcome"] for note in vault.notes()] == ["refused: no fitting key", "refused: damaged"]


def test_no_answer_is_given_where_the_note_cannot_be_written(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ft_platform.lake.files.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 1")


@pytest.mark.parametrize("keys", [None, KeyRing({1: bytes(32)}), new_vault_ring()])
def test_a_missing_or_another_key_is_refused_and_the_attempt_noted(vault: Vault, keys: KeyRing | None) -> None:
    with pytest.raises(KeyMissing, match="no vault of complaints can be opened here"):
        vault.read("<PERSON_aaaaaaaa>", VaultKeys(keys) if keys else None, "curiosity")
    (note,) = vault.notes()
    assert note["outcome"] == "refused: no fitting key" and note["reason"] == "curiosity"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_look_up_needs_a_reason(vault: Vault, reason: str) -> None:
    with pytest.raises(ConfigError, match="a reason of 1 to 500 characters"):
        vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), reason)


def test_what_seals_cannot_open(vault: Vault, lake: Lake) -> None:
    """The public half that the anonymization step has is no key: used as one it opens nothing."""
    public = VaultKeys(RING).public
    with pytest.raises(KeyMissing):
        vault.read("<PERSON_aaaaaaaa>", VaultKeys(KeyRing({1: public.key})), "case 1")


def test_nothing_in_the_files_is_readable(vault: Vault, lake: Lake) -> None:
    vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 1")
    stored = b"".join(p.read_bytes() for p in files_of(lake))
    assert not any(word in stored.lower() for word in (b"mirela", b"okonjo", b"example.com"))
    assert all("/restricted/" not in str(p) and "/shared/" not in str(p) for p in files_of(lake))


def test_a_changed_or_swapped_part_is_noticed(vault: Vault, lake: Lake, tmp_path: Path) -> None:
    sealed_files = [p for p in files_of(lake) if p.suffix == ".sealed"]
    one, other = sealed_files
    original = one.read_bytes()
    by_shard = {vault_module.shard_of(pseudonym): pseudonym for pseudonym, _ in PAIRS}
    for planted in (original[:-1] + bytes([original[-1] ^ 1]), original[:20], b"", other.read_bytes()):
        one.write_bytes(planted)
        with pytest.raises(CorruptVersion, match="changed after it was sealed"):
            vault.read(by_shard[int(one.stem)], VaultKeys(RING), "case 1")
    assert vault.notes()[-1]["outcome"] == "refused: damaged"
    one.write_bytes(original)
    assert vault.read(by_shard[int(one.stem)], VaultKeys(RING), "case 1")


def test_a_part_of_another_use_case_cannot_stand_in(vault: Vault, lake: Lake, tmp_path: Path) -> None:
    sealed(lake, tmp_path / "other", [("<PERSON_aaaaaaaa>", "Somebody Else")], use_case="support")
    (theirs,) = (p for p in files_of(lake) if p.suffix == ".sealed" and "support" in p.parts)
    ours = next(p for p in files_of(lake) if p.name == theirs.name and "complaints" in p.parts)
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(CorruptVersion):
        vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 1")


def test_after_a_rotation_older_vaults_open_with_the_older_key_and_new_ones_only_with_the_new(
    lake: Lake, tmp_path: Path
) -> None:
    rotated = RING.rotated()
    sealed(lake, tmp_path / "a", [("<PERSON_aaaaaaaa>", "Ann Reed")], "v1")
    sealed(lake, tmp_path / "b", [("<PERSON_aaaaaaaa>", "ann reed")], "v2", rotated)
    vault = Vault(lake, "complaints")
    assert sorted(vault.read("<PERSON_aaaaaaaa>", VaultKeys(rotated), "case 1")) == ["Ann Reed", "ann reed"]
    assert vault.read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 1") == ["Ann Reed"]


def test_more_pairs_than_wait_at_once_are_all_there(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_module, "WAITING", 10)
    assert sealed(lake, tmp_path / "work", [(f"<PERSON_{n:08d}>", f"Person {n}") for n in range(300)]) == 300
    assert Vault(lake, "complaints").read("<PERSON_00000123>", VaultKeys(RING), "case 1") == ["Person 123"]
    assert use_cases_with_vault(lake) == ["complaints"]


def test_the_stage_fills_it_with_what_its_pseudonyms_and_surrogates_stand_for(lake: Lake, tmp_path: Path) -> None:
    case = use_case(
        privacy={
            "vault": True,
            "operators": {"EMAIL": "surrogate", "PHONE": "redact"},
            "columns": {"region": "pseudonym"},
        }
    )
    (tmp_path / "work").mkdir()
    writer = VaultWriter(lake, case.name, "v1", VaultKeys(RING).public, tmp_path / "work")
    text = "My name is Mirela Okonjo, mail mirela@corp.com, call (415) 867-5309."
    result = anonymized(
        case,
        table(cleaned_schema(case), [text] * 2, subject_id=["c-17"] * 2, feature_region=["branch 9"] * 2),
        vault=writer,
    )
    assert "originals" not in result.kept.schema.names
    row = result.kept.to_pylist()[0]
    new = row["messages"][0]["content"]
    person, mail = new[new.index("<PERSON") : new.index(">") + 1], new.split("mail ")[1].split(",")[0]
    vault, keys = Vault(lake, case.name), VaultKeys(RING)
    found = [vault.read(p, keys, "case 1") for p in (person, mail, row["subject_id"], row["feature_region"])]
    assert found == [["Mirela Okonjo"], ["mirela@corp.com"], ["c-17"], ["branch 9"]]
    assert result.counts["vault_entries"] == 4  # and not the telephone number, which was redacted


KILLED = """
import os, signal, sys
from pathlib import Path
from ft_platform.lake import files
from ft_platform.lake.store import Lake
from ft_platform_tests.privacy.test_vault import PAIRS, sealed
point, root, work = sys.argv[1:]
real = getattr(os, point)
def kill(*arguments, **named):
    if "sealed" in str(arguments[0]) or "vault" in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
setattr(os, point, kill)
sealed(Lake(root), Path(work), PAIRS)
"""


@pytest.mark.integration
@pytest.mark.parametrize("point", ["rename", "open"])
def test_a_kill_while_it_is_written_leaves_none_of_it_and_the_next_run_all(
    lake: Lake, tmp_path: Path, point: str
) -> None:
    work = tmp_path / "killed"
    work.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", KILLED, point, lake.root, str(work)], cwd=os.getcwd(), timeout=120, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert list(Vault(lake, "complaints")._manifests()) == []
    assert sealed(lake, tmp_path / "again", PAIRS) == 3
    assert len(Vault(lake, "complaints").read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 1")) == 2


def test_writing_the_same_version_again_leaves_what_is_there(vault: Vault, lake: Lake, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in files_of(lake)}
    sealed(lake, tmp_path / "again", PAIRS)
    assert {p: p.read_bytes() for p in files_of(lake)} == before


@pytest.mark.components(name="aws")
def test_a_vault_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with aws_server(monkeypatch):
        boto3.client("s3").create_bucket(Bucket="lake")
        lake = open_lake(Environment(home=tmp_path / "home", lake_root="s3://lake/root"))
        sealed(lake, tmp_path / "work", PAIRS)
        vault = Vault(lake, "complaints")
        assert vault.read("<EMAIL_bbbbbbbb>", VaultKeys(RING), "case 1") == ["mirela@example.com"]
        assert [note["outcome"] for note in vault.notes()] == ["1 found"] and use_cases_with_vault(lake) == [
            "complaints"
        ]


def test_the_public_key_is_read_back_and_a_damaged_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault" / "vault.pub"
    with pytest.raises(KeyMissing, match=r"there is no public vault key in .*Make one with: ft vault init"):
        read_public_key(path)
    write_public_key(path, VaultKeys(RING).public)
    assert read_public_key(path) == VaultPublicKey(VaultKeys(RING).public.key)
    for text, problem in (("zz", "cannot be read"), ("00ff", "must have 32 bytes, got 2")):
        path.write_text(text)
        with pytest.raises(KeyMissing, match=problem):
            read_public_key(path)
