"""How often a review that may end at any judgement is wrong, and how many judgements it needs beside a fixed sheet.

    python benchmarks/review.py               # 5,000 simulated reviews of each kind
    python benchmarks/review.py --json --reviews 20000

Judgements are drawn: a share of ties, and of the others so many for the fine-tuned model. `wrong`: reviews without a
difference that say there is one, in either direction. `fixed sheet`: the smallest sheet whose Wilson interval excludes
50 % as often as the review does, where the difference is the planned one; its rows are judged to the last. `saved`: the
share of its judgements that the review does not need, at the planned difference, at one 10 points larger, and where
there is none. Each record is judged once; on a sheet and in a review, raters who judge it again count for agreement.
"""

import argparse
import json
import math
from typing import Any

import numpy as np

from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.review.sequential import bets, log_capital, standing, too_close

CONFIDENCE, LEAST = 0.95, 0.5
PLANS = ((60, 0.7, 0.0), (120, 0.65, 0.0), (120, 0.65, 0.3), (250, 0.6, 0.2))
"""Most records, chance that the fine-tuned model wins a judgement that is no tie, and share of ties."""
AT_ONCE = 500
CHECKED = 5
"""Reviews of each kind that are judged one by one as well, as the portal does."""


def drawn(rng: np.random.Generator, reviews: int, records: int, wins: float, ties: float) -> np.ndarray:
    """Points. Shape `(reviews, records)`."""
    chance = rng.random((reviews, records))
    return np.where(chance < wins * (1 - ties), 1.0, np.where(chance < 1 - ties, 0.0, 0.5))


def reviewed(points: np.ndarray) -> dict[str, np.ndarray]:
    """Of each review: judgements until it ends, and what it says: 1 better, -1 worse, 0 nothing."""
    reviews, most = points.shape
    sizes, won = bets(points, most, CONFIDENCE), math.log(2 / (1 - CONFIDENCE))
    better, worse = (log_capital(points, sizes, LEAST, higher=higher) >= won for higher in (True, False))
    close = [too_close(points[:, :look], most, CONFIDENCE, LEAST) for look in range(1, most + 1)]
    decided = better | worse
    ends = decided | np.stack(close, axis=1)
    at = np.where(ends.any(axis=1), ends.argmax(axis=1), most - 1)
    each = np.arange(reviews)
    return {"judgements": at + 1, "says": better[each, at].astype(int) - worse[each, at]}


def require_as_the_portal(points: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """
    Raises:
        AssertionError: a review ends elsewhere than the function that the portal calls.
    """
    words = {1: "reached", -1: "missed"}
    for review, row in enumerate(points[:CHECKED]):
        ends = [standing(row[:look].tolist(), len(row), CONFIDENCE, LEAST).end for look in range(1, len(row) + 1)]
        at = int(found["judgements"][review])
        assert not any(ends[: at - 1]) and ends[at - 1], (review, at)
        assert words.get(int(found["says"][review]), ends[at - 1]) == ends[at - 1], (review, at)


def many(rng: np.random.Generator, reviews: int, most: int, wins: float, ties: float) -> dict[str, float]:
    parts = []
    for start in range(0, reviews, AT_ONCE):
        points = drawn(rng, min(AT_ONCE, reviews - start), most, wins, ties)
        parts.append(reviewed(points))
        if not start:
            require_as_the_portal(points, parts[0])
    says = np.concatenate([one["says"] for one in parts])
    judgements = np.concatenate([one["judgements"] for one in parts])
    return {"better": float((says > 0).mean()), "worse": float((says < 0).mean()), "judgements": judgements.mean()}


def sheet_power(rng: np.random.Generator, rows: int, wins: float, ties: float, sheets: int) -> float:
    """How often a sheet shows that the fine-tuned model is better."""
    totals = drawn(rng, sheets, rows, wins, ties).sum(axis=1)
    shown = {total: share(total, rows, CONFIDENCE)["low"] > LEAST for total in np.unique(totals).tolist()}
    return float(np.mean([shown[total] for total in totals.tolist()]))


def smallest_sheet(rng: np.random.Generator, power: float, wins: float, ties: float, sheets: int) -> int:
    """Rows of the smallest sheet with such a power; it grows with them, but for the steps of whole numbers."""
    low, high = 5, 2000
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if sheet_power(rng, middle, wins, ties, sheets) >= power else (middle + 1, high)
    return low


def measure(most: int, wins: float, ties: float, reviews: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    none, planned, larger = (many(rng, reviews, most, chance, ties) for chance in (0.5, wins, wins + 0.1))
    rows = smallest_sheet(rng, planned["better"], wins, ties, reviews)
    wrong = none["better"] + none["worse"]
    margin = 1.96 * math.sqrt(max(wrong * (1 - wrong), 1e-9) / reviews)
    needed = {"planned": planned, "larger": larger, "none": none}
    return {
        "most": most,
        "wins": wins,
        "ties": ties,
        "wrong": round(wrong, 4),
        "wrong_at_most": round(wrong + margin, 4),
        "power": round(planned["better"], 3),
        "fixed_sheet": rows,
        "judgements": {name: round(one["judgements"], 1) for name, one in needed.items()},
        "saved": {name: round(1 - one["judgements"] / rows, 2) for name, one in needed.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=5000, help="of each kind")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    found = []
    for most, wins, ties in PLANS:
        found.append(measure(most, wins, ties, arguments.reviews, arguments.seed))
        if not arguments.json:
            print(json.dumps(found[-1]), flush=True)
    if arguments.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
