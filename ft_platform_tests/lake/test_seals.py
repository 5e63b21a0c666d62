"""Control files are what programs signed: altered, deleted, swapped, added and rolled back in turn, and killed at every
point of a write."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from ft_platform.errors import CorruptVersion, KeyMissing, VersionRefused
from ft_platform.lake.inspection import adopt, inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.seals import PENDING, NotSigned, Seals
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.test_store import SCHEMA, rows


@pytest.fixture
def home(tmp_path: Path) -> Environment:
    return Environment(home=tmp_path)


def table(lake: Lake, name: str = "splits", *ids: str) -> TableVersion:
    return lake.write_table("legal", name, rows(*(ids or ("a",))), SCHEMA, zone="shared", input_hash="".join(ids))


def seals(lake: Lake) -> Seals:
    found = lake.seals("legal")
    assert found
    return found


def verdict_file(lake: Lake, version: TableVersion, check: str = "no_leakage") -> Path:
    return Path(f"{lake._verdict_folder(version)}/{check}.json")


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "altered": (lambda file: file.write_text(file.read_text().replace("false", "true")), "was altered"),
    "emptied": (lambda file: file.write_text(""), "was altered"),
    "deleted": (lambda file: file.unlink(), "was deleted"),
}


@pytest.mark.parametrize("how", ATTACKS)
def test_a_verdict_that_was_tampered_with_is_noticed(home, how):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", False, "s")
    attack, words = ATTACKS[how]
    attack(verdict_file(lake, version))
    for reader in (lake, open_lake(home)):
        with pytest.raises(CorruptVersion, match=words):
            reader.verdicts(version)
        assert reader.verdicts(version, intact_only=True) == {}
    assert len(seals(open_lake(home)).problems()) == 1


def test_a_verdict_replaced_by_an_older_one_is_noticed_and_says_so(home):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", True, "s")
    older = verdict_file(lake, version).read_bytes()
    lake.add_verdict(version, "no_leakage", False, "s")
    verdict_file(lake, version).write_bytes(older)
    with pytest.raises(CorruptVersion, match="was replaced by an older one"):
        lake.verdicts(version)


def test_a_verdict_written_by_hand_does_not_count(home):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", True, "s")
    file = verdict_file(lake, version)
    file.with_name("no_residual_pii.json").write_text(file.read_text().replace("no_leakage", "no_residual_pii"))
    assert set(lake.verdicts(version)) == {"no_leakage"}


def test_a_newer_version_that_was_deleted_is_noticed(home):
    lake = open_lake(home)
    table(lake, "splits", "a")
    newest = table(lake, "splits", "b")
    os.unlink(lake._manifest_path(newest))
    assert lake.newer_that_is_lost("legal", "splits") == "00000001.json"
    table(lake, "splits", "c")
    assert lake.newer_that_is_lost("legal", "splits") == ""


def test_a_lake_put_back_to_an_older_state_is_noticed(home, tmp_path):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_withdrawn_records", True, "s")
    shutil.copytree(lake.root, tmp_path / "older")
    lake.add_verdict(version, "no_withdrawn_records", False, "s")
    shutil.rmtree(lake.root)
    shutil.copytree(tmp_path / "older", lake.root)
    with pytest.raises(
        CorruptVersion, match="was put back to an older state or cut off: it ends with entry 2, the newest was 3"
    ):
        open_lake(home).verdicts(version)
    with pytest.raises(CorruptVersion, match="older state"):
        open_lake(home).add_verdict(version, "no_withdrawn_records", True, "s")


@pytest.mark.parametrize("what", ["entry", "signature", "order", "forged", "all"])
def test_a_chain_that_was_tampered_with_is_noticed(home, what):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", False, "s")
    file = Path(lake.root) / "shared" / "legal" / "seals" / "000000.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    if what == "entry":
        lines[1]["sha256"] = "0" * 64
    elif what == "signature":
        lines[-1]["signature"] = lines[-2]["signature"]
    elif what == "order":
        lines[1], lines[2] = lines[2], lines[1]
    elif what == "forged":
        lines.append(
            {**lines[-1], "number": len(lines), "previous": seals(lake).journal.entries()[-1].hash, "sha256": "1" * 64}
        )
    else:
        lines = []
    file.write_text("".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines))
    with pytest.raises(CorruptVersion, match="the chain of signatures shared/legal/seals"):
        seals(open_lake(home)).journal.entries()
    assert inspect(open_lake(home), "legal").problems


def test_a_chain_of_another_key_is_refused(home, tmp_path):
    other = Environment(home=tmp_path / "other", lake_root=home.lake_uri)
    version = table(open_lake(other))
    with pytest.raises(CorruptVersion, match="signed by a key that this installation does not know"):
        open_lake(home).verdicts(version)


def test_entries_go_over_several_files_and_other_processes_are_seen(home, monkeypatch):
    monkeypatch.setattr("ft_platform.lake.journal.SEGMENT", 4)
    one, other = open_lake(home), open_lake(home)
    version = table(one)
    for number in range(9):
        (one, other)[number % 2].add_verdict(version, "no_leakage", bool(number % 2), "s", {"number": number})
        assert (
            one.verdicts(version)["no_leakage"].numbers
            == other.verdicts(version)["no_leakage"].numbers
            == {"number": number}
        )
    assert len(list((Path(one.root) / "shared" / "legal" / "seals").iterdir())) == 3
    assert inspect(open_lake(home), "legal") == inspect(one, "legal")
    assert inspect(one, "legal").problems == []


def test_the_key_can_be_rotated_and_older_signatures_still_verify(home):
    lake = open_lake(home)
    version = table(lake)
    keys = signing_keys_of(home)
    first = keys.newest
    keys.rotate()
    assert keys.newest != first
    lake = open_lake(home)
    lake.add_verdict(version, "no_leakage", True, "s")
    assert {entry.key for entry in seals(lake).journal.entries()} == {first, keys.newest}
    assert inspect(open_lake(home), "legal").problems == []


def test_a_lost_key_stops_writing_until_there_is_a_new_one_and_never_reading(home):
    version = table(open_lake(home))
    home.signing_key_path.unlink()
    assert open_lake(home).manifest(version)
    with pytest.raises(KeyMissing, match="ft seals rotate"):
        table(open_lake(home), "splits", "b")
    signing_keys_of(home).rotate()
    table(open_lake(home), "splits", "b")
    assert inspect(open_lake(home), "legal").problems == []


def test_what_a_stolen_key_signed_counts_only_until_then(home):
    lake = open_lake(home)
    version = table(lake)
    keys = signing_keys_of(home)
    stolen = keys.newest
    keys.report_stolen(
        stolen, "2999-01-01T00:00:00+00:00", {seals(lake).journal.name: len(seals(lake).journal.entries()) - 1}
    )
    assert open_lake(home).manifest(version)
    with pytest.raises(KeyMissing, match="was reported stolen"):
        open_lake(home).add_verdict(version, "no_leakage", True, "s")
    signing_keys_of(home).rotate()
    open_lake(home).add_verdict(version, "no_leakage", True, "s")
    signing_keys_of(home).report_stolen(stolen, "2000-01-01T00:00:00+00:00", {})
    with pytest.raises(CorruptVersion, match="signed by a key that was stolen"):
        open_lake(home).manifest(version)


def test_a_thief_with_the_key_cannot_add_to_the_chain_after_the_report(home):
    lake = open_lake(home)
    version = table(lake)
    keys = signing_keys_of(home)
    thief = open_lake(home)
    assert seals(thief).home.keys.newest == keys.newest
    keys.report_stolen(
        keys.newest, "2999-01-01T00:00:00+00:00", {seals(lake).journal.name: len(seals(lake).journal.entries()) - 1}
    )
    thief.add_verdict(version, "no_leakage", True, "s")  # has read the keys before the report
    with pytest.raises(CorruptVersion, match="signed by a key that was stolen"):
        open_lake(home).verdicts(version)


def unsigned(home: Environment) -> TableVersion:
    """A lake from before there were signatures."""
    lake = Lake(home.lake_uri)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", True, "s")
    return version


def test_an_unsigned_lake_says_what_to_do_and_is_signed_once(home):
    version = unsigned(home)
    for work in (
        lambda lake: lake.manifest(version),
        lambda lake: lake.verdicts(version),
        lambda lake: table(lake, "splits", "b"),
    ):
        with pytest.raises(VersionRefused, match="Sign it once: ft seals adopt legal"):
            work(open_lake(home))
    assert adopt(open_lake(home), "legal").files == 2
    assert open_lake(home).verdicts(version)["no_leakage"].passed
    found = inspect(open_lake(home), "legal")
    assert (found.adopted, found.problems) == (2, [])


def test_a_damaged_unsigned_lake_is_not_signed(home):
    version = unsigned(home)
    Path(Lake(home.lake_uri).file_paths(version)[0]).unlink()
    with pytest.raises(VersionRefused, match=r"nothing was signed.*was deleted"):
        adopt(open_lake(home), "legal")
    assert not seals(open_lake(home)).exists()


def test_a_lost_folder_of_seals_is_noticed_and_somebody_answers_for_a_new_chain(home):
    version = table(open_lake(home))
    shutil.rmtree(home.seals_path)
    with pytest.raises(CorruptVersion, match="does not know"):
        open_lake(home).manifest(version)
    adopt(open_lake(home), "legal", note="Ana Ruiz: the disk with the folder of seals was lost")
    assert open_lake(home).manifest(version)
    assert "Ana Ruiz" in seals(open_lake(home)).journal.entries()[0].note
    assert any(path.name.startswith("seals-before-") for path in (Path(home.lake_uri) / "shared" / "legal").iterdir())


def test_erased_content_is_told_from_tampering(home):
    lake = open_lake(home)
    version = table(lake)
    lake.note_erased(version, "erasure request 7")
    shutil.rmtree(version.uri)
    assert open_lake(home).manifest(version).content_hash == version.content_hash
    assert "erasure request 7" in open_lake(home).erased(version)
    found = inspect(open_lake(home), "legal")
    assert (found.erased, found.problems) == (1, [])


def test_a_file_that_somebody_answers_for_does_not_count_any_more(home):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", True, "s")
    file = verdict_file(lake, version)
    file.write_text("{}")
    seals(lake).remove(str(file), "Ana Ruiz: damaged by a broken disk")
    assert open_lake(home).verdicts(version) == {}
    assert inspect(open_lake(home), "legal").problems == []
    with pytest.raises(NotSigned):
        seals(open_lake(home)).read(str(file))


def test_who_may_not_hold_up_the_writers_notices_it_all_the_same(home, monkeypatch):
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", False, "s")
    ATTACKS["altered"][0](verdict_file(lake, version))

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("ft_platform.lake.seals.locked", refuse)
    with pytest.raises(CorruptVersion, match="was altered"):
        open_lake(home).verdicts(version)


PROGRAM = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path

    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.settings.environment import Environment
    from ft_platform.lake.versions import TableVersion

    home, point = Path(sys.argv[1]), int(sys.argv[2])
    lake = open_lake(Environment(home=home))
    version = lake.latest("legal", "splits", "shared")
    real, calls = os.replace, 0

    def replace(source, target):
        global calls
        calls += 1
        if calls == point:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)

    os.replace = replace
    lake.add_verdict(version, "no_leakage", False, "s")
    print(calls)
    """)


