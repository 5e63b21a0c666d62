"""Places are given out once, and starts that are there are not computed again."""

import random

import pytest
import torch

from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.serving.engine.attention import Part
from ft_platform.serving.engine.batch import ServedModel
from ft_platform.serving.engine.cache import KeyValueCache, Spans
from ft_platform.serving.engine.requests import Adapter, Sharing
from ft_platform_tests.serving.engines import LORA, TEXT, Asked, adapted_model, greedy, running, save_adapter
from ft_platform_tests.tiny_models import tiny_model

START = TEXT.content("You are a bank. Be short, polite and right. ")


@pytest.mark.parametrize("seed", range(5))
def test_no_place_is_given_out_twice_and_none_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    spans, taken = Spans(100), []
    for _ in range(300):
        if taken and chance.random() < 0.5:
            spans.release(*taken.pop(chance.randrange(len(taken))))
        elif (start := spans.take(length := chance.randrange(1, 30))) is not None:
            taken.append((start, length))
        places = [place for start, length in taken for place in range(start, start + length)]
        assert len(places) == len(set(places))
        assert all(0 <= place < 100 for place in places)
    for start, length in taken:
        spans.release(start, length)
    assert spans.take(100) == 0


def test_a_start_that_is_there_gives_the_same_logits() -> None:
    model = ServedModel(tiny_model(), 200)
    ids = [*START, *TEXT.content("Where?")]
    logits = []
    with torch.inference_mode():
        for _ in range(2):
            taken = model.cache.take(60, None, ids, [])
            assert taken
            first, shared = taken
            logits.append(model.run([Part(Segment(ids[shared:]), first, shared, [len(ids) - shared - 1])]))
            model.cache.release(first, 60, None, ids)
    assert shared == len(ids) - 1
    torch.testing.assert_close(logits[0], logits[1], atol=1e-5, rtol=1e-5)


def test_starts_are_shared_within_a_model_only(tmp_path) -> None:
    prompts = [[*START, *TEXT.content(text)] for text in ("Where is my card?", "Hello", "Who")]
    folder = save_adapter(tmp_path / "plain", **LORA["plain"])
    with running(Adapter("plain", folder)) as engine:
        first = Asked(engine, "base", prompts[0], 5)
        assert first.finished.cached_tokens == 0
        for name, model in (("plain", adapted_model(folder)), ("base", tiny_model())):
            asked = Asked(engine, name, prompts[1], 10)
            assert asked.tokens == greedy(model, prompts[1], 10)
            assert asked.finished.cached_tokens == (0 if name == "plain" else len(START))


def test_what_one_caller_wrote_is_computed_again_for_another_one() -> None:
    """Else whoever may ask a model learns word by word what others asked it."""
    secret = [*START, *TEXT.content("My card is 4111.")]
    guess = [*secret, *TEXT.content(" Yes?")]

    def sharing(caller: str) -> Sharing:
        return Sharing(caller, tuple(START))

    with running() as engine:
        assert Asked(engine, "base", secret, 5, sharing("clerk")).finished.cached_tokens == 0
        other, own = (Asked(engine, "base", guess, 5, sharing(caller)) for caller in ("thief", "clerk"))
        assert other.finished.cached_tokens == len(START)
        assert own.finished.cached_tokens > len(secret) - 1
        assert other.tokens == own.tokens == greedy(tiny_model(), guess, 5)
        assert Asked(engine, "base", guess, 5, Sharing("another")).finished.cached_tokens == 0


def test_nobody_waits_for_what_another_caller_wrote() -> None:
    prompts = [[*START, *TEXT.content(f"{'My card is gone. ' * 4}{end}")] for end in ("Help", "Now")]
    with running() as engine:
        asked = [
            Asked(engine, "base", prompt, 5, Sharing(caller, tuple(START)))
            for prompt, caller in zip(prompts, ("one", "two"), strict=True)
        ]
        assert sorted(one.finished.cached_tokens for one in asked)[0] == 0
        assert max(one.finished.cached_tokens for one in asked) <= len(START)
        assert [one.tokens for one in asked] == [greedy(tiny_model(), prompt, 5) for prompt in prompts]


def test_requests_that_come_together_compute_their_start_once() -> None:
    prompts = [[*START, *TEXT.content(text)] for text in ("Where is my card?", "Hello", "Zoo", "XYZ")]
    with running() as engine:
        asked = [Asked(engine, "base", prompt, 10) for prompt in prompts]
        assert [one.tokens for one in asked] == [greedy(tiny_model(), prompt, 10) for prompt in prompts]
        assert sorted(one.finished.cached_tokens for one in asked) == [0, *[len(START)] * 3]


def test_kept_tokens_are_bounded_and_given_up_for_new_requests() -> None:
    with running(cache_tokens=150) as engine:
        for number in range(20):
            assert Asked(engine, "base", TEXT.content(f"{number} is a number"), 30).finished.reason in (
                "length",
                "stop",
            )
            state = engine.state()
            assert state.kept_tokens + state.cache_tokens <= 150
        assert state.kept_tokens > 50


def test_the_longest_unused_start_is_given_up_first() -> None:
    cache, owners = KeyValueCache(30), [object() for _ in range(3)]
    for owner in owners:
        taken = cache.take(10, owner, [1, 2, 3], [])
        assert taken
        cache.release(taken[0], 10, owner, range(10))
    # Full: the first is used now, so that the second makes room.
    assert cache.take(1, owners[0], [0, 1, 2, 9], []) == (10, 3)
    assert [kept.owner for kept in cache._kept] == [owners[2], owners[0]]
    assert (cache.kept_tokens, cache.reserved) == (20, 1)
