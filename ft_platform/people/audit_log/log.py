"""The audit log of an installation: append-only, hash-chained, signed, one for all its processes.

Each entry holds the hash of the one before (`entry`). Whenever a process has written some, it signs a checkpoint of all
entries (`checkpoint`). How the log stands is also kept outside the lake (`files.Head`).

Covered: an entry that is edited, removed, moved or put in between; a log that is cut off, replaced or put back to an
older state; a checkpoint that is removed or signed by another key. An entry is on the disk before `note` returns, and a
process that is killed leaves no half one behind. Not covered: whoever may act as the account that runs the programs can
read the key and write the head, and so write another history: that is what anchors are for (`anchors`). What nobody
notes is not there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.files import locked, move_folder, write_bytes
from ft_platform.lake.manifest import now
from ft_platform.lake.modes import close_zone
from ft_platform.lake.places import Places
from ft_platform.people.audit_log import checkpoint, entry, tree
from ft_platform.people.audit_log.changes import NoticedFiles
from ft_platform.people.audit_log.entry import Entry, Line
from ft_platform.people.audit_log.files import FOLDER, NEWEST, Files, Head, read_head, write_head
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person, at_this_machine

SEGMENT = 1024
"""Entries of a file. An object store has no append, so there the newest file, of some 600 kB at most, is written anew
for each batch."""
NEXT = "Restore the lake and the folder of seals from a backup. To see what is wrong: ft audit-log verify"


class AuditLog:
    """The log of one lake (`people.noted.Noting`).

    Args:
        lake: opened with the keys of the installation.
        files: name -> file of settings. Before an entry is written, a file that has changed since it was last noted is
            noted too: who acts under rules that were changed for a moment leaves a trace.

    Raises:
        VersionRefused: the lake was opened without keys.
    """

    def __init__(self, lake: Places, files: Mapping[str, Path] | None = None) -> None:
        if lake.signing is None:
            problem = "nothing can be noted in the audit log: the lake was opened without the keys of its installation"
            raise VersionRefused(problem, "Open it with open_lake(environment)")
        self.lake, self.keys = lake, lake.signing.keys
        self.files = Files(lake.fs, f"{lake.folder}/{FOLDER}")
        self.home = lake.signing.folder / f"{FOLDER}-{lake.signing.place_of(lake.folder)}"
        self._head_file = self.home / "head.json"
        self._noticed = NoticedFiles(self.home / "files.json", files or {})

    def __call__(self, noted: Noted) -> None:
        self.note([noted])

    def note(self, noted: Sequence[Noted]) -> int:
        """Writes entries. They are on the disk, and signed, when it returns.

        Returns:
            The number of the newest.

        Raises:
            CorruptVersion: the log does not end as this installation left it.
            DiskFull, NotWritable: it cannot be written.
        """
        with self._writing() as head, self._noticed.changes() as changed:
            return self._append(head, [*changed, *noted]).entries - 1

    def note_files(self) -> None:
        """Notes which of the files, and of all that were ever noted, have changed or are gone."""
        self._noticed = self._noticed.with_all_known()
        if self._noticed.changed():
            self.note([])

    def head(self) -> Head | None:
        return read_head(self._head_file)

    def entries(self, since: int = 0) -> Iterator[Entry]:
        """Entries in order, from a number on.

        Raises:
            CorruptVersion: one cannot be read.
        """
        head = self.head()
        if head is None:
            return
        segments = self.files.segments()
        newer = max((first for first in segments if first <= since), default=0)
        for first, lines in self.files.lines([one for one in segments if one >= newer], head):
            # Lines behind the head are being written just now.
            for line in lines[max(since - first, 0) : head.entries - first]:
                yield self._read(line).entry()

    def forget(self, person: str, noted: Noted) -> int:
        """Removes a person's name, and details that name the person, from all entries. Their hashes stay, so the chain
        holds; an entry says in which ones that was.

        Args:
            noted: that entry: who asked, and why. It names the person only if that is who asked.

        Returns:
            How many entries named the person.
        """
        with self._writing() as head:
            finished = self.files.segments()
            found = {
                number: parts
                for _, lines in self.files.lines(finished)
                for number, parts in self._naming(lines, person)
            }
            if not found:
                return 0
            forgot = {part: entry.as_ranges([n for n in found if part in found[n]]) for part in entry.PARTS}
            # In a file of its own: those that name the person are finished then, and may be replaced.
            self._append(head, [noted], {part: numbers for part, numbers in forgot.items() if numbers}, fresh=True)
            for first, lines in self.files.lines(finished):
                gone = {number: found[number] for number in range(first, first + len(lines)) if number in found}
                for number, parts in gone.items():
                    lines[number - first] = self._read(lines[number - first]).without(parts)
                if gone:
                    write_bytes(self.lake.fs, self.files.segment(first), b"\n".join(lines) + b"\n")
            return len(found)

    def begin_again(self, by: Person, reason: str) -> str:
        """Moves a log aside that cannot be written any more, and begins a new one. Returns where the old one is."""
        close_zone(self.home)
        with locked(self.home / "lock"):
            aside = f"{self.files.folder}.until-{now().replace(':', '').replace('+0000', 'Z')}"
            if self.lake.fs.exists(self.files.folder):
                move_folder(self.lake.fs, self.files.folder, aside)
            self._head_file.unlink(missing_ok=True)
            told = {"reason": reason, "before": aside.rsplit("/", 1)[-1]}
            self._begin(Noted("settings", by, "began the audit log again", details=told))
        return aside

    def _naming(self, lines: list[bytes], person: str) -> Iterator[tuple[int, list[str]]]:
        for line in map(self._read, lines):
            if parts := line.names(person):
                yield line.said["number"], parts

    def _read(self, line: bytes) -> Line:
        try:
            return entry.read(line)
        except ValueError:
            raise self._broken("has an entry that cannot be read") from None

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Nobody writes meanwhile, as far as this account may hold up the writers."""
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(locked(self.home / "lock"))
            yield

    @contextmanager
    def _writing(self) -> Iterator[Head]:
        """One writer at a time, of all processes; what a killed one began is finished first."""
        with self.lake.room_for("the audit log"):
            close_zone(self.home)
            with locked(self.home / "lock"):
                head = self.head()
                if head is None:
                    if self.files.segments():
                        raise self._broken("is not known to this installation: its folder of seals is new or was lost")
                    head = self._begin(Noted("settings", at_this_machine(), "began the audit log"))
                yield self._finished(head)

    def _begin(self, noted: Noted) -> Head:
        if self.lake.is_local:
            close_zone(Path(self.files.folder))
        return self._append(Head(), [noted])

    def _finished(self, head: Head) -> Head:
        """The head, when the newest file ends as it says."""
        there = self.files.behind(head)
        if there is None:
            raise self._broken("was cut off")
        if not head.lines.encode().startswith(there):
            raise self._broken(
                f"has something behind entry {head.entries - 1:,}, which this installation did not write"
            )
        return self._put(head) if head.lines else head

    def _append(
        self, head: Head, noted: Sequence[Noted], forgot: Mapping[str, str] | None = None, *, fresh: bool = False
    ) -> Head:
        """Writes entries, those of one file at a time.

        Args:
            fresh: begin a new file.
        """
        done = 0
        while done < len(noted):
            if fresh or head.entries - head.segment >= SEGMENT:
                write_bytes(self.lake.fs, self.files.checkpoint(head.entries), head.checkpoint.encode())
                head = replace(head, segment=head.entries, offset=0)
            room = SEGMENT - (head.entries - head.segment)
            head = self._put(self._with(head, noted[done : done + room], forgot))
            done, fresh = done + room, False
        return head

    def _with(self, head: Head, noted: Sequence[Noted], forgot: Mapping[str, str] | None) -> Head:
        """The head, which is on the disk, with these entries as what is being written."""
        hashes, previous, origin, lines = [bytes.fromhex(one) for one in head.tree], head.hash, head.origin, []
        for number, one in enumerate(noted, head.entries):
            line = entry.written(one, number, now("milliseconds"), previous, forgot)
            hashed = tree.leaf(line.chained)
            tree.add(hashes, number, hashed)
            previous, origin = hashed.hex(), origin or f"ft_platform/audit_log/{hashed.hex()[:16]}"
            lines.append(line.to_bytes().decode() + "\n")
        entries = head.entries + len(lines)
        new = replace(
            head,
            entries=entries,
            hash=previous,
            tree=tuple(one.hex() for one in hashes),
            lines="".join(lines),
            checkpoint=checkpoint.sign(origin, entries, tree.root(hashes), self.keys),
        )
        write_head(self._head_file, new)
        return new

    def _put(self, head: Head) -> Head:
        """Writes what the head says is being written, and notes that it is there."""
        write_bytes(self.lake.fs, f"{self.files.folder}/{NEWEST}", head.checkpoint.encode())
        self.files.put(head)
        written = replace(head, offset=head.offset + len(head.lines), lines="")
        write_head(self._head_file, written)
        return written

    def _broken(self, what: str) -> CorruptVersion:
        return CorruptVersion(f"the audit log {what}; until that is solved, nothing that has to be noted happens", NEXT)