def run_program(home: Path, point: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), str(point)], capture_output=True, text=True, check=False
    )


@pytest.mark.integration
def test_a_verdict_whose_writer_was_killed_is_the_old_one_or_the_new_one(tmp_path):
    home = Environment(home=tmp_path / "home")
    version = table(open_lake(home))
    open_lake(home).add_verdict(version, "no_leakage", True, "s")
    before = tmp_path / "before"
    shutil.copytree(home.home, before)
    points = int(run_program(home.home, 0).stdout)
    assert points == 4  # the file beside its place, the chain, its head, the place
    seen = []
    for point in range(1, points + 1):
        shutil.rmtree(home.home)
        shutil.copytree(before, home.home)
        assert run_program(home.home, point).returncode == -signal.SIGKILL
        verdict = open_lake(home).verdicts(version)["no_leakage"]
        seen.append(verdict.passed)
        assert inspect(open_lake(home), "legal").problems == []
        open_lake(home).add_verdict(version, "no_leakage", True, "t")
        assert open_lake(home).verdicts(version)["no_leakage"].settings_hash == "t"
    assert seen == [True, True, False, False]


@pytest.mark.integration
def pending(lake: Lake) -> TableVersion:
    """A version whose verdict was signed by a writer that was killed before the file was in its place."""
    version = table(lake)
    lake.add_verdict(version, "not_withdrawn", False, "s")
    file = verdict_file(lake, version, "not_withdrawn")
    file.rename(f"{file}{PENDING}")
    return version


