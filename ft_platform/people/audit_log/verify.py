"""Whether an audit log is the one that was written: every entry, the chain, each checkpoint, the head, the anchors."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion, FtError
from ft_platform.lake.files import write_bytes
from ft_platform.lake.manifest import now
from ft_platform.lake.signing.keys import PublicKey
from ft_platform.people.audit_log import anchors, checkpoint, entry, tree
from ft_platform.people.audit_log.checkpoint import Checkpoint
from ft_platform.people.audit_log.entry import PARTS
from ft_platform.people.audit_log.files import FOLDER, NEWEST, Files, Head
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.sending import SENT, read_sent
from ft_platform.use_case.settings.environment import Environment

MOST_PROBLEMS = 100
"""That are named; more are counted."""
WORDS = {"person": "the name was", "details": "the details were"}
OWN = "the log"
VERIFIED = "verified.json"
Anchored = Mapping[str, Iterable[str]]
"""Place -> the checkpoints that were anchored there."""


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        entries: that are there.
        problems: one sentence each; none: the log is intact.
    """

    entries: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(log: AuditLog, anchored: Anchored | None = None) -> Verification:
    """Reads the whole log of an installation once. Writers wait only while its newest file is read."""
    before = log.head()
    look = _Look(log.files, list(log.keys.public.values()))
    look.gather(before, anchored or {})
    look.entries(log.files.segments()[:-1])
    with log.undisturbed():
        head = log.head()
        look.add_head(head)
        look.entries([first for first in log.files.segments() if first >= look.found], head)
        found = look.result()
    # Somebody may have been forgotten in the meantime, in what was read before.
    return verify(log, anchored) if found.problems and head != before else found


def verify_with_anchors(log: AuditLog, environment: Environment) -> Verification:
    """`verify`, with everything that was anchored; `read_verified` tells later what was found. An anchor that cannot be
    read is a problem, and one that has lost what this installation brought there."""
    sent = read_sent(log.home / SENT)
    found: dict[str, list[str]] = {}
    problems = []
    for anchor in environment.audit_log.anchors:
        try:
            found[anchor.uri] = anchors.anchored(anchor, environment.storage_options())
        except FtError as error:
            problems.append(error.message)
            continue
        if (entries := sent.get(anchor.uri)) and not any(f"\n{entries}\n" in text for text in found[anchor.uri]):
            problems.append(f"the anchor {anchor.uri} has lost the checkpoint of {entries:,} entries")
    checked = verify(log, found)
    checked = Verification(checked.entries, [*checked.problems, *problems])
    if log.head():
        told = {"at": now(), "entries": checked.entries, "problems": len(checked.problems)}
        with suppress(OSError):  # whoever may only read verifies, and leaves no word of it
            write_bytes(LocalFileSystem(), str(log.home / VERIFIED), json.dumps(told).encode())
    return checked


