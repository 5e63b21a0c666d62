"""Parameters of OpenAI's API: each does what it says, is refused, or is named in `X-FT-Ignored`."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from ft_platform.serving.engine.requests import Sampling
from ft_platform.serving.engine.sampling import Sampler
from ft_platform.serving.protocol import IGNORED
from ft_platform_tests.serving.engines import END, TEXT, Asked
from ft_platform_tests.serving.engines import running as engine_running
from ft_platform_tests.serving.fakes import FakeEngine, served
from ft_platform_tests.serving.installations import Installation
from ft_platform_tests.serving.test_chat import CHAT, COMPLETIONS, QUESTION, ask
from ft_platform_tests.tiny_models import tiny_model

PROMPT = TEXT.content("Where is my card?")
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"card": 7}'}}


def ignored(client: TestClient, path: str = CHAT, **fields: Any) -> list[str]:
    given = {"model": "support", **({"messages": QUESTION} if path == CHAT else {"prompt": "Dear"}), **fields}
    response = client.post(path, json=given)
    assert response.status_code == 200, response.text
    return [name for name in response.headers.get(IGNORED, "").split(", ") if name]


def test_what_was_not_read_is_named(client: TestClient) -> None:
    assert ignored(client, temperature=0.5, frequency_penalty=1.0, user="a", metadata={"a": "b"}) == []
    assert ignored(client, top_k=5, store=True, parallel_tool_calls=None) == ["store", "top_k"]
    assert ignored(client, COMPLETIONS, suffix="x", best_of=3) == ["best_of", "suffix"]
    strange: Any = {"bad\r\nname": 1, "x" * 60: 1, "good-name": 1}
    assert ignored(client, **strange) == ["good-name"]
    many: Any = {f"field{number}": 1 for number in range(300)}
    assert len(ignored(client, **many)) == 20


def test_what_a_label_does_not_depend_on_is_named(client: TestClient) -> None:
    common = {"top_p": 0.5, "max_tokens": 3, "stop": "x", "presence_penalty": 1.0, "logit_bias": {"3": 1}, "seed": 3}
    always = ["logit_bias", "max_tokens", "presence_penalty", "stop"]
    given = {**common, "temperature": 0.7}
    assert ignored(client, model="complaints", **given) == sorted([*always, "seed", "temperature", "top_p"])
    assert ignored(client, model="claims", **given) == always, "a label that is written is drawn"
    assert ignored(client, model="complaints", temperature=0, top_p=1, frequency_penalty=0, stop=[], n=2) == []


def test_an_answer_that_was_begun_is_not_continued_which_is_named(client: TestClient) -> None:
    begun = [*QUESTION, {"role": "assistant", "content": "Because"}]
    assert ignored(client, messages=begun) == ["messages.1"]


def test_penalties_and_biases_reach_the_engine(client: TestClient, engine: FakeEngine) -> None:
    ask(client, frequency_penalty=0.5, presence_penalty=-1, logit_bias={"7": -100, "8": 2.5})
    found = engine.asked[0].sampling
    assert (found.frequency_penalty, found.presence_penalty) == (0.5, -1.0)
    assert found.logit_bias == ((7, -100.0), (8, 2.5))


@pytest.mark.parametrize(
    "fields",
    [
        {"frequency_penalty": 2.1},
        {"presence_penalty": -2.1},
        {"logit_bias": {"word": 1}},
        {"logit_bias": {"-1": 1}},
        {"logit_bias": {"1": 101}},
        {"logit_bias": {str(number): 1 for number in range(2000)}},
    ],
)
def test_penalties_and_biases_out_of_bounds_are_refused(client: TestClient, fields: Any) -> None:
    assert ask(client, status=400, **fields)["error"]["param"].startswith(next(iter(fields)))


def test_penalties_are_taken_from_what_was_written() -> None:
    """By OpenAI's formula: logit - count * frequency - (count > 0) * presence."""
    logits = torch.tensor([3.0, 2.0, 1.0])

    def drawn(count: int, **settings: Any) -> list[int]:
        sampler = Sampler(Sampling(count, **settings))
        return [sampler.token(logits) for _ in range(count)]

    assert drawn(4) == [0, 0, 0, 0]
    assert drawn(4, frequency_penalty=0.75) == [0, 0, 1, 0], "3, 2.25, 1.5 against 2, then 1.5 against 1.25"
    assert drawn(5, presence_penalty=1.5) == [0, 1, 0, 0, 0], "3 -> 1.5, 2 -> 0.5, 1"
    assert drawn(2, logit_bias=((2, 5.0),)) == [2, 2]
    sampler = Sampler(Sampling(1, logit_bias=((0, -100.0),)))
    assert sampler.token(logits, torch.tensor([0, 2])) == 2, "also among allowed ones"
    assert sampler.token(logits, torch.tensor([0])) == 0


