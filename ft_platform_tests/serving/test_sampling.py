"""Drawing tokens: the right distribution, and the same tokens for the same seed."""

from collections import Counter

import pytest
import torch

from ft_platform.serving.engine.requests import Sampling
from ft_platform.serving.engine.sampling import NotFinite, Sampler, log_probability
from ft_platform_tests.serving.engines import TEXT, Asked, running

PROMPT = TEXT.content("Where is my card?")
LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def test_equal_seeds_draw_equal_tokens_alone_and_in_a_batch() -> None:
    with running() as engine:
        drawn = {"temperature": 1.0, "top_p": 0.9}
        alone = [Asked(engine, "base", PROMPT, 20, seed=seed, **drawn).tokens for seed in (1, 2)]
        beside = [Asked(engine, "base", PROMPT, 20, seed=seed, **drawn) for seed in (1, 2, 1, 2)]
        others = [Asked(engine, "base", PROMPT[n:], 15, temperature=2.0) for n in range(4)]
        assert [asked.tokens for asked in beside] == alone * 2
        assert alone[0] != alone[1]
        assert len({tuple(asked.tokens) for asked in others}) == 4


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    sampler = Sampler(Sampling(1, temperature=1.0, seed=0))
    counts = Counter(sampler.token(LOGITS) for _ in range(4000))
    assert [counts[token] / 4000 for token in range(4)] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_temperature_sharpens() -> None:
    sampler = Sampler(Sampling(1, temperature=0.5, seed=0))
    counts = Counter(sampler.token(LOGITS) for _ in range(4000))
    squares = [0.25, 0.09, 0.0225, 0.0025]  # p^(1/T), to be normalized
    expected = [square / sum(squares) for square in squares]
    assert [counts[token] / 4000 for token in range(4)] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.4, {0}), (0.5, {0}), (0.7, {0, 1}), (0.81, {0, 1, 2}), (1.0, {0, 1, 2, 3})]
)
def test_top_p_keeps_the_fewest_tokens_with_that_share(top_p: float, kept: set[int]) -> None:
    sampler = Sampler(Sampling(1, temperature=1.0, top_p=top_p, seed=0))
    assert {sampler.token(LOGITS) for _ in range(400)} == kept


def test_top_p_with_more_tokens_than_are_looked_at_first() -> None:
    flat = torch.zeros(5000)
    sampler = Sampler(Sampling(1, temperature=1.0, top_p=0.9, seed=0))
    assert len({sampler.token(flat) for _ in range(3000)}) > 1500


def test_only_allowed_tokens_are_chosen() -> None:
    allowed = torch.tensor([1, 3])
    assert Sampler(Sampling(1)).token(LOGITS, allowed) == 1
    sampler = Sampler(Sampling(1, temperature=1.0, seed=0))
    assert {sampler.token(LOGITS, allowed) for _ in range(200)} == {1, 3}


def test_numbers_that_are_not_finite_are_refused() -> None:
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(NotFinite):
            Sampler(Sampling(1)).token(torch.tensor([0.0, wrong]))


def test_log_probabilities_are_those_of_the_model() -> None:
    told = log_probability(LOGITS, 1, 2, TEXT)
    assert told.logprob == pytest.approx(torch.tensor(0.3).log().item())
    assert [value for _, value in told.top] == pytest.approx(torch.tensor([0.5, 0.3]).log().tolist())
    with running() as engine:
        asked = Asked(engine, "base", PROMPT, 3, logprobs=2)
        told = [one for event in asked.events[:-1] for one in event.logprobs]
        assert [one.token for one in told] == asked.tokens
        assert all(one.logprob == one.top[0][1] and len(one.top) == 2 for one in told)
        assert all(not event.logprobs for event in Asked(engine, "base", PROMPT, 3).events[:-1])
