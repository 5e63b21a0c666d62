"""Bias planted in labels raises the figures, a mitigation lowers them, and the check reacts: on real credit records (CSV with sex and risk)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ft_platform.assets.fairness_report import why_not_within
from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.mitigation_figures import compared
from ft_platform.evaluation.output_mitigation import Scored, mitigated_labels
from ft_platform.settings.fairness import OutputMitigation
from ft_platform.training.mitigation import resampling, reweighing
from ft_platform.use_case import NamedUseCase, UseCase
from ft_platform_tests.conftest import minimal_attributes

LABELS = ["No Risk", "Risk"]
MAX_GAP = 0.15


def use_case() -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    attributes["record"]["features"] = {"sex": "Sex"}
    attributes["fairness"] = {"sensitive_features": ["sex"], "max_gap": MAX_GAP, "mitigation": "threshold_optimizer", "mitigation_label": "Risk"}
    attributes["evaluation"] = {"bootstrap_samples": 300}
    return NamedUseCase(name="credit", settings=UseCase.model_validate(attributes))


class Credit:
    """Train, validation and test thirds of the file, and a logistic regression in place of the language model. It sees the sex, as a text would tell it."""

    def __init__(self, file: Path) -> None:
        frame = pd.read_csv(file).sample(frac=1.0, random_state=3).reset_index(drop=True)
        assert len(frame) > 4000
        self.seen = pd.get_dummies(frame.drop(columns=["Risk"])).to_numpy(float)
        self.seen = (self.seen - self.seen.mean(axis=0)) / self.seen.std(axis=0)
        self.truth, self.sex = frame["Risk"].to_numpy(object), frame["Sex"].to_numpy(object)
        self.train, self.validation, self.test = np.array_split(np.arange(len(frame)), 3)
        rng = np.random.default_rng(5)
        unlucky = (self.sex == "female") & (self.truth == "No Risk") & (rng.random(len(frame)) < 0.7)
        self.planted = np.where(unlucky, "Risk", self.truth).astype(object)

    def fitted(self, labels: np.ndarray, weights: np.ndarray | None = None, places: list[int] | None = None):
        from sklearn.linear_model import LogisticRegression

        rows = self.train if places is None else self.train[places]
        return LogisticRegression(max_iter=1000).fit(self.seen[rows], labels[rows].astype(str), sample_weight=weights)

    def predictions(self, labels: list[str]) -> pa.Table:
        truth = self.truth[self.test].tolist()
        ids = [f"r{place}" for place in self.test]
        return pa.table({"record_id": ids, "feature_sex": self.sex[self.test].tolist(), "label": truth, "predicted": [str(label) for label in labels]})

    def side(self, model, rows: np.ndarray, labels: np.ndarray) -> Scored:
        return Scored([str(label) for label in labels[rows]], [str(sex) for sex in self.sex[rows]], model.predict_proba(self.seen[rows]))


@pytest.fixture(scope="module")
def credit() -> Credit:
    import os

    from ft_platform_tests.conftest import REPOSITORY

    file = Path(os.environ.get("FT_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "german_credit_ibm" / "german_credit_data_biased_training.csv"
    if not file.is_file():
        pytest.skip(f"{file} is not there; set FT_SHARED_DATA")
    return Credit(file)


def parity(found: dict) -> float:
    return found["features"]["sex"]["demographic_parity"]["value"]


@pytest.mark.real_data
def test_planted_bias_raises_the_figures_and_the_check_names_the_feature(credit: Credit) -> None:
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    case = use_case()
    honest, biased = (credit.predictions(credit.fitted(labels).predict(credit.seen[credit.test])) for labels in (credit.truth, credit.planted))
    before, after = fairness(case, honest), fairness(case, biased)
    assert before["within_max_gap"] and not after["within_max_gap"]
    assert parity(after) > parity(before) + 0.2 and after["features"]["sex"]["demographic_parity"]["low"] > parity(before)
    assert why_not_within(after).startswith("sex: accuracy differs by 0.")
    for table, found in ((honest, before), (biased, after)):
        truth, given, sex = (np.array(table[name].to_pylist(), dtype=object) for name in ("label", "predicted", "feature_sex"))
        assert parity(found) == pytest.approx(demographic_parity_difference(truth == "Risk", given == "Risk", sensitive_features=sex))
        odds = max(equalized_odds_difference(truth == label, given == label, sensitive_features=sex) for label in LABELS)
        assert found["features"]["sex"]["equalized_odds"]["value"] == pytest.approx(odds)


@pytest.mark.real_data
@pytest.mark.parametrize("mitigation", ["reweighting", "resampling", "threshold_optimizer"])
def test_a_mitigation_lowers_the_figures_of_planted_bias_and_the_check_passes_again(credit: Credit, mitigation: str) -> None:
    case, model = use_case(), credit.fitted(credit.planted)
    groups, labels = credit.sex[credit.train].tolist(), credit.planted[credit.train].tolist()
    biased = credit.predictions(model.predict(credit.seen[credit.test]))
    if mitigation == "threshold_optimizer":
        settings = OutputMitigation(mitigation="threshold_optimizer", feature="sex", constraint="demographic_parity")
        fit, test = (credit.side(model, rows, credit.planted) for rows in (credit.validation, credit.test))
        labels = mitigated_labels(settings, LABELS, fit, test, 17)["mitigated"]
    elif mitigation == "reweighting":
        labels = credit.fitted(credit.planted, weights=reweighing(groups, labels)).predict(credit.seen[credit.test])
    else:
        labels = credit.fitted(credit.planted, places=resampling(groups, labels, 17)).predict(credit.seen[credit.test])
    treated = credit.predictions(list(labels))
    before, after = fairness(case, biased), fairness(case, treated)
    assert parity(after) < parity(before) / 2
    assert not before["within_max_gap"] and after["within_max_gap"]
    found = compared(case, {"before": biased, "mitigated": treated})
    assert found["label"] == "Risk" and found["change"]["gap"]["high"] < 0, "the change of the gap is told from chance"
    assert found["systems"]["before"]["gap"]["value"] == pytest.approx(parity(before))
