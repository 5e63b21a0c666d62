"""Mitigations on outputs: the same answers as Fairlearn itself, smaller gaps than before, and refusals. Persons are
fictitious."""

import numpy as np
import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.output_mitigation import OTHERS, Scored, groups_with_thresholds, mitigated_labels, target_of
from ft_platform.use_case.settings.fairness import OutputMitigation


def applicants(labels: list[str], seed: int, rows: int = 600, width: int = 0) -> Scored:
    """Half of the accepted of group `f` score much lower than they should: `yes` is the second label."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["f", "m"], rows)
    score = rng.normal(size=rows)
    truth = np.where(score > 0, "yes", rng.choice([label for label in labels if label != "yes"], rows))
    seen = score - np.where(group == "f", 0.9, 0.0)
    if width:
        values = np.concatenate(
            [
                seen[:, None],
                (group == "f")[:, None] + rng.normal(scale=0.4, size=(rows, 1)),
                rng.normal(size=(rows, width - 2)),
            ],
            axis=1,
        )
    else:
        yes = 1 / (1 + np.exp(-2 * seen))
        others = rng.dirichlet([1] * (len(labels) - 1), rows) * (1 - yes)[:, None]
        values = np.insert(others, labels.index("yes"), yes, axis=1)
    return Scored(truth.tolist(), group.tolist(), values)


def gap(scored: Scored, predicted: list[str], label: str = "yes") -> float:
    from fairlearn.metrics import demographic_parity_difference

    given = np.array(predicted) == label
    return float(demographic_parity_difference(given, given, sensitive_features=scored.groups))


def chosen(scored: Scored, labels: list[str]) -> list[str]:
    return [labels[place] for place in scored.values.argmax(axis=1)]


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_thresholds_are_fairlearns_own_and_close_the_gap(constraint: str) -> None:
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.linear_model import LogisticRegression

    labels = ["no", "yes"]
    fit, test = applicants(labels, 1, 1500), applicants(labels, 2, 1500)
    settings = OutputMitigation(mitigation="threshold_optimizer", feature="sex", constraint=constraint)
    found = mitigated_labels(settings, labels, fit, test, 7)["mitigated"]
    before = gap(test, chosen(test, labels))
    assert before > 0.2 and gap(test, found) < before / 2

    # The same by hand: an estimator that is monotone in the score has the same thresholds on its own predictions of it.
    class Given(LogisticRegression):
        def predict_proba(self, X):
            return np.stack([1 - X[:, 0], X[:, 0]], axis=1)

    reference = ThresholdOptimizer(
        estimator=Given().fit([[0], [1]], [0, 1]), constraints=constraint, prefit=True, predict_method="predict_proba"
    )
    reference.fit(fit.values[:, [1]], np.array(fit.truth) == "yes", sensitive_features=fit.groups)
    expected = reference.predict(test.values[:, [1]], sensitive_features=test.groups, random_state=7)
    assert (np.array(found) == "yes").tolist() == expected.astype(bool).tolist()


def test_with_more_labels_one_is_decided_and_the_rest_is_the_best_of_the_others() -> None:
    labels = ["card", "loan", "yes"]
    fit, test = applicants(labels, 1), applicants(labels, 2)
    settings = OutputMitigation(
        mitigation="threshold_optimizer", feature="sex", label="yes", constraint="demographic_parity"
    )
    found = mitigated_labels(settings, labels, fit, test, 7)["mitigated"]
    assert gap(test, found) < gap(test, chosen(test, labels)) / 2
    others = test.values[:, :2].argmax(axis=1)
    assert all(label == "yes" or label == labels[best] for label, best in zip(found, others, strict=True))


@pytest.mark.parametrize("mitigation", ["exponentiated_gradient", "correlation_remover"])
def test_heads_on_hidden_states_close_the_gap(mitigation: str) -> None:
    labels = ["no", "yes"]
    fit, test = applicants(labels, 3, 800, width=6), applicants(labels, 4, 800, width=6)
    truth = [
        np.where(
            (np.array(side.groups) == "f") & (np.random.default_rng(1).random(800) < 0.6), "no", side.truth
        ).tolist()
        for side in (fit, test)
    ]
    fit, test = Scored(truth[0], fit.groups, fit.values), Scored(truth[1], test.groups, test.values)
    settings = OutputMitigation(mitigation=mitigation, feature="sex", constraint="demographic_parity")
    found = mitigated_labels(settings, labels, fit, test, 7)
    assert set(found) == {"head", "mitigated"}
    assert gap(test, found["head"]) > 0.2 and gap(test, found["mitigated"]) < gap(test, found["head"]) / 2
    assert found == mitigated_labels(settings, labels, fit, test, 7), "seeded"


def test_small_groups_share_a_threshold() -> None:
    groups = ["a"] * 20 + ["b"] * 20 + ["c"] * 6 + ["d"] * 6
    given = np.array(([1, 0] * 10) + ([1, 0] * 10) + [1, 0] * 3 + [1, 0] * 3)
    assert groups_with_thresholds(groups, given) == ["a", "b", OTHERS]
    assert groups_with_thresholds(groups[:46], given[:46]) == ["a", "b"], (
        "too few together: they take the threshold of the largest group"
    )
    with pytest.raises(DataError, match="no group has 5 validation records"):
        groups_with_thresholds(["a"] * 8, np.array([1, 0] * 4))


def test_a_group_that_validation_does_not_hold_is_served_too() -> None:
    labels = ["no", "yes"]
    fit, test = applicants(labels, 1), applicants(labels, 2)
    groups = ["x" if place % 3 == 0 else group for place, group in enumerate(test.groups)]
    test = Scored(test.truth, groups, test.values)
    settings = OutputMitigation(mitigation="threshold_optimizer", feature="sex", constraint="demographic_parity")
    assert set(mitigated_labels(settings, labels, fit, test, 7)["mitigated"]) == {"no", "yes"}


def test_the_label_must_be_named_where_there_are_many_and_must_exist() -> None:
    assert target_of(OutputMitigation(mitigation="threshold_optimizer"), ["no", "yes"]) == "yes"
    with pytest.raises(ConfigError, match=r"fairness\.mitigation_label is needed"):
        target_of(OutputMitigation(mitigation="threshold_optimizer"), ["a", "b", "c"])
    with pytest.raises(
        ConfigError, match=r"mitigation_label 'd' is none of the 3 labels of the training split: a, b, c"
    ):
        target_of(OutputMitigation(mitigation="threshold_optimizer", label="d"), ["a", "b", "c"])


def test_one_group_or_one_label_is_refused() -> None:
    labels = ["no", "yes"]
    fit = applicants(labels, 1)
    settings = OutputMitigation(mitigation="correlation_remover", feature="sex")
    for broken in (Scored(["yes"] * 600, fit.groups, fit.values), Scored(fit.truth, ["f"] * 600, fit.values)):
        with pytest.raises(DataError, match="one label or one group only"):
            mitigated_labels(settings, labels, broken, broken, 7)
