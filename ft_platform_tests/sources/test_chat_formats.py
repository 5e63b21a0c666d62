"""The usual formats of chat data, each mapped by its name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import SourceError
from ft_platform.sources.ingest import read_new_records
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ASKED, ANSWERED = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
REJECTED = {"role": "assistant", "content": "Go away"}


def case_of(path: Path, chat_format: str, kind: str = "generation", **record: Any) -> NamedUseCase:
    cleared = dict.fromkeys(("text", "answer", "label", "id"))
    return use_case(
        kind,
        source={"uri": str(path)},
        record={**cleared, "chat_format": chat_format, "optional_columns": ["consent", "region"], **record},
    )


def messages_of(
    folder: Path, environment: Environment, chat_format: str, *rows: dict[str, Any], **record: Any
) -> list[list[dict]]:
    path = folder / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return (
        read_new_records(case_of(path, chat_format, **record), environment, {}, None, NOW)
        .records["messages"]
        .to_pylist()
    )


@pytest.mark.parametrize(
    ("chat_format", "row", "expected"),
    [
        ("alpaca", {"instruction": "Add.", "input": "1 and 2", "output": "3"}, ["Add.\n\n1 and 2", "3"]),
        ("alpaca", {"instruction": "Say hello.", "output": "Hello"}, ["Say hello.", "Hello"]),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            ["Hi", "Hello"],
        ),
        ("openai", {"messages": [SYSTEM, ASKED, ANSWERED]}, ["Be brief.", "Hi", "Hello"]),
        (
            "openai",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}
                ]
            },
            ["Hi\nthere"],
        ),
        ("prompt_completion", {"prompt": "Hi", "completion": "Hello"}, ["Hi", "Hello"]),
        ("prompt_completion", {"prompt": [SYSTEM, ASKED], "completion": [ANSWERED]}, ["Be brief.", "Hi", "Hello"]),
        (
            "prompt_completion",
            {"prompt": "[sic] what is this", "completion": "[a list"},
            ["[sic] what is this", "[a list"],
        ),
        ("preference", {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"}, ["Hi", "Hello", "Go away"]),
        ("preference", {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": [REJECTED]}, ["Hi", "Hello", "Go away"]),
        (
            "preference",
            {"prompt": "Hi", "chosen": [ASKED, ANSWERED], "rejected": [ASKED, REJECTED]},
            ["Hi", "Hello", "Go away"],
        ),
        ("preference", {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, REJECTED]}, ["Hi", "Hello", "Go away"]),
        ("preference", {"prompt": "Hi", "chosen": "Hello"}, ["Hi", "Hello"]),
    ],
)
def test_a_format_is_mapped_by_its_name(
    tmp_path: Path, environment: Environment, chat_format: str, row: dict, expected: list[str]
) -> None:
    (found,) = messages_of(tmp_path, environment, chat_format, row)
    assert [m["content"] for m in found] == expected
    roles = [m["role"] for m in found]
    assert (
        roles[-3:] == ["user", "assistant", "rejected"]
        if "Go away" in expected
        else roles[-2:] in (["user", "assistant"], ["user"])
    )


def test_text_and_label_are_mapped_by_name(tmp_path: Path, environment: Environment) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a complaint", "label": "card"}))
    (row,) = read_new_records(
        case_of(path, "text_label", "classification"), environment, {}, None, NOW
    ).records.to_pylist()
    assert row["label"] == "card" and row["messages"] == [{"role": "user", "content": "a complaint"}]


def test_what_is_named_wins_over_the_format(tmp_path: Path, environment: Environment) -> None:
    (found,) = messages_of(
        tmp_path, environment, "alpaca", {"question": "Hi", "output": "Hello", "instruction": "no"}, text="question"
    )
    assert [m["content"] for m in found] == ["Hi", "Hello"]
    (found,) = messages_of(tmp_path, environment, "sharegpt", {"chat": [ASKED, ANSWERED]}, messages="chat")
    assert [m["content"] for m in found] == ["Hi", "Hello"]


@pytest.mark.parametrize(
    ("chat_format", "row"),
    [
        ("sharegpt", {"conversations": [{"from": "human", "value": "Hi"}, {"from": "function_call", "value": "{}"}]}),
        ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
        ("openai", {"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}),
        ("openai", {"messages": [ASKED, {"role": "assistant", "content": None}]}),
        ("openai", {"messages": [ANSWERED]}),
        ("preference", {"prompt": [ASKED], "chosen": [ASKED], "rejected": [REJECTED]}),
        ("preference", {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": [ASKED]}),
    ],
)
def test_what_is_no_text_conversation_is_an_error_with_its_row(
    tmp_path: Path, environment: Environment, chat_format: str, row: dict
) -> None:
    with pytest.raises(SourceError, match="data row 1 have no conversation"):
        messages_of(tmp_path, environment, chat_format, row)


@pytest.mark.parametrize(
    ("chat_format", "row"),
    [
        ("openai", {"messages": [{"role": "user", "content": "before\0after"}, ANSWERED]}),
        ("openai", {"messages": json.dumps([{"role": "user", "content": "before\0after"}, ANSWERED])}),
        (
            "preference",
            {"prompt": [ASKED], "chosen": [{"role": "assistant", "content": "before\0after"}], "rejected": [REJECTED]},
        ),
    ],
)
def test_a_nul_character_inside_a_conversation_is_found_however_json_writes_it(
    tmp_path: Path, environment: Environment, chat_format: str, row: dict
) -> None:
    with pytest.raises(
        SourceError, match=r"data row 1 have a NUL character in the conversation.*source\.nul_characters"
    ):
        messages_of(tmp_path, environment, chat_format, row)


@pytest.mark.parametrize(
    ("chat_format", "row"),
    [
        ("openai", {"messages": '[{"role": "user", "content": "one", "content": "another"}]'}),
        (
            "prompt_completion",
            {"prompt": '[{"role": "user", "content": "one", "content": "another"}]', "completion": "Hello"},
        ),
    ],
)
def test_a_key_that_is_there_twice_in_the_json_of_a_cell_is_an_error(
    tmp_path: Path, environment: Environment, chat_format: str, row: dict
) -> None:
    with pytest.raises(SourceError, match=r"data row 1 have no conversation.* each once in a message"):
        messages_of(tmp_path, environment, chat_format, row)


@pytest.mark.real_data
def test_the_public_alpaca_file_needs_no_column_names(environment: Environment, shared_data: Path) -> None:
    path = shared_data / "llamafactory_demo" / "alpaca_en_demo.json"
    found = read_new_records(case_of(path, "alpaca"), environment, {}, None, NOW).records["messages"].to_pylist()
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert len(found) == len(expected) and found[0][-1]["content"] == expected[0]["output"]
