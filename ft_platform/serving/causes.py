"""Why an endpoint answers otherwise than the evaluation did: what usually goes wrong between the two, told apart by
what each fault does to prompts and answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MOST = 0.8
"""Share of the records from which on a difference is said to be one of the whole endpoint."""
ROUNDING = 0.02
"""Median difference of probabilities that another precision makes at most (bfloat16 beside float32)."""
FEW = 0.1
"""Share of other answers that another precision makes at most."""


@dataclass(frozen=True)
class Golden:
    """One record of the golden set, as it was evaluated.

    Attributes:
        messages: the question.
        prompt: token ids of the rendered prompt.
        decision: label, or the answer that was written.
        probability: of the label; None for answers.
        untrained: decision of the base model without the adapter, where it was evaluated too.
    """

    record_id: str
    messages: list[dict[str, str]]
    prompt: tuple[int, ...]
    decision: str
    probability: float | None
    untrained: str | None = None


@dataclass(frozen=True)
class Asked:
    """What an endpoint answered.

    Attributes:
        prompt: token ids that it read; None: it does not tell.
        finish_reason: in OpenAI's words.
    """

    answer: str
    probability: float | None
    prompt: tuple[int, ...] | None
    prompt_tokens: int
    finish_reason: str
    seconds: float

    def has_prompt_of(self, golden: Golden) -> bool:
        """Whether it read the prompt that was evaluated, as far as it tells."""
        if self.prompt is not None:
            return self.prompt == golden.prompt
        return self.prompt_tokens == len(golden.prompt)


Pair = tuple[Golden, Asked]


def causes(pairs: Sequence[Pair]) -> list[str]:
    """The likely causes in sentences, the first one first to be looked at. Prompts come before answers: other prompts
    have other answers."""
    others = [(one, said) for one, said in pairs if not said.has_prompt_of(one)]
    if others:
        return [_of_prompts(pairs, others)]
    differ = [(one, said) for one, said in pairs if whole(said.answer) != whole(one.decision)]
    if found := _of_ends(differ):
        return [found]
    return [_of_weights(pairs, differ)]


def whole(answer: str) -> str:
    """Without what a server does not show: blanks at both ends, a letter that the longest answer cuts."""
    return answer.strip().rstrip("\ufffd").strip()


def _of_prompts(pairs: Sequence[Pair], others: Sequence[Pair]) -> str:
    longest = max(said.prompt_tokens for _, said in others)
    cut = [len(one.prompt) > said.prompt_tokens for one, said in others]
    kept = max((len(one.prompt) for one, said in pairs if said.has_prompt_of(one)), default=0)
    if all(cut) and kept <= longest and len({said.prompt_tokens for _, said in others}) == 1:
        return f"truncation: prompts are cut at {longest:,} tokens, which were longer in the evaluation"
    by = {said.prompt_tokens - len(one.prompt) for one, said in others}
    more = f", each {next(iter(by)):+,} tokens" if len(by) == 1 else ""
    return f"chat template: {len(others):,} of {len(pairs):,} prompts are rendered otherwise{more}; hand over ours"


def _of_ends(differ: Sequence[Pair]) -> str | None:
    """What ends answers elsewhere."""
    goes_on = [1 for one, said in differ if whole(said.answer).startswith(whole(one.decision)) and whole(one.decision)]
    ends = [1 for one, said in differ if said.finish_reason == "length" and one.decision.startswith(whole(said.answer))]
    if differ and len(goes_on) >= MOST * len(differ):
        return "end of turn (EOS): answers go on after the token that ended them in the evaluation"
    if differ and len(ends) >= MOST * len(differ):
        return "longest answer: answers are cut that were longer in the evaluation (max_tokens)"
    return None


def _of_weights(pairs: Sequence[Pair], differ: Sequence[Pair]) -> str:
    untrained = [1 for one, said in differ if one.untrained is not None and whole(said.answer) == whole(one.untrained)]
    if differ and len(untrained) >= MOST * len(differ):
        return "adapter: it is not applied; answers are those of the base model"
    apart = [
        abs(one.probability - said.probability)
        for one, said in pairs
        if one.probability is not None and said.probability is not None
    ]
    if len(differ) <= FEW * len(pairs) and (not apart or median(apart) <= ROUNDING):
        return "precision (dtype): few answers differ, as rounding does it; serve it in the precision of the evaluation"
    return "adapter: other weights, or another scaling of them (lora_alpha / r), than were evaluated"
