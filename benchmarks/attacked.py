"""What an attacker finds out about the records of a training, for `benchmarks/recipe_tricks.py`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.metrics import f1_score

from ft_platform.models.label_head import head_of
from ft_platform.training.batches import Row
from ft_platform.training.loop import micro_batches
from ft_platform.training.prepared import Prepared
from ft_platform.training.privacy_attacks.difficulty import difficulties
from ft_platform.training.privacy_attacks.membership import SideLosses, membership
from ft_platform.use_case.settings.attacks import Attacks

SIDES = ("train", "validation", "test")


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
        states, groups = _states(all_rows).float().numpy(), [str(number) for number in range(len(labels))]
        self.difficulty = difficulties(
            [prepared.renderer.text.decoded(row.ids) for row in self.rows], states, labels, groups
        ).reshape(-1, 1)
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


def _states(prepared: Prepared) -> torch.Tensor:
    """What the head reads of every row of the train side, `(rows, width)`."""
    head = head_of(prepared.model)
    assert head is not None
    weight, head.weight = head.weight, torch.nn.Parameter(torch.eye(head.in_features), requires_grad=False)
    prepared.model.eval()
    with torch.no_grad():
        found = [
            prepared.objective.scores(prepared.model, m)
            for m in micro_batches(prepared.rows, prepared.objective, prepared.training)
        ]
    head.weight = weight
    return torch.cat(found)
