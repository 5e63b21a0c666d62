"""Mitigations on the outputs of a trained model, with Fairlearn: what they need is fitted on other records than those
they are measured on.

Covered: `threshold_optimizer` (Hardt et al., 2016) and `exponentiated_gradient` (Agarwal et al., 2018) for one label
against all others: they decide whether a record gets that label; one that does not get it gets the best of the others.
`correlation_remover` for any number of labels: it takes what is linearly related to the group out of the prompts'
hidden states before a logistic regression reads the label from them. Not covered: generation. Thresholds and the
correlation remover need to know the group of whoever is served; the exponentiated gradient does not."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError, DataError
from ft_platform.use_case.settings.fairness import OutputMitigation

LEAST_ROWS = 5
"""Records with the label, and without it, from which a group gets a threshold of its own; smaller groups share one."""
OTHERS = "other groups"
SHOWN = 20
"""Labels that a message names."""
COMPONENTS = 64
"""Principal components of the hidden states that heads read. Fifty fits of the exponentiated gradient on 576 numbers a
record take a minute."""


@dataclass(frozen=True)
class Scored:
    """Records of one side of the split, as a model sees them.

    Attributes:
        truth: label of each record.
        groups: value of the treated feature of each record.
        values: probability of each label for thresholds, shape `(rows, labels)`; hidden states for heads, shape `(rows,
            width)`.
    """

    truth: list[str]
    groups: list[str]
    values: np.ndarray


def target_of(settings: OutputMitigation, labels: Sequence[str]) -> str:
    """The label whose rates are brought together.

    Raises:
        ConfigError: it is not named where there are more than two, or it is no label of the use case.
    """
    if settings.label is None and len(labels) == 2:
        return labels[1]
    if settings.label is None:
        raise ConfigError(
            [
                f"fairness.mitigation_label is needed for fairness.mitigation: {settings.mitigation} with {len(labels)}"
                " labels"
            ]
        )
    if settings.label not in labels:
        known = ", ".join(labels[:SHOWN]) + (", ..." if len(labels) > SHOWN else "")
        raise ConfigError(
            [
                f"fairness.mitigation_label {settings.label!r} is none of the {len(labels)} labels of the training"
                f" split: {known}"
            ]
        )
    return settings.label


def require_target(settings: OutputMitigation, counts: Mapping[str, Any]) -> None:
    """Refuses before anything is trained what `target_of` would refuse when the trained model is evaluated.

    Args:
        counts: of the manifest of `splits`; `rows_per_label` is label -> side -> records.

    Raises:
        ConfigError: see `target_of`.
    """
    if settings.constraint is not None:
        target_of(settings, sorted(label for label, rows in counts["rows_per_label"].items() if rows["train"]))


def mitigated_labels(
    settings: OutputMitigation, labels: list[str], fit: Scored, test: Scored, seed: int
) -> dict[str, list[str]]:
    """Labels of the test records under the mitigation, and under the same head without it where there is a head.

    Args:
        labels: of the use case, sorted; the columns of probabilities.
        fit: the records that the mitigation is fitted on: validation for thresholds, train for heads.

    Returns:
        `{"mitigated": labels}`, with heads also `{"head": labels}`.

    Raises:
        ConfigError: see `target_of`.
        DataError: the records to fit on hold one label, or one group, only.
    """
    from threadpoolctl import threadpool_limits

    if len(set(fit.truth)) < 2 or len(set(fit.groups)) < 2:
        problem = f"fairness.mitigation: {settings.mitigation} is fitted on records with one label or one group only"
        raise DataError(problem, "Look at fairness.mitigation_feature and splits")
    with threadpool_limits(1):
        if settings.mitigation == "threshold_optimizer":
            return {"mitigated": thresholded(settings, labels, fit, test, seed)}
        return _with_heads(settings, labels, fit, test, seed)


def thresholded(settings: OutputMitigation, labels: list[str], fit: Scored, test: Scored, seed: int) -> list[str]:
    """Labels by a threshold for each group. Arguments and errors as in `mitigated_labels`."""
    from fairlearn.postprocessing import ThresholdOptimizer

    target = target_of(settings, labels)
    place, given = labels.index(target), np.array([label == target for label in fit.truth], int)
    own = groups_with_thresholds(fit.groups, given)
    optimizer = ThresholdOptimizer(
        estimator=_probability(),
        constraints=settings.constraint or "demographic_parity",
        prefit=True,
        predict_method="predict_proba",
    )
    optimizer.fit(fit.values[:, [place]], given, sensitive_features=_shared(fit.groups, own))
    chosen = optimizer.predict(test.values[:, [place]], sensitive_features=_shared(test.groups, own), random_state=seed)
    return _labels(labels, place, np.asarray(chosen).astype(bool), test.values)


def groups_with_thresholds(groups: Sequence[str], given: np.ndarray) -> list[str]:
    """Groups with enough records of both kinds; the rest share a threshold, if they are enough together, and else that
    of the largest group."""
    with_label = Counter(group for group, has in zip(groups, given, strict=True) if has)
    without = Counter(group for group, has in zip(groups, given, strict=True) if not has)
    own = sorted(group for group in set(groups) if min(with_label[group], without[group]) >= LEAST_ROWS)
    if not own:
        raise DataError(
            f"no group has {LEAST_ROWS} validation records with the label of fairness.mitigation_label and {LEAST_ROWS}"
            " without it",
            "Choose a more frequent label, or make splits.validation_fraction larger",
        )
    rest = [place for place, group in enumerate(groups) if group not in own]
    enough = min(sum(bool(given[place]) for place in rest), sum(not given[place] for place in rest)) >= LEAST_ROWS
    return [*own, OTHERS] if enough else own


def _shared(groups: Sequence[str], own: list[str]) -> list[str]:
    """The group whose threshold each record gets."""
    fallback = (
        OTHERS
        if OTHERS in own
        else (
            Counter(group for group in groups if group in own).most_common(1)[0][0]
            if set(groups) & set(own)
            else own[0]
        )
    )
    return [group if group in own else fallback for group in groups]


def _probability() -> Any:
    """An estimator for Fairlearn whose score is what it is given. Made here, because scikit-learn is not loaded before
    it is needed."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Probability(ClassifierMixin, BaseEstimator):
        def fit(self, X: Any, y: Any) -> "Probability":
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict_proba(self, X: Any) -> np.ndarray:
            score = np.asarray(X, float)[:, 0]
            return np.stack([1 - score, score], axis=1)

    return Probability()


