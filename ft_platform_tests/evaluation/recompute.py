"""Every number of `metrics.json` once more, from saved predictions, with numpy, scipy, scikit-learn and sacrebleu
alone.

Nothing of the platform is imported here. A number is expected exactly, or, where it rests on resamples, within what a
plain bootstrap over records allows: each quantile between the plain quantiles four standard errors of its level apart,
so that a wrong level or a wrong resampling shows."""

import copy
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Draws = np.ndarray
SIGMAS = 4


@dataclass(frozen=True)
class Between:
    """A number that is expected between two bounds."""

    low: float
    high: float


@dataclass(frozen=True)
class AtLeast:
    """A number that is expected from a bound on, or None, which is no bound at all."""

    low: float


class Expected:
    """Path of a number -> what it must be."""

    def __init__(self, samples: int, confidence: float) -> None:
        self.samples, self.confidence = samples, confidence
        self.numbers: dict[tuple[str, ...], Any] = {}

    def add(self, *path: Any, value: Any) -> None:
        self.numbers[tuple(map(str, path))] = value

    def all(self, *path: Any, **values: Any) -> None:
        for name, value in values.items():
            self.add(*path, name, value=value)

    def interval(self, *path: Any, value: float, draws: Draws) -> None:
        self.add(*path, "value", value=value)
        self.ends(*path, draws=draws)

    def ends(self, *path: Any, draws: Draws, share: float = 1.0) -> None:
        """Ends of an interval, of which a share of the resamples says something."""
        for name, level in (("low", (1 - self.confidence) / 2), ("high", (1 + self.confidence) / 2)):
            spread = SIGMAS * math.sqrt(level * (1 - level) * (1 / (share * self.samples) + 1 / len(draws)))
            size = float(np.std(draws))
            # Where the level reaches the end of the plain draws, their extreme bounds nothing.
            bottom = size if level - spread < 2 / len(draws) else 0.02 * size + 1e-9
            top = size if level + spread > 1 - 2 / len(draws) else 0.02 * size + 1e-9
            low, high = np.quantile(draws, [max(level - spread, 0), min(level + spread, 1)])
            self.add(*path, name, value=Between(float(low) - bottom - 1e-9, float(high) + top + 1e-9))

    def ratio(self, *path: Any, below: Draws, above: Draws) -> None:
        """Ends of the interval of a quotient, which may be infinite."""
        draws = np.where(above > 0, below / np.maximum(above, 1e-300), np.where(below > 0, np.inf, 1.0))
        size = float(np.std(draws[np.isfinite(draws)]))
        for name, level in (("ratio_low", (1 - self.confidence) / 2), ("ratio_high", (1 + self.confidence) / 2)):
            spread = SIGMAS * math.sqrt(level * (1 - level) * (1 / self.samples + 1 / len(draws)))
            low = float(np.quantile(draws, max(level - spread, 0), method="lower"))
            high = float(np.quantile(draws, min(level + spread, 1), method="higher"))
            slack = [
                size if outside else 0.02 * size + 1e-9
                for outside in (level - spread < 2 / len(draws), level + spread > 1 - 2 / len(draws))
            ]
            if math.isinf(low):
                self.add(*path, name, value=None)
            else:
                value = AtLeast(low - slack[0]) if math.isinf(high) else Between(low - slack[0], high + slack[1])
                self.add(*path, name, value=value)

    def difference(self, *path: Any, value: float, draws: Draws) -> None:
        """An interval with its two-sided probability and the smallest difference that would show (power 0.8)."""
        from scipy.stats import norm

        self.interval(*path, value=value, draws=draws)
        share = min(float((draws <= 0).mean()), float((draws >= 0).mean()))
        slack = (
            SIGMAS * math.sqrt(max(share * (1 - share), 1 / len(draws)) * (1 / self.samples + 1 / len(draws)))
            + 2 / self.samples
        )
        self.add(*path, "p", value=Between(min(max(2 * (share - slack), 0.0), 1.0), min(2 * (share + slack), 1.0)))
        size = (norm.ppf((1 + self.confidence) / 2) + norm.ppf(0.8)) * float(np.std(draws))
        self.add(*path, "detectable", value=Between(0.75 * size, 1.25 * size))


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a JSON tree that is neither mapping nor list, by path."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        yield path, tree
        return
    for name, value in items:
        yield from leaves(value, (*path, str(name)))


