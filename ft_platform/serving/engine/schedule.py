"""Which requests are in the batch: the waiting line, room in the cache, and what each pass computes."""

import time
from collections import deque
from collections.abc import Collection, Iterable

import numpy as np

from ft_platform.models.kernels.packed_attention import NO_TREE, Segment
from ft_platform.serving.engine.attention import Part
from ft_platform.serving.engine.cache import Kept, KeyValueCache
from ft_platform.serving.engine.requests import Full
from ft_platform.serving.engine.rows import Row

ALONE_TOKENS = 2048
"""Most tokens of prompts in a pass while no answer is being written (`packed_forward.PASS_TOKENS`)."""
BESIDE_TOKENS = 256
"""And while answers are: they wait for them, about 0.4 seconds with SmolLM2-135M on one core."""
KEPT_TOKENS = 256
"""Most tokens in a pass of a prompt whose outputs are all kept: 50 MB for a vocabulary of 49,152."""
MOST_ROWS = 256
CPU_ANSWERS = 20
"""Most answers that are written at once where a CPU computes: 16 rows already keep it busy, and each further one only
makes all others wait. Under ten times too many requests, without this bound those let in took up to 3.2 times as long
as at capacity (`benchmarks/serving_faults.py`)."""
PAYS_TO_WAIT = 32
"""Tokens of a common start from which on a request waits until another one has computed them."""
SHORTEST_LINE = 2
REMEMBERED = 16
"""Requests that left the waiting line, from which the time to the next one is estimated."""


class Schedule:
    """Requests that wait, in the order in which they came, and those in the batch. Not thread-safe.

    Args:
        cache: where admitted rows get places for all tokens they may need, so that none ever has to be put aside.
        most: requests that may wait. While there is no room for the first of them, only a quarter as many as are in
            the batch may: whoever is let in waits for as long as a quarter of an answer takes, and the others know at
            once. With 64 in line before a batch of 36, ten times too many requests made p95 of those let in 3.3 times
            as long, with 18 twice.
        answers: most that are written at once. Labels, which take one pass, do not wait for them.
    """

    def __init__(self, cache: KeyValueCache, most: int, answers: int = MOST_ROWS) -> None:
        self.waiting: deque[Row] = deque()
        self.running: list[Row] = []
        self._cache, self._most, self._answers = cache, most, answers
        self._left: deque[float] = deque(maxlen=REMEMBERED)
        self._no_room = False

    def full(self, rows: int) -> Full | None:
        """Why the line has no place for so many, if it has none."""
        most = self._most
        if self._no_room and self.waiting:
            most = min(most, max(SHORTEST_LINE, len(self.running) // 4))
        excess = len(self.waiting) + rows - most
        if excess <= 0:
            return None
        passed, left = (time.monotonic() - self._left[0], len(self._left) - 1) if self.waiting else (0.0, 0)
        return Full(excess * passed / left if left else max(excess * passed, 1.0))

    def add(self, rows: Collection[Row]) -> None:
        """Raises `Full` where the line has no place for all of them."""
        if full := self.full(len(rows)):
            raise full
        if not self.waiting:
            self._left.clear()
            self._left.append(time.monotonic())  # when the line began
        self.waiting.extend(rows)

    def cancel(self, rows: Iterable[Row]) -> None:
        """Takes rows out of the line; those in the batch leave before the next pass."""
        for row in rows:
            row.cancelled = True
            if row in self.waiting:
                self.waiting.remove(row)

    def admit(self) -> list[Row]:
        """Lets cancelled rows leave, and waiting ones join while there is room. Returns those that cannot be
        computed."""
        for row in [row for row in self.running if row.cancelled]:
            self.leave(row)
        refused, later, self._no_room = [], [], False
        while self.waiting and len(self.running) < MOST_ROWS:
            row = self.waiting[0]
            if row.problem:
                refused.append(row)
            elif (crowded := self._is_crowded(row)) or self._pays_to_wait(row):
                self._no_room |= crowded
                later.append(self.waiting.popleft())
                continue
            elif not row.cancelled and not self._join(row):
                self._no_room = True
                break
            self.waiting.popleft()
            self._left.append(time.monotonic())
        self._no_room |= len(self.running) >= MOST_ROWS
        self.waiting.extendleft(reversed(later))
        return refused

    def _is_crowded(self, row: Row) -> bool:
        """Whether an answer has to wait until another one is written."""
        return row.writes and not row.cancelled and sum(other.writes for other in self.running) >= self._answers

    def _join(self, row: Row) -> bool:
        """False where the cache has no room."""
        computed = [Kept(r.adapter, r.caller, np.array(r.tokens[: r.done]), r.first) for r in self.running]
        taken = self._cache.take(row.room, row.adapter, row.tokens, computed, row.caller, row.public)
        if taken is None:
            return False
        row.first, row.done = taken
        row.done = 0 if row.keeps_all else row.done  # outputs are not in memory
        row.cached = row.done
        self.running.append(row)
        return True

    def _pays_to_wait(self, row: Row) -> bool:
        """Whether a row in the batch is about to compute much of the start of this one."""
        tokens = np.array(row.tokens[:-1])
        beginning = [other for other in self.running if other.done < other.prompt_tokens]
        return any(
            Kept(other.adapter, other.caller, np.array(other.tokens), 0).shared(
                row.adapter, row.caller, tokens, row.public
            )
            >= other.done + PAYS_TO_WAIT
            for other in beginning
        )

    def chosen(self) -> list[tuple[Row, Part]]:
        """What the next pass computes: the next token of each answer, and as many tokens of prompts as it takes."""
        writing = [row for row in self.running if row.done == len(row.tokens) - 1 and row.done]
        room = BESIDE_TOKENS if writing else ALONE_TOKENS
        chosen = [(row, _next_part(row, 1)) for row in writing]
        for row in self.running:
            if row not in writing and room > 0:
                count = min(len(row.tokens) - row.done, room, KEPT_TOKENS if row.keeps_all else room)
                room -= count
                chosen.append((row, _next_part(row, count)))
        return chosen

    def leave(self, row: Row, *, computed: bool = True) -> None:
        """Takes a row out of the batch; what it computed is kept for others that start alike."""
        self.running.remove(row)
        self._cache.release(row.first, row.room, row.adapter, row.tokens[: row.done] if computed else [], row.caller)


def _next_part(row: Row, count: int) -> Part:
    """The next `count` tokens of a row; with the last one comes the tree, and outputs are wanted."""
    whole = row.done + count == len(row.tokens)
    segment = Segment(row.tokens[row.done : row.done + count], row.tree if whole else NO_TREE)
    keep = range(count - 1, len(segment)) if whole else ()
    if row.keeps_all and row.done < row.prompt_tokens:
        keep = range(count)
    return Part(segment, row.first, row.done, keep, row.adapter)
