"""How well wrong labels are found that were planted, and whether clean ones are doubted.

    python benchmarks/wrong_labels.py                          # sentences of customers (`sample://feedback`) by product
    python benchmarks/wrong_labels.py records.csv text label   # of a file of your own: name two columns

A share of all labels is drawn again at random, three times. The word-count model is that of the evaluation; in place of
a fine-tuned model stands a linear model on character n-grams, so that no GPU is needed.
"""

import csv
import sys

import numpy as np

from ft_platform.evaluation.diagnosis.facts import Facts
from ft_platform.evaluation.diagnosis.of_labels import suspects, wrong_labels, wrong_share
from ft_platform.evaluation.diagnosis.wrong_labels import label_opinion
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, tfidf_logreg

ROWS, TRAIN, VALIDATION = 1500, 990, 150


def second_opinion(train: LabelledTexts, texts: list[str]) -> list[str]:
    """What a model says that learned from the same labels in another way."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = LinearSVC(C=0.3).fit(vectorizer.fit_transform(train.texts), train.labels)
    return list(model.predict(vectorizer.transform(texts)))


def measure(records: list[tuple[str, str]], noise: float, seed: int) -> dict[str, float]:
    """Planted and estimated share of wrong labels, precision and recall of the list, whether it is the diagnosis."""
    rng = np.random.default_rng(seed)
    chosen = [records[place] for place in rng.permutation(len(records))[:ROWS]]
    names = sorted({label for _, label in chosen})
    texts = [text for text, _ in chosen]
    labels = [names[rng.integers(len(names))] if rng.random() < noise else label for _, label in chosen]
    wrong = np.array([a != b for a, (_, b) in zip(labels, chosen, strict=True)])[:TRAIN]
    start = TRAIN + VALIDATION
    train = LabelledTexts(texts[:TRAIN], labels[:TRAIN])
    validation, truth = LabelledTexts(texts[TRAIN:start], labels[TRAIN:start]), labels[start:]
    said, sure, tuned = tfidf_logreg(train, validation, texts[start:])
    opinion = label_opinion(train, [str(place) for place in range(TRAIN)], tuned, 0.95)
    assert opinion is not None
    other = second_opinion(train, texts[start:])
    asked = [
        (other[i] == said[i], other[i] == truth[i])
        for i in range(len(truth))
        if said[i] != truth[i] and sure[i] >= opinion.thresholds[said[i]]
    ]
    right = float(np.mean([a == b for a, b in zip(other, truth, strict=True)]))
    facts = Facts(
        "benchmark",
        {"systems": {"fine_tuned": {"accuracy": {"value": right}}}},
        {},
        0.95,
        labels={name: train.labels.count(name) for name in names},
        opinion=opinion,
        sides=(sum(one for one, _ in asked), sum(one for _, one in asked)),
    )
    listed = opinion.places[: suspects(facts)]
    hits = float(wrong[listed].sum())
    return {
        "planted": float(wrong.mean()),
        "said": wrong_share(facts)["value"],
        "precision": hits / len(listed) if len(listed) else 0.0,
        "recall": hits / max(float(wrong.sum()), 1.0),
        "diagnosed": float(wrong_labels(facts) is not None),
    }


def records_of(arguments: list[str]) -> list[tuple[str, str]]:
    if not arguments:
        from ft_platform.sources.samples.feedback import sentences

        return [(text, product) for _, product, _, text in sentences()]
    path, text, label = arguments
    with open(path, encoding="utf-8", newline="") as file:
        return [(row[text], row[label]) for row in csv.DictReader(file) if row[text].strip() and row[label]]


def main(arguments: list[str]) -> None:
    records = records_of(arguments)
    for noise in (0.0, 0.1, 0.2, 0.3):
        found = [measure(records, noise, seed) for seed in range(3)]
        print(
            f"{noise:.0%} drawn again:",
            ", ".join(f"{name} {np.mean([one[name] for one in found]):.2f}" for name in found[0]),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
