"""How many planted wrong labels experts meet in the first tenth of the records that they are shown, beside cleanlab;
and how many labels of records without one a model needs, in our order and in a random one.

    python benchmarks/annotation.py --json                                     # sentences of customers by product
    python benchmarks/annotation.py --file records.csv text label --seeds 3    # of a file of your own: two columns
    python benchmarks/annotation.py --file records.csv text label --rows 3000

5 % of the labels are replaced by another one, drawn at random. `judgements_saved`: of the judgements that a random
order needs to meet as many wrong labels, the share that is not needed. cleanlab gets the same probabilities, if it is
installed (docs/adr/0032-no-cleanlab.md).

`unlabelled`: a quarter of the records is for testing. Of the others 5 % have a label at first, and 5 % more get theirs
at a time, up to half of them. `labels_needed`: with how many labels the mean macro-F1 over the seeds is what random
labels reach at the end. The model that learns is TF-IDF + logistic regression, which also chooses: a stand-in for the
model that is fine-tuned, which would have to be trained ten times for each order and seed.
"""

import argparse
import csv
import json
from typing import Any

import numpy as np

from ft_platform.evaluation.annotation.order import CHOSEN, quotients
from ft_platform.evaluation.annotation.unlabelled_order import by_small_margin
from ft_platform.evaluation.diagnosis.wrong_labels import out_of_sample
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts

PLANTED, LOOKED_AT = 0.05, 0.1
TESTED, AT_A_TIME, AT_MOST = 0.25, 0.05, 0.5
"""Of the records those for testing; of the others those that get a label at a time, and in the end."""


def planted(records: list[tuple[str, str]], rows: int, seed: int) -> tuple[LabelledTexts, np.ndarray]:
    """Records of which some have a wrong label, and which ones."""
    rng = np.random.default_rng(seed)
    chosen = [records[place] for place in rng.permutation(len(records))[:rows]]
    names = sorted({label for _, label in chosen})
    wrong = np.zeros(len(chosen), bool)
    wrong[rng.choice(len(chosen), round(PLANTED * len(chosen)), replace=False)] = True
    labels = [
        str(rng.choice([name for name in names if name != label])) if is_wrong else label
        for (_, label), is_wrong in zip(chosen, wrong, strict=True)
    ]
    return LabelledTexts([text for text, _ in chosen], labels), wrong


