"""Tricks for small data that the platform does not have, for `benchmarks/recipe_tricks.py`: each changes what was
prepared, or trains it in another way."""

import copy
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from ft_platform.evaluation.systems.label_scoring import label_scores
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.models.label_head import head_of
from ft_platform.training import head_start
from ft_platform.training.batches import Row, training_order
from ft_platform.training.loop import micro_batches, train, trainable
from ft_platform.training.objectives import AnswerLoss, LabelLoss
from ft_platform.training.prepare import fit
from ft_platform.training.prepared import Prepared

OnStep = Callable[[int, dict[str, float]], None]
LAST_LAYERS, LAST_LAYERS_RATE = 4, 5e-5
NOISE = 5.0
EXAMPLES = 8
ALIKE, RIDGE = 0.5, 0.1
FOLDS, STRENGTHS, SCALES = 5, (0.01, 0.1, 1.0, 10.0), (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def as_it_is(prepared: Prepared, on_step: OnStep) -> Any:
    return fit(prepared, prepared.training, on_step=on_step)


def balanced_loss(prepared: Prepared, on_step: OnStep) -> Any:
    """Every label counts alike."""
    prepared.rows = _balanced(prepared.rows)
    return as_it_is(prepared, on_step)


def _balanced(rows: Sequence[Row]) -> list[Row]:
    counts = Counter(row.targets[0] for row in rows)
    return [replace(row, weight=len(rows) / len(counts) / counts[row.targets[0]]) for row in rows]


def balanced_draws(prepared: Prepared, on_step: OnStep) -> Any:
    """Every record is drawn as if all labels were equally frequent."""
    of_label: dict[int, list[int]] = {}
    for number, row in enumerate(prepared.rows):
        of_label.setdefault(row.targets[0], []).append(number)
    training, draw = prepared.training, random.Random(prepared.training.seed)
    labels = sorted(of_label)

    def order() -> Iterator[list[int]]:
        while True:
            yield [draw.choice(of_label[draw.choice(labels)]) for _ in range(training.batch_rows)]

    return fit(prepared, training, on_step=on_step, order=order())


def alike_apart(prepared: Prepared, on_step: OnStep) -> Any:
    """Records whose texts are alike stand in different batches."""
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts_of(prepared))
    alike = (vectors @ vectors.T >= ALIKE).tolil().rows
    training = prepared.training

    def order() -> Iterator[list[int]]:
        for epoch in itertools.count():
            left = list(range(len(prepared.rows)))
            random.Random(f"{training.seed}-{epoch}").shuffle(left)
            while left:
                batch: list[int] = []
                for number in left:
                    if len(batch) < training.batch_rows and not set(batch) & set(alike[number]):
                        batch.append(number)
                left = [number for number in left if number not in set(batch)]
                yield batch

    return fit(prepared, training, on_step=on_step, order=order())


def texts_of(prepared: Prepared) -> list[str]:
    """Prompts of the train side, after the start that they share."""
    return [prepared.renderer.text.decoded(row.ids) for row in prepared.rows]


def at_typical_tokens(most: int, share: float = 0.5) -> Callable[[Prepared, OnStep], Any]:
    """So many typical tokens of each label's texts, and such a share of them beside the label's own."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        words, renderer, head = prepared.model.get_input_embeddings().weight, prepared.renderer, head_of(prepared.model)
        assert head is not None
        labels = [renderer.text.content(label) for label in renderer.labels]
        texts, answers = [row.ids for row in prepared.rows], [row.targets[0] for row in prepared.rows]
        shipped, head_start.TYPICAL = head_start.TYPICAL, most
        of_both = head_start.at_typical_tokens(words, labels, texts, answers)
        head_start.TYPICAL = shipped
        own = head_start.at_label_tokens(words, labels)
        with torch.no_grad():
            head.weight.copy_(share * (2 * of_both - own) + (1 - share) * own)
            head.weight.mul_(prepared.training.label_head_scale)
        return as_it_is(prepared, on_step)

    return changed


def head_times(factor: float, rate: float = 1.0) -> Callable[[Prepared, OnStep], Any]:
    """The head starts larger or smaller, and learns so many times as fast (its output is multiplied, so that a step of
    Adam moves it further)."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        head = head_of(prepared.model)
        assert head is not None
        with torch.no_grad():
            head.weight.mul_(factor / rate)
        head.register_forward_hook(lambda module, inputs, found: found.mul(rate))
        return as_it_is(prepared, on_step)

    return changed


