"""Accuracy of answers nobody checked, from confidences that a test split calibrates, corrected for other shares of
labels.

Assumed: requests of one label look as they did in the test split; only the shares of labels changed (label shift).
Not covered, and said with each estimate: answers that became wrong while requests look the same (concept change), and
requests unlike all of the test split. The second is tested for; the first cannot be seen without labels.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chi2

from ft_platform.errors import DataError
from ft_platform.evaluation.calibration import BINS
from ft_platform.evaluation.intervals import percentiles

LEAST_REQUESTS = 100
"""With fewer, an interval would be wider than any decision."""
LEAST_OF_TEST = 100
LEVELS = 3
"""Of confidence, beside the predicted label: a label that is hardly ever predicted still lowers confidences."""
ROUNDS = 50
"""Steps of EM; with 300, the mean error in `benchmarks/monitoring.py` changed by less than 0.001."""
RESAMPLES = 200
UNLIKE = 0.01
"""Probability of such confidences by chance below which the estimate is withheld."""
CANNOT_SEE = "a changed meaning: requests that look as before and now need other answers (ask for feedback)"


@dataclass(frozen=True)
class Estimate:
    """Accuracy without labels.

    Attributes:
        value, low, high: in [0, 1]; None where nothing can be said.
        confidence: of the interval, e.g. 0.95; for one look, not for many in a row.
        reason: why there is no value.
        unlike: probability of confidences like these by chance, if only shares of labels had changed, in [0, 1].
        shift: estimated share of each label minus its share in the test split, the largest changes first.
        cannot_see: what no estimate without labels can see.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    reason: Literal["", "too_few_requests", "too_few_tested", "labels_not_tested", "unlike_the_test_split"]
    unlike: float | None = None
    shift: tuple[tuple[str, float], ...] = ()
    cannot_see: str = CANNOT_SEE


@dataclass(frozen=True)
class Answers:
    """Answers as arrays of one length.

    Attributes:
        predicted: labels.
        confidence: of the predicted label, in [0, 1].
        truth: the right labels; None for traffic.
    """

    predicted: np.ndarray
    confidence: np.ndarray
    truth: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.predicted)


def estimated_accuracy(test: Answers, traffic: Answers, confidence: float = 0.95, seed: int = 17) -> Estimate:
    """Share of right answers in traffic, with a percentile bootstrap interval over test records and requests.

    The mean probability of being right in traffic, plus what this probability misses in the test split when its
    records are weighted to the labels of traffic (as an augmented inverse-propensity estimate, Robins, Rotnitzky and
    Zhao, 1994): so confidences need not be calibrated within each label.

    Raises:
        DataError: the test split has no right labels.
    """
    if test.truth is None:
        raise DataError("the test split has no right labels", "Take records with their labels")
    if len(traffic) < LEAST_REQUESTS:
        return Estimate(None, None, None, confidence, "too_few_requests")
    if len(test) < LEAST_OF_TEST:
        return Estimate(None, None, None, confidence, "too_few_tested")
    labels = np.unique(np.concatenate([test.truth, test.predicted]))
    if not np.isin(traffic.predicted, labels).all():
        return Estimate(None, None, None, confidence, "labels_not_tested")
    codes = {"tested": np.searchsorted(labels, test.predicted), "truth": np.searchsorted(labels, test.truth)}
    asked = np.searchsorted(labels, traffic.predicted)
    bounds = np.quantile(test.confidence, np.arange(1, LEVELS) / LEVELS)
    cells = codes["tested"] * LEVELS + np.searchsorted(bounds, test.confidence)
    asked_cells = asked * LEVELS + np.searchsorted(bounds, traffic.confidence)
    rng = np.random.default_rng(seed)
    values = []
    for resample in range(RESAMPLES + 1):
        rows, requests = np.arange(len(test)), np.arange(len(traffic))
        if resample:
            rows, requests = rng.integers(len(test), size=len(test)), rng.integers(len(traffic), size=len(traffic))
        truth, tested = codes["truth"][rows], codes["tested"][rows]
        weights = _weights(truth, cells[rows], asked_cells[requests], len(labels))
        corrected = _corrected(truth, tested, test.confidence[rows], weights)
        likely = corrected(asked[requests], traffic.confidence[requests])
        missed = (truth == tested) - corrected(tested, test.confidence[rows])
        value = likely.mean() + np.average(missed, weights=weights[truth])
        if resample:  # these requests are right or wrong by chance too
            value += rng.normal(0, np.sqrt((likely * (1 - likely)).sum()) / len(traffic))
        values.append(float(np.clip(value, 0, 1)))
        if not resample:
            unlike = _unlike(test.confidence, weights[truth], traffic.confidence)
            shift = (weights - 1) * np.bincount(truth, minlength=len(labels)) / len(test)
    moved = tuple((str(labels[i]), float(shift[i])) for i in np.argsort(-np.abs(shift)))
    if unlike < UNLIKE:
        return Estimate(None, None, None, confidence, "unlike_the_test_split", unlike, moved)
    low, high = percentiles(np.array(values[1:]), confidence)
    return Estimate(values[0], low, high, confidence, "", unlike, moved)