def test_a_bias_of_the_engine_bans_a_token_and_leaves_logprobs_as_they_are() -> None:
    with engine_running() as engine:
        free = Asked(engine, "base", PROMPT, 3, logprobs=1)
        banned = Asked(engine, "base", PROMPT, 3, logprobs=1, logit_bias=((free.tokens[0], -100.0),))
        assert free.tokens[0] not in banned.tokens
        (first, *_) = banned.events
        (told,), (before,) = first.logprobs, free.events[0].logprobs  # pyright: ignore
        assert told.top[0] == (before.top[0][0], pytest.approx(before.top[0][1], abs=1e-4))
        wrong = Asked(engine, "base", PROMPT, 3, logit_bias=((10**6, 1.0),)).finished
        assert wrong.message.startswith("logit_bias")


def test_a_token_that_the_model_does_not_have_is_the_clients_mistake(client: TestClient, engine: FakeEngine) -> None:
    engine.fails_after, engine.message = 0, "logit_bias: a token id is not in [0, 258)"
    error = ask(client, status=400, logit_bias={"999": 1})["error"]
    assert (error["param"], error["code"]) == ("logit_bias", "invalid_value")


def test_tools_are_taken_where_none_is_to_be_called(client: TestClient) -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    assert ask(client, tools=tools, tool_choice="none")["choices"][0]["finish_reason"] == "stop"
    assert ask(client, functions=[{"name": "f"}], function_call="none")["choices"][0]["message"]["content"]
    for choice in ("auto", "required", {"type": "function", "function": {"name": "look_up"}}):
        error = ask(client, status=400, tools=tools, tool_choice=choice)["error"]
        assert error["param"] == "tools"
        assert '`tool_choice: "none"`' in error["message"]
    assert ask(client, status=400, tools=tools)["error"]["param"] == "tools"
    assert ask(client, status=400, functions=[{"name": "f"}])["error"]["param"] == "functions"
    ask(client, tools=[], tool_choice="auto")


def test_calls_of_tools_in_the_history_are_read(client: TestClient, engine: FakeEngine) -> None:
    """The tiny template has no place for tools, so they are told in words."""
    history = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "blocked since Monday"},
    ]
    ask(client, messages=history)
    said = [
        *QUESTION,
        {"role": "assistant", "content": '[{"name": "look_up", "arguments": {"card": 7}}]'},
        {"role": "user", "content": "blocked since Monday"},
    ]
    assert engine.asked[0].prompt == tuple(served().renderer.prompt_ids(said))
    older = [
        *QUESTION,
        {"role": "assistant", "content": "", "function_call": {"name": "look_up", "arguments": '{"card": 7}'}},
        {"role": "function", "name": "look_up", "content": "blocked since Monday"},
    ]
    ask(client, messages=older)
    assert engine.asked[1].prompt == engine.asked[0].prompt
    for model in ("complaints", "claims"):
        ask(client, model=model, messages=history)


def test_a_call_whose_arguments_are_no_json_is_read_too(client: TestClient) -> None:
    broken = {**CALL, "function": {"name": "look_up", "arguments": '{"card": '}}
    ask(client, messages=[*QUESTION, {"role": "assistant", "tool_calls": [broken]}, *QUESTION])


@pytest.mark.parametrize("model", ["support", "complaints"])
def test_an_image_is_refused_as_one(client: TestClient, model: str) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "What is this?"}, image]
    error = ask(client, status=400, model=model, messages=[{"role": "user", "content": parts}])["error"]
    assert error["message"] == "messages.0.content: images are not understood by this model"
    sound = [{"type": "input_audio", "input_audio": {}}]
    error = ask(client, status=400, model=model, messages=[{"role": "user", "content": sound}])["error"]
    assert error["message"] == "messages.0.content: only text is understood by this model"


@pytest.fixture(scope="module")
def engine_of_ids() -> Iterator[Any]:
    with engine_running() as engine:
        yield engine


def test_the_engine_scores_a_prompt_as_transformers_does(engine_of_ids: Any) -> None:
    prompt = TEXT.content("Where is my card? " * 20)
    with torch.inference_mode():
        logits = tiny_model()(torch.tensor([prompt])).logits[0].float().log_softmax(-1)
    expected = [float(logits[place, token]) for place, token in enumerate(prompt[1:])]
    for _ in range(2):  # the second time much of it is in memory, and scored all the same
        asked = Asked(engine_of_ids, "base", prompt, 1, prompt_logprobs=2, logprobs=2)
        told = asked.finished.prompt_logprobs
        assert [one.token for one in told] == prompt[1:]
        assert [one.logprob for one in told] == pytest.approx(expected, abs=2e-4)
        assert all(len(one.top) == 2 for one in told)
        assert len(asked.tokens) == 1 or asked.finished.reason == "stop"
    assert asked.finished.cached_tokens == 0


