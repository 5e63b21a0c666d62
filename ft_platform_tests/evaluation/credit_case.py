"""Real credit records (CSV with sex and risk) whose labels are biased against one group, and every mitigation of
`fairness.mitigation` on them.

A logistic regression stands in place of the language model: on the columns as numbers, and for swapped terms on the
record written out as words. It sees the sex, as a text would tell it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_platform.evaluation.fairness_outputs import SWAPPED
from ft_platform.evaluation.output_mitigation import Scored, mitigated_labels
from ft_platform.evaluation.term_swaps import TermSwap
from ft_platform.records.columns import MESSAGES
from ft_platform.training.mitigation import resampling, reweighing, with_swapped_copies
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.fairness import OutputMitigation, Swap, TrainingMitigation
from ft_platform_tests.conftest import minimal_attributes

FILE = Path("german_credit_ibm") / "german_credit_data_biased_training.csv"
LABELS = ["No Risk", "Risk"]
MAX_GAP = 0.15
SWAP = Swap(name="sex", terms=[["female", "male"]])
PLANTED = 0.7
"""Share of the women without risk whose label is turned into risk, where models learn from it."""
MITIGATIONS = (
    "reweighting",
    "resampling",
    "threshold_optimizer",
    "exponentiated_gradient",
    "correlation_remover",
    "counterfactual_augmentation",
)


def use_case(samples: int = 300) -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    attributes["record"]["features"] = {"sex": "Sex"}
    attributes["fairness"] = {
        "sensitive_features": ["sex"],
        "max_gap": MAX_GAP,
        "mitigation": "threshold_optimizer",
        "mitigation_label": "Risk",
        "swaps": [SWAP.model_dump()],
    }
    attributes["evaluation"] = {"bootstrap_samples": samples}
    return NamedUseCase(name="credit", settings=UseCase.model_validate(attributes))


@dataclass
class Treated:
    """Predictions on the same test records, and answers to swapped terms.

    Attributes:
        systems: `before`, `head` where one is fitted, `mitigated`.
        swapped: system -> columns of `fairness_outputs.SWAPPED`; of models that read words.
    """

    systems: dict[str, pa.Table]
    swapped: dict[str, pa.Table]


class Credit:
    """Train, validation and test thirds of the file, the labels as they are and with the bias that is planted."""

    def __init__(self, file: Path, seed: int = 3) -> None:
        frame = pd.read_csv(file).sample(frac=1.0, random_state=seed).reset_index(drop=True)
        assert len(frame) > 4000
        self.seen = pd.get_dummies(frame.drop(columns=["Risk"])).to_numpy(float)
        self.seen = (self.seen - self.seen.mean(axis=0)) / self.seen.std(axis=0)
        self.truth, self.sex = frame["Risk"].to_numpy(object), frame["Sex"].to_numpy(object)
        self.train, self.validation, self.test = np.array_split(np.arange(len(frame)), 3)
        rng = np.random.default_rng(5)
        unlucky = (self.sex == "female") & (self.truth == "No Risk") & (rng.random(len(frame)) < PLANTED)
        self.planted = np.where(unlucky, "Risk", self.truth).astype(object)
        self.texts = written_out(frame.drop(columns=["Risk"]))

    def fitted(self, labels: np.ndarray, weights: np.ndarray | None = None, places: list[int] | None = None) -> Any:
        from sklearn.linear_model import LogisticRegression

        rows = self.train if places is None else self.train[places]
        return LogisticRegression(max_iter=1000).fit(self.seen[rows], labels[rows].astype(str), sample_weight=weights)

    def predictions(self, labels: Any) -> pa.Table:
        """Answers to the test records, beside their labels without the planted bias."""
        truth = self.truth[self.test].tolist()
        ids = [f"r{place}" for place in self.test]
        feature_sex = self.sex[self.test].tolist()
        predicted = [str(label) for label in labels]
        return pa.table({"record_id": ids, "feature_sex": feature_sex, "label": truth, "predicted": predicted})

    def side(self, rows: np.ndarray, values: np.ndarray) -> Scored:
        return Scored([str(label) for label in self.planted[rows]], [str(sex) for sex in self.sex[rows]], values)

    def treated(self, mitigation: str) -> Treated:
        """The biased labels learned without and with a mitigation."""
        if mitigation == "counterfactual_augmentation":
            return self._augmented()
        model, asked = self.fitted(self.planted), self.seen[self.test]
        before = self.predictions(model.predict(asked))
        groups, labels = self.sex[self.train].tolist(), self.planted[self.train].tolist()
        if mitigation == "reweighting":
            found = {"mitigated": self.fitted(self.planted, weights=reweighing(groups, labels)).predict(asked)}
        elif mitigation == "resampling":
            found = {"mitigated": self.fitted(self.planted, places=resampling(groups, labels, 17)).predict(asked)}
        else:
            settings = OutputMitigation(
                mitigation=mitigation, feature="sex", label="Risk", constraint="demographic_parity"
            )  # type: ignore[arg-type]
            if mitigation == "threshold_optimizer":
                sides = [self.side(rows, model.predict_proba(self.seen[rows])) for rows in (self.validation, self.test)]
            else:
                sides = [self.side(rows, self.seen[rows]) for rows in (self.train, self.test)]
            found = mitigated_labels(settings, LABELS, sides[0], sides[1], 17)
        return Treated({"before": before, **{system: self.predictions(labels) for system, labels in found.items()}}, {})

    def _augmented(self) -> Treated:
        """Models of the written-out records, without and with copies whose terms are swapped."""
        messages = [[{"role": "user", "content": self.texts[place]}] for place in self.train]
        table = pa.table(
            {
                "messages": pa.array(messages, MESSAGES),
                "label": self.planted[self.train].tolist(),
                "split": ["train"] * len(self.train),
            }
        )
        more = with_swapped_copies(table, TrainingMitigation(mitigation="counterfactual_augmentation", swaps=[SWAP]))
        assert more.num_rows == 2 * table.num_rows
        asked = [self.texts[place] for place in self.test]
        swapped = [TermSwap(SWAP).text(text) for text in asked]
        found, answers = {}, {}
        for system, rows in (("before", table), ("mitigated", more)):
            model = words_model([row[0]["content"] for row in rows["messages"].to_pylist()], rows["label"].to_pylist())
            found[system] = self.predictions(model.predict(asked))
            answers[system] = swap_table(found[system], [str(label) for label in model.predict(swapped)])
        return Treated(found, answers)


def words_model(texts: list[str], labels: list[str]) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(binary=True, token_pattern=r"\S+"), LogisticRegression(max_iter=1000)).fit(
        texts, labels
    )


def written_out(frame: pd.DataFrame) -> list[str]:
    """A record as words: `female age_3 loanamount_7 ...`; numbers with many values by their tenth."""
    columns = []
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
            values = pd.qcut(values, 10, labels=False, duplicates="drop")
        columns.append([str(value) if name == "Sex" else f"{name.lower()}_{value}" for value in values])
    return [" ".join(row) for row in zip(*columns, strict=True)]


def swap_table(before: pa.Table, swapped: list[str]) -> pa.Table:
    """Columns of `fairness_outputs.SWAPPED`."""
    rows = before.select(["record_id", "label", "predicted"]).to_pylist()
    made = [
        {**row, "swap": SWAP.name, "swapped": label, "changed": label != row["predicted"]}
        for row, label in zip(rows, swapped, strict=True)
    ]
    return pa.Table.from_pylist(made, SWAPPED)
