"""Answers of `/v1/chat/completions` and `/v1/completions`, as OpenAI's clients expect them."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform.serving.engine.requests import TooLong
from ft_platform_tests.serving.fakes import LABELS, WORDS, FakeEngine, served

QUESTION = [{"role": "user", "content": "Why is my card blocked?"}]
LARGE = {"schema": {"a": "x" * 20_000}}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


def ask(client: TestClient, path: str = CHAT, status: int = 200, **fields: Any) -> Any:
    given = {"model": "support", **({"messages": QUESTION} if path == CHAT else {"prompt": "Dear"}), **fields}
    response = client.post(path, json=given)
    assert response.status_code == status, response.text
    return response.json()


def events(client: TestClient, path: str = CHAT, **fields: Any) -> list[Any]:
    """The events of a stream, without `[DONE]`, which must be the last one."""
    given = {"model": "support", **({"messages": QUESTION} if path == CHAT else {"prompt": "Dear"}), **fields}
    response = client.post(path, json={**given, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_an_answer_has_text_reason_and_usage(client: TestClient, engine: FakeEngine) -> None:
    answer = ask(client)
    assert answer["object"] == "chat.completion" and answer["model"] == "support"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(WORDS), "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    prompt = len(engine.asked[0].prompt)
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": 5,
        "total_tokens": prompt + 5,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_the_prompt_is_what_the_renderer_makes_of_the_messages(client: TestClient, engine: FakeEngine) -> None:
    ask(client, messages=[{"role": "developer", "content": "Be brief."}, *QUESTION])
    said = [{"role": "system", "content": "Be brief."}, *QUESTION]
    assert engine.asked[0].prompt == tuple(served().renderer.prompt_ids(said))


def test_content_may_be_parts_of_text(client: TestClient, engine: FakeEngine) -> None:
    parts = [{"type": "text", "text": "Why is my"}, {"type": "text", "text": "card blocked?"}]
    ask(client, messages=[{"role": "user", "content": parts}])
    assert engine.asked[0].prompt == tuple(
        served().renderer.prompt_ids([{"role": "user", "content": "Why is my\ncard blocked?"}])
    )


def test_settings_reach_the_engine(client: TestClient, engine: FakeEngine) -> None:
    ask(client, max_tokens=9, temperature=0.5, top_p=0.9, seed=3, stop=["x"], logprobs=True, top_logprobs=2)
    found = engine.asked[0].sampling
    assert (found.max_tokens, found.temperature, found.top_p, found.seed) == (9, 0.5, 0.9, 3)
    assert (found.stop, found.logprobs, found.choices, found.schema) == (("x",), 2, (), None)


def test_defaults_are_those_of_the_evaluation(client: TestClient, engine: FakeEngine) -> None:
    ask(client, temperature=None, n=None, stop=None, max_tokens=None)
    found = engine.asked[0].sampling
    assert (found.max_tokens, found.temperature, found.top_p, found.seed, found.logprobs) == (96, 0.0, 1.0, None, None)


def test_the_newer_name_of_max_tokens_wins(client: TestClient, engine: FakeEngine) -> None:
    answer = ask(client, max_tokens=5, max_completion_tokens=2)
    assert engine.asked[0].sampling.max_tokens == 2
    assert answer["choices"][0]["finish_reason"] == "length"


def test_unknown_fields_are_ignored(client: TestClient) -> None:
    ask(client, user="somebody", ignore_eos=True, metadata={"a": 1}, min_p=0.1)


def test_stop_may_be_one_text(client: TestClient) -> None:
    assert ask(client, stop="blocked")["choices"][0]["message"]["content"] == "The card is "


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}, {"type": "array"}),
    ],
)
def test_a_form_of_answers_reaches_the_engine(client: TestClient, engine: FakeEngine, wanted: Any, schema: Any) -> None:
    ask(client, response_format=wanted)
    assert engine.asked[0].sampling.schema == schema


def test_a_schema_that_the_engine_cannot_keep_is_the_clients_mistake(client: TestClient, engine: FakeEngine) -> None:
    engine.fails_after, engine.message = 0, "schema: secret of the schema"
    found = ask(client, status=400, response_format={"type": "json_object"})
    assert found["error"]["code"] == "invalid_schema" and "secret" not in str(found)


def test_several_answers_have_numbers_and_seeds_of_their_own(client: TestClient, engine: FakeEngine) -> None:
    answer = ask(client, n=3, temperature=1.0, seed=2**63 - 1)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert sorted(request.sampling.seed or 0 for request in engine.asked) == [0, 1, 2**63 - 1]
    assert answer["usage"]["completion_tokens"] == 15
    assert answer["usage"]["prompt_tokens"] == len(engine.asked[0].prompt)


def test_logprobs_of_minus_infinity_are_finite(client: TestClient) -> None:
    content = ask(client, logprobs=True, top_logprobs=2)["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in content] == list(WORDS)
    assert content[0]["logprob"] == -0.1 and content[0]["bytes"] == list(b"The ")
    assert content[0]["top_logprobs"][1] == {"token": "other", "logprob": -9999.0, "bytes": list(b"other")}


def test_a_stream_has_role_parts_reason_and_done(client: TestClient) -> None:
    found = events(client)
    assert {one["object"] for one in found} == {"chat.completion.chunk"} and len({one["id"] for one in found}) == 1
    deltas = [one["choices"][0]["delta"] for one in found]
    assert deltas[0] == {"role": "assistant", "content": ""} and deltas[-1] == {}
    assert "".join(delta.get("content", "") for delta in deltas) == "".join(WORDS)
    assert [one["choices"][0]["finish_reason"] for one in found] == [None] * 6 + ["stop"]


def test_a_stream_tells_usage_where_it_is_asked_for(client: TestClient, engine: FakeEngine) -> None:
    assert all("usage" not in one for one in events(client))
    last = events(client, stream_options={"include_usage": True}, n=2)[-1]
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 10
    assert last["usage"]["prompt_tokens"] == len(engine.asked[0].prompt)


def test_logprobs_are_streamed(client: TestClient) -> None:
    told = [one["choices"][0]["logprobs"] for one in events(client, logprobs=True)]
    assert [one["content"][0]["token"] for one in told if one] == list(WORDS)


def test_a_letter_in_two_tokens_is_one_part(client: TestClient, engine: FakeEngine) -> None:
    engine.words = ("", "é", "\ud800")
    found = [one["choices"][0]["delta"].get("content") for one in events(client)]
    assert found == ["", "é", "\ud800", None]


def test_an_answer_that_fails_is_an_error(client: TestClient, engine: FakeEngine) -> None:
    engine.fails_after = 2
    assert ask(client, status=500)["error"] == {
        "message": "the answer could not be written",
        "type": "server_error",
        "param": None,
        "code": "engine_failed",
    }
    assert events(client)[-1]["error"]["code"] == "engine_failed"


@pytest.mark.parametrize("model", ["complaints", "claims"])
def test_a_model_for_labels_answers_with_the_likeliest_label(
    client: TestClient, engine: FakeEngine, model: str
) -> None:
    engine.scored = [-4.0, -0.5, -2.0]
    choice = ask(client, model=model, logprobs=True, top_logprobs=2, max_tokens=1)["choices"][0]
    assert choice["message"]["content"] == "Loan" and choice["finish_reason"] == "stop"
    (told,) = choice["logprobs"]["content"]
    # softmax of -4, -0.5, -2, by hand: e^-0.5 / (e^-4 + e^-0.5 + e^-2) = 0.7979
    assert told["logprob"] == pytest.approx(-0.2258, abs=1e-3)
    assert [one["token"] for one in told["top_logprobs"]] == ["Loan", "Mortgage"]
    found = events(client, model=model)
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in found) == "Loan"
    assert engine.asked == []


def test_where_labels_are_drawn_they_are_written_and_are_labels(client: TestClient, engine: FakeEngine) -> None:
    answer = ask(client, model="claims", temperature=1.0, max_tokens=1)
    assert answer["choices"][0]["message"]["content"] in LABELS
    longest = len(served().renderer.answer_ids("Mortgage"))
    assert engine.asked[0].sampling.choices == LABELS and engine.asked[0].sampling.max_tokens == longest
    ask(client, model="complaints", temperature=1.0)
    assert len(engine.asked) == 1, "a label head writes nothing"


def test_a_text_for_labels_is_shortened_as_in_the_evaluation(client: TestClient, engine: FakeEngine) -> None:
    ask(client, model="complaints", messages=[{"role": "user", "content": "card " * 20_000}])
    assert len(engine.prompts[0]) == served("complaints", "label_head").settings.evaluation.max_prompt_tokens


def test_completions_go_on_with_the_text_itself(client: TestClient, engine: FakeEngine) -> None:
    answer = ask(client, COMPLETIONS, prompt="Dear <|im_end|>", logprobs=1)
    assert answer["object"] == "text_completion" and answer["choices"][0]["text"] == "".join(WORDS)
    told = answer["choices"][0]["logprobs"]
    assert told["tokens"] == list(WORDS) and told["text_offset"] == [0, 4, 9, 12, 20]
    assert told["top_logprobs"][0] == {"The ": -0.1}
    assert engine.asked[0].prompt == tuple(b"Dear <|im_end|>") or len(engine.asked[0].prompt) == 15, "no control token"


def test_completions_of_several_texts_are_numbered_through(client: TestClient) -> None:
    answer = ask(client, COMPLETIONS, prompt=["a", "bb"], n=2)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["prompt_tokens"] == 3
    found = events(client, COMPLETIONS, logprobs=0)
    assert "".join(one["choices"][0]["text"] for one in found) == "".join(WORDS)
    assert [one["choices"][0]["logprobs"]["text_offset"] for one in found[:-1]] == [[0], [4], [9], [12], [20]]


def test_completions_of_a_model_for_labels_are_labels(client: TestClient) -> None:
    assert ask(client, COMPLETIONS, model="complaints")["choices"][0]["text"] == "Card"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": "hello"}, "invalid_value", "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "invalid_value", "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid_value", None),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "no_question", None),
        ({"messages": [{"role": "user", "content": "x" * 5000}]}, "context_length_exceeded", "messages"),
        ({"messages": [{"role": "user", "content": "x" * 900_000}]}, "context_length_exceeded", "messages"),
        ({"max_tokens": 2000}, "context_length_exceeded", "max_tokens"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"n": 17}, "invalid_value", "n"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"temperature": "0.5"}, "invalid_value", "temperature"),
        ({"temperature": True}, "invalid_value", "temperature"),
        ({"top_p": 0}, "invalid_value", "top_p"),
        ({"stop": [""]}, "invalid_value", None),
        ({"stop": ["a"] * 9}, "invalid_value", None),
        ({"seed": 2**70}, "invalid_value", "seed"),
        ({"tools": [{"type": "function"}]}, "invalid_value", "tools"),
        ({"response_format": {"type": "json_schema"}}, "invalid_value", "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": LARGE}}, "invalid_value", None),
        ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"model": None}, "invalid_value", "model"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_field(client: TestClient, fields: Any, code: str, param: str | None) -> None:
    found = ask(client, status=400, **fields)["error"]
    assert found["code"] == code and found["type"] == "invalid_request_error"
    assert param is None or found["param"] == param


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": []},
        {"prompt": [1, "a"]},
        {"prompt": "x" * 3000},
        {"echo": True, "stream": True},
        {"prompt": ["a"] * 9, "n": 2},
    ],
)
def test_mistakes_in_completions(client: TestClient, fields: Any) -> None:
    assert ask(client, COMPLETIONS, 400, **fields)["error"]["type"] == "invalid_request_error"


def test_what_the_engine_refuses(client: TestClient, engine: FakeEngine) -> None:
    engine.full = 2.4
    response = client.post(CHAT, json={"model": "support", "messages": QUESTION})
    assert response.status_code == 429 and response.headers["retry-after"] == "3"
    assert response.json()["error"]["code"] == "engine_full"
    unread = client.post(CHAT, content=b"{", headers={"content-type": "application/json"})
    assert unread.status_code == 429, "it is read although there is no room"
    engine.full, engine.breaks = None, TooLong()
    assert ask(client, status=400)["error"]["code"] == "context_length_exceeded"
    engine.breaks = None
    engine.loaded.clear()
    assert ask(client, status=503)["error"]["code"] == "model_not_loaded"
    assert ask(client, status=404, model="other")["error"]["code"] == "model_not_found"


def test_when_the_engine_has_no_room_for_the_last_answer_none_is_written(
    client: TestClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.endless, engine.pace = True, 0.01
    begin = engine.generate

    def generate(*given: Any) -> Any:
        engine.full = 1.0 if len(engine.asked) == 2 else None
        return begin(*given)

    monkeypatch.setattr(engine, "generate", generate)
    assert ask(client, status=429, n=3, temperature=1.0)["error"]["code"] == "engine_full"
    assert engine.cancelled == 2
