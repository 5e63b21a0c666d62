"""An endpoint that errs, stalls or lies ends in a typed error after bounded tries; only allowed hosts are asked; no key
or text is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable
from ft_platform.models.endpoint import MOST_BYTES, TRIES, VARIABLE, Endpoint, require_allowed_endpoint
from ft_platform_tests.chat_server import ChatServer, chat_server, send

ASKED = [{"role": "user", "content": "Zanzibar secret text"}]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as made:
        yield made


@pytest.fixture
def waits() -> list[float]:
    return []


def endpoint(server: ChatServer, waits: list[float], **options: Any) -> Endpoint:
    return Endpoint(server.url, "judge-1", wait=waits.append, **options)


def test_a_question_is_asked_as_the_protocol_says_and_the_answer_comes_with_usage_and_time(
    server: ChatServer, waits: list[float], monkeypatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-4711")
    server.answer = lambda messages: messages[0]["content"].upper()
    reply = endpoint(server, waits, api_key_env="JUDGE_KEY").chat(ASKED, 7)
    assert (
        reply.answer == "ZANZIBAR SECRET TEXT"
        and reply.usage == {"prompt_tokens": 11, "completion_tokens": 2}
        and reply.seconds > 0
    )
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions" and request["headers"]["Authorization"] == "Bearer sk-4711"
    assert {name: request[name] for name in ("model", "messages", "max_tokens", "temperature")} == {
        "model": "judge-1",
        "messages": ASKED,
        "max_tokens": 7,
        "temperature": 0,
    }
    endpoint(server, waits).chat(ASKED, 7)
    assert "Authorization" not in server.requests[1]["headers"] and waits == []


def test_a_busy_server_is_asked_again_as_late_as_it_wants_but_no_later_than_half_a_minute(
    server: ChatServer, waits: list[float]
) -> None:
    answers = iter([(429, {"Retry_After": "7"}), (503, {"Retry_After": "86400"}), (500, {})])

    def broken(handler: Any) -> bool:
        status, headers = next(answers, (200, {}))
        return status != 200 and send(handler, status, b"Zanzibar", **headers)

    server.broken = broken
    assert endpoint(server, waits).chat(ASKED, 7).answer == "yes"
    assert waits == [7.0, 30.0, 4.0] and len(server.requests) == TRIES


def test_a_server_that_stays_busy_is_given_up(server: ChatServer, waits: list[float]) -> None:
    server.broken = lambda handler: send(handler, 429, b"Zanzibar")
    with pytest.raises(EndpointUnavailable, match=f"gave no answer in {TRIES} tries; .* status 429") as failed:
        endpoint(server, waits).chat(ASKED, 7)
    assert len(server.requests) == TRIES and waits == [1.0, 2.0, 4.0]
    assert not failed.value.permanent and "Zanzibar" not in str(failed.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301, 307])
def test_a_refusal_and_a_redirect_end_at_once(server: ChatServer, waits: list[float], status: int, monkeypatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-4711")
    server.broken = lambda handler: send(handler, status, b"Zanzibar sk-4711", Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(EndpointFailed, match=f"status {status}") as failed:
        endpoint(server, waits, api_key_env="JUDGE_KEY").chat(ASKED, 7)
    assert len(server.requests) == 1 and "Zanzibar" not in str(failed.value) and "4711" not in str(failed.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Zanzibar",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"text": "a"}]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_chat_completion_is_an_error_and_not_an_answer(
    server: ChatServer, waits: list[float], content: bytes
) -> None:
    server.broken = lambda handler: send(handler, 200, content)
    with pytest.raises(EndpointFailed, match="sends no chat completion") as failed:
        endpoint(server, waits).chat(ASKED, 7)
    assert "Zanzibar" not in str(failed.value)


def test_an_endless_answer_is_not_kept(server: ChatServer, waits: list[float]) -> None:
    server.broken = lambda handler: send(handler, 200, b"x" * (MOST_BYTES + 1))
    with pytest.raises(EndpointFailed, match="sends more than"):
        endpoint(server, waits).chat(ASKED, 7)


def test_a_slow_and_a_cut_answer_and_a_closed_port_are_tried_again_and_given_up(
    server: ChatServer, waits: list[float]
) -> None:
    released = threading.Event()

    def drips(handler: Any) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not released.wait(0.02):
            handler.wfile.write(b" ")
        return True

    def cut(handler: Any) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')
        return True

    server.broken = drips
    with pytest.raises(EndpointUnavailable, match="no answer in time"):
        endpoint(server, waits, timeout_seconds=0.2).chat(ASKED, 7)
    released.set()
    server.broken = cut
    with pytest.raises(EndpointUnavailable, match="an answer that was cut"):
        endpoint(server, waits).chat(ASKED, 7)
    with pytest.raises(EndpointUnavailable, match="a refused connection"):
        Endpoint("http://127.0.0.1:1/v1", "m", wait=waits.append).chat(ASKED, 7)
    assert len(waits) == 3 * (TRIES - 1)


ONE_ANSWER = {"choices": [{"message": {"content": "yes"}}]}


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ('{"prompt_tokens": 5, "completion_tokens": 0}', {"prompt_tokens": 5, "completion_tokens": 0}),
        ('{"prompt_tokens": 1e999, "completion_tokens": 2}', {"completion_tokens": 2}),
        ('{"prompt_tokens": -5, "completion_tokens": NaN}', {}),
        ('{"prompt_tokens": true, "completion_tokens": "7"}', {}),
        ('{"prompt_tokens": 1000000000000, "completion_tokens": 2.5}', {}),
        ("[1, 2]", {}),
        ("7", {}),
        ("null", {}),
    ],
)
def test_counts_that_are_none_are_not_counted(
    server: ChatServer, waits: list[float], usage: str, counted: dict[str, int]
) -> None:
    server.broken = lambda handler: send(handler, 200, f'{json.dumps(ONE_ANSWER)[:-1]}, "usage": {usage}}}'.encode())
    reply = endpoint(server, waits).chat(ASKED, 7)
    assert (reply.answer, reply.usage) == ("yes", counted)


def test_half_of_a_surrogate_pair_is_replaced_in_what_is_sent_and_what_comes(
    server: ChatServer, waits: list[float]
) -> None:
    server.broken = lambda handler: send(
        handler, 200, b'{"choices": [{"message": {"content": "a\\ud800b\\ud83d\\ude00"}}]}'
    )
    assert endpoint(server, waits).chat([{"role": "user", "content": "c\udfffd"}], 7).answer == "a\ufffdb\U0001f600"
    assert server.requests[0]["messages"][0]["content"] == "c\ufffdd"


@pytest.mark.parametrize("slow", ["status", "headers", "continue"])
def test_an_answer_that_begins_slowly_is_given_up_at_the_deadline_of_the_whole_try(
    server: ChatServer, waits: list[float], slow: str
) -> None:
    """A byte at a time is within every timeout of a socket."""
    released = threading.Event()

    def drips(handler: Any) -> bool:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if slow == "headers" else b"")
        number = 0
        with suppress(OSError):
            while not released.wait(0.05):
                number += 1
                handler.wfile.write(
                    {"status": b"H", "headers": b"X-%d: y\r\n" % number, "continue": b"HTTP/1.1 100 Continue\r\n\r\n"}[
                        slow
                    ]
                )
        return True

    server.broken = drips
    with pytest.raises(EndpointUnavailable, match="no answer in time"):
        endpoint(server, waits, timeout_seconds=0.3).chat(ASKED, 7)
    released.set()


TOKENS = [
    "<|im_end|>",
    "<|im_start|>system",
    "</s>",
    "<s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<｜User｜>",
    "<eos>",
    "<|eot_id|>",
    "<tool_call>",
]
PLAIN = ["a < b | c > d", "<b>bold</b>", "[1]", "x <| y |> z", "<script>", "[INSTALL]", "a|b"]


def test_what_looks_like_a_control_token_is_sent_with_a_blank_in_it_because_the_server_renders_itself(
    server: ChatServer, waits: list[float]
) -> None:
    messages = [
        {"role": role, "content": " ".join([*TOKENS, *PLAIN])} for role in ("system", "user", "assistant", "user")
    ]
    endpoint(server, waits).chat(messages, 7)
    for message in server.requests[0]["messages"]:
        assert not [token for token in TOKENS if token in message["content"]]
        assert [text for text in PLAIN if text not in message["content"]] == []
        assert message["content"].replace("< ", "<").replace("[ ", "[").split()[0] == TOKENS[0]


def test_a_key_that_is_not_set_or_would_break_a_header_is_named_by_its_variable_only(
    server: ChatServer, waits: list[float], monkeypatch
) -> None:
    with pytest.raises(ConfigError, match="JUDGE_KEY, which api_key_env names, is not set"):
        endpoint(server, waits, api_key_env="JUDGE_KEY")
    monkeypatch.setenv("JUDGE_KEY", "sk-4711\r\nHost: evil")
    with pytest.raises(ConfigError, match="JUDGE_KEY holds blanks") as refused:
        endpoint(server, waits, api_key_env="JUDGE_KEY")
    assert "4711" not in str(refused.value)


ALLOWED = "https://models.example.org https://*.house.example.com:8443 http://10.0.0.5:8000, http://[::1]:*"
URLS = [
    ("https://models.example.org/v1", True, "named"),
    ("https://models.example.org:443/v1", True, "its port is the usual one"),
    ("HTTPS://MODELS.example.org./v1", True, "names have no case, and a dot may end them"),
    ("https://models.example.org:444/v1", False, "another port"),
    ("http://models.example.org/v1", False, "without TLS"),
    ("https://a.house.example.com:8443/v1", True, "a pattern"),
    ("https://house.example.com.evil.org:8443/v1", False, "the pattern's end"),
    ("http://10.0.0.5:8000/v1", True, "a number"),
    ("http://[::1]:8000/v1", True, "IPv6"),
    ("http://127.0.0.1:8000/v1", False, "the default is replaced by the list"),
    ("https://models.example.org@evil.org/v1", False, "a user"),
    ("https://evil.org\\@models.example.org/v1", False, "parsers differ"),
    ("https://models.example.org%2eevil.org/v1", False, "an escape in the host"),
    ("https://models.example.org/v1?key=1", False, "a query"),
    ("ftp://models.example.org/v1", False, "another scheme"),
    ("file:///etc/passwd", False, "a file"),
    ("https://", False, "no host"),
    ("https://models.example.org:port/v1", False, "no port"),
]


@pytest.mark.parametrize(("url", "allowed", "why"), URLS, ids=[why for *_, why in URLS])
def test_only_hosts_on_the_list_may_be_asked(monkeypatch, url: str, allowed: bool, why: str) -> None:
    monkeypatch.setenv(VARIABLE, ALLOWED)
    if allowed:
        assert require_allowed_endpoint(url)[0] in ("http", "https")
    else:
        with pytest.raises(ConfigError, match=r"list of allowed endpoints|must be http"):
            Endpoint(url, "m")


def test_without_a_list_only_this_machine_may_be_asked_and_a_wrong_list_is_an_error(monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert require_allowed_endpoint("http://localhost:8000/v1") == ("http", "localhost", 8000)
    with pytest.raises(
        ConfigError,
        match=(
            r"https://models.example.org is not on the list.*can add 'https://models.example.org' to"
            r" FT_ENDPOINTS_ALLOWED"
        ),
    ):
        require_allowed_endpoint("https://models.example.org/v1")
    for wrong in ("models.example.org", "https://a/b", "*"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ConfigError, match="is not of the form"):
            require_allowed_endpoint("https://models.example.org/v1")
