"""Why an endpoint answers otherwise than the evaluation did: what usually goes wrong between the two, told apart by
what each fault does to prompts and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

MOST = 0.8
"""Share of the records from which on a difference is said to be one of the whole endpoint."""
ROUNDING = 0.02
"""Difference of probabilities that rounding seldom passes: bfloat16 beside float32, or in another batch."""
TIE, TIE_NATS = 0.05, 0.25
"""Two labels so close in probability, or two next tokens so close in log-probability, are ordered by rounding."""
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
        expected: right label, or reference answer.
    """

    record_id: str
    messages: list[dict[str, str]]
    prompt: tuple[int, ...]
    decision: str
    probability: float | None
    untrained: str | None = None
    expected: str = field(default="", repr=False)


@dataclass(frozen=True)
class Asked:
    """What an endpoint answered.

    Attributes:
        prompt: token ids that it read; None: it does not tell.
        finish_reason: in OpenAI's words.
        probabilities: of every label, where the server tells them.
        tokens: of the answer, each with its log-probability and those of the likeliest in its place.
        guardrails: that did something.
        is_answered: the model did not abstain, and the answer was not withheld.
    """

    answer: str
    prompt: tuple[int, ...] | None
    prompt_tokens: int
    finish_reason: str
    seconds: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    tokens: tuple[tuple[str, float, Mapping[str, float]], ...] = ()
    guardrails: tuple[str, ...] = ()
    is_answered: bool = True

    def has_prompt_of(self, golden: Golden) -> bool:
        """Whether it read the prompt that was evaluated, as far as it tells."""
        if self.prompt is not None:
            return self.prompt == golden.prompt
        return self.prompt_tokens == len(golden.prompt)

    def is_tie_with(self, golden: Golden) -> bool:
        """Whether another decision than that of the evaluation is one of two that are equally likely: which of them
        wins is a matter of rounding."""
        if golden.probability is not None:
            then, now = golden.probability, self.probabilities.get(golden.decision)
            return now is not None and max(self.probabilities.values()) - now <= TIE and abs(then - now) <= TIE
        wanted, written = whole(golden.decision), ""
        for text, likeliest, others in self.tokens:
            if not wanted.startswith(whole(written + text)):
                close = [one for one, value in others.items() if likeliest - value <= TIE_NATS and one != text]
                return any(wanted.startswith(whole(written + one)) for one in close)
            written += text
        return False


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


def apart_by(golden: Golden, said: Asked) -> float | None:
    """How far the probability of the evaluated label is from that of the evaluation; None without probabilities."""
    now = said.probabilities.get(golden.decision)
    return None if golden.probability is None or now is None else abs(golden.probability - now)


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
    if len(differ) > FEW * len(pairs) and len(untrained) >= MOST * len(differ):
        return "adapter: it is not applied; answers are those of the base model"
    apart = [difference for one, said in pairs if (difference := apart_by(one, said)) is not None]
    if len(differ) <= FEW * len(pairs) and (not apart or median(apart) <= ROUNDING):
        return "precision (dtype): few answers differ, as rounding does it; serve it in the precision of the evaluation"
    return "adapter: other weights, or another scaling of them (lora_alpha / r), than were evaluated"
