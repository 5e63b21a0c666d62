"""The real client of OpenAI against the real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.serving.engine.requests import Full
from ft_platform_tests.serving.fakes import LABELS, WORDS, FakeEngine, app_of, running, wait_until

openai = pytest.importorskip("openai", reason="openai is not installed; it is in the extra dev")
pytestmark = pytest.mark.integration

QUESTION: Any = [{"role": "user", "content": "Why is my card blocked?"}]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture
def key(keys: Path) -> str:
    return add_key(keys, "all", "tests", rate=100_000)[1]


@pytest.fixture
def server(engine: FakeEngine, keys: Path, key: str) -> Iterator[ApiServer]:
    with running(app_of(engine, keys=ApiKeys(keys))) as found:
        wait_until(lambda: len(engine.loaded) == 3)
        yield found


@pytest.fixture
def client(server: ApiServer, key: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=10) as made:
        yield made


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["support", "complaints", "claims"]
    assert client.models.retrieve("complaints").owned_by == "ft-platform"


def test_a_whole_answer(client: Any) -> None:
    answer = client.chat.completions.create(model="support", messages=QUESTION, temperature=0, max_tokens=10)
    assert answer.choices[0].message.content == "".join(WORDS)
    assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer._request_id == answer.id


def test_several_answers_with_logprobs(client: Any) -> None:
    answer = client.chat.completions.create(
        model="support", messages=QUESTION, n=3, temperature=1, logprobs=True, top_logprobs=2, seed=4
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    (first, *_) = answer.choices[0].logprobs.content
    assert first.token == "The " and [one.token for one in first.top_logprobs] == ["The ", "other"]


def test_a_stream_with_usage(client: Any) -> None:
    options = {"include_usage": True}
    parts = list(
        client.chat.completions.create(model="support", messages=QUESTION, stream=True, stream_options=options)
    )
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "".join(WORDS)
    assert parts[0].choices[0].delta.role == "assistant"
    assert parts[-2].choices[0].finish_reason == "stop" and parts[-1].usage.completion_tokens == 5


def test_the_helper_for_streams_puts_an_answer_together(client: Any) -> None:
    with client.chat.completions.stream(model="support", messages=QUESTION, n=2, temperature=1.0) as stream:
        found = stream.get_final_completion()
    assert [choice.message.content for choice in found.choices] == ["".join(WORDS)] * 2


def test_an_answer_in_a_form(client: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    form = pydantic.create_model("Form", a=(int, ...))
    found = client.chat.completions.parse(model="support", messages=QUESTION, response_format=form)
    assert found.choices[0].message.parsed.a == 1


def test_labels(client: Any) -> None:
    answer = client.chat.completions.create(model="complaints", messages=QUESTION)
    assert answer.choices[0].message.content in LABELS


def test_completions(client: Any) -> None:
    answer = client.completions.create(model="support", prompt=["Dear", "Hello"], logprobs=1, max_tokens=2)
    assert [choice.text for choice in answer.choices] == ["The card "] * 2
    assert answer.choices[1].logprobs.text_offset == [0, 4] and answer.choices[0].finish_reason == "length"
    parts = client.completions.create(model="support", prompt="Dear", stream=True)
    assert "".join(part.choices[0].text for part in parts) == "".join(WORDS)


def test_errors_are_those_that_the_client_knows(client: Any, server: ApiServer, engine: FakeEngine, keys: Path) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="other", messages=QUESTION)
    assert missing.value.code == "model_not_found" and missing.value.param == "model"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="support", messages=QUESTION, temperature=5)
    assert wrong.value.param == "temperature" and wrong.value.type == "invalid_request_error"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key=add_key_noticed(server, keys)).chat.completions.create(
            model="support", messages=QUESTION
        )
    engine.full = 1.0
    with pytest.raises(openai.RateLimitError) as busy:
        client.chat.completions.create(model="support", messages=QUESTION)
    assert busy.value.response.headers["retry-after"] == "1"
    engine.full, engine.fails_after = None, 2
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="support", messages=QUESTION)
    with pytest.raises(openai.APIError, match="could not be written"):
        list(client.chat.completions.create(model="support", messages=QUESTION, stream=True))


def add_key_noticed(server: ApiServer, keys: Path) -> str:
    made = add_key(keys, "claims", "other")[1]
    server.app._keys.look(always=True)  # pyright: ignore
    return made


def test_a_client_that_is_told_to_wait_waits_and_is_answered(client: Any, engine: FakeEngine) -> None:
    refusals = [Full(0.0)]
    engine.refusal = lambda: refusals.pop() if refusals else None  # pyright: ignore[reportAttributeAccessIssue]
    answer = client.with_options(max_retries=1).chat.completions.create(model="support", messages=QUESTION)
    assert answer.choices[0].message.content == "".join(WORDS) and not refusals


def test_a_stream_that_is_closed_is_cancelled(client: Any, engine: FakeEngine) -> None:
    engine.endless, engine.pace = True, 0.01
    with client.chat.completions.create(model="support", messages=QUESTION, stream=True, max_tokens=1900) as stream:
        next(iter(stream))
    wait_until(lambda: engine.running == 0, seconds=3)
    assert engine.cancelled == 1


def test_forty_clients_at_once_get_their_own_answers(server: ApiServer, key: str, engine: FakeEngine) -> None:
    engine.pace = 0.002

    async def ask(client: Any, number: int) -> str:
        if number % 2:
            parts = await client.chat.completions.create(model="support", messages=QUESTION, stream=True)
            return "".join([part.choices[0].delta.content or "" async for part in parts])
        limit = 1 + number % 5
        answer = await client.chat.completions.create(model="support", messages=QUESTION, max_tokens=limit)
        return answer.choices[0].message.content

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=20) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(40)))

    expected = ["".join(WORDS if number % 2 else WORDS[: 1 + number % 5]) for number in range(40)]
    assert asyncio.run(all_of_them()) == expected
