"""The audit log: each way to tamper with it is found, a person can be erased, and no killed process harms it. Persons
are fictitious."""

import grp
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ft_platform.errors import CorruptVersion, KeyMissing, VersionRefused
from ft_platform.lake import modes
from ft_platform.lake.private_folders import private_folders
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log import checkpoint, entry, log, tree
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.verify import verify, verify_copy
from ft_platform.people.noted import Noted
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.people.logs import ANA, BEN, opened, released


def file_of(audit_log: AuditLog, first: int) -> Path:
    return Path(audit_log.files.segment(first))


def edit_lines(change: Callable[[list[str]], list[str]], first: int = 8) -> Callable[[AuditLog], None]:
    def tamper(audit_log: AuditLog) -> None:
        file = file_of(audit_log, first)
        file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))

    return tamper


def edited(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:2], lines[2].replace(old, new), *lines[3:]]


def forged(lines: list[str]) -> list[str]:
    """One more entry, which fits the chain."""
    last = entry.read(lines[-1].encode())
    new = entry.written(released(99, BEN), last.said["number"] + 1, last.said["at"], tree.leaf(last.chained).hex())
    return [*lines, new.to_bytes().decode()]


def rewritten(audit_log: AuditLog) -> None:
    """An entry is edited, and everything that follows is made to fit."""
    previous = ""
    for first in audit_log.files.segments():
        lines = []
        for text in file_of(audit_log, first).read_bytes().splitlines():
            line = entry.read(text)
            if (number := line.said["number"]) >= 10:
                line = entry.written(released(number, BEN), number, line.said["at"], previous)
            previous = tree.leaf(line.chained).hex()
            lines.append(line.to_bytes() + b"\n")
        file_of(audit_log, first).write_bytes(b"".join(lines))


def head_put_back(audit_log: AuditLog) -> None:
    head = audit_log.home / "head.json"
    before = head.read_bytes()
    audit_log.note([released(number) for number in range(20)])
    head.write_bytes(before)


def signed_by_another_key(audit_log: AuditLog, file: Path) -> None:
    other = Environment(home=audit_log.home / "other")
    said = checkpoint.read(file.read_text())
    file.write_text(checkpoint.sign(said.origin, said.size, said.root, signing_keys_of(other)))


