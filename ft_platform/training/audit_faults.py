"""The faults that the audit looks for in rendered splits: what each means, whether it stops training, and what
helps."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ft_platform.use_case.settings.audit import Audit

IDS_KEPT = 20
"""Record ids that are named for each fault."""


@dataclass(frozen=True)
class Kind:
    """A fault.

    Attributes:
        meaning: what was found, for people.
        remedy: what helps.
        limit: share of records in [0, 1] up to which it is a warning; None: the first record stops training.
    """

    meaning: str
    remedy: str
    limit: Callable[[Audit], float] | None = None


def _left_out(audit: Audit) -> float:
    return audit.max_left_out_share


KINDS: dict[str, Kind] = {
    "low_supervised_share": Kind(
        "the tokens that count in the loss are a smaller share of all than audit.min_supervised_share",
        "Shorten task.instruction or training.max_length, or check that answers are mapped (record.answer,"
        " record.label)",
    ),
    "answer_missing": Kind(
        "no answer, or no question before it", "Check record.answer, record.label or record.messages", _left_out
    ),
    "answer_truncated": Kind(
        "the answer does not fit, or is cut",
        "Raise training.max_length, shorten task.instruction ({labels} writes every label into each prompt), or remove"
        " these records",
        _left_out,
    ),
    "instruction_too_long": Kind(
        "the instruction alone fills training.max_length",
        "Raise training.max_length, or shorten task.instruction: a label head needs no {labels} in it",
        _left_out,
    ),
    "answer_masked": Kind(
        "an answer of which no token counts in the loss", "Report it: the renderer masks what should be learned"
    ),
    "end_of_turn_missing": Kind(
        "an answer whose end of turn is not learned; the model would not stop",
        "Give the tokenizer of base_model.uri an eos_token and a chat template that ends turns",
    ),
    "answer_outside_labels": Kind(
        "the label is not among those of the train split",
        "Correct the label, map it with record.label_names, or add such records to train",
    ),
    "prompt_shortened": Kind(
        "the user's text is shortened",
        "Raise training.max_length, or allow it with audit.max_shortened_share",
        lambda audit: audit.max_shortened_share,
    ),
    "longer_than_context": Kind(
        "longer than the context of the base model",
        "Lower training.max_length or evaluation.max_prompt_tokens, or choose another base_model",
    ),
    "control_token_in_text": Kind(
        "words of a record act as a control token of the model",
        "Report it: control tokens in texts must stay text; the tokenizer of base_model.uri is in doubt",
    ),
    "duplicate_conversation": Kind(
        "token for token the same as another record",
        "Set cleaning.exact_duplicates to drop, raise training.max_length if texts are shortened to the same, or allow"
        " it with audit.max_duplicate_share",
        lambda audit: audit.max_duplicate_share,
    ),
    "renderer_differs": Kind(
        "training, evaluation and serving would write prompts in different ways",
        "Choose another base_model.uri, or correct the chat template of its tokenizer",
    ),
    "text_not_kept": Kind(
        "a text that the tokenizer does not give back as it was (unknown characters)",
        "Choose a base model whose tokenizer knows these characters, or allow it with audit.max_changed_share",
        lambda audit: audit.max_changed_share,
    ),
    "rejected_answer_missing": Kind(
        "no answer that is liked less than the other, or the same one",
        "Check record.rejected, or set training.objective to sft",
        _left_out,
    ),
    "tools_not_supported": Kind(
        "the chat template of the base model cannot write its calls of tools",
        "Choose a base_model with tools",
        _left_out,
    ),
    "tool_call_broken": Kind(
        "tools or calls of tools are no JSON any more, perhaps since a number or name in them was replaced; or a call"
        " has no result",
        "Change privacy.operators for that entity, or leave such records out of the source",
        _left_out,
    ),
}
REASONS = {
    "no_answer": "answer_missing",
    "no_question": "answer_missing",
    "answer_too_long": "answer_truncated",
    "no_rejected_answer": "rejected_answer_missing",
    "equal_answers": "rejected_answer_missing",
}
"""Why a record is not rendered (`models.rendering.turns.NotRendered.reason`) -> fault; other reasons are faults of
their own name."""


@dataclass
class Found:
    """What the audit found.

    Attributes:
        rows: records that were looked at.
        tokens, supervised: of train and validation.
        counts: fault -> records with it.
        ids: fault -> the smallest of their ids, so that the order of the rows does not matter.
        special_tokens_neutralized: records whose words spell out a control token, which stays text: no fault.
    """

    audit: Audit
    rows: int = 0
    tokens: int = 0
    supervised: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    ids: dict[str, list[str]] = field(default_factory=dict)
    special_tokens_neutralized: int = 0

    def add(self, kind: str, record_id: str) -> None:
        self.counts[kind] += 1
        ids = self.ids.setdefault(kind, [])
        insort(ids, record_id)
        del ids[IDS_KEPT:]

    @property
    def supervised_share(self) -> float:
        return self.supervised / self.tokens if self.tokens else 0.0

    def judge_share(self, *, scored: bool = False) -> None:
        """Call once all rows are added.

        Args:
            scored: labels are scored and not written: one target a record is all there can be.
        """
        if scored and self.supervised:
            return
        if self.supervised_share < self.audit.min_supervised_share or not self.supervised:
            self.counts["low_supervised_share"] = 1

    def blocking(self) -> list[str]:
        """Faults that stop training."""
        return [kind for kind, count in self.counts.items() if count and not self._allowed(kind, count)]

    def warnings(self) -> list[str]:
        """Faults that are few enough."""
        return [kind for kind, count in self.counts.items() if count and self._allowed(kind, count)]

    def _allowed(self, kind: str, count: int) -> bool:
        limit = KINDS[kind].limit
        return limit is not None and count <= limit(self.audit) * max(self.rows, 1)

    def sentence(self, kind: str) -> str:
        """Records, ids and remedy of a fault, for people."""
        found, count, ids = KINDS[kind], self.counts[kind], self.ids.get(kind, [])
        which = f" ({', '.join(ids[:5])}{', ...' if count > 5 else ''})" if ids else ""
        return f"{kind}: {count} record{'' if count == 1 else 's'}{which}: {found.meaning}. {found.remedy}."

    def numbers(self) -> dict[str, Any]:
        """For the verdict, the report and `ft audit --json`: counts and ids, never a text."""
        return {
            "rows": self.rows,
            "supervised_share": round(self.supervised_share, 6),
            "faults": self.counts,
            "passed": not self.blocking(),
            "problems": [self.sentence(kind) for kind in self.blocking()],
            "warnings": [self.sentence(kind) for kind in self.warnings()],
            "record_ids": self.ids,
            "special_tokens_neutralized": self.special_tokens_neutralized,
        }
