"""What moved: the labels, words, languages, groups or sources whose share changed most, with records to look at."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import xlogy
from scipy.stats import chi2

LEAST_RECORDS = 5
"""Values of fewer records, before and now together, are not named: they might tell of a person, and could be chance."""
RECORDS_SHOWN = 5


@dataclass(frozen=True)
class Cause:
    """One value whose share changed.

    Attributes:
        kind: e.g. `label`, `word`, `language`.
        value: e.g. `refund`.
        before, now: its share of records, in [0, 1].
        probability: that some value of any kind moves so far by chance, at most; corrected for all that were compared.
        records: ids of records of now that have it, to look at; none where the share fell.
    """

    kind: str
    value: str
    before: float
    now: float
    probability: float
    records: tuple[str, ...]


Values = Sequence[str | Iterable[str] | None]


def causes(
    before: Mapping[str, Values],
    now: Mapping[str, Values],
    ids_before: Sequence[str],
    ids_now: Sequence[str],
    most: int = 10,
) -> list[Cause]:
    """The values that moved most, the surest first; empty where nothing moved further than chance (5 %).

    Args:
        before: kind -> one value for each record, or several, as the words of a text; None for none.
        now: the same of the days in question. Kinds that only one of the two has are left out.
        ids_before, ids_now: of the records, in the same order.
        most: so many at most.
    """
    found: list[tuple[float, Cause]] = []
    compared = 0
    for kind in before.keys() & now.keys():
        old, new = _holders(before[kind], ids_before), _holders(now[kind], ids_now)
        for value in old.keys() | new.keys():
            a, b = old.get(value, []), new.get(value, [])
            if len(a) + len(b) < LEAST_RECORDS:
                continue
            compared += 1
            moved = _likelihood_ratio(len(a), len(ids_before), len(b), len(ids_now))
            shares = len(a) / max(len(ids_before), 1), len(b) / max(len(ids_now), 1)
            records = b[:RECORDS_SHOWN] if shares[1] >= shares[0] else ()
            found.append((moved, Cause(kind, value, *shares, 1.0, tuple(records))))
    sure = [
        (moved, Cause(**{**one.__dict__, "probability": probability}))
        for moved, one in found
        if (probability := min(1.0, compared * float(chi2.sf(moved, 1)))) <= 0.05  # Bonferroni
    ]
    return [one for _, one in sorted(sure, key=lambda pair: (-pair[0], pair[1].kind, pair[1].value))[:most]]


def _holders(values: Values, ids: Sequence[str]) -> dict[str, list[str]]:
    """Value -> ids of the records that have it."""
    found: dict[str, list[str]] = {}
    for record, held in zip(ids, values, strict=True):
        for value in [held] if isinstance(held, str) else Counter(held or ()):
            found.setdefault(value, []).append(record)
    return found


def _likelihood_ratio(a: int, rows_a: int, b: int, rows_b: int) -> float:
    """Twice the log likelihood ratio of two shares, chi-square with one degree of freedom by chance (Dunning, Accurate
    methods for the statistics of surprise and coincidence, 1993)."""
    if not rows_a or not rows_b:
        return 0.0
    both = (a + b) / (rows_a + rows_b)

    def log(hits: int, rows: int, share: float) -> float:
        return float(xlogy(hits, share) + xlogy(rows - hits, 1 - share))

    apart = log(a, rows_a, a / rows_a) + log(b, rows_b, b / rows_b)
    return max(0.0, 2 * (apart - log(a, rows_a, both) - log(b, rows_b, both)))