def _labels(labels: list[str], place: int, chosen: np.ndarray, probabilities: np.ndarray) -> list[str]:
    others = probabilities.copy()
    others[:, place] = -1.0
    return [
        labels[place] if yes else labels[best]
        for yes, best in zip(chosen.tolist(), others.argmax(axis=1).tolist(), strict=True)
    ]


def _with_heads(
    settings: OutputMitigation, labels: list[str], fit: Scored, test: Scored, seed: int
) -> dict[str, list[str]]:
    """A logistic regression on hidden states, plain and mitigated."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    components = min(COMPONENTS, fit.values.shape[1], len(fit.truth) - 1)
    reduce = make_pipeline(StandardScaler(), PCA(components, random_state=seed), StandardScaler()).fit(fit.values)
    known, asked = reduce.transform(fit.values), reduce.transform(test.values)
    head = LogisticRegression(max_iter=1000).fit(known, fit.truth)
    probabilities = np.zeros((len(test.truth), len(labels)))
    probabilities[:, [labels.index(str(label)) for label in head.classes_]] = head.predict_proba(asked)
    plain = [labels[best] for best in probabilities.argmax(axis=1).tolist()]
    if settings.mitigation == "correlation_remover":
        return {"head": plain, "mitigated": _decorrelated(fit, test, known, asked)}
    from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient

    target = target_of(settings, labels)
    constraint = EqualizedOdds() if settings.constraint == "equalized_odds" else DemographicParity()
    gradient = ExponentiatedGradient(LogisticRegression(max_iter=1000), constraint)
    with warnings.catch_warnings():
        # Of pandas 3, about how Fairlearn 0.15 fills its own tables.
        warnings.filterwarnings("ignore", module="fairlearn")
        gradient.fit(known, np.array([label == target for label in fit.truth], int), sensitive_features=fit.groups)
    chosen = np.asarray(gradient.predict(asked, random_state=seed)).astype(bool)
    return {"head": plain, "mitigated": _labels(labels, labels.index(target), chosen, probabilities)}


def _decorrelated(fit: Scored, test: Scored, known: np.ndarray, asked: np.ndarray) -> list[str]:
    from fairlearn.preprocessing import CorrelationRemover
    from sklearn.linear_model import LogisticRegression

    # One column less than groups: together they would be a constant. A group that the records to fit on do not hold has
    # 0 in all.
    names = sorted(set(fit.groups))[1:]
    columns = [np.array([[group == name for name in names] for group in side.groups], float) for side in (fit, test)]
    remover = CorrelationRemover(sensitive_feature_ids=list(range(len(names)))).fit(np.hstack([columns[0], known]))
    head = LogisticRegression(max_iter=1000).fit(remover.transform(np.hstack([columns[0], known])), fit.truth)
    return [str(label) for label in head.predict(remover.transform(np.hstack([columns[1], asked])))]