def at_prompt_scores(prepared: Prepared, on_step: OnStep) -> Any:
    """The head starts at a ridge regression of the scores that the base model gives to the written labels, on its
    states."""
    model, head, renderer = prepared.model, head_of(prepared.model), prepared.renderer
    assert head is not None
    model.set_output_embeddings(_words(model))
    prompts = [[*prepared.objective.prefix, *row.ids] for row in prepared.rows]
    with torch.no_grad():
        scores = label_scores(model, prompts, [renderer.answer_ids(label) for label in renderer.labels]).double()
        model.set_output_embeddings(head)
        states = states_of(prepared).double()
        scores -= scores.mean(1, keepdim=True)
        middle, variance = states.mean(0), states.var(0).mean() * torch.eye(states.shape[1]).double()
        moments = (states - middle).T @ (states - middle) + RIDGE * len(states) * variance
        head.weight.copy_(torch.linalg.solve(moments, (states - middle).T @ (scores - scores.mean(0))).T)
    return as_it_is(prepared, on_step)


def _words(model: Any) -> torch.nn.Linear:
    """The output layer before there was a head."""
    words = torch.nn.Linear(1, 1, bias=False)
    words.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach(), requires_grad=False)
    return words


def states_of(prepared: Prepared) -> torch.Tensor:
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


def at_a_probe(prepared: Prepared, on_step: OnStep) -> Any:
    """The head starts at a ridge regression of the labels on the base model's states, all labels counting alike
    (linear probing, then fine-tuning: arXiv:2202.10054). Its penalty is the one with the lowest loss in
    cross-validation within the train side."""
    head, rows = head_of(prepared.model), _balanced(prepared.rows)
    assert head is not None
    states, truth = states_of(prepared).double(), torch.tensor([row.targets[0] for row in rows])
    weights = torch.tensor([row.weight for row in rows]).double()
    known = torch.nn.functional.one_hot(truth, head.out_features).double()
    variance = states.var(0).mean() * torch.eye(states.shape[1]).double()

    def ridge(chosen: torch.Tensor, strength: float) -> torch.Tensor:
        of, weighted = states[chosen], states[chosen] * weights[chosen, None]
        moments, products = of.T @ weighted, weighted.T @ known[chosen]
        return torch.linalg.solve(moments + strength * len(of) * variance, products).T

    losses = dict.fromkeys(itertools.product(STRENGTHS, SCALES), 0.0)
    for fold in range(FOLDS):
        out = torch.arange(len(rows)) % FOLDS == fold
        for strength, scale in losses:
            scores = scale * states[out] @ ridge(~out, strength).T
            losses[strength, scale] += float(torch.nn.functional.cross_entropy(scores, truth[out], reduction="sum"))
    strength, scale = min(losses, key=losses.__getitem__)
    with torch.no_grad():
        head.weight.copy_(scale * ridge(torch.ones(len(rows), dtype=torch.bool), strength))
    return as_it_is(prepared, on_step)


def mixed_with_start(prepared: Prepared, on_step: OnStep) -> Any:
    """Half of what was learned (WiSE-FT, arXiv:2109.01903)."""
    start = {name: weight.detach().clone() for name, weight in trainable(prepared.model).items()}
    run = as_it_is(prepared, on_step)
    put(prepared, {name: (value + start[name]) / 2 for name, value in run.best.items()})
    return run


class _Pooled(LabelLoss):
    """The head reads the mean over a prompt's tokens in place of its last one."""

    def scores(self, model: Any, rows: Any) -> torch.Tensor:
        keep = [(number, place) for number, row in enumerate(rows) for place in range(len(row.ids))]
        of_tokens = self.forward(model, [Segment(row.ids) for row in rows], self.prefix, keep).float()
        return torch.stack([part.mean(0) for part in of_tokens.split([len(row.ids) for row in rows])])

    def loss(self, model: Any, rows: Any) -> torch.Tensor:
        return self._losses(self.scores(model, rows), rows)


def pooled(prepared: Prepared, on_step: OnStep) -> Any:
    old = prepared.objective
    prepared.objective = _Pooled(old.forward, old.prefix, old.smoothing)
    return as_it_is(prepared, on_step)


def both_ways(prepared: Prepared, on_step: OnStep) -> Any:
    """Every token of a prompt sees those after it too."""
    old = prepared.objective
    prepared.model.config._attn_implementation = "sdpa"
    prepared.objective = type(old)(_both_ways, old.prefix, old.smoothing)
    return as_it_is(prepared, on_step)


def both_ways_pooled(prepared: Prepared, on_step: OnStep) -> Any:
    old = prepared.objective
    prepared.model.config._attn_implementation = "sdpa"
    prepared.objective = _Pooled(_both_ways, old.prefix, old.smoothing)
    return as_it_is(prepared, on_step)


def _both_ways(model: Any, segments: Any, prefix: Any, keep: Any) -> torch.Tensor:
    """As `padded_forward`, without the causal mask."""
    rows = [[*prefix, *segment.ids] for segment in segments]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    hidden = torch.tensor([[0.0] * len(row) + [float("-inf")] * (longest - len(row)) for row in rows])
    mask = hidden[:, None, None, :].expand(-1, 1, longest, -1).to(model.dtype)
    first = min(len(prefix) + token for _, token in keep)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=longest - first).logits
    return logits[[row for row, _ in keep], [len(prefix) + token - first for _, token in keep]]


