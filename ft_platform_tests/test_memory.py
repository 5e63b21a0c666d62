"""What a stage no longer needs is given back before the next one."""

import subprocess
import sys

from ft_platform import memory
from ft_platform.assets.stage import with_typed_failures

KEPT_AND_GIVEN_BACK = """
import pyarrow as pa, pyarrow.compute as pc
from ft_platform.memory import anonymous_bytes, give_back
before = anonymous_bytes()
columns = [pc.add(pa.nulls(1_000_000, pa.int64()).fill_null(1), number) for number in range(100)]
texts = [bytes(900) + str(number).encode() for number in range(300_000)]
keep = texts[::1000]  # so that the heap cannot simply shrink
used = anonymous_bytes()
del columns, texts
give_back()
print(before >> 20, used >> 20, anonymous_bytes() >> 20)
"""


def test_memory_that_nothing_needs_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT_AND_GIVEN_BACK], capture_output=True, text=True, check=True)
    before, used, after = map(int, done.stdout.split())
    assert used - before > 900 and after - before < 0.2 * (used - before), done.stdout


def test_every_stage_begins_with_it(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("ft_platform.assets.stage.give_back", lambda: asked.append(True))
    assert with_typed_failures(lambda: 5)() == 5 and asked == [True]


def test_a_process_that_has_not_grown_since_is_left_alone(monkeypatch) -> None:
    collected, held = [], [2 * memory.GROWN_BYTES]
    monkeypatch.setattr(memory, "_left", memory.GROWN_BYTES)
    monkeypatch.setattr(memory, "anonymous_bytes", lambda: held[0])
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append(held[0]))
    for now in (2 * memory.GROWN_BYTES - 1, 2 * memory.GROWN_BYTES, 2 * memory.GROWN_BYTES + 5, 3 * memory.GROWN_BYTES):
        held[0] = now
        memory.give_back()
    assert collected == [2 * memory.GROWN_BYTES, 3 * memory.GROWN_BYTES]