def cleanlab_orders(given: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Order of each of its scores, and of its list of issues; nothing where it is not installed."""
    try:
        from cleanlab.filter import find_label_issues  # pyright: ignore[reportMissingImports]
        from cleanlab.rank import get_label_quality_scores  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    scores = {
        name: get_label_quality_scores(given, probabilities, method=name)
        for name in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }
    issues = find_label_issues(given, probabilities, return_indices_ranked_by="self_confidence")
    return {**{name: np.argsort(one, kind="stable") for name, one in scores.items()}, "issues": issues}


def measure(records: list[tuple[str, str]], rows: int, seed: int) -> dict[str, Any]:
    found, wrong = planted(records, rows, seed)
    labels, probabilities = out_of_sample(found, [str(place) for place in range(len(wrong))], dict(CHOSEN))
    given = np.array([labels.index(label) for label in found.labels])
    orders = {"ours": np.argsort(quotients(probabilities, given.tolist()), kind="stable")}
    orders |= cleanlab_orders(given, probabilities)
    first = round(LOOKED_AT * len(wrong))
    hits = {name: int(wrong[order[:first]].sum()) for name, order in orders.items()}
    needed_at_random = hits["ours"] / max(int(wrong.sum()), 1) * len(wrong)
    return {
        "records": len(wrong),
        "labels": len(labels),
        "planted": int(wrong.sum()),
        "found_in_first_tenth": hits.pop("ours"),
        "judgements_saved": round(1 - first / needed_at_random, 3),
        "cleanlab": hits,
    }


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all seeds together."""
    total = {name: sum(run[name] for run in runs) for name in ("records", "planted", "found_in_first_tenth")}
    saved = round(float(np.mean([run["judgements_saved"] for run in runs])), 3)
    theirs = {name: sum(run["cleanlab"][name] for run in runs) for name in runs[0]["cleanlab"]}
    return {
        "planted": total["planted"],
        "found_in_first_tenth": total["found_in_first_tenth"],
        "judgements_saved": saved,
        "share_found": round(total["found_in_first_tenth"] / total["planted"], 3),
        "cleanlab_share_found": {name: round(hits / total["planted"], 3) for name, hits in theirs.items()},
        "records": total["records"],
        "labels": runs[0]["labels"],
        "seeds": len(runs),
    }


def macro_f1(train: LabelledTexts, test: LabelledTexts) -> float:
    """Of the stand-in for the model that is fine-tuned."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        vectorizer = tfidf_vectorizer()
        features = vectorizer.fit_transform(train.texts)
        model = LogisticRegression(**CHOSEN, max_iter=1000, tol=1e-3).fit(features, train.labels)
        predicted = model.predict(vectorizer.transform(test.texts)).tolist()
    return metric("macro_f1").value(LabelOutputs(sorted({*test.labels, *predicted}), test.labels, predicted))


def learned(records: list[tuple[str, str]], rows: int, seed: int, ours: bool) -> list[tuple[int, float]]:
    """Labels and the macro-F1 with them, from the first few to half of the records."""
    rng = np.random.default_rng(seed)
    chosen = [records[place] for place in rng.permutation(len(records))[:rows]]
    tested = round(TESTED * len(chosen))
    test, rest = _texts(chosen[:tested]), chosen[tested:]
    step = round(AT_A_TIME * len(rest))
    labelled, waiting, curve = rest[:step], rest[step:], []
    while True:
        curve.append((len(labelled), macro_f1(_texts(labelled), test)))
        if len(labelled) + step > AT_MOST * len(rest):
            return curve
        texts = [text for text, _ in waiting]
        places = by_small_margin(_texts(labelled), texts, step) if ours else rng.permutation(len(waiting))[:step]
        now = set(places.tolist())
        labelled = labelled + [waiting[place] for place in places]
        waiting = [one for place, one in enumerate(waiting) if place not in now]


def _texts(records: list[tuple[str, str]]) -> LabelledTexts:
    return LabelledTexts([text for text, _ in records], [label for _, label in records])


def needed(curve: list[tuple[int, float]], wanted: float) -> int | None:
    """Labels from which on a curve is as high, between two points on a line; None: it never is."""
    for (before, low), (labels, high) in zip([(0, 0.0), *curve], curve, strict=False):
        if high >= wanted:
            return round(before + (labels - before) * (wanted - low) / (high - low))
    return None


def labels_needed(records: list[tuple[str, str]], rows: int, seeds: range) -> dict[str, Any]:
    """What `unlabelled` says: means over the seeds, and how much each seed saves."""
    curves = {name: [learned(records, rows, seed, ours) for seed in seeds] for name, ours in ORDERS.items()}
    means = {
        name: [(points[0][0], float(np.mean([f1 for _, f1 in points]))) for points in zip(*several, strict=True)]
        for name, several in curves.items()
    }
    labels, wanted = means["random"][-1]
    ours = needed(means["most_useful"], wanted)
    by_seed = [
        needed(ours, random[-1][1]) for ours, random in zip(curves["most_useful"], curves["random"], strict=True)
    ]
    return {
        "macro_f1": round(wanted, 3),
        "labels_needed": {"random": labels, "most_useful": ours},
        "labels_saved": None if ours is None else round(1 - ours / labels, 3),
        "labels_saved_by_seed": [None if one is None else round(1 - one / labels, 3) for one in by_seed],
        "macro_f1_by_labels": {name: {n: round(f1, 3) for n, f1 in one} for name, one in means.items()},
    }


ORDERS = {"random": False, "most_useful": True}


def records_of(file: list[str] | None) -> list[tuple[str, str]]:
    if file is None:
        from ft_platform.sources.samples.feedback import sentences

        return [(text, product) for _, product, _, text in sentences()]
    path, text, label = file
    with open(path, encoding="utf-8", newline="") as opened:
        return [(row[text], row[label]) for row in csv.DictReader(opened) if row[text].strip() and row[label]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", nargs=3, metavar=("FILE", "TEXT", "LABEL"), help="a CSV file and two of its columns")
    parser.add_argument("--rows", type=int, default=3000, help="most records")
    parser.add_argument("--seeds", type=int, default=5, help="how often labels are planted")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    records = records_of(arguments.file)
    # Seeds 0 and 1 were looked at when the order was chosen.
    seeds = range(10, 10 + arguments.seeds)
    found = summed([measure(records, arguments.rows, seed) for seed in seeds])
    found["unlabelled"] = told = labels_needed(list(dict(records).items()), arguments.rows, seeds)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['share_found']:.1%} of {found['planted']:,} planted wrong labels in the first tenth of the records")
    for name, share in found["cleanlab_share_found"].items():
        print(f"  cleanlab, {name}: {share:.1%}")
    needs = told["labels_needed"]
    print(
        f"macro-F1 {told['macro_f1']:.3f} needs {needs['random']:,} random labels, {needs['most_useful']} in our order"
    )


if __name__ == "__main__":
    main()