def test_the_first_who_reads_after_a_killed_writer_sees_what_was_signed(home):
    version = pending(open_lake(home))
    assert not open_lake(home).verdicts(version)["not_withdrawn"].passed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lays a read-only view over a folder")
def test_what_was_signed_is_read_where_nothing_can_be_put_in_its_place(home):
    version = pending(open_lake(home))
    told = json.dumps(asdict(version))
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", CLOSED, str(home.home), told],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this machine may not mount")
    assert (done.returncode, done.stdout) == (0, "False []\n"), done.stderr[-800:]


CLOSED = """
import json, subprocess, sys
from pathlib import Path
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.closed_disk import close

home = Path(sys.argv[1])
if not close(home):
    sys.exit(77)
lake, version = open_lake(Environment(home=home)), TableVersion(**json.loads(sys.argv[2]))
print(lake.verdicts(version)["not_withdrawn"].passed, inspect(lake, "legal").problems)
"""


def test_writers_beside_readers_raise_no_false_alarm(home):
    version = table(open_lake(home))
    program = PROGRAM.replace(
        'lake.add_verdict(version, "no_leakage", False, "s")',
        "[lake.add_verdict(version, 'no_leakage', bool(n % 2), 's') for n in range(60)]",
    )
    with subprocess.Popen([sys.executable, "-c", program, str(home.home), "0"], stdout=subprocess.PIPE) as writer:
        reader, reads = open_lake(home), 0
        while writer.poll() is None:
            reader.verdicts(version)
            reads += 1
    assert writer.returncode == 0
    assert reads and inspect(open_lake(home), "legal").problems == []


def test_a_lake_opened_without_keys_passes_no_gate(tmp_path):
    from ft_platform.release.collecting import collect
    from ft_platform_tests.release.evidence_case import EvidenceCase

    case = EvidenceCase(tmp_path).publish()
    found = collect(Lake(case.lake.root), case.use_case, case.versions["adapter_checkpoint"], case.versions)
    assert "without the keys" in found.signatures[0] and "without the keys" in found.problems[0]
