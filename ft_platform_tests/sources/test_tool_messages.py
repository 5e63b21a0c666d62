"""Calls of tools become texts of a record, and stay texts through cleaning, anonymization and splits."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cleaning.batch import BatchCleaner
from ft_platform.cleaning.conversations import Conversations
from ft_platform.errors import SourceError
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.records.columns import MESSAGES, answers, contents
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.sources.tool_messages import json_text
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.sources.test_chat_formats import messages_of
from ft_platform_tests.splitting.in_memory import split
from ft_platform_tests.tables import raw, table, use_case

CASE = use_case("generation", record={"text": None, "answer": None, "messages": "messages"})
MAIL = "maria.kowalczyk@example.org"

ASKED, ANSWERED = {"role": "user", "content": "How warm is it?"}, {"role": "assistant", "content": "21 degrees."}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


def call(name: str, arguments: Any, identity: str = "a") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def openai(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(content: str, identity: str = "a") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def test_openai_calls_results_and_descriptions_become_texts(tmp_path: Path, environment: Environment) -> None:
    row = {
        "messages": [ASKED, openai(call("weather", '{"city": "Überlingen"}')), result('{"t": 21}'), ANSWERED],
        "tools": TOOLS,
    }
    (found,) = messages_of(tmp_path, environment, "openai", row)
    assert [m["role"] for m in found] == ["tools", "user", "tool_call", "tool", "assistant"]
    assert json.loads(found[0]["content"]) == TOOLS
    assert found[2]["content"] == '[{"name": "weather", "arguments": {"city": "Überlingen"}}]'
    assert found[3]["content"] == '{"t": 21}'


def test_words_before_a_call_are_a_message_of_their_own(tmp_path: Path, environment: Environment) -> None:
    (found,) = messages_of(
        tmp_path,
        environment,
        "openai",
        {"messages": [ASKED, openai(call("weather", {}), content="I look."), result("21"), ANSWERED]},
    )
    expected = [("assistant", "I look."), ("tool_call", '[{"name": "weather", "arguments": {}}]')]
    assert [(m["role"], m["content"]) for m in found[1:3]] == expected


def test_results_stand_in_the_order_of_the_calls(tmp_path: Path, environment: Environment) -> None:
    calls = openai(call("first", {}, "x"), call("second", {}, "y"))
    (found,) = messages_of(
        tmp_path,
        environment,
        "openai",
        {"messages": [ASKED, calls, result("of second", "y"), result("of first", "x"), ANSWERED]},
    )
    assert [m["content"] for m in found if m["role"] == "tool"] == ["of first", "of second"]


def test_sharegpt_calls_and_observations_are_read_in_the_same_way(tmp_path: Path, environment: Environment) -> None:
    turns = [
        ("human", "How warm is it?"),
        ("function_call", '{"name": "weather", "arguments": {"city": "Rome"}}'),
        ("observation", "21"),
        ("gpt", "21."),
    ]
    row = {"conversations": [{"from": who, "value": what} for who, what in turns], "tools": json.dumps(TOOLS)}
    (found,) = messages_of(tmp_path, environment, "sharegpt", row, tools="tools")
    assert [m["role"] for m in found] == ["tools", "user", "tool_call", "tool", "assistant"]
    assert json.loads(found[2]["content"]) == [{"name": "weather", "arguments": {"city": "Rome"}}]


def test_rows_without_tools_are_as_before(tmp_path: Path, environment: Environment) -> None:
    (found,) = messages_of(tmp_path, environment, "openai", {"messages": [ASKED, ANSWERED], "tools": None})
    assert [m["role"] for m in found] == ["user", "assistant"]


@pytest.mark.parametrize(
    "message",
    [
        openai(call("", {})),
        openai(call("f", "not json")),
        openai(call("f", '["a list"]')),
        openai({"id": "1"}),
        openai("f"),  # type: ignore[arg-type]
        {**openai(call("f", {})), "role": "user"},
        {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
    ],
)
def test_calls_that_are_none_are_an_error_with_their_row(
    tmp_path: Path, environment: Environment, message: dict
) -> None:
    with pytest.raises(SourceError, match="data row 1 have no conversation"):
        messages_of(tmp_path, environment, "openai", {"messages": [ASKED, message, ANSWERED]})


@pytest.mark.parametrize("tools", ["weather", '[{"type": "function"}]', '{"name": "f"}', "[1]"])
def test_descriptions_that_are_none_are_an_error_with_their_row(
    tmp_path: Path, environment: Environment, tools: str
) -> None:
    with pytest.raises(SourceError, match="data row 1 have no descriptions of tools"):
        messages_of(tmp_path, environment, "openai", {"messages": [ASKED, ANSWERED], "tools": tools})


@pytest.mark.parametrize("text", ["a\nb", "a\\nb", 'say "x"\tnow', "\\\\n", "a\r\nb", "\u2028", "C:\\new"])
def test_line_breaks_of_arguments_stay_line_breaks_and_come_back(text: str) -> None:
    made = json_text({"a": text})
    assert json.loads(made, strict=False) == {"a": text} and ("\n" in text) == ("\n" in made)


def test_a_name_behind_a_line_break_of_an_argument_is_no_part_of_a_longer_word() -> None:
    assert "nMaria" not in json_text([{"name": "mail", "arguments": {"text": "Regards\nMaria Kowalczyk"}}])


def records(case: NamedUseCase, *conversations: list[dict]) -> pa.Table:
    rows = raw(case, ["x"] * len(conversations))
    return rows.set_column(
        rows.schema.get_field_index("messages"), rows.schema.field("messages"), pa.array(conversations, MESSAGES)
    )


def cleaned(case: NamedUseCase, *conversations: list[dict]) -> pa.RecordBatch:
    batch = BatchCleaner(case)(records(case, *conversations).combine_chunks().to_batches()[0])
    return batch.select(cleaned_schema(case).names)


def test_cleaning_repairs_the_texts_of_calls_and_results_and_keeps_their_json() -> None:
    code = json_text([{"name": "run", "arguments": {"code": "if a < b:\n    print('<b>&quot;x&quot;</b>')"}}])
    row = [ASKED, {"role": "tool_call", "content": code}, {"role": "tool", "content": "cafÃ©  <b>warm</b>"}, ANSWERED]
    ((_, called, given, _),) = cleaned(CASE, row).column("messages").to_pylist()
    assert called["content"] == code
    assert given["content"] == "café warm"


def test_the_last_call_of_a_record_counts_as_its_answer_and_is_no_reference_text() -> None:
    called = {"role": "tool_call", "content": '[{"name": "f", "arguments": {}}]'}
    column = pa.array(
        [[ASKED, ANSWERED, ASKED, called], [ASKED, called, {"role": "tool", "content": "x"}, ANSWERED]], MESSAGES
    )
    assert Conversations.of(column).last_answers().to_pylist() == [called["content"], ANSWERED["content"]]
    assert answers(column) == [None, ANSWERED["content"]]


def test_equal_descriptions_of_tools_do_not_make_records_near_duplicates() -> None:
    column = pa.array([[{"role": "tools", "content": json.dumps(TOOLS)}, ASKED, ANSWERED]], MESSAGES)
    assert Conversations.of(column).all_but_system().to_pylist() == ["How warm is it?\n\n21 degrees."]


def test_personal_data_in_calls_results_and_descriptions_is_replaced_and_what_is_left_can_be_rendered() -> None:
    row = [
        {"role": "tools", "content": json_text([{"name": "write", "description": f"Writes to {MAIL}"}])},
        {"role": "user", "content": "Write to her."},
        {
            "role": "tool_call",
            "content": json_text([{"name": "write", "arguments": {"to": MAIL, "text": f"Hello\n{MAIL}"}}]),
        },
        {"role": "tool", "content": json.dumps({"sent_to": MAIL})},
        {"role": "assistant", "content": "Sent."},
    ]
    made = anonymized(CASE, pa.Table.from_batches([cleaned(CASE, row)])).kept["messages"]
    assert [text.count(MAIL) for text in contents(made).to_pylist()] == [0] * 5
    (messages,) = made.to_pylist()
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    text = tokenizer.decode(Renderer(tokenizer, Task(kind="generation")).example(messages).input_ids)
    assert '"arguments": {"to": "' in text and MAIL not in text


def test_a_number_that_was_replaced_leaves_a_call_that_is_json() -> None:
    row = [
        ASKED,
        {"role": "tool_call", "content": '[{"name": "dial", "arguments": {"number": 4111111111111111}}]'},
        {"role": "tool", "content": "x"},
        ANSWERED,
    ]
    (messages,) = anonymized(CASE, pa.Table.from_batches([cleaned(CASE, row)])).kept["messages"].to_pylist()
    assert "4111111111111111" not in messages[1]["content"]
    (call,) = json.loads(messages[1]["content"])
    assert isinstance(call["arguments"]["number"], str)
    Renderer(family_tokenizer(FAMILIES["qwen2.5"]), Task(kind="generation")).example(messages)


def test_splits_keep_every_message_of_a_record_with_tools() -> None:
    called = {"role": "tool_call", "content": '[{"name": "f", "arguments": {"a": "b"}}]'}
    rows = [
        [
            {"role": "user", "content": f"question {n} about w{n * 7} and w{n * 13}"},
            called,
            {"role": "tool", "content": f"r{n}"},
            ANSWERED,
        ]
        for n in range(60)
    ]
    given = table(anonymized_schema(CASE), ["x"] * 60)
    given = given.set_column(
        given.schema.get_field_index("messages"), given.schema.field("messages"), pa.array(rows, MESSAGES)
    )
    divided = split(CASE, given).kept
    assert divided.num_rows == 60 and {tuple(m["role"] for m in row) for row in divided["messages"].to_pylist()} == {
        ("user", "tool_call", "tool", "assistant")
    }
