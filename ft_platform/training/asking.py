"""How good written answers are while the model learns: some validation records are answered as at evaluation."""

from collections.abc import Sequence
from typing import Any

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.evaluation.systems.generation import continuations
from ft_platform.models.rendering.renderer import Rendered, Renderer
from ft_platform.training import processes
from ft_platform.training.batches import Forward
from ft_platform.training.objectives import AnswerLoss

ASKED = 24
"""Validation records that are answered each time."""
LONGER = 1.25
"""An answer may have so many times the tokens of the longest reference, so that a model that does not end costs no
more."""


class AskedAnswers(AnswerLoss):
    """Supervised fine-tuning that also answers validation records: the first `ASKED` by their id, which is a hash.

    Args:
        forward, prefix: as of `AnswerLoss`.
        rows: rendered validation records.
        new_tokens: most tokens of an answer.
    """

    def __init__(
        self, forward: Forward, prefix: list[int], renderer: Renderer, rows: Sequence[Rendered], new_tokens: int
    ) -> None:
        super().__init__(forward, prefix)
        asked = rows[:ASKED]
        answers = [row.input_ids[row.prompt_length :] for row in asked]
        self.renderer, self.schema = renderer, renderer.task.schema_of_answers
        self.prompts = [row.input_ids[: row.prompt_length] for row in asked]
        self.references = [renderer.text.written(ids) for ids in answers]
        self.new_tokens = min(new_tokens, round(LONGER * max(map(len, answers))))
        self.metric = "validation_chrf" if self.schema is None else "validation_field_f1"

    def ask(self, model: Any) -> dict[str, float]:
        """The metric, and of JSON objects precision and recall of their fields. The same in all processes."""
        end = self.renderer.end_of_turn[-1]
        written = continuations(model, self.prompts, end, self.new_tokens)
        outputs = TextOutputs(self.references, list(map(self.renderer.text.written, written)), schema=self.schema)
        names = ("chrf",) if self.schema is None else ("field_precision", "field_recall", "field_f1")
        found = {f"validation_{name}": metric(name).value(outputs) / metric(name).high for name in names}
        return processes.gathered(found)[0]