TAMPERING: dict[str, tuple[Callable[[AuditLog], object], str]] = {
    "edited": (edit_lines(edited('"what": "released"', '"what": "tried"')), "entry 11 does not follow the one before"),
    "edited, the newest": (
        edit_lines(lambda lines: [*lines[:-1], lines[-1].replace('"released"', '"tried"')], 16),
        "entry 19 is not the newest one that this installation wrote",
    ),
    "name edited": (edit_lines(edited("ana@example.org", "ben@example.org")), "entry 10: the name was edited"),
    "details edited": (edit_lines(edited("release-10", "release-11")), "entry 10: the details were edited"),
    "made unreadable": (edit_lines(edited("{", "")), "entry 10 cannot be read"),
    "name removed": (
        edit_lines(lambda lines: [entry.read(lines[0].encode()).without(["person"]).decode(), *lines[1:]]),
        "entry 8: the name was removed, and no entry says that it was erased",
    ),
    "removed": (edit_lines(lambda lines: [*lines[:2], *lines[3:]]), "entry 11 stands where entry 10 should"),
    "file removed": (lambda log: file_of(log, 8).unlink(), "a file begins with entry 16 where entry 8 should follow"),
    "reordered": (
        edit_lines(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
        "entry 10 stands where entry 9 should",
    ),
    "twice": (edit_lines(lambda lines: [*lines[:3], *lines[2:]]), "entry 10 stands where entry 11 should"),
    "truncated by one": (
        edit_lines(lambda lines: lines[:-1], 16),
        "the log was cut off or put back: it ends with entry 18, the newest was 19",
    ),
    "truncated by a file": (lambda log: file_of(log, 16).unlink(), "it ends with entry 15, the newest was 19"),
    "truncated to nothing": (lambda log: shutil.rmtree(log.files.folder), "checkpoint.txt was removed"),
    "forged at the end": (edit_lines(forged, 16), "entries from 20 on were not written by this installation"),
    "forged as a new file": (
        lambda log: file_of(log, 20).write_text(forged(file_of(log, 16).read_text().splitlines())[-1] + "\n"),
        "entries from 20 on were not written by this installation",
    ),
    "forged with all that follows": (rewritten, "entries 8 to 15 are not those that were signed"),
    "head put back": (head_put_back, "the head was put back: it speaks of 20 entries"),
    "head removed": (lambda log: (log.home / "head.json").unlink(), "the head is missing"),
    "head with another tree": (
        lambda log: (log.home / "head.json").write_text(
            (log.home / "head.json").read_text().replace('"tree": ["', '"tree": ["00')
        ),
        "entry 19 is not the newest one",
    ),
    "checkpoint removed": (
        lambda log: Path(log.files.checkpoint(8)).unlink(),
        "the checkpoint of the first 8 entries was removed",
    ),
    "newest checkpoint removed": (
        lambda log: Path(log.files.folder, "checkpoint.txt").unlink(),
        "checkpoint.txt was removed",
    ),
    "newest checkpoint replaced by an older one": (
        lambda log: shutil.copy(log.files.checkpoint(16), Path(log.files.folder, "checkpoint.txt")),
        "checkpoint.txt was replaced",
    ),
    "checkpoint by another key": (
        lambda log: signed_by_another_key(log, Path(log.files.checkpoint(8))),
        "checkpoints/000000000008.txt: the checkpoint of 8 entries is signed by no known key",
    ),
    "checkpoint of another size": (
        lambda log: shutil.copy(log.files.checkpoint(16), log.files.checkpoint(8)),
        "speaks of 16 entries, not of 8",
    ),
    "checkpoint emptied": (lambda log: Path(log.files.checkpoint(8)).write_text(""), "holds no checkpoint"),
}


def test_a_log_that_nobody_touched_is_intact(home, audit_log):
    found = verify(audit_log)
    assert found.ok and found.entries == 20 and audit_log.files.segments() == [0, 8, 16]
    said = list(opened(home).entries(18))
    assert [(one.number, one.person, one.known_by) for one in said] == [
        (number, "ana@example.org", "self-declared") for number in (18, 19)
    ]
    assert said[1].details == {"release": "release-19"} and said[1].previous == said[0].hash


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(home, audit_log, how):
    tamper, words = TAMPERING[how]
    tamper(audit_log)
    found = verify(opened(home))
    assert any(words in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    "how",
    [
        "truncated by one",
        "truncated by a file",
        "truncated to nothing",
        "forged at the end",
        "head put back",
        "head removed",
    ],
)
def test_nothing_is_written_behind_a_log_that_does_not_end_as_it_was_left(home, audit_log, how):
    TAMPERING[how][0](audit_log)
    for writer in (audit_log, opened(home)):
        with pytest.raises(CorruptVersion, match=r"nothing that has to be noted happens.*ft audit-log verify"):
            writer(released(50))
    assert not verify(opened(home)).ok


def test_a_log_put_back_with_its_head_is_found_by_nothing_but_an_anchor(home, audit_log, tmp_path):
    """What the docs say is not covered, and what anchors are for."""
    shutil.copytree(home.home, tmp_path / "before")
    audit_log(released(20))
    assert audit_log.head()
    anchored = audit_log.head().checkpoint
    shutil.rmtree(home.home)
    shutil.copytree(tmp_path / "before", home.home)
    assert verify(opened(home)).ok
    problem = "the log was cut off or put back: the anchor elsewhere speaks of 21 entries, and there are 20"
    assert verify(opened(home), {"elsewhere": [anchored]}).problems == [problem]


def test_a_history_written_anew_with_the_key_is_found_by_an_anchor(home, audit_log):
    assert audit_log.head()
    anchored = {"elsewhere": [audit_log.head().checkpoint]}
    assert verify(audit_log, anchored).ok
    audit_log.begin_again(BEN, "nobody will know")
    audit_log.note([released(number) for number in range(19)])
    assert verify(audit_log).ok
    assert verify(audit_log, anchored).problems == ["the anchor elsewhere is of a log with another first entry"]


def test_a_log_that_cannot_go_on_is_moved_aside_and_the_new_one_says_so(home, audit_log):
    TAMPERING["truncated by one"][0](audit_log)
    aside = opened(home).begin_again(BEN, "The disk of 3 March was restored")
    first = next(opened(home).entries())
    assert (first.what, first.person) == ("began the audit log again", "ben@example.org")
    assert first.details == {"reason": "The disk of 3 March was restored", "before": Path(aside).name}
    assert len(list(Path(aside, "entries").iterdir())) == 3 and verify(opened(home)).ok


def test_a_copy_is_verified_with_the_public_key_alone(audit_log, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(audit_log.files.folder, copy)
    head = audit_log.head()
    assert head
    verifier = checkpoint.verifier_key(head.origin, next(iter(audit_log.keys.public.values())))
    key = checkpoint.public_key(verifier)
    files = type(audit_log.files)(audit_log.files.fs, str(copy))
    assert verify_copy(files, [key]).ok
    assert verify_copy(files, []).problems[-1].startswith("nothing that is signed")
    shutil.rmtree(copy / "entries")
    assert "speaks of 20 entries, and there are 0" in verify_copy(files, [key]).problems[-1]


# Erasure


def test_a_person_who_is_forgotten_is_nowhere_and_the_log_is_intact(home, audit_log):
    audit_log(released(20, BEN))
    audit_log(Noted("signature", ANA, "delegated", "complaints", {"to": "Ben@example.org", "role": "compliance"}))
    audit_log(Noted("signature", ANA, "delegated", "complaints", {"to": "ruben@example.org"}))
    said = Noted("erasure", ANA, "erased a person from the audit log", details={"reason": "asked on 1 March"})
    assert audit_log.forget("BEN@example.org", said) == 2
    found = verify(opened(home))
    assert found.ok and found.entries == 24
    assert not any(
        b" ben@example.org" in file.read_bytes().lower() or b'"Ben' in file.read_bytes()
        for file in home.home.rglob("*")
        if file.is_file()
    )
    entries = {one.number: one for one in opened(home).entries()}
    assert (entries[20].person, entries[20].details) == (None, {"release": "release-20"})
    assert (entries[21].person, entries[21].details) == ("ana@example.org", None)
    assert entries[22].details == {"to": "ruben@example.org"}
    assert (entries[23].what, entries[23].forgot) == (said.what, {"person": "20", "details": "21"})
    audit_log(released(24))
    assert verify(audit_log).ok
    assert audit_log.forget("ben@example.org", said) == 0


def test_the_hash_that_stays_of_a_name_cannot_be_guessed(audit_log):
    """With the salt it could: the same name is hashed differently each time."""
    hashes = {entry.read(line).said["person"] for _, lines in audit_log.files.lines([0, 8, 16]) for line in lines[1:]}
    assert len(hashes) > 16
    line = entry.read(next(audit_log.files.lines([8]))[1][0])
    assert "ana" not in line.without(["person", "details"]).decode()
    assert (line.beside["person"] or "").partition(" ")[0] not in line.without(["person"]).decode()


def test_an_erasure_that_was_killed_halfway_is_found_and_can_be_done_again(audit_log, monkeypatch):
    said = Noted("erasure", BEN, "erased a person from the audit log")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(entry.Line, "without", killed)
        with pytest.raises(KeyboardInterrupt):
            audit_log.forget("ana@example.org", said)
    assert "entry 1: the name was to be erased, and can still be read" in verify(audit_log).problems
    assert audit_log.forget("ana@example.org", said) == 19
    assert verify(audit_log).ok


# Keys


def test_a_rotated_key_goes_on_and_a_stolen_one_ends_the_trust_until_another_signs(home, audit_log):
    keys = signing_keys_of(home)
    first = keys.newest
    keys.rotate()
    opened(home)(released(20))
    assert verify(opened(home)).ok
    newest = keys.newest
    assert newest != first
    keys.report_stolen(newest, "2026-01-01T00:00:00+00:00", {})
    assert verify(opened(home)).problems == [f"the newest checkpoint is signed by a key that was stolen ({newest})"]
    with pytest.raises(KeyMissing, match="stolen"):
        opened(home)(released(21))
    keys.rotate()
    opened(home)(released(21))
    assert verify(opened(home)).ok


def test_a_lake_without_keys_has_no_audit_log(tmp_path):
    with pytest.raises(VersionRefused, match="without the keys"):
        AuditLog(Lake(tmp_path))


# Formats that others read


def test_a_signed_note_of_the_specification_is_read():
    """The example of https://c2sp.org/signed-note; its text is no checkpoint."""
    key = checkpoint.public_key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = (
        "This is an example message.\n\n\N{EM DASH} example.com/foo"
        " Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.read(note)
    text, signatures = checkpoint.parts(note)
    said = checkpoint.Checkpoint("example.com/foo", 1, b"", text, signatures)
    assert said.signer([key]) == key
    assert checkpoint.Checkpoint("example.com/foo", 1, b"", text + " ", signatures).signer([key]) is None
    assert checkpoint.Checkpoint("example.com/bar", 1, b"", text, signatures).signer([key]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a\n1\nAAAA\n",
        "a\n1\nAAAA\n\n",
        "a\n-1\nAAAA\n\n\u2014 a AAAA\n",
        "a\n1\nAAAA\n\n- a AAAA\n",
        "a\n1\n\n\u2014 a A\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(wrong):
    with pytest.raises(ValueError, match=r"signature|checkpoint|note|unpack|base64|padding"):
        checkpoint.read(wrong)


def test_the_root_is_that_of_rfc_6962():
    """Compared with the recursive definition (section 2.1) and its test vectors for 1 to 8 leaves, which
    certificate-transparency publishes."""
    leaves = [
        bytes.fromhex(one)
        for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
    ]
    grown: list[bytes] = []
    roots = []
    for size, content in enumerate(leaves):
        tree.add(grown, size, tree.leaf(content))
        roots.append(tree.root(grown).hex())
    assert roots == [recursive([tree.leaf(one) for one in leaves[: size + 1]]).hex() for size in range(8)]
    assert roots[0] == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert roots[7] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def recursive(hashes: list[bytes]) -> bytes:
    from hashlib import sha256

    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + recursive(hashes[:half]) + recursive(hashes[half:])).digest()


@pytest.mark.parametrize("numbers", [[], [3], [0, 1, 2], [1, 3, 4, 5, 9]])
def test_ranges_of_numbers_come_back(numbers):
    assert sorted(entry.of_ranges(entry.as_ranges(numbers))) == numbers


def test_a_full_disk_is_said_and_nothing_counts_as_noted(audit_log, monkeypatch):
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(log, "write_head", full)
        with pytest.raises(Exception, match="no space left for the audit log"):
            audit_log(released(20))
    assert verify(audit_log).entries == 20


def test_others_cannot_read_the_log_on_a_local_disk(audit_log):
    for folder in (Path(audit_log.files.folder), audit_log.home):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_group_that_shares_the_zones_shares_the_log(home, audit_log):
    group = grp.getgrgid(os.getgid()).gr_name
    shared = home.model_copy(update={"restricted_group": group})
    found = [folder for folder in private_folders(shared) if folder.name == "audit log"]
    assert [folder.path for folder in found] == [Path(audit_log.files.folder), audit_log.home]
    for folder in found:
        modes.harden(folder.path, folder.access)
    audit_log(released(20))
    for path in (*found[0].path.rglob("*.jsonl"), found[1].path / "head.json"):
        assert path.stat().st_mode & 0o060 == 0o060 and path.stat().st_gid == os.getgid()


@pytest.mark.integration
def test_a_log_in_an_object_store_is_written_verified_and_erased_like_any_other(home, monkeypatch):
    with s3_bucket("audit", monkeypatch):
        there = home.model_copy(update={"lake_root": "s3://audit/lake"})
        audit_log = opened(there)
        audit_log.note([released(number) for number in range(1, 20)])
        audit_log(released(20, BEN))
        assert verify(opened(there)).ok and audit_log.files.segments() == [0, 8, 16]
        assert audit_log.forget("ben@example.org", Noted("erasure", ANA, "erased")) == 1
        assert verify(opened(there)).ok
        path = audit_log.files.segment(8)
        content = audit_log.files.fs.cat_file(path)
        audit_log.files.fs.pipe_file(path, content.replace(b'"released"', b'"tried"', 1))
        assert not verify(opened(there)).ok
        aside = opened(there).begin_again(BEN, "tampered with")
        assert audit_log.files.fs.exists(f"{aside}/entries") and verify(opened(there)).ok


def test_the_json_of_an_entry_has_what_it_holds(audit_log):
    said = json.loads(json.dumps([one.to_dict() for one in audit_log.entries(19)]))
    assert said[0]["person"] == "ana@example.org" and said[0]["forgot"] == {}
