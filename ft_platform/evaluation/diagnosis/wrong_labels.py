"""Training records whose label is probably wrong, by the opinion of a model that did not see them.

The opinion is that of TF-IDF + logistic regression, cross-validated; records are named by confident learning (Northcutt
et al., arXiv:1911.00068). How many labels are wrong is estimated where the opinion is surest: hard records make a
weak model unsure, so that among the surest ones a disagreement is rather the label's fault.
Not covered: labels that are wrong in the same way throughout (a rule of annotation, two names that were swapped).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import Figure
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts
from ft_platform.records.near_duplicates import normalized_text

FOLDS = 5
"""As in the experiments of confident learning (arXiv:1911.00068, section 5)."""
SUREST = 0.25
"""Share of the records with each opinion that is surest. On planted noise (`test_wrong_labels.py`) half of them
overestimates noise where labels are hard to tell apart; a tenth leaves intervals twice as wide."""


@dataclass(frozen=True)
class LabelOpinion:
    """What the cross-validated model thinks of the training labels.

    Attributes:
        labels: names of the columns of its probabilities.
        places: of the records whose label is probably wrong, the surest first. Shape `(suspects,)`.
        suggested: label that it holds for right, for each of `places`.
        confidence: probability of that label in [0, 1], for each of `places`.
        wrong: estimated share of wrong labels, with its interval.
        surest: records on which the estimate rests.
        thresholds: label -> mean probability of that label on records that have it: from there it counts as sure.
        confusion: records by label (rows) and by the likeliest label of the model (columns), in the order of `labels`.
        contradictions: records with the text (but for case and white space) of another one that has another label.
    """

    labels: list[str]
    places: np.ndarray
    suggested: list[str]
    confidence: np.ndarray
    wrong: Figure
    surest: int
    thresholds: dict[str, float] = field(default_factory=dict)
    confusion: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    contradictions: int = 0


def label_opinion(
    train: LabelledTexts, groups: Sequence[str], chosen: dict[str, Any], confidence: float
) -> LabelOpinion | None:
    """The opinion about training labels; None where there are too few records to ask.

    Args:
        groups: `group_id` of each record: records of one person or text are never on both sides of a fold.
        chosen: settings of the baseline, tuned on validation records (`tfidf_logreg`).
        confidence: of the interval.
    """
    if len(set(groups)) < 2 * FOLDS or len(set(train.labels)) < 2:
        return None
    labels, probabilities = out_of_sample(train, groups, chosen)
    given = np.array([labels.index(label) for label in train.labels])
    rows = np.arange(len(given))
    own = probabilities[rows, given]
    thresholds = np.array([own[given == i].mean() for i in range(len(labels))])
    # Of the labels of which the model is sure, the likeliest (equation 1 of the paper).
    sure = np.where(probabilities >= thresholds, probabilities, -1.0)
    likeliest = sure.argmax(axis=1)
    differs = np.flatnonzero((sure[rows, likeliest] >= 0) & (likeliest != given))
    order = differs[np.argsort(-(probabilities[differs, likeliest[differs]] - own[differs]), kind="stable")]
    surest, said = _surest(probabilities), probabilities.argmax(axis=1)
    disagreeing = int((said[surest] != given[surest]).sum())
    confusion = np.zeros((len(labels), len(labels)))
    np.add.at(confusion, (given, said), 1)
    return LabelOpinion(
        labels=labels,
        places=order,
        suggested=[labels[i] for i in likeliest[order]],
        confidence=probabilities[order, likeliest[order]],
        wrong=share(disagreeing, len(surest), confidence),
        surest=len(surest),
        thresholds=dict(zip(labels, thresholds.tolist(), strict=True)),
        confusion=confusion,
        contradictions=_contradictions(train),
    )


def out_of_sample(train: LabelledTexts, groups: Sequence[str], chosen: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    """Labels, and the probability of each for records that the model was not fitted on, shape `(records, labels)`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from threadpoolctl import threadpool_limits

    labels = sorted(set(train.labels))
    given, found = np.array(train.labels, dtype=object), np.zeros((len(train.labels), len(labels)))
    weight = chosen.get("class_weight", "none")
    with threadpool_limits(1):
        for fitted, asked in GroupKFold(FOLDS, shuffle=True, random_state=0).split(found, groups=list(groups)):
            if len(set(given[fitted])) < 2:
                found[asked, labels.index(given[fitted][0])] = 1.0
                continue
            vectorizer = tfidf_vectorizer()
            model = LogisticRegression(
                C=chosen.get("C", 1.0), class_weight=None if weight == "none" else weight, max_iter=1000, tol=1e-3
            ).fit(vectorizer.fit_transform([train.texts[i] for i in fitted]), list(given[fitted]))
            columns = np.array([labels.index(label) for label in model.classes_])
            found[np.ix_(asked, columns)] = model.predict_proba(vectorizer.transform([train.texts[i] for i in asked]))
    return labels, found


def _surest(probabilities: np.ndarray) -> np.ndarray:
    """Places of the surest records of each opinion, so that no label is left out."""
    opinion, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen = []
    for label in np.unique(opinion):
        places = np.flatnonzero(opinion == label)
        chosen.append(places[np.argsort(-confidence[places], kind="stable")][: max(1, round(SUREST * len(places)))])
    return np.concatenate(chosen)


def _contradictions(train: LabelledTexts) -> int:
    labels_of: dict[str, set[str]] = defaultdict(set)
    keys = [normalized_text(text) for text in train.texts]
    for key, label in zip(keys, train.labels, strict=True):
        labels_of[key].add(label)
    return sum(len(labels_of[key]) > 1 for key in keys)
