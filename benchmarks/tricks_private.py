"""Tricks of `benchmarks/recipe_tricks.py` that give less away about the records, and what an attacker finds out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks.tricks import OnStep, as_it_is, states_of, texts_of
from benchmarks.tricks_repeated import SoftLabels, SoftRow
from ft_platform.privacy_attacks.difficulty import difficulties
from ft_platform.privacy_attacks.membership import SideLosses, membership
from ft_platform.settings.attacks import Attacks
from ft_platform.training.batches import Row
from ft_platform.training.loop import micro_batches
from ft_platform.training.prepared import Prepared

FOLDS, FEWEST = 5, 10
"""Labels with fewer records than the second keep them as they are: nothing was learned about them elsewhere."""
SIDES = ("train", "validation", "test")
STRENGTHS = {"tfidf": 10.0, "states": 0.01}


def towards_cheap_systems(share: float) -> Callable[[Prepared, OnStep], Any]:
    """So much of what is learned of a record is what TF-IDF and a linear probe say of it that never read it, and the
    rest its label (SELENA, Tang et al., arXiv:2110.08324, where the teachers are networks)."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        truth = np.array([row.targets[0] for row in prepared.rows])
        said = out_of_fold(
            texts_of(prepared), states_of(prepared).float().numpy(), truth, len(prepared.renderer.labels)
        )
        counts = Counter(truth.tolist())
        old, soft = prepared.objective, []
        for row, probabilities in zip(prepared.rows, said, strict=True):
            label = np.eye(said.shape[1])[row.targets[0]]
            mixed = share * probabilities + (1 - share) * label if counts[row.targets[0]] >= FEWEST else label
            given = {one.name: getattr(row, one.name) for one in fields(row)}
            soft.append(SoftRow(**given, soft=torch.from_numpy(mixed).float()))
        prepared.rows = soft
        prepared.objective = SoftLabels(old.forward, old.prefix, 0.0)
        return as_it_is(prepared, on_step)

    return changed


def out_of_fold(texts: Sequence[str], states: np.ndarray, truth: np.ndarray, labels: int) -> np.ndarray:
    """Probabilities of every label, the mean of two logistic regressions that never read the record. Shape
    `(records, labels)`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    scaled = (states - states.mean(0)) / np.where(states.std(0) > 0, states.std(0), 1.0)
    features = {"tfidf": TfidfVectorizer(sublinear_tf=True).fit_transform(texts), "states": scaled}
    found = np.zeros((len(truth), labels))
    fold_of = np.random.default_rng(0).permutation(len(truth)) % FOLDS
    for name, known in features.items():
        for fold in range(FOLDS):
            asked, learned = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
            model = LogisticRegression(C=STRENGTHS[name], max_iter=1000, tol=1e-3).fit(known[learned], truth[learned])
            found[np.ix_(asked, model.classes_)] += model.predict_proba(known[asked]) / len(features)
    return found


class Attacked:
    """What an attacker finds out from the weights in the model about the train side, beside test records (as the gate
    does) and beside validation records (as a training could).

    Made before the first step: the difficulty of a record is what the untrained model and cheap systems say.
    """

    def __init__(self, prepared: Prepared, test: Sequence[Row]) -> None:
        self.prepared, self.rows = prepared, [*prepared.rows, *prepared.validation, *test]
        self.sides = np.repeat(SIDES, [len(prepared.rows), len(prepared.validation), len(test)])
        all_rows = replace(prepared, rows=self.rows)
        labels = [str(row.targets[0]) for row in self.rows]
        states, groups = states_of(all_rows).float().numpy(), [str(number) for number in range(len(labels))]
        self.difficulty = difficulties(texts_of(all_rows), states, labels, groups).reshape(-1, 1)
        self.objective = prepared.objective

    def __call__(self) -> dict[str, float]:
        """`{"loss_area", "area", "found"}`: area of the loss, area and true positives at 1 % of the calibrated one; and
        the two areas beside validation records; and macro-F1 of all test records."""
        self.prepared.model.eval()
        with torch.no_grad():
            scores = torch.cat(
                [
                    self.objective.scores(self.prepared.model, micro)
                    for micro in micro_batches(self.rows, self.objective, self.prepared.training)
                ]
            )
        truth = torch.tensor([row.targets[0] for row in self.rows])
        losses = torch.nn.functional.cross_entropy(scores.float(), truth, reduction="none").numpy().reshape(-1, 1)
        train, validation, test = (
            SideLosses(list(self.difficulty[self.sides == side]), list(losses[self.sides == side])) for side in SIDES
        )
        seen = membership(train, test, Attacks(), {}, of_labels=True)["attacks"]
        before = membership(train, validation, Attacks(), {}, of_labels=True)["attacks"]  # None of fewer than 20
        asked = self.sides == "test"
        said = scores.argmax(1).numpy()[asked]
        return {
            "loss_area": round(seen["loss"]["auc"]["value"], 3),
            "area": round(seen["calibrated"]["auc"]["value"], 3),
            "found": round(seen["calibrated"]["at_1_percent"]["value"], 3),
            **{
                name: round(before[attack]["auc"]["value"], 3)
                for name, attack in (("validation_loss_area", "loss"), ("validation_area", "calibrated"))
                if before
            },
            "macro_f1": round(f1_score(truth.numpy()[asked], said, average="macro"), 4),
        }