def read_verified(log: AuditLog) -> dict[str, Any] | None:
    """What was found when the log was verified last by this installation: `{"at", "entries", "problems"}`; None: it was
    not.

    Raises:
        CorruptVersion: the file cannot be read.
    """
    file = log.home / VERIFIED
    try:
        found = json.loads(file.read_bytes())
        return {"at": str(found["at"]), "entries": int(found["entries"]), "problems": int(found["problems"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"the file {file} cannot be read ({type(error).__name__})"
        raise CorruptVersion(problem, "Write it again: ft audit-log verify") from None


def verify_copy(files: Files, keys: Iterable[PublicKey], anchored: Anchored | None = None) -> Verification:
    """Reads a copy of a log, of which only the public keys are known. Whether entries are missing at its end, only an
    anchor can tell."""
    look = _Look(files, list(keys))
    look.gather(None, anchored or {})
    look.entries(files.segments())
    return look.result()


@dataclass(frozen=True)
class Claim:
    """A signed checkpoint that the entries must fit.

    Attributes:
        source: `OWN`, or the place of an anchor.
        where: in it.
    """

    source: str
    where: str
    checkpoint: Checkpoint
    signer: PublicKey

    @property
    def size(self) -> int:
        return self.checkpoint.size


@dataclass(frozen=True)
class State:
    """How a log stood after some entries.

    Attributes:
        hash, at: of the newest of them.
    """

    tree: list[bytes] = field(default_factory=list)
    hash: str = ""
    at: str = ""


class _Look:
    """One reading of a log."""

    def __init__(self, files: Files, keys: list[PublicKey]) -> None:
        self._files, self._keys = files, keys
        self._head: Head | None = None
        self._claims: list[Claim] = []
        self._wanted: set[int] = set()
        self._states: dict[int, State] = {}
        self._now, self._origin = State(), ""
        self._told: dict[str, set[int]] = {part: set() for part in PARTS}
        self._gone: dict[str, set[int]] = {part: set() for part in PARTS}
        self._expected = 0
        self._problems: list[str] = []
        self.found = 0

    def gather(self, head: Head | None, anchored: Anchored) -> None:
        """Reads what speaks of the entries."""
        for size in self._files.checkpoints():
            self._claim(f"checkpoints/{size:012d}.txt", self._files.text(self._files.checkpoint(size)), size)
        for place, notes in anchored.items():
            for text in notes:
                self._claim(f"the anchor {place}", text, source=place)
        if head:
            self._wanted.add(head.entries)
        else:
            self._claim(NEWEST, self._files.text(f"{self._files.folder}/{NEWEST}"))

    def add_head(self, head: Head | None) -> None:
        self._head = head
        if head is None:
            if self._files.segments():
                self._problems.append("the head is missing: the folder of seals is new or was lost")
            return
        newest = self._files.text(f"{self._files.folder}/{NEWEST}")
        if newest != head.checkpoint and not head.lines:
            self._problems.append(f"{NEWEST} was {'removed' if newest is None else 'replaced'}")
        if head.lines and not head.lines.encode().startswith(self._files.behind(head) or b""):
            self._problems.append(f"what stands behind entry {head.entries - 1:,} was not written by this installation")
        self._claim("the head", head.checkpoint, head.entries)

    def _claim(self, where: str, text: str | None, size: int | None = None, source: str = OWN) -> None:
        if text is None and not self._files.segments():
            return
        try:
            found = checkpoint.read(text or "")
        except ValueError:
            self._problems.append(f"{where} holds no checkpoint")
            return
        signer = found.signer(self._keys)
        if signer is None:
            self._problems.append(f"{where}: the checkpoint of {found.size:,} entries is signed by no known key")
        elif size not in (None, found.size):
            self._problems.append(f"{where} speaks of {found.size:,} entries, not of {size:,}")
        else:
            self._claims.append(Claim(source, where, found, signer))
            self._wanted.add(found.size)

    def entries(self, segments: list[int], head: Head | None = None) -> None:
        kept = set(self._files.checkpoints())
        for first, lines in self._files.lines(segments, head):
            if first != self.found:
                self._problems.append(f"a file begins with entry {first:,} where entry {self.found:,} should follow")
            if first and first not in kept:
                self._problems.append(f"the checkpoint of the first {first:,} entries was removed")
            for line in lines:
                self._entry(line)

    def _entry(self, content: bytes) -> None:
        hashed = tree.leaf(content.partition(b"\t")[0])
        tree.add(self._now.tree, self.found, hashed)
        expected, previous, at = self._expected, self._now.hash, self._now.at
        self._origin = self._origin or f"ft_platform/audit_log/{hashed.hex()[:16]}"
        try:
            line = entry.read(content)
            for part, numbers in line.said.get("forgot", {}).items():
                self._told[part] |= entry.of_ranges(numbers)
        except ValueError:
            self._problems.append(f"entry {expected:,} cannot be read")
            self._expected = expected + 1
        else:
            self._look_at(line, expected, previous)
            self._expected, at = line.said["number"] + 1, line.said["at"]
        self.found += 1
        self._now = State(self._now.tree, hashed.hex(), at)
        if self.found in self._wanted:
            self._states[self.found] = State(list(self._now.tree), self._now.hash, at)

    def _look_at(self, line: entry.Line, expected: int, previous: str) -> None:
        number = line.said["number"]
        if number != expected:
            self._problems.append(
                f"entry {number:,} stands where entry {expected:,} should: one was removed, added or moved"
            )
        elif line.said["previous"] != previous:
            self._problems.append(
                f"entry {number:,} does not follow the one before it: one of the two was edited or added"
            )
        self._problems += [f"entry {number:,}: {WORDS[part]} edited" for part in line.altered()]
        for part in PARTS:
            if line.beside[part] is None:
                self._gone[part].add(number)

    def result(self) -> Verification:
        """Compares the entries with what others say of them."""
        for part in PARTS:
            for number in sorted(self._gone[part] - self._told[part]):
                self._problems.append(f"entry {number:,}: {WORDS[part]} removed, and no entry says that it was erased")
            for number in sorted(self._told[part] - self._gone[part]):
                self._problems.append(f"entry {number:,}: {WORDS[part]} to be erased, and can still be read")
        for source in dict.fromkeys(claim.source for claim in self._claims):
            self._compare([claim for claim in self._claims if claim.source == source])
        if self._head and any(claim.source == OWN for claim in self._claims):
            self._compare_head(self._head)
        if self._claims:
            self._require_trust(max(self._claims, key=lambda claim: claim.size))
        elif self.found:
            self._problems.append("nothing that is signed says that these are the entries that were written")
        problems, more = self._problems[:MOST_PROBLEMS], len(self._problems) - MOST_PROBLEMS
        return Verification(self.found, [*problems, f"and {more:,} more"] if more > 0 else problems)

    def _compare(self, claims: list[Claim]) -> None:
        """Those of one source, up to the first that does not fit."""
        newest = max(claims, key=lambda claim: claim.size)
        if newest.size > self.found:
            self._problems.append(
                f"the log was cut off or put back: {newest.where} speaks of {newest.size:,} entries, and there are"
                f" {self.found:,}"
            )
        good = 0
        for claim in sorted((one for one in claims if one.size <= self.found), key=lambda claim: claim.size):
            if claim.checkpoint.origin != self._origin:
                self._problems.append(f"{claim.where} is of a log with another first entry")
                return
            if claim.checkpoint.root != tree.root(self._states[claim.size].tree):
                self._problems.append(
                    f"entries {good:,} to {claim.size - 1:,} are not those that were signed: one was edited, removed,"
                    f" moved or added ({claim.where})"
                )
                return
            good = claim.size

    def _compare_head(self, head: Head) -> None:
        newer = max((claim for claim in self._claims if claim.source == OWN), key=lambda claim: claim.size)
        if newer.size > head.entries:
            self._problems.append(
                f"the head was put back: it speaks of {head.entries:,} entries, and {newer.where} of {newer.size:,}"
            )
        elif self.found > head.entries:
            self._problems.append(f"entries from {head.entries:,} on were not written by this installation")
        elif self.found < head.entries:
            self._problems.append(
                f"the log was cut off or put back: it ends with entry {self.found - 1:,}, the newest was"
                f" {head.entries - 1:,}"
            )
        state = self._states.get(head.entries)
        if state and (state.hash != head.hash or tuple(one.hex() for one in state.tree) != head.tree):
            self._problems.append(f"entry {head.entries - 1:,} is not the newest one that this installation wrote")

    def _require_trust(self, newest: Claim) -> None:
        """A stolen key may have signed older checkpoints: the newest covers them."""
        at = self._states[newest.size].at if newest.size in self._states else ""
        if not newest.signer.trusted(FOLDER, newest.size - 1, at):
            self._problems.append(f"the newest checkpoint is signed by a key that was stolen ({newest.signer.key_id})")
