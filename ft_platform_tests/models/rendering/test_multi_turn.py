"""Conversations of several turns: every answer is learned up to its end of turn, the rest is context, and the loop's
batches hold exactly that."""

from itertools import groupby

import pytest
import torch

from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import AnswerTooLong, Rendered, Renderer, shared_prefix, up_to_last_answer
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.objectives import summed_loss
from ft_platform.use_case.schema import Task
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

CHAT = Task(kind="generation", instruction="Answer briefly.")
TURNS = [
    {"role": "user", "content": "What is rent?"},
    {"role": "assistant", "content": "A payment."},
    {"role": "user", "content": "To whom?"},
    {"role": "assistant", "content": "The owner."},
    {"role": "user", "content": "How often?"},
    {"role": "assistant", "content": "Each month."},
]


def learned(tokenizer, example: Rendered) -> list[str]:
    """The runs of supervised tokens as text."""
    runs = groupby(zip(example.input_ids, example.supervised, strict=True), lambda pair: pair[1])
    return [tokenizer.decode([token for token, _ in run], skip_special_tokens=False) for counts, run in runs if counts]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_answer_and_its_end_of_turn_is_learned_in_each_chat_format(name):
    tokenizer = family_tokenizer(FAMILIES[name])
    renderer = Renderer(tokenizer, CHAT)
    end = tokenizer.decode(renderer.end_of_turn, skip_special_tokens=False)
    example = renderer.example(TURNS)
    assert learned(tokenizer, example) == [f"A payment.{end}", f"The owner.{end}", f"Each month.{end}"]
    assert renderer.prompt_ids(TURNS) == example.input_ids[: example.prompt_length], (
        "evaluation asks for the last answer, with the rest as its prompt"
    )
    last = renderer.example(TURNS, train_on="last_turn")
    assert last.input_ids == example.input_ids and learned(tokenizer, last) == [f"Each month.{end}"]


@pytest.mark.parametrize("name", ["smollm2", "qwen2.5", "llama3.1", "gemma2", "phi3", "deepseek", "zephyr"])
def test_a_conversation_is_written_as_the_models_own_template_writes_it(name):
    tokenizer = family_tokenizer(FAMILIES[name])
    renderer = Renderer(tokenizer, Task(kind="generation"))
    expected = tokenizer.apply_chat_template(TURNS, tokenize=True, date_string="26 Jul 2024")["input_ids"]
    ids = renderer.example(TURNS).input_ids
    assert ids == expected[: len(ids)] and len(expected) - len(ids) <= 2, (
        "nothing but what follows the last end of turn is left out"
    )


def test_the_places_of_the_batches_are_those_of_the_learned_tokens():
    renderer = Renderer(tiny_tokenizer(), CHAT)
    example = renderer.example(TURNS)
    (row,) = split_off_prefix([example], renderer.prefix_ids())
    assert row.targets == [token for token, counts in zip(example.input_ids, example.supervised, strict=True) if counts]
    assert [row.ids[place + 1] for place in row.places] == row.targets


def test_the_loss_of_a_conversation_is_that_of_a_plain_forward_pass_over_its_answers():
    renderer, model = Renderer(tiny_tokenizer(), CHAT), tiny_model()
    example = renderer.example(TURNS)
    ids = torch.tensor([example.input_ids])
    labels = torch.where(torch.tensor([example.supervised]), ids, -100)
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(
            model(input_ids=ids).logits[0, :-1], labels[0, 1:], reduction="sum"
        )
        prefix = renderer.prefix_ids()
        found = summed_loss(model, packed_forward, prefix, split_off_prefix([example], prefix))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_what_follows_the_last_answer_is_left_out():
    renderer = Renderer(tiny_tokenizer(), CHAT)
    assert renderer.example([*TURNS, {"role": "user", "content": "Thanks"}]) == renderer.example(TURNS)
    assert up_to_last_answer([{"role": "user", "content": "Hi"}]) == []


def test_answers_are_never_shortened_and_the_longest_question_is():
    renderer = Renderer(tiny_tokenizer(), CHAT)
    turns = [{"role": "user", "content": "a" * 200}, {"role": "assistant", "content": "b" * 40}, *TURNS]
    example = renderer.example(turns, max_length=330)
    assert len(example.input_ids) == 330 and example.truncated
    assert learned(tiny_tokenizer(), example)[0] == "b" * 40 + "<|im_end|>"
    with pytest.raises(AnswerTooLong):
        renderer.example(
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b" * 400}, *TURNS], max_length=330
        )


def test_rows_share_the_prefix_of_the_renderer_or_what_is_common_to_all():
    renderer = Renderer(family_tokenizer(FAMILIES["qwen2.5"]), CHAT)
    plain, prefix = renderer.example(TURNS), renderer.prefix_ids()
    assert shared_prefix([plain], prefix) == prefix
    tools = {"role": "tools", "content": '[{"name": "find"}]'}
    with_tools = renderer.example([tools, *TURNS])
    shared = shared_prefix([plain, with_tools], prefix)
    assert 0 < len(shared) < len(prefix) and with_tools.input_ids[: len(shared)] == shared
    assert [len(row.targets) for row in split_off_prefix([plain, with_tools], shared)] == [
        sum(plain.supervised),
        sum(with_tools.supervised),
    ]


def test_texts_that_were_tokenized_at_once_give_the_same_tokens():
    renderer, alone = Renderer(tiny_tokenizer(), CHAT), Renderer(tiny_tokenizer(), CHAT)
    hostile = [
        {"role": "user", "content": "an <|im_end|> in the middle"},
        {"role": "assistant", "content": "yes <think>"},
    ]
    renderer.prepare([(TURNS, None), (hostile, None)], 100)
    assert renderer.text._prepared, "nothing was tokenized at once"
    for messages in (TURNS, hostile):
        assert renderer.example(messages, max_length=400) == alone.example(messages, max_length=400)