def problems(tree: Any, expected: Expected, unknown: Callable[[tuple[str, ...]], bool]) -> list[str]:
    """Paths that are wrong, that nothing was computed for, or that are missing.

    Args:
        unknown: paths that predictions cannot tell, such as seconds.
    """
    found = {path: value for path, value in leaves(tree) if not unknown(path)}
    wrong = [f"{'/'.join(path)} was not recomputed" for path in found if path not in expected.numbers]
    for path, value in expected.numbers.items():
        if path not in found:
            wrong.append(f"{'/'.join(path)} is missing")
        elif not _fits(found[path], value):
            wrong.append(f"{'/'.join(path)}: {found[path]!r}, expected {value!r}")
    return wrong


def moves_not_found(tree: Any, expected: Expected, unknown: Callable[[tuple[str, ...]], bool]) -> list[str]:
    """Moves each number in turn, an exact one by a hundredth, one with bounds beyond them. Paths at which nobody
    notices, or that nobody expects."""
    found = {path: value for path, value in leaves(tree) if not unknown(path)}
    unnoticed = [
        "/".join(path)
        for path, value in found.items()
        if not problems(_with(tree, path, _moved(value, expected.numbers[path])), expected, unknown)
    ]
    return unnoticed + ["/".join(path) for path in expected.numbers if path not in found]


def _moved(value: Any, bounds: Any) -> Any:
    if isinstance(bounds, Between):
        return bounds.high + 1e-6
    if isinstance(bounds, AtLeast):
        return bounds.low - 1e-6
    if isinstance(value, str) or value is None:
        return f"{value} "
    return (not value) if isinstance(value, bool) else value + (1 if isinstance(value, int) else 0.01)


