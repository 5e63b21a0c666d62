"""Each fault between evaluation and serving is named, from what it does to prompts and answers."""

import pytest

from ft_platform.serving.causes import Asked, Golden, Pair, causes

RECORDS = 20


def golden(number: int, decision: str = "It is blocked.", probability: float | None = None) -> Golden:
    return Golden(f"r{number}", [], tuple(range(10 + number)), decision, probability, untrained="I do not know.")


def pairs(**changes: object) -> list[Pair]:
    """Answers as they were evaluated, each changed in the same way."""
    found = []
    for number in range(RECORDS):
        one = golden(number)
        said = {"answer": one.decision, "probability": None, "prompt": None, "prompt_tokens": len(one.prompt)}
        said |= {"finish_reason": "stop", "seconds": 0.1}
        found.append((one, Asked(**{**said, **{k: v(one) if callable(v) else v for k, v in changes.items()}})))
    return found


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt_tokens": lambda one: len(one.prompt) + 31}, "chat template: 20 of 20"),
        ({"prompt_tokens": lambda one: min(len(one.prompt), 20)}, "truncation: prompts are cut at 20 tokens"),
        ({"answer": lambda one: one.decision + " user: and my"}, "end of turn (EOS)"),
        ({"answer": "It is", "finish_reason": "length"}, "longest answer"),
        ({"answer": "I do not know."}, "adapter: it is not applied"),
        ({"answer": "Blue blue blue"}, "adapter: other weights, or another scaling"),
        ({"answer": lambda one: "It was." if one.record_id == "r3" else one.decision}, "precision (dtype)"),
    ],
)
def test_a_fault_is_named(changes: dict[str, object], named: str) -> None:
    found = causes(pairs(**changes))
    assert len(found) == 1 and found[0].startswith(named)


@pytest.mark.parametrize(("difference", "named"), [(0.01, "precision (dtype)"), (0.2, "adapter: other weights")])
def test_probabilities_tell_rounding_from_other_weights(difference: float, named: str) -> None:
    found = [
        (golden(number, "Card", 0.7), Asked("Card", 0.7 - difference, None, 10 + number, "stop", 0.1))
        for number in range(RECORDS)
    ]
    assert causes(found)[0].startswith(named)


def test_ids_of_prompts_are_compared_where_they_are_told() -> None:
    one = golden(0)
    same = Asked("", None, one.prompt, 99, "stop", 0.1)
    other = Asked("", None, (7, *one.prompt[1:]), len(one.prompt), "stop", 0.1)
    assert same.has_prompt_of(one) and not other.has_prompt_of(one)
