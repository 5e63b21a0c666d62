"""Several processes write the audit log at once, and are killed: nothing that was acknowledged is lost, and nothing is
left half. Persons are fictitious."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from ft_platform.people.audit_log import log
from ft_platform.people.audit_log.verify import verify
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.people.logs import opened, released

WRITER = """
import sys
from pathlib import Path
from ft_platform.lake import modes
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log import log
from ft_platform.people.noted import Noted
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment

log.SEGMENT = 8
audit_log = log.AuditLog(open_lake(Environment(home=Path(sys.argv[1]))))
for number in range(int(sys.argv[3])):
    what = f"{sys.argv[2]}-{number}"
    audit_log.note([Noted("run", named("ana@example.org"), what), Noted("run", named("ben@example.org"), what)])
    print(what, flush=True)
"""


def writer(home: Environment, name: str, times: int) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(home.home), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.integration
def test_several_processes_write_at_once_and_lose_nothing(home):
    running = [writer(home, name, 15) for name in "abc"]
    while any(process.poll() is None for process in running):
        assert verify(opened(home)).ok  # also while they write
    assert [process.wait() for process in running] == [0, 0, 0]
    found = verify(opened(home))
    assert found.ok and found.entries == 1 + 3 * 15 * 2


@pytest.mark.integration
def test_a_killed_process_loses_no_entry_that_it_acknowledged_and_leaves_no_half_one(home):
    acknowledged = []
    for attempt in range(6):
        process = writer(home, f"k{attempt}", 10_000)
        assert process.stdout
        acknowledged += [process.stdout.readline().strip() for _ in range(3)]
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split("\n")[:-1]
        process.wait()
        found = verify(opened(home))
        assert found.ok, found.problems
    counts = [one.what for one in opened(home).entries()]
    assert all(counts.count(what) == 2 for what in acknowledged) and len(acknowledged) >= 18


@pytest.mark.parametrize("point", range(12))
@pytest.mark.parametrize("half", [False, True])
def test_killed_at_every_point_of_a_write_the_log_is_intact_and_goes_on(home, monkeypatch, point, half):
    """`point`: before which write of the two files and checkpoints the process ends; `half`: in the midst of it."""
    audit_log = opened(home)
    audit_log.note([released(number) for number in range(1, 7)])
    writes = iter(range(100))

    def killing(write: Callable[..., None]) -> Callable[..., None]:
        def killed(*words: object) -> None:
            if next(writes) == point:
                if half and write is put:
                    files, head = words
                    cut = len(head.lines) // 2  # type: ignore[attr-defined]
                    put(files, type(head)(**{**vars(head), "lines": head.lines[:cut]}))  # type: ignore[attr-defined]
                raise KeyboardInterrupt
            write(*words)

        return killed

    put = type(audit_log.files).put
    with monkeypatch.context() as patched:
        patched.setattr(log, "write_head", killing(log.write_head))
        patched.setattr(log, "write_bytes", killing(log.write_bytes))
        patched.setattr(type(audit_log.files), "put", killing(put))
        with suppress(KeyboardInterrupt):
            audit_log.note([released(number) for number in range(7, 13)])
    before = verify(opened(home))
    assert before.ok, before.problems
    assert before.entries in (7, 8, 13)  # what is in the head counts; the batch spans two files
    opened(home)(released(99))
    after = verify(opened(home))
    assert after.ok and after.entries == before.entries + 1
    assert [one.number for one in opened(home).entries()] == list(range(after.entries))