def _with(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy of a JSON tree in which one value is another."""
    changed = copy.copy(tree)
    key = int(path[0]) if isinstance(tree, list) else path[0]
    changed[key] = _with(tree[key], path[1:], value) if len(path) > 1 else value
    return changed


def _fits(found: Any, value: Any) -> bool:
    if isinstance(value, Between):
        return isinstance(found, (int, float)) and value.low <= found <= value.high
    if isinstance(value, AtLeast):
        return found is None or (isinstance(found, (int, float)) and found >= value.low)
    if isinstance(value, float) and isinstance(found, (int, float)) and not isinstance(found, bool):
        return math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)
    return type(found) is type(value) and found == value


def resampled_rows(rows: int, count: int, seed: int) -> np.ndarray:
    """Row numbers of plain resamples with replacement. Shape `(count, rows)`."""
    return np.random.default_rng(seed).integers(0, rows, (count, rows))


def label_figures(truth: np.ndarray, predicted: np.ndarray, labels: int) -> dict[str, np.ndarray]:
    """Accuracy and macro figures of many resamples at once. Shapes `(resamples, rows)` -> `(resamples,)`."""
    hits, support, given = np.zeros((3, len(truth), labels))
    for label in range(labels):
        hits[:, label] = ((truth == label) & (predicted == label)).sum(axis=1)
        support[:, label] = (truth == label).sum(axis=1)
        given[:, label] = (predicted == label).sum(axis=1)
    there = support > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(given > 0, hits / given, 0)
        recall = np.where(there, hits / support, 0)
        f1 = np.where(hits > 0, 2 * precision * recall / (precision + recall), 0)
    macro = {"macro_precision": precision, "macro_recall": recall, "macro_f1": f1}
    figures = {name: (values * there).sum(axis=1) / there.sum(axis=1) for name, values in macro.items()}
    return {"accuracy": hits.sum(axis=1) / truth.shape[1], **figures}


def exact_label_figures(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0
    )  # type: ignore[arg-type]
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_precision": float(precision),
        "macro_recall": float(recall),
        "macro_f1": float(f1),
    }


def holm(p: Mapping[Any, float]) -> dict[Any, float]:
    names, values = list(p), np.array(list(p.values()))
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate((len(values) - np.arange(len(values))) * values[order])
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(raised, 1.0)
    return dict(zip(names, map(float, corrected), strict=True))


def coin(hits: int, tosses: int) -> float:
    """Two-sided exact probability of a fair coin."""
    weights = [math.comb(tosses, k) for k in range(tosses + 1)]
    return (
        min(1.0, sum(weight for weight in weights if weight <= weights[hits] * (1 + 1e-7)) / 2**tosses)
        if tosses
        else 1.0
    )


def fisher(own_hits: int, own: int, rest_hits: int, rest: int) -> float:
    """Two-sided exact probability of a table with these margins."""
    hits, rows = own_hits + rest_hits, own + rest
    weights = {k: math.comb(own, k) * math.comb(rest, hits - k) for k in range(max(0, hits - rest), min(own, hits) + 1)}
    return sum(weight for weight in weights.values() if weight <= weights[own_hits] * (1 + 1e-7)) / math.comb(
        rows, hits
    )


def wilson(hits: int, rows: int, confidence: float) -> dict[str, float]:
    from scipy.stats import norm

    z, share = float(norm.ppf((1 + confidence) / 2)), hits / rows
    centre, half = share + z * z / (2 * rows), z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    low = max((centre - half) / (1 + z * z / rows), 0.0)
    return {"value": share, "low": low, "high": min((centre + half) / (1 + z * z / rows), 1.0)}


def calibration(
    expected: Expected, path: tuple[str, ...], confidence: np.ndarray, correct: np.ndarray, places: np.ndarray
) -> None:
    bins = np.minimum(np.floor(confidence * 10), 9).astype(int)

    def error(rows: np.ndarray) -> float:
        return float(
            sum(abs(confidence[rows][bins[rows] == b].sum() - correct[rows][bins[rows] == b].sum()) for b in range(10))
            / len(rows)
        )

    everything = np.arange(len(confidence))
    expected.interval(*path, "ece", value=error(everything), draws=np.array([error(rows) for rows in places]))
    expected.add(*path, "mean_confidence", value=float(np.mean(confidence)))
    expected.add(*path, "accuracy", value=float(np.mean(correct)))
    for number, one in enumerate(sorted(set(bins.tolist()))):
        inside = bins == one
        values = {
            "low": one / 10,
            "high": (one + 1) / 10,
            "rows": int(inside.sum()),
            "confidence": confidence[inside].mean(),
            "accuracy": correct[inside].mean(),
        }
        for name, value in values.items():
            expected.add(*path, "bins", number, name, value=value if name == "rows" else float(value))
    number, last = 0, -1
    for coverage in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.25, 0.1):
        threshold = np.sort(confidence)[-max(round(coverage * len(confidence)), 1)]
        answered = confidence >= threshold
        rows = int(answered.sum())
        if rows < 10 or rows == last:
            continue
        expected.all(*path, "selective", number, coverage=rows / len(confidence), rows=rows, threshold=float(threshold))
        expected.all(
            *path, "selective", number, "accuracy", **wilson(int(correct[answered].sum()), rows, expected.confidence)
        )
        number, last = number + 1, rows


TEXT_LENGTH = re.compile(r"([\d,]+) to ([\d,]+) characters")


def slices(
    expected: Expected,
    figures: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
    scores: np.ndarray,
    least: int,
    places: np.random.Generator,
) -> None:
    """Each part of the test split that the file names; that they cover every record once is asserted."""
    from scipy.stats import mannwhitneyu

    told, p = figures["slices"], {}
    for number, one in enumerate(told):
        path = ("slices", number)
        member = _member(columns, one["by"], one["part"], told)
        rows = int(member.sum())
        expected.all(*path, by=one["by"], part=one["part"], rows=rows, enough_evidence=rows >= least)
        if rows < least:
            continue
        own, rest = scores[member], scores[~member]
        drawn = own[places.integers(0, rows, (1000, rows))].mean(axis=1)
        expected.interval(*path, value=float(own.mean()), draws=drawn)
        expected.add(*path, "rest", value=float(rest.mean()) if len(rest) else None)
        if not len(rest):
            expected.add(*path, "p", value=None)
            continue
        labelled = set(scores.tolist()) <= {0.0, 1.0}
        p[number] = (
            fisher(int(own.sum()), rows, int(rest.sum()), len(rest))
            if labelled
            else float(mannwhitneyu(own, rest).pvalue)
        )
        expected.add(*path, "p", value=p[number])
    for number, value in holm(p).items():
        expected.add("slices", number, "p_corrected", value=value)
    for by in {one["by"] for one in told}:
        assert sum(_member(columns, by, one["part"], told).astype(int) for one in told if one["by"] == by).tolist() == [
            1
        ] * len(scores), by
    values = [one["value"] for one in told if one["enough_evidence"]]
    assert values == sorted(values)
    assert [one["enough_evidence"] for one in told] == sorted((one["enough_evidence"] for one in told), reverse=True)


def _member(columns: Mapping[str, Sequence[Any]], by: str, part: str, told: Sequence[Mapping[str, Any]]) -> np.ndarray:
    if by == "text length":
        found = TEXT_LENGTH.fullmatch(part)
        assert found
        low, high = (int(text.replace(",", "")) for text in found.groups())
        return np.array([low <= length <= high for length in columns["text_characters"]])
    if by == "time" and part != "not stated":
        first, last = part.split(" to ")
        return np.array([date is not None and first <= date[:10] <= last for date in columns["record_date"]])
    column = columns[{"label": "label", "language": "language", "time": "record_date"}.get(by, f"feature_{by}")]
    stated = ["not stated" if value is None else value for value in column]
    if part == "all other values":
        counts = Counter(stated)
        named = {one["part"] for one in told if one["by"] == by} - {part}
        rare = set(counts) - named
        assert len(named) == 30 and max(counts[value] for value in rare) <= min(counts[value] for value in named), (
            "the rarest values are put together"
        )
        return np.array([value in rare for value in stated])
    return np.array([value == part for value in stated])


def label_metrics(
    figures: Mapping[str, Any],
    table: Mapping[str, Mapping[str, Sequence[Any]]],
    labels: list[str],
    settings: Any,
    resamples: int = 1000,
) -> Expected:
    """What `metrics.json` of a classification must be.

    Args:
        table: system -> columns of its predictions.
        labels: of train and test.
        settings: section `evaluation`.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    expected = Expected(settings.bootstrap_samples, settings.confidence)
    rows = len(next(iter(table.values()))["label"])
    places = resampled_rows(rows, resamples, 1)
    position = {label: i for i, label in enumerate(labels)}
    draws, exact = {}, {}
    for system, columns in table.items():
        truth, predicted = (np.array([position[label] for label in columns[name]]) for name in ("label", "predicted"))
        draws[system] = label_figures(truth[places], predicted[places], len(labels))
        exact[system] = exact_label_figures(columns["label"], columns["predicted"])
        one = label_figures(truth[None], predicted[None], len(labels))
        assert all(math.isclose(one[name][0], exact[system][name], abs_tol=1e-12) for name in one)
        for name in exact[system]:
            expected.interval("systems", system, name, value=exact[system][name], draws=draws[system][name])
        matrix = confusion_matrix(columns["label"], columns["predicted"], labels=labels)
        for (row, column), count in np.ndenumerate(matrix):
            expected.add("confusion", system, row, column, value=int(count))
        shown = [label for label in labels if label in {*columns["label"], *columns["predicted"]}]
        table_of = precision_recall_fscore_support(
            columns["label"], columns["predicted"], labels=shown, zero_division=0
        )  # type: ignore[arg-type]
        for i, label in enumerate(shown):
            for name, values in zip(("precision", "recall", "f1", "support"), table_of, strict=True):
                expected.add(
                    "per_class", system, label, name, value=int(values[i]) if name == "support" else float(values[i])
                )
        if None not in columns["confidence"]:
            correct = np.array(columns["label"]) == np.array(columns["predicted"])
            calibration(
                expected,
                ("calibration", system),
                np.array(columns["confidence"], float),
                correct.astype(float),
                places[:300],
            )
    _differences(expected, figures, exact, draws, "macro_f1")
    right = {system: np.array(c["label"], object) == np.array(c["predicted"], object) for system, c in table.items()}
    for system in exact:
        if system == "fine_tuned":
            continue
        only_first = int((right["fine_tuned"] & ~right[system]).sum())
        only_second = int((right[system] & ~right["fine_tuned"]).sum())
        expected.all(
            "tests",
            system,
            "mcnemar",
            only_first=only_first,
            only_second=only_second,
            p=coin(only_first, only_first + only_second),
        )
    _frame(expected, figures, rows, labels)
    slices(
        expected,
        figures,
        table["fine_tuned"],
        right["fine_tuned"].astype(float),
        settings.min_slice_rows,
        np.random.default_rng(2),
    )
    return expected


def text_metrics(
    figures: Mapping[str, Any],
    table: Mapping[str, Mapping[str, Sequence[Any]]],
    references: list[str],
    settings: Any,
    resamples: int = 120,
) -> Expected:
    """What `metrics.json` of a generation must be. Answers and references are ASCII, where rouge-score and sacrebleu
    count as the platform does."""
    expected = Expected(settings.bootstrap_samples, settings.confidence)
    places = resampled_rows(len(references), resamples, 1)
    everything = np.arange(len(references))
    exact, draws = {}, {}
    for system, columns in table.items():
        score = _text_scorer(columns, references)
        exact[system] = score(everything)
        drawn = [score(rows) for rows in places]
        draws[system] = {name: np.array([one[name] for one in drawn]) for name in exact[system]}
        for name in exact[system]:
            expected.interval("systems", system, name, value=exact[system][name], draws=draws[system][name])
    _differences(expected, figures, exact, draws, "answer_loss")
    for system in exact:
        if system != "fine_tuned":
            expected.add("tests", system, "mcnemar", value=None)
    _frame(expected, figures, len(references), [])
    slices(
        expected,
        figures,
        table["fine_tuned"],
        np.array(table["fine_tuned"]["rouge_l"]),
        settings.min_slice_rows,
        np.random.default_rng(2),
    )
    return expected


def _text_scorer(
    columns: Mapping[str, Sequence[Any]], references: list[str]
) -> Callable[[np.ndarray], dict[str, float]]:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF  # type: ignore[attr-defined]

    answers = list(columns["answer"])
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    rouge = np.array([scorer.score(r, a)["rougeL"].fmeasure for r, a in zip(references, answers, strict=True)])
    equal = np.array([r.split() == a.split() for r, a in zip(references, answers, strict=True)], float)
    words, expected_words = (np.array([len(text.split()) for text in texts], float) for texts in (answers, references))
    tokens = np.array(columns["answer_tokens"], float)
    losses, refused = np.array(columns["answer_loss"], float) * tokens, np.array(columns["refusal_rate"], float)

    def score(rows: np.ndarray) -> dict[str, float]:
        a, r = [answers[i] for i in rows], [[references[i] for i in rows]]
        loss = float(losses[rows].sum() / tokens[rows].sum())
        return {
            "answer_loss": loss,
            "perplexity": math.exp(loss),
            "rouge_l": float(rouge[rows].mean()),
            "chrf": CHRF().corpus_score(a, r).score,
            "bleu": BLEU().corpus_score(a, r).score,
            "exact_match": float(equal[rows].mean()),
            "refusal_rate": float(refused[rows].mean()),
            "length_error": float(np.abs(words - expected_words)[rows].mean() / expected_words[rows].mean()),
        }

    return score


def _differences(
    expected: Expected, figures: Mapping[str, Any], exact: Mapping[str, Any], draws: Mapping[str, Any], main: str
) -> None:
    expected.add("main_metric", value=main)
    others = [system for system in exact if system != "fine_tuned"]
    for system in others:
        for name in exact[system]:
            value = exact["fine_tuned"][name] - exact[system][name]
            drawn = draws["fine_tuned"][name] - draws[system][name]
            expected.difference("differences", system, name, value=value, draws=drawn)
        expected.add("tests", system, "metric", value=main)
        expected.add("tests", system, "p", value=figures["differences"][system][main]["p"])
    # Probabilities of resamples are judged above; their correction follows from them exactly.
    for system, value in holm({system: figures["differences"][system][main]["p"] for system in others}).items():
        expected.add("tests", system, "p_corrected", value=value)


def _frame(expected: Expected, figures: Mapping[str, Any], rows: int, labels: list[str]) -> None:
    expected.add("test_rows", value=rows)
    for number, label in enumerate(labels):
        expected.add("labels", number, value=label)
    for system, seconds in figures["answer_seconds"].items():
        expected.add("per_1000_requests", system, "seconds", value=round(1000 * seconds / rows, 3))
