"""What a stage no longer needs is given back before the next one."""

import gc
import subprocess
import sys

import pytest

from ft_platform.assets.stage import with_typed_failures
from ft_platform.process import memory

KEPT_AND_GIVEN_BACK = """
import pyarrow as pa, pyarrow.compute as pc
from ft_platform.process.memory import anonymous_bytes, give_back
before = anonymous_bytes()
columns = [pc.add(pa.nulls(1_000_000, pa.int64()).fill_null(1), number) for number in range(100)]
texts = [bytes(900) + str(number).encode() for number in range(300_000)]
keep = texts[::1000]  # so that the heap cannot simply shrink
used = anonymous_bytes()
del columns, texts
give_back()
print(before >> 20, used >> 20, anonymous_bytes() >> 20)
"""


@pytest.mark.integration
def test_memory_that_nothing_needs_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT_AND_GIVEN_BACK], capture_output=True, text=True, check=True)
    before, used, after = map(int, done.stdout.split())
    assert used - before > 900 and after - before < 0.2 * (used - before), done.stdout


def test_every_stage_begins_with_it(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("ft_platform.assets.stage.give_back", lambda: asked.append(True))
    assert with_typed_failures(lambda: 5)() == 5 and asked == [True]


def collections_at(monkeypatch, first_left: int, amounts: list[int]) -> list[int]:
    """The amounts held, of those given, at which a process collects; a collection frees nothing."""
    collected, held = [], [0]
    monkeypatch.setattr(memory, "_left", first_left)
    monkeypatch.setattr(memory, "anonymous_bytes", lambda: held[0])
    monkeypatch.setattr(memory.gc, "collect", lambda: collected.append(held[0]))
    for held[0] in amounts:
        memory.give_back()
    return collected


def test_a_process_that_has_not_grown_since_is_left_alone(monkeypatch) -> None:
    step, library = memory.GROWN_BYTES, memory.LIBRARY_BYTES
    amounts = [library + step - 1, library + step, library + step + 5, library + 2 * step]
    assert collections_at(monkeypatch, library, amounts) == [library + step, library + 2 * step]


def test_what_was_held_in_the_middle_of_a_stage_is_no_measure_for_the_next_one(monkeypatch) -> None:
    step, library = memory.GROWN_BYTES, memory.LIBRARY_BYTES
    assert collections_at(monkeypatch, library, [library + 4 * step, library + step // 2, library + 2 * step]) == [
        library + 4 * step,
        library + 2 * step,
    ]
    assert collections_at(monkeypatch, library, [library // 2, library + step - 1]) == []


class Ring:
    def __init__(self, gone: list[str]) -> None:
        self.itself, self.gone = self, gone

    def __del__(self) -> None:
        self.gone.append("")


def test_new_garbage_is_found_and_all_other_objects_are_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []
    for aside in (0, 5):
        monkeypatch.setattr(memory.gc, "get_freeze_count", lambda aside=aside: aside)
        older = Ring(gone)
        with memory.only_new_garbage():
            Ring(gone)
            gc.collect()
            assert len(gone) == 1
            del older
            gc.collect()
            assert len(gone) == (1 if not aside else 2), "what was there before is looked at afterwards"
        gc.collect()
        assert len(gone) == 2
        gone.clear()
