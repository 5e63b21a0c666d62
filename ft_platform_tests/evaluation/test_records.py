"""Which records are evaluated, and what of a conversation is the question."""

import pyarrow as pa

from ft_platform.evaluation.records import evaluation_records, side_of
from ft_platform.models.rendering.renderer import Renderer
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer
from ft_platform_tests.tables import use_case
from ft_platform_tests.tiny_models import SCHEMA

ASKED, ANSWERED = {"role": "user", "content": "How warm?"}, {"role": "assistant", "content": "21 degrees."}
THANKS = {"role": "user", "content": "Thanks, bye"}
CALL = {"role": "tool_call", "content": '[{"name": "find", "arguments": {"word": "warm"}}]'}
BROKEN = {"role": "tool_call", "content": '[{"name": "find", "arguments": {"word": <PHONE_1>}}]'}
RESULT = {"role": "tool", "content": "21"}


def splits(*conversations: list[dict], label: str | None = None) -> pa.Table:
    rows = [
        {"record_id": f"r{n}", "messages": messages, "label": label, "split": "test"}
        for n, messages in enumerate(conversations)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def test_what_follows_the_last_answer_is_no_part_of_the_question() -> None:
    side = side_of(use_case("generation"), splits([ASKED, ANSWERED, THANKS]), "test")
    assert side.messages() == [[ASKED, ANSWERED]] and side.answers == ["21 degrees."] and side.texts == ["How warm?"]


def test_a_label_is_about_the_whole_conversation() -> None:
    side = side_of(use_case(), splits([ASKED, ANSWERED, THANKS], label="a"), "test")
    assert side.messages() == [[ASKED, ANSWERED, THANKS]] and side.answers == ["a"]


def test_records_with_tools_are_asked_for_their_last_answer_and_others_are_counted_with_their_reason() -> None:
    case = use_case("generation")
    renderer = Renderer(family_tokenizer(FAMILIES["qwen2.5"]), case.settings.task)
    made = splits(
        [ASKED, CALL, RESULT, ANSWERED],
        [ASKED, ANSWERED, ASKED, CALL],
        [ASKED, BROKEN, RESULT, ANSWERED],
        [ASKED, BROKEN],
        [ASKED],
    )
    found = evaluation_records(case, made, renderer)
    written = '<tool_call>\n{"name": "find", "arguments": {"word": "warm"}}\n</tool_call>'
    assert found.side.answers == ["21 degrees.", written] and found.left_out == {"no_answer": 1, "tool_call_broken": 2}
    assert found.references[0] == renderer.answer_ids("21 degrees.")
    trained = renderer.example([ASKED, ANSWERED, ASKED, CALL])
    assert found.references[1] == trained.input_ids[trained.prompt_length :]
    assert found.prompts[1] == trained.input_ids[: trained.prompt_length]
    assert "<tool_response>\n21" in family_tokenizer(FAMILIES["qwen2.5"]).decode(found.prompts[0])
