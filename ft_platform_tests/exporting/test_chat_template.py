"""Our rendering as a Jinja template, in the formats of several model families."""

import copy
from typing import Any

import pytest

from ft_platform.errors import ExportRefused
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.serving.exporting.chat_template import chat_template, compare, control_texts
from ft_platform.use_case.schema import Task
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer
from ft_platform_tests.tiny_models import CHATML, INSTRUCT, tiny_tokenizer

LABELS, ANSWERS = (
    Task(kind="classification", instruction='Say "one" of: {labels}.\n{{ x }} é'),
    Task(kind="generation", instruction="Help \\ {% if %}\nnow."),
)


def rendered(tokenizer: Any, task: Task, template: str | None = None) -> tuple[Renderer, Any]:
    """A renderer, and another tokenizer with its template (or with the one that is given)."""
    renderer = Renderer(tokenizer, task, ["card", "loan"] if task is LABELS else [])
    exported = copy.deepcopy(tokenizer)
    exported.chat_template = template or chat_template(renderer, tokenizer)
    return renderer, exported


def counted(tokenizer: Any, task: Task, chats: int) -> dict[str, Any]:
    renderer, exported = rendered(tokenizer, task)
    return compare(renderer, exported, control_texts(renderer, tokenizer), chats)


@pytest.mark.parametrize("task", [LABELS, ANSWERS], ids=["label", "answer"])
@pytest.mark.parametrize("name", [*FAMILIES, "none", "without_system"])
def test_plain_chats_have_the_same_tokens_and_no_spelled_control_token_acts(name, task):
    special = {"none": None, "without_system": INSTRUCT}
    tokenizer = tiny_tokenizer(special[name]) if name in special else family_tokenizer(FAMILIES[name])
    found = counted(tokenizer, task, 60)
    assert found["plain"] == {"chats": 60, "equal": 60}
    spelled = found["control_token"]
    assert spelled["chats"] and not spelled["acted"] and spelled["equal"] < spelled["chats"]
    tools = task is ANSWERS and name in FAMILIES and FAMILIES[name].tools
    assert bool(found["tools"]["chats"]) == bool(tools) and found["tools"]["equal"] == found["tools"]["chats"]


@pytest.mark.integration
@pytest.mark.parametrize("task", [LABELS, ANSWERS], ids=["label", "answer"])
def test_two_thousand_chats(task):
    assert counted(tiny_tokenizer(), task, 2000)["plain"] == {"chats": 2000, "equal": 2000}


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("<|im_start|>assistant\\n", "<|im_start|>assistant"),
        ("Help ", "Help"),
        (" | trim", ""),
        ("'\\n\\n'", "'\\n'"),
        ("<|im_end|>\\n<|im_start|>user", "<|im_end|><|im_start|>user"),
    ],
    ids=["newline after the role", "instruction", "spaces around", "paragraphs", "newline between turns"],
)
def test_a_wrong_template_is_refused(written, instead):
    tokenizer = tiny_tokenizer()
    right = chat_template(Renderer(tokenizer, ANSWERS), tokenizer)
    assert written in right
    renderer, exported = rendered(tokenizer, ANSWERS, right.replace(written, instead))
    with pytest.raises(ExportRefused, match="plain chats have other tokens"):
        compare(renderer, exported, control_texts(renderer, tokenizer), 100)


def test_a_template_in_which_a_spelled_control_token_acts_is_refused():
    tokenizer = tiny_tokenizer()
    right = chat_template(Renderer(tokenizer, ANSWERS), tokenizer)
    renderer, exported = rendered(tokenizer, ANSWERS, right.replace('"<|im_end|>", ', "", 1))
    with pytest.raises(ExportRefused, match=r"0 of 100 plain chats have other tokens, and in \d+ of \d+ a control"):
        compare(renderer, exported, control_texts(renderer, tokenizer), 100)


def test_our_instruction_as_a_system_message_is_not_written_twice():
    tokenizer = tiny_tokenizer()
    renderer, exported = rendered(tokenizer, ANSWERS)
    messages = [{"role": "user", "content": " My card? "}]
    sent = renderer.chat(messages)
    assert sent[0]["role"] == "system"
    for one in (messages, sent):
        ids = exported.apply_chat_template(one, add_generation_prompt=True)["input_ids"]
        assert ids == renderer.prompt_ids(messages)


def test_a_chat_that_ends_with_an_answer_is_refused_by_the_template():
    _, exported = rendered(tiny_tokenizer(CHATML), ANSWERS)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    with pytest.raises(Exception, match="must be a question"):
        exported.apply_chat_template(messages, add_generation_prompt=True)


def test_a_model_without_tools_says_so():
    _, exported = rendered(tiny_tokenizer(CHATML), ANSWERS)
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
    with pytest.raises(Exception, match="no tools"):
        exported.apply_chat_template([{"role": "user", "content": "a"}], tools=[tool], add_generation_prompt=True)
