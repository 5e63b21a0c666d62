"""Runs every system on the same test records and times it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import ConfigError
from ft_platform.evaluation.groundedness import Meanings
from ft_platform.evaluation.json_answers import require_json_references
from ft_platform.evaluation.outputs import LabelOutputs, Outputs, TextOutputs
from ft_platform.evaluation.records import EvaluationRecords, Side, evaluation_records, side_of
from ft_platform.evaluation.systems.endpoint import PREFIX, UNREADABLE, ask, described, label_in
from ft_platform.evaluation.systems.few_shot import few_shot_prompts
from ft_platform.evaluation.systems.generation import answer_losses, generate
from ft_platform.evaluation.systems.label_scoring import label_scores
from ft_platform.evaluation.systems.linear_probe import linear_probe
from ft_platform.evaluation.systems.logistic_regression import Answers
from ft_platform.evaluation.systems.majority import majority
from ft_platform.evaluation.systems.nearest_neighbour import nearest_neighbour
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, tfidf_logreg
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.rendering.renderer import AnswerTooLong, NotRendered, Renderer, labels_of
from ft_platform.process import progress
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.evaluation import PromptedEndpoint

REFERENCE_TOKENS = 1024
"""The answer loss is taken on at most this many tokens of a reference."""


@dataclass
class Evaluated:
    """Outputs of systems on the same test records.

    Attributes:
        records: the test records.
        outputs: by system, in the order of tables.
        seconds: by system.
        answer_seconds: of these, what answering took; what a baseline needs to learn and scoring of reference answers
            are not in it.
        info: what a reader wants to know about a system, e.g. the tuned settings of a baseline.
        beside: further tables of the artifact by file name.
        meanings: what sentences are compared by where groundedness is measured with an encoder.
    """

    records: EvaluationRecords
    outputs: dict[str, Outputs] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    answer_seconds: dict[str, float] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, pa.Table] = field(default_factory=dict)
    meanings: Meanings | None = None

    def take(self, system: str, other: "Evaluated") -> None:
        """A system that answered the same records elsewhere."""
        for name in ("outputs", "seconds", "answer_seconds", "info"):
            if system in (found := getattr(other, name)):
                getattr(self, name)[system] = found[system]


class Evaluator:
    """A model with its renderer, ready to answer the test records of a use case.

    Args:
        splits: columns of a version of `splits`.
        model, tokenizer: of `base_model.load`, with or without adapter.
        stage: asset name under which progress is reported.
    """

    def __init__(
        self, use_case: NamedUseCase, splits: pa.Table, model: Any, tokenizer: Any, renderer: Renderer, stage: str
    ) -> None:
        self.use_case, self.model, self.tokenizer, self.renderer, self.stage = (
            use_case,
            model,
            tokenizer,
            renderer,
            stage,
        )
        self.settings = use_case.settings.evaluation
        self.classification = use_case.settings.task.kind == "classification"
        self.train, self.validation = side_of(use_case, splits, "train"), side_of(use_case, splits, "validation")
        self.records = evaluation_records(use_case, splits, renderer)
        self.schema, self.style = use_case.settings.task.schema_of_answers, use_case.settings.task.style
        if self.schema is not None:
            require_json_references(self.test.answers)
        self.evaluated = Evaluated(self.records)
        self._done = 0
        self._total = 0

    @property
    def test(self) -> Side:
        return self.records.side

    @property
    def precision(self) -> tuple[str, str]:
        """How the base model is loaded: `base_model.dtype` and `base_model.quantization`."""
        settings = self.use_case.settings.base_model
        return settings.dtype, settings.quantization

    def base(self) -> Evaluated:
        """Majority class, nearest neighbour, TF-IDF + logistic regression and linear probe (classification), endpoints,
        and the base model zero-shot and few-shot."""
        # Six systems, of which the probe also reads what it learns from; or two that answer and are scored; and the
        # endpoints.
        self._total = len(self.test) * ((6 if self.classification else 4) + len(self.settings.endpoints))
        if self.classification:
            known, held_out = (self._labelled_prompts(side) for side in (self.train, self.validation))
            read = len(known[0]) + len(held_out[0])
            self._total += read
            with self._timed("majority") as tick:
                self._labels("majority", majority(self.train.answers, len(self.test)))
                tick(len(self.test))
            train, validation = (LabelledTexts(side.texts, side.answers) for side in (self.train, self.validation))
            self._baseline("nearest_neighbour", lambda _: nearest_neighbour(train, validation, self.test.texts))
            self._baseline("tfidf_logreg", lambda _: tfidf_logreg(train, validation, self.test.texts))
            self._baseline(
                "linear_probe",
                lambda tick: linear_probe(self.model, known, held_out, self.records.prompts, tick),
                read + len(self.test),
            )
        for endpoint in self.settings.endpoints:
            self._endpoint(endpoint)
        with self._timed("base_zero_shot") as tick:
            self._prompted("base_zero_shot", self.records.prompts, tick)
        with self._timed("base_few_shot") as tick:
            prompts = few_shot_prompts(self.renderer, self.tokenizer, self.train, self.test, self.settings)
            self._prompted("base_few_shot", prompts, tick)
        return self.evaluated

    def tuned(self, system: str = "fine_tuned") -> Evaluated:
        """A fine-tuned model with the same prompt as `base_zero_shot`.

        Args:
            system: `fine_tuned`, or `champion`, which goes before it.
        """
        self._total = self._done + len(self.test) * (1 if self.classification else 2)
        with self._timed(system) as tick:
            self._prompted(system, self.records.prompts, tick)
        return self.evaluated

    def _baseline(
        self,
        system: str,
        answers: Callable[[Callable[[int], None]], tuple[Answers, dict[str, Any]]],
        rows: int | None = None,
    ) -> None:
        """A system that learns from the training records, and what was chosen on the validation split.

        Args:
            rows: how many records it has read in the end. Default: the test records.
        """
        with self._timed(system) as tick:
            (predicted, confidence, seconds), self.evaluated.info[system] = answers(tick)
            tick(rows or len(self.test))
        self.evaluated.answer_seconds[system] = round(seconds, 3)
        self._labels(system, predicted, confidence)

    def _labelled_prompts(self, side: Side) -> tuple[list[list[int]], list[str]]:
        """Prompts and labels of a side's records, without those that cannot be rendered."""
        prompts, labels = [], []
        for messages, label in zip(side.messages(), side.answers, strict=True):
            with suppress(AnswerTooLong, NotRendered):
                prompts.append(self.renderer.prompt_ids(messages, self.settings.max_prompt_tokens))
                labels.append(label)
        return prompts, labels

    def _endpoint(self, settings: PromptedEndpoint) -> None:
        """The model behind an endpoint, with the messages of `base_zero_shot`."""
        system = f"{PREFIX}{settings.name}"
        conversations = [
            self.renderer.chat(messages, self.settings.max_prompt_tokens) for messages in self.test.messages()
        ]
        with self._timed(system) as tick:
            asked = ask(settings, conversations, self.settings.max_new_tokens, tick)
        unreadable = None
        if self.classification:
            predicted = [label_in(answer, self.renderer.labels) for answer in asked.answers]
            unreadable = predicted.count(UNREADABLE)
            self._labels(system, predicted)
        else:
            self.evaluated.outputs[system] = TextOutputs(
                self.test.answers, asked.answers, schema=self.schema, style=self.style
            )
        self.evaluated.info[system] = described(settings, asked, unreadable)

    def label_scores(self, prompts: Sequence[Sequence[int]], tick: Callable[[int], None]) -> Any:
        """Log-probability of every label of the renderer after every prompt: a tensor of shape `(prompts, labels)`,
        float32, on the CPU."""
        from ft_platform.models.label_head import head_scores, scores_labels

        if scores_labels(self.model):
            return head_scores(self.model, prompts, tick)
        return label_scores(
            self.model, prompts, [self.renderer.answer_ids(label) for label in self.renderer.labels], tick
        )

    def predicted_labels(
        self, prompts: Sequence[Sequence[int]], tick: Callable[[int], None]
    ) -> tuple[list[str], np.ndarray | None]:
        """The model's label for every prompt, and its probability among all labels, shape `(prompts,)`.

        With `evaluation.label_answers: generated` the model writes, as endpoints do: a label may be `UNREADABLE`, and
        there is no probability.

        Raises:
            ConfigError: labels are to be written by a model that only scores them.
        """
        from ft_platform.models.label_head import scores_labels

        labels = self.renderer.labels
        if self.settings.label_answers == "generated":
            if scores_labels(self.model):
                raise ConfigError(
                    [
                        "evaluation.label_answers: generated does not work with a label head, which scores labels and"
                        " writes nothing"
                    ]
                )
            answers = generate(
                self.model, self.tokenizer, prompts, self.renderer.end_of_turn, self.settings.max_new_tokens, tick
            )
            return [label_in(answer, labels) for answer in answers], None
        confidence, best = self.label_scores(prompts, tick).double().softmax(dim=1).max(dim=1)
        return [labels[i] for i in best.tolist()], confidence.numpy()

    def _prompted(self, system: str, prompts: list[list[int]], tick: Callable[[int], None]) -> None:
        if self.classification:
            predicted, confidence = self.predicted_labels(prompts, tick)
            self._labels(system, predicted, confidence)
            if confidence is None:
                self.evaluated.info[system] = {"label_answers": "generated", "unreadable": predicted.count(UNREADABLE)}
            return
        rows = len(prompts)
        started = time.monotonic()
        answers = generate(
            self.model, self.tokenizer, prompts, self.renderer.end_of_turn, self.settings.max_new_tokens, tick
        )
        self.evaluated.answer_seconds[system] = round(time.monotonic() - started, 3)
        references = [reference[:REFERENCE_TOKENS] for reference in self.records.references]
        losses, tokens = answer_losses(self.model, prompts, references, lambda done: tick(rows + done))
        self.evaluated.outputs[system] = TextOutputs(
            self.test.answers, answers, losses, tokens, self.schema, self._rejected_losses(prompts), style=self.style
        )

    def _ids(self, answers: list[str]) -> list[list[int]]:
        return [self.renderer.answer_ids(answer)[:REFERENCE_TOKENS] for answer in answers]

    def _rejected_losses(self, prompts: list[list[int]]) -> np.ndarray:
        """Of objectives that learn from pairs: how probable the answers are that people like less. A record whose two
        answers are equal is no pair."""
        if not self.use_case.settings.training.compares_answers:
            return np.empty(0)
        losses = np.full(len(prompts), np.nan)
        pairs = [
            place
            for place, (liked, less) in enumerate(zip(self.test.answers, self.test.rejected, strict=True))
            if less.strip() not in ("", liked.strip())
        ]
        if pairs:
            answers = self._ids([self.test.rejected[place] for place in pairs])
            losses[pairs], _ = answer_losses(self.model, [prompts[place] for place in pairs], answers)
        return losses

    def _labels(self, system: str, predicted: list[str], confidence: np.ndarray | None = None) -> None:
        labels = sorted({*self.train.answers, *self.test.answers})
        labels += sorted({*predicted} - {*labels})
        self.evaluated.outputs[system] = LabelOutputs(labels, self.test.answers, predicted, confidence)

    @contextmanager
    def _timed(self, system: str) -> Iterator[Callable[[int], None]]:
        """Times a system. The value given reports how many records it has done."""
        before = self._done

        def tick(done: int) -> None:
            self._done = before + done
            progress.report(self.stage, self._done, self._total, "examples", system=system)

        started = time.monotonic()
        tick(0)
        yield tick
        self.evaluated.seconds[system] = round(time.monotonic() - started, 3)
        self.evaluated.answer_seconds.setdefault(system, self.evaluated.seconds[system])


def ready_evaluator(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    stage: str,
    base: BaseModelSettings | None = None,
) -> tuple[Evaluator, ResolvedModel]:
    """A base model ready to evaluate, and where its weights are.

    Args:
        base: default that of the training.
    """
    lake.verify_table(splits)
    table = lake.read_table(splits)
    base = base or use_case.settings.trained_base
    resolved = base_model.resolve_here(base, environment)
    model, tokenizer = base_model.load(resolved, base.dtype, base.quantization)
    renderer = Renderer(tokenizer, use_case.settings.task, labels_of(table))
    return Evaluator(use_case, table, model, tokenizer, renderer, stage), resolved