def _weights(truth: np.ndarray, cells: np.ndarray, asked: np.ndarray, labels: int) -> np.ndarray:
    """Share of each right label in traffic by its share in the test split, `(labels,)`: the likeliest, by EM (Saerens,
    Latinne and Decaestecker, 2002, sec. 2.2) on cells of predicted label and confidence, whose probabilities given the
    right label the test split shows, calibrated or not (as Lipton, Wang and Smola, 2018, with predicted labels)."""
    confusion = np.zeros((labels, labels * LEVELS))
    np.add.at(confusion, (truth, cells), 1.0)
    before = confusion.sum(axis=1) / len(truth)
    given = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    observed = np.bincount(asked, minlength=labels * LEVELS) / len(asked)
    shares = before.copy()
    for _ in range(ROUNDS):
        mixed = shares @ given
        shares = shares * (given @ np.divide(observed, mixed, out=np.zeros_like(mixed), where=mixed > 0))
        shares /= shares.sum()
    return np.divide(shares, before, out=np.zeros_like(before), where=before > 0)


def _corrected(truth: np.ndarray, tested: np.ndarray, confidence: np.ndarray, weights: np.ndarray):
    """Predicted labels and confidences -> probabilities of being right: the calibrated confidence times the label's
    weight, against the mean weight of what is right where the model is not (Saerens et al., eq. 2.4)."""
    right = truth == tested
    calibrated = _calibration(confidence, right)
    wrong = np.bincount(tested[~right], minlength=len(weights))
    total = np.bincount(tested[~right], weights[truth[~right]], minlength=len(weights))
    overall = weights[truth[~right]].mean() if (~right).any() else 1.0
    others = (total + overall) / (wrong + 1)

    def probability(predicted: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        p = calibrated(confidence)
        hit, miss = p * weights[predicted], (1 - p) * others[predicted]
        return np.divide(hit, hit + miss, out=p.copy(), where=hit + miss > 0)

    return probability


def _calibration(confidence: np.ndarray, right: np.ndarray):
    """Confidence -> share of right answers: isotonic regression (Zadrozny and Elkan, 2002)."""
    from scipy.optimize import isotonic_regression

    known, place = np.unique(confidence, return_inverse=True)
    rows = np.bincount(place)
    fitted = isotonic_regression(np.bincount(place, right) / rows, weights=rows).x
    return lambda values: np.interp(values, known, fitted)


def _unlike(tested: np.ndarray, weights: np.ndarray, asked: np.ndarray) -> float:
    """Probability, by chance, that confidences of traffic differ so from those of the test split weighted to its
    labels: chi-square over bins of equal weight, with the variance of both."""
    bounds = np.unique(np.quantile(tested, np.arange(1, BINS) / BINS))
    bins = len(bounds) + 1
    place, new = np.searchsorted(bounds, tested), np.searchsorted(bounds, asked)
    weights = weights / weights.sum()
    expected = np.bincount(place, weights, minlength=bins)
    apart = np.bincount(new, minlength=bins) / len(asked) - expected
    spread = expected * (1 - expected) / len(asked) + np.array(
        [(weights**2 * ((place == i) - expected[i]) ** 2).sum() for i in range(bins)]
    )
    kept = spread > 0
    return float(chi2.sf((apart[kept] ** 2 / spread[kept] * (1 - expected[kept])).sum(), max(kept.sum() - 1, 1)))
