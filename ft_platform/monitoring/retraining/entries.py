"""What the journal of retrainings holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Start:
    """A retraining that was started.

    Attributes:
        number: counted from 1: their order, whatever the clock said.
        by: id of the Dagster instance that asks for the run.
        reasons: name -> which evidence it was.
        content: hash of `permitted_records` then.
        continues: checkpoint of the champion that the run trains further; empty: it trains from the base model.
        not_continued: why it does not train the champion further though `retraining.start` says so.
    """

    id: str
    number: int
    at: datetime
    by: str
    reasons: Mapping[str, str]
    content: str
    continues: str = ""
    not_continued: str = ""


@dataclass(frozen=True)
class End:
    """How its run ended.

    Attributes:
        state: `succeeded`, `failed`, `stopped`, or `given up`.
        run: id of the run; empty: there was none.
    """

    id: str
    start: str
    at: datetime
    state: str
    run: str


@dataclass(frozen=True)
class Request:
    """A person asks for a retraining.

    Attributes:
        recorded_by: account of the operating system.
    """

    id: str
    at: datetime
    reason: str
    recorded_by: str


@dataclass(frozen=True)
class Entries:
    """All entries; starts by number, others by time."""

    starts: Sequence[Start] = ()
    ends: Sequence[End] = ()
    requests: Sequence[Request] = ()

    @property
    def running(self) -> Start | None:
        """The newest start whose end is not known."""
        ended = {end.start for end in self.ends}
        return next((one for one in reversed(self.starts) if one.id not in ended), None)
