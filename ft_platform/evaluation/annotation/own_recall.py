"""How far the measurement of recall on own records is, without any word of them."""

from dataclasses import dataclass
from typing import Any, Literal

from ft_platform.lake.store import Lake
from ft_platform.privacy.own_sample import OwnSample, own_sample
from ft_platform.use_case.named import NamedUseCase

End = Literal["", "above", "below", "all"]


@dataclass(frozen=True)
class RecallProgress:
    """A sample in figures.

    Attributes:
        found, missed: places with personal data in the records that were looked at.
        recall: None: no personal data was seen.
        floor: recall that is asked for.
        to_go: about how many records are left; None: nobody can tell.
        end: why it is over: the floor is reached, or shown not to be, or all that were drawn are answered; empty: it
            goes on.
        kinds: kind -> `{"recall", "low", "high", "spans", "texts"}`.
        below: kinds that are shown to be found less often than the floor; an empty name: all together.
    """

    records: int
    found: int
    missed: int
    recall: float | None
    low: float
    high: float
    floor: float
    to_go: int | None
    end: End
    kinds: dict[str, dict[str, Any]]
    below: list[str]

    @property
    def in_words(self) -> str:
        """Where it stands, in a line."""
        places = self.found + self.missed
        seen = f"{self.records:,} {'record' if self.records == 1 else 'records'},"
        seen = f"{seen} {places:,} {'place' if places == 1 else 'places'} with personal data seen"
        if self.recall is None:
            return f"{seen}; {self.floor:.0%} of it must be found"
        far = f"; about {self.to_go:,} more records if nothing is missed" if self.to_go and not self.end else ""
        return f"{seen}, recall at least {self.low:.1%}; {self.floor:.0%} is needed{far}"


def progress(lake: Lake, use_case: NamedUseCase) -> RecallProgress | None:
    """Of the sample that counts for the newest records; None: none was begun."""
    anonymized = lake.latest(use_case.name, "anonymized_records")
    sample = own_sample(lake, use_case, anonymized) if anonymized else None
    return progress_of(sample, use_case) if sample else None


def progress_of(sample: OwnSample, use_case: NamedUseCase) -> RecallProgress:
    floor, (found, missed), rate = use_case.settings.privacy.min_recall, sample.places, sample.recall
    below = sample.below(floor)
    end: End = "below" if below else "above" if sample.is_above(floor) else "" if sample.following else "all"
    return RecallProgress(
        sample.records,
        found,
        missed,
        rate.value,
        rate.low,
        rate.high,
        floor,
        sample.to_go(floor),
        end,
        sample.kinds,
        below,
    )
