"""What a model says to the golden prompts of experts, and whether it says what it must.

Phrases are compared as in `metrics.style`; a label is compared as a whole. Covered: one answer to one wording of a
question, the likeliest one. Not covered: the same said in words that no phrase names, and the same question in other
words.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.errors import ConfigError
from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.evaluation.files import GOLDEN
from ft_platform.evaluation.metrics.style import folded, used
from ft_platform.evaluation.systems.generation import generate
from ft_platform.lake.artifacts import Artifacts
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.golden import GoldenPrompt


@dataclass(frozen=True)
class GoldenAnswer:
    """A golden prompt with what a model answers."""

    asked: GoldenPrompt
    answer: str
    _: KW_ONLY
    is_label: bool

    @property
    def faults(self) -> dict[str, list]:
        """`unsaid`: lists of phrases, of each of which one was to be said. `said`: phrases that were not."""
        wanted = self.asked.wanted
        if self.is_label and wanted:  # an answer is one label
            wanted = [[one for any_of in wanted for one in any_of]]
        return {
            "unsaid": [any_of for any_of in wanted if not self._found(any_of)],
            "said": self._found(self.asked.must_never_say),
        }

    @property
    def kept(self) -> bool:
        return bool(self.answer.strip()) and not any(self.faults.values())

    def _found(self, phrases: list[str]) -> list[str]:
        if self.is_label:
            return [one for one in phrases if folded(one) == folded(self.answer)]
        return used(phrases, self.answer)


def asked_golden(evaluator: Evaluator, golden: Sequence[GoldenPrompt]) -> list[GoldenAnswer]:
    """The evaluator's model asked these golden prompts.

    Raises:
        ConfigError: a prompt does not fit into `evaluation.max_prompt_tokens`.
    """
    settings, renderer = evaluator.settings, evaluator.renderer
    prompts = [renderer.prompt_ids([{"role": "user", "content": one.prompt}]) for one in golden]
    long = [
        f"golden prompt {one.name} has {len(prompt):,} tokens with the instruction, expected at most"
        f" evaluation.max_prompt_tokens ({settings.max_prompt_tokens:,})"
        for one, prompt in zip(golden, prompts, strict=True)
        if len(prompt) > renderer.ids_for(settings.max_prompt_tokens)
    ]
    if long:
        raise ConfigError(long, "Shorten it, or raise evaluation.max_prompt_tokens")
    if not prompts:
        return []
    if evaluator.classification:
        answers, _ = evaluator.predicted_labels(prompts, lambda done: None)
    else:
        end = renderer.end_of_turn
        answers = generate(evaluator.model, evaluator.tokenizer, prompts, end, settings.max_new_tokens)
    return [GoldenAnswer(*one, is_label=evaluator.classification) for one in zip(golden, answers, strict=True)]


def golden_figures(answers: Sequence[GoldenAnswer]) -> dict[str, Any]:
    """Name -> `{"prompt", "kept", "unsaid", "said"}`, for `metrics.json`: no words of an answer but phrases that the
    file names."""
    return {one.asked.name: {"prompt": one.asked.prompt, "kept": one.kept, **one.faults} for one in answers}


def golden_table(answers: Sequence[GoldenAnswer]) -> pa.Table:
    """The prompts as the file has them, and the answers, for the lake alone."""
    rows = [{"asked": one.asked.model_dump_json(), "answer": one.answer, "is_label": one.is_label} for one in answers]
    return pa.Table.from_pylist(rows)


def read_golden(lake: Artifacts, evaluation: ArtifactVersion) -> list[GoldenAnswer]:
    """What the model of an evaluation said; empty where it was asked no golden prompt."""
    if GOLDEN not in lake.manifest(evaluation).files:
        return []
    rows = pq.read_table(lake.open_file(evaluation, GOLDEN)).to_pylist()
    return [
        GoldenAnswer(GoldenPrompt.model_validate_json(row["asked"]), row["answer"], is_label=row["is_label"])
        for row in rows
    ]


def kept_elsewhere(evaluated: Sequence[GoldenAnswer], answer: Callable[[str], str]) -> dict[str, Any]:
    """The golden prompts of an evaluation asked again, of an endpoint.

    Args:
        answer: question -> what the endpoint answers.

    Returns:
        `{"asked", "kept", "broken": names of those that the evaluation kept and the endpoint does not}`.
    """
    again = [replace(one, answer=answer(one.asked.prompt)) for one in evaluated]
    broken = [now.asked.name for then, now in zip(evaluated, again, strict=True) if then.kept and not now.kept]
    return {"asked": len(again), "kept": sum(one.kept for one in again), "broken": broken}
