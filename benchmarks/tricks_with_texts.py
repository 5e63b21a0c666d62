"""Tricks of `benchmarks/recipe_tricks.py` that need texts which no record has: descriptions of labels, and general
instructions (`benchmarks/recipe_tasks`)."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.tricks import OnStep, as_it_is
from ft_platform.evaluation.systems.generation import continuations
from ft_platform.models.label_head import head_of
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training import head_start
from ft_platform.training.batches import Row
from ft_platform.training.prepared import Prepared
from ft_platform.use_case.schema import Task

TEXTS = Path(__file__).with_name("recipe_tasks")
DESCRIBED = json.loads((TEXTS / "label_descriptions.json").read_text(encoding="utf-8"))
DESCRIPTIONS = {task: group["labels"] for group in DESCRIBED for task in group["tasks"]}
"""Task -> label -> a sentence, written from the labels and the train side."""
INSTRUCTIONS: list[str] = json.loads((TEXTS / "general_instructions.json").read_text(encoding="utf-8"))
ANSWER_TOKENS = 64
SHARE = 10


def at_descriptions(typical: bool) -> Callable[[Prepared, OnStep], Any]:
    """The head starts at the tokens of a sentence about each label in place of its name; `typical`: and, as in the
    recipe, at those typical of texts."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        words, renderer, head = prepared.model.get_input_embeddings().weight, prepared.renderer, head_of(prepared.model)
        assert head is not None
        sentences = {label: text for group in DESCRIBED for label, text in group["labels"].items()}
        described = [renderer.text.content(sentences[label]) for label in renderer.labels]
        texts, answers = [row.ids for row in prepared.rows], [row.targets[0] for row in prepared.rows]
        start = (
            head_start.at_typical_tokens(words, described, texts, answers)
            if typical
            else head_start.at_label_tokens(words, described)
        )
        with torch.no_grad():
            head.weight.copy_(start * prepared.training.label_head_scale)
        return as_it_is(prepared, on_step)

    return changed


def replayed(prepared: Prepared, on_step: OnStep) -> Any:
    """A tenth of the rows are general instructions, without the task's own, with the answers that the base model writes
    to them (self-distillation against forgetting, arXiv:2402.13669)."""
    renderer = Renderer(prepared.renderer.text.tokenizer, Task(kind="generation"))
    asked = INSTRUCTIONS[: round(len(prepared.rows) / (SHARE - 1))]
    prompts = [renderer.prompt_ids([{"role": "user", "content": one}]) for one in asked]
    prepared.model.eval()  # its adapters do nothing yet
    answers = continuations(prepared.model, prompts, renderer.end_of_turn[-1], ANSWER_TOKENS)
    prefix, shared = prepared.objective.prefix, 0
    while shared < len(prefix) and all(prompt[shared] == prefix[shared] for prompt in prompts):
        shared += 1
    prepared.objective = copy.copy(prepared.objective)
    prepared.objective.prefix, prepared.objective.shared_tokens = prefix[:shared], shared
    rest = prefix[shared:]

    def longer(row: Row) -> Row:
        """A row behind the shorter prefix."""
        return replace(row, ids=[*rest, *row.ids], places=[len(rest) + place for place in row.places])

    general = []
    for prompt, answer in zip(prompts, answers, strict=True):
        ends = renderer.end_of_turn if len(answer) < ANSWER_TOKENS else []  # else it was cut
        start = len(prompt) - shared
        targets = [*answer, *ends]
        places = [start + place - 1 for place in range(len(targets))]
        general.append(Row([*prompt[shared:], *targets], targets, places))
    prepared.rows = [*map(longer, prepared.rows), *general]
    prepared.validation = [*map(longer, prepared.validation)]
    return as_it_is(prepared, on_step)