def noisy_embeddings(prepared: Prepared, on_step: OnStep) -> Any:
    """NEFTune (arXiv:2310.05914)."""
    length = sum(len(row.ids) for row in prepared.rows) / len(prepared.rows)

    def add_noise(module: torch.nn.Module, _: Any, found: torch.Tensor) -> torch.Tensor:
        most = NOISE / (length * found.shape[-1]) ** 0.5
        return found + torch.empty_like(found).uniform_(-most, most) if module.training else found

    prepared.model.get_input_embeddings().register_forward_hook(add_noise)
    return as_it_is(prepared, on_step)


def last_layers(prepared: Prepared, on_step: OnStep) -> Any:
    """All weights of the last layers, and no adapter."""
    model = prepared.model
    for weight in model.parameters():
        weight.requires_grad_(weight is head_of(model).weight)  # type: ignore[union-attr]
    for layer in model.get_base_model().model.layers[-LAST_LAYERS:]:
        for name, weight in layer.named_parameters():
            weight.requires_grad_("lora_" not in name)
    return as_it_is(_with(prepared, learning_rate=LAST_LAYERS_RATE), on_step)


def fewer_layers(share: float) -> Callable[[Prepared, OnStep], Any]:
    """The head reads a layer before the last one, and those after it are left out."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        inner = prepared.model.get_base_model().model
        inner.layers = inner.layers[: round(share * len(inner.layers))]
        return as_it_is(prepared, on_step)

    return changed


def texts_first(prepared: Prepared, on_step: OnStep) -> Any:
    """The adapter first learns to write the texts of the train side, one epoch."""
    model, head, old = prepared.model, head_of(prepared.model), prepared.objective
    model.set_output_embeddings(_words(model))
    rows, validation = (
        [Row(row.ids, row.ids[1:], [*range(len(row.ids) - 1)]) for row in side]
        for side in (prepared.rows, prepared.validation)
    )
    alone = {"epochs": 1.0, "keep": "lowest_loss"}
    train(model, AnswerLoss(old.forward, old.prefix), rows, validation, prepared.training.model_copy(update=alone))
    model.set_output_embeddings(head)
    return as_it_is(prepared, on_step)


def examples_in_prompts(prepared: Prepared, on_step: OnStep) -> Any:
    """Every prompt starts with answered records of the train side, one of each label."""
    old, renderer, side = prepared.objective, prepared.renderer, prepared.sides["train"]
    shown = list({answer: row for row, answer in zip(side.rows, side.answers, strict=True)}.items())[:EXAMPLES]
    turns = []
    for label, row in shown:
        text = renderer.text.decoded(row.input_ids[len(old.prefix) : row.prompt_length - len(renderer._answer_start)])
        turns.append((text, label))
    prompts = [renderer.few_shot_prompt_ids(turns, [{"role": "user", "content": word}]) for word in ("one", "two")]
    shared = next(place for place, (a, b) in enumerate(zip(*prompts, strict=False)) if a != b)
    prepared.objective = LabelLoss(old.forward, prompts[0][:shared], old.smoothing)
    return as_it_is(prepared, on_step)


def three_orders(prepared: Prepared, on_step: OnStep) -> Any:
    """The mean of the weights of three trainings from the same start in other orders (model soup, arXiv:2203.05482)."""
    training = prepared.training
    start = {name: weight.detach().clone() for name, weight in trainable(prepared.model).items()}
    found = []
    for seed in range(3):
        put(prepared, start)
        order: Iterator[list[int]] = training_order(len(prepared.rows), training.batch_rows, training.seed + seed)
        told = on_step if seed == 2 else lambda step, values: None
        run = fit(prepared, training, on_step=told, order=order)
        found.append(copy.copy(run.best) if run.best_step else start)
    put(prepared, {name: sum(one[name] for one in found) / 3 for name in start})
    return run


def ends(bias: float) -> Callable[[Prepared, OnStep], Any]:
    """What is added to the score of the end of an answer while answers are written: below 0 they become longer."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        end = prepared.renderer.end_of_turn[-1]

        def add(module: torch.nn.Module, _: Any, found: torch.Tensor) -> torch.Tensor:
            if not torch.is_inference_mode_enabled():
                return found
            found = found.clone()
            found[..., end] += bias
            return found

        prepared.model.get_output_embeddings().register_forward_hook(add)
        return as_it_is(prepared, on_step)

    return changed


def put(prepared: Prepared, weights: Any) -> None:
    with torch.no_grad():
        for name, weight in trainable(prepared.model).items():
            weight.copy_(weights[name])


def _with(prepared: Prepared, **settings: Any) -> Prepared:
    training = prepared.training.model_copy(update=settings)
    return replace(prepared, recipe=replace(prepared.recipe, training=training))
