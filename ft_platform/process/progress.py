"""Progress of everything longer than two seconds: stages report here, whoever watches subscribes.

A domain function calls `report(...)` and knows nothing of who listens: the terminal of `ft run`, the Dagster event log,
or, inside a program on a compute back end, the Pipes channel that carries the update to the orchestrator.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Update:
    """One step of progress.

    Attributes:
        stage: asset name, e.g. `cleaned_records`.
        done: finished so far, in `unit`.
        total: expected in all, or None when unknown.
        unit: `rows`, `steps`, `examples`, ...
        fields: numbers that go with it, e.g. `{"loss": 0.9, "learning_rate": 2e-4, "tokens_per_second": 310.0}`.
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = "rows"
    fields: dict[str, float | int | str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


Listener = Callable[[Update], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls `listener` with every update reported inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report(stage: str, done: int, total: int | None = None, unit: str = "rows", **fields: float | int | str) -> None:
    """Tells whoever listens how far a stage is. Numbers and names only, never a record's text."""
    publish(Update(stage, done, total, unit, fields))


def publish(update: Update) -> None:
    for listener in list(_listeners):
        listener(update)