def test_an_answer_of_no_tokens_ends_with_the_prompt(engine_of_ids: Any) -> None:
    beside = Asked(engine_of_ids, "base", PROMPT, 10)
    asked = Asked(engine_of_ids, "base", PROMPT, 0, prompt_logprobs=1)
    assert (asked.tokens, asked.finished.reason, asked.finished.completion_tokens) == ([], "length", 0)
    assert len(asked.finished.prompt_logprobs) == len(PROMPT) - 1
    assert len(beside.tokens) == 10 or beside.tokens[-1] != END


def log_likelihood(choice: dict[str, Any], context: int) -> tuple[float, bool]:
    """As lm-eval's `local-completions` reads it (`lm_eval.models.openai_completions`, `parse_logprobs`)."""
    tokens = choice["logprobs"]["token_logprobs"][context:-1]
    tops = choice["logprobs"]["top_logprobs"][context:-1]
    return sum(tokens), all(token == max(top.values()) for token, top in zip(tokens, tops, strict=True))


def test_a_prompt_of_token_ids_is_echoed_with_its_log_probabilities(tmp_path: Any) -> None:
    installation = Installation(tmp_path / "home", "sft", "generation")
    with installation.serving() as client:
        name = client.get("/v1/models").json()["data"][0]["id"]
        ids = TEXT.content("Where is my card?")
        given = {"model": name, "temperature": 0, "echo": True, "logprobs": 1, "seed": 1}
        found = client.post(COMPLETIONS, json={**given, "prompt": [ids, ids[:5]], "max_tokens": 1}).json()["choices"]
        text = client.post(COMPLETIONS, json={**given, "prompt": "Where is my card?", "max_tokens": 0}).json()
        plain = client.post(COMPLETIONS, json={"model": name, "prompt": ids, "echo": True, "max_tokens": 2}).json()
        wrong: list[Any] = [{"prompt": prompt} for prompt in ([10**6], [], [[]], [1, "a"], [-1])]
        wrong.append({"prompt": ids, "stream": True})
        refused = [client.post(COMPLETIONS, json={**given, "max_tokens": 1, **one}) for one in wrong]
    (first, second), (whole,) = found, text["choices"]
    assert first["logprobs"]["tokens"][: len(ids)] == [TEXT.text_of(token) for token in ids]
    assert first["logprobs"]["token_logprobs"][0] is None and first["logprobs"]["top_logprobs"][0] is None
    assert len(first["logprobs"]["tokens"]) == len(ids) + 1 and len(second["logprobs"]["tokens"]) == 6
    assert first["text"].startswith("Where is my card?") and plain["choices"][0]["text"].startswith("Where is my card?")
    assert log_likelihood(first, 10)[0] < 0
    assert whole["text"] == "Where is my card?" and whole["finish_reason"] == "length"
    assert whole["logprobs"]["token_logprobs"][1:] == pytest.approx(first["logprobs"]["token_logprobs"][1:-1], abs=1e-4)
    assert whole["logprobs"]["text_offset"] == list(range(len(ids)))
    assert text["usage"]["completion_tokens"] == 0
    assert [one.status_code for one in refused] == [400] * 6


def test_a_model_for_labels_neither_echoes_nor_reads_token_ids(client: TestClient) -> None:
    for fields in ({"echo": True}, {"prompt": [1, 2]}, {"max_tokens": 0}):
        assert "labels" in ask(client, COMPLETIONS, 400, model="complaints", **fields)["error"]["message"]


def test_personal_data_in_token_ids_is_not_read(tmp_path: Any) -> None:
    installation = Installation(tmp_path / "home", "sft", "generation")
    with installation.serving() as client:
        name = client.get("/v1/models").json()["data"][0]["id"]
        ids = TEXT.content("Write to anna.berg@example.org, please.")
        found = client.post(COMPLETIONS, json={"model": name, "prompt": ids})
        echoed = {"prompt": "Write to anna.berg@example.org, please.", "echo": True, "logprobs": 1}
        scored = client.post(COMPLETIONS, json={"model": name, **echoed})
    assert [one.status_code for one in (found, scored)] == [400, 400]
    assert found.json()["error"]["code"] == "personal_data" and "anna" not in found.text
