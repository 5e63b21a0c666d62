"""Attacks a checkpoint: how hard each record is first, then the model with what it learned, on the same records."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.evaluation.groups import group_values
from ft_platform.models.rendering.renderer import Renderer, shared_prefix
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.process import progress
from ft_platform.records.columns import user_texts
from ft_platform.training.privacy_attacks.extraction import (
    NOTHING,
    Copied,
    Target,
    copied,
    extraction,
    not_extracted,
    targets,
)
from ft_platform.training.privacy_attacks.inputs import STAGE
from ft_platform.training.privacy_attacks.membership import OTHERS, SideLosses
from ft_platform.training.privacy_attacks.records import Sample, sides
from ft_platform.use_case.named import NamedUseCase

NO_TEXT = "the model writes no text: training.objective is label_head"


def feature_columns(use_case: NamedUseCase) -> list[str]:
    """Columns of `splits` that an attack reads beside those of a training."""
    return ["group_id", *(f"feature_{feature}" for feature in use_case.settings.fairness.sensitive_features)]


@dataclass(frozen=True)
class Attacked:
    """What the attacks saw.

    Attributes:
        losses: by side, `train` and those of `OTHERS`.
        kinds: `label` or a sensitive feature -> its value for each training record, and for each other one in the order
            of `OTHERS`.
        extraction_rate: figures of `extraction.extraction`.
        texts: what the model wrote by itself; None where it writes no text.
        terms: how many words and pairs of words of its training records its file lists; None: no file lists any.
    """

    losses: dict[str, SideLosses]
    kinds: dict[str, tuple[list[str], list[str]]]
    extraction_rate: dict[str, Any]
    texts: list[str] | None
    terms: int | None = None


class Attacker:
    """A base model, and the checkpoint that was trained on it.

    Args:
        splits: columns `training.dataset.COLUMNS`, `group_id` and those of `feature_columns`.
        model, tokenizer: of `base_model.load`, without adapter; the model is changed. None: there is no base model.
        members: ids of the records that the checkpoint was trained on.
    """

    def __init__(
        self,
        use_case: NamedUseCase,
        splits: pa.Table,
        model: Any,
        tokenizer: Any,
        renderer: Renderer,
        members: set[str],
    ) -> None:
        self.use_case, self.model, self.tokenizer, self.renderer = use_case, model, tokenizer, renderer
        self.settings, self.splits = use_case.settings.attacks, splits
        self.learns_labels = use_case.settings.task.kind == "classification"
        self.samples = sides(use_case, splits, renderer, members)
        self.writes_answers = use_case.settings.task.kind == "generation"
        self.writes_text = use_case.settings.training.objective != "label_head"
        every = [row for sample in self.samples.values() for row in sample.rows]
        self.prefix = shared_prefix(every, renderer.prefix_ids())
        self.targets = {
            side: targets(self.samples[side], self.settings, of_answers=self.writes_answers) if self.writes_text else []
            for side in ("train", "test")
        }
        self._done, self._total = 0, self._work()

    def attack(self, checkpoint: Path) -> Attacked:
        """Runs every attack.

        Args:
            checkpoint: its folder (`Lake.local_copy`).

        Raises:
            BaseModelError: the checkpoint does not fit the base model, or is refused.
        """
        from ft_platform.models.adapter import with_adapter

        difficulty = self._difficulty()
        untrained = self._copied(self.targets["train"])
        self.model = with_adapter(self.model, checkpoint)
        after = {side: self._losses(sample) for side, sample in self.samples.items()}
        losses = {side: SideLosses(difficulty.get(side, []), after[side]) for side in self.samples}
        kinds = self._kinds()
        if not self.writes_text:
            terms = len(self.model.terms) if isinstance(self.model, TextClassifier) else None
            return Attacked(losses, kinds, not_extracted(NO_TEXT), None, terms)
        of = "answers" if self.writes_answers else "user texts"
        train, test = (self._copied(self.targets[side]) for side in ("train", "test"))
        rates = extraction(train, test, untrained, of, self.settings.confidence)
        return Attacked(losses, kinds, rates, self._own_texts())

    def _difficulty(self) -> dict[str, list[np.ndarray]]:
        """By side. Of answers the losses of the untrained model, by token; of labels what systems say that never read
        the record."""
        if not self.learns_labels:
            return {side: self._losses(sample) for side, sample in self.samples.items()}
        from ft_platform.models.kernels.packed_forward import shared_start
        from ft_platform.models.prompt_states import middle_states
        from ft_platform.training.privacy_attacks.difficulty import difficulties

        every = [*self.samples.values()]
        if not (self.samples["train"].rows and self.samples["test"].rows):
            return {}
        before = self._done
        prompts = [row.input_ids[: row.prompt_length] for sample in every for row in sample.rows]
        states = None
        if self.model is not None:
            states = middle_states(self.model, prompts, shared_start(prompts), lambda done: self._tick(before, done))
        records = self._records([record_id for sample in every for record_id in sample.record_ids])
        texts, groups = user_texts(records["messages"]), records["group_id"].to_pylist()
        found = difficulties(texts, states, [one for sample in every for one in sample.answers], groups)
        ends = np.cumsum([len(sample) for sample in every])[:-1]
        return {side: list(part) for side, part in zip(self.samples, np.split(found.reshape(-1, 1), ends), strict=True)}

    def _kinds(self) -> dict[str, tuple[list[str], list[str]]]:
        fairness = self.use_case.settings.fairness
        others = [self.samples[side] for side in OTHERS]
        train = self._records(self.samples["train"].record_ids)
        rest = self._records([record_id for sample in others for record_id in sample.record_ids])
        kinds = {
            feature: (list(group_values(fairness, train, [feature])), list(group_values(fairness, rest, [feature])))
            for feature in fairness.sensitive_features
        }
        labels = (self.samples["train"].answers, [answer for sample in others for answer in sample.answers])
        return {"label": labels, **kinds} if self.learns_labels else kinds

    def _records(self, record_ids: list[str]) -> pa.Table:
        return self.splits.take(pc.index_in(pa.array(record_ids, pa.string()), self.splits["record_id"]))

    def _work(self) -> int:
        """Records and texts that go through a model."""
        rows = 2 * sum(map(len, self.samples.values()))
        texts = 2 * len(self.targets["train"]) + len(self.targets["test"]) + self.settings.samples
        return rows + (texts if self.writes_text else 0)

    def _tick(self, before: int, done: int) -> None:
        self._done = before + done
        progress.report(STAGE, self._done, self._total, "examples")

    def _losses(self, sample: Sample) -> list[np.ndarray]:
        from ft_platform.training.privacy_attacks.token_losses import losses_of

        before = self._done
        found = losses_of(self.model, sample, self.renderer, self.prefix, lambda done: self._tick(before, done))
        return [row.sum(keepdims=True) for row in found] if self.learns_labels else found

    def _copied(self, found: list[Target]) -> Copied:
        if not found:
            return NOTHING
        return copied(self._written([target.prompt for target in found], self.settings.continuation_tokens), found)

    def _own_texts(self) -> list[str]:
        """Answers to test records, where the model writes answers; otherwise messages of users that it makes up. Drawn
        by seed."""
        if self.writes_answers:
            prompts = [row.input_ids[: row.prompt_length] for row in self.samples["test"].rows]
        else:
            prompts = [self.renderer.prefix_ids()]
        if not prompts:
            return []
        asked = [prompts[place % len(prompts)] for place in range(self.settings.samples)]
        written = self._written(asked, self.settings.sample_tokens, self.settings.seed)
        return [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in written]

    def _written(self, prompts: list[list[int]], tokens: int, seed: int | None = None) -> list[list[int]]:
        from ft_platform.evaluation.systems.generation import continuations

        before = self._done
        return continuations(
            self.model, prompts, self.renderer.end_of_turn[-1], tokens, seed, lambda done: self._tick(before, done)
        )
