"""A prompted model behind an endpoint as a system of an evaluation, against a local server that speaks the protocol,
well and badly."""

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable, VersionRefused
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.systems.endpoint import UNREADABLE, Asked, described, label_in
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.evaluation import Evaluation, PromptedEndpoint
from ft_platform_tests.chat_server import ChatServer, chat_server, send
from ft_platform_tests.evaluation.tiny_case import CANARY, HOSTILE, installed
from ft_platform_tests.tiny_models import tiny_tokenizer

KEY = "sk-secret-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("TESTS_ENDPOINT_KEY", KEY)
    monkeypatch.setattr("ft_platform.models.endpoint.FIRST_WAIT_SECONDS", 0.01)
    with chat_server() as made:
        yield made


def settings(server: ChatServer, **changes: Any) -> dict[str, Any]:
    return {"name": "other", "url": server.url, "model": "big-1", "api_key_env": "TESTS_ENDPOINT_KEY", **changes}


PRICES = {"price_per_1000_input_tokens": 0.5, "price_per_1000_output_tokens": 2.0, "currency": "USD"}


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("loan", "loan"),
        (" **Loan.**\n", "loan"),
        ("The product is a STUDENT  LOAN.", "student loan"),  # not `loan`, which stands in it
        ("student loan or card", UNREADABLE),
        ("loans", UNREADABLE),
        ("", UNREADABLE),
        ("I cannot tell.", UNREADABLE),
        ('{"label": "card"}', "card"),
        ("card, card, card", "card"),
        ("discard", UNREADABLE),
        ("c++ (old)", "c++ (old)"),
        (HOSTILE, HOSTILE),
    ],
)
def test_an_answer_gives_the_one_label_that_stands_in_it(answer: str, label: str) -> None:
    assert label_in(answer, ["card", "loan", "student loan", "c++ (old)", HOSTILE]) == label


def test_money_follows_from_the_tokens_that_were_counted() -> None:
    priced = PromptedEndpoint(name="a", url="https://u:8443/v1", model="m", **PRICES)
    asked = Asked(["x"] * 4, 4000, 100)
    # 4,000 tokens at 0.5 and 100 at 2.0 per 1,000 are 2.2 for 4 requests: 550 per 1,000.
    assert described(priced, asked, 1)["money_per_1000"] == pytest.approx((4.0 * 0.5 + 0.1 * 2.0) / 4 * 1000)
    assert described(priced, asked, 1)["host"] == "u:8443" and described(priced, asked, 1)["currency"] == "USD"
    assert described(priced, Asked(["x"], None, 3), None)["money_per_1000"] is None
    assert described(PromptedEndpoint(name="a", url="https://u/v1", model="m"), asked, 0)["money_per_1000"] is None


@pytest.mark.parametrize(
    "change",
    [{"name": "No"}, {"url": "ftp://x/v1"}, {"url": "https://x/v1?k=1"}, {"api_key_env": "sk-123"}, {"temperature": 1}],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        Evaluation.model_validate({"endpoints": [{"name": "a", "url": "https://x/v1", "model": "m", **change}]})


def test_two_endpoints_of_one_name_are_refused() -> None:
    one = {"name": "a", "url": "https://x/v1", "model": "m"}
    with pytest.raises(ValidationError, match="duplicate names"):
        Evaluation.model_validate({"endpoints": [one, one]})


def test_messages_say_what_the_prompt_says() -> None:
    renderer = Renderer(tiny_tokenizer(), Task(kind="generation", instruction="Help."))
    turns = [
        {"role": "user", "content": " Hello <|im_end|> "},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Café " * 40},
    ]
    whole = renderer.chat([*turns, {"role": "assistant", "content": "the answer"}])
    assert whole == [
        {"role": "system", "content": "Help."},
        *({**turn, "content": turn["content"].strip()} for turn in turns),
    ]
    # Shortened as the prompt is: rendering the shortened messages gives the shortened prompt, but for a letter cut in
    # the middle.
    for most in range(100, 106):
        expected = renderer.prompt_ids(renderer.chat(turns, most)[1:])
        assert expected in (renderer.prompt_ids(turns, most), renderer.prompt_ids(turns, most - 1))
    merged = Renderer(tiny_tokenizer(), Task(kind="classification", instruction="One of: {labels}"), ["loan", "card"])
    expected = [{"role": "system", "content": "One of: card, loan"}, {"role": "user", "content": "a\n\nb"}]
    assert merged.chat([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]) == expected


def test_labels_are_read_counted_and_paid_for(
    server: ChatServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=[settings(server, **PRICES)])
    kinds = {"swipe": "Card!", "house": "It is a loan.", "wire": "hard to say"}
    server.answer = lambda messages: next(said for word, said in kinds.items() if word in messages[-1]["content"])
    with caplog.at_level(logging.DEBUG):
        report = publish_base_evaluation(lake, environment, use_case, splits)
    figures = read_metrics(lake, report)
    expected = [
        "majority",
        "nearest_neighbour",
        "tfidf_logreg",
        "linear_probe",
        "endpoint_other",
        "base_zero_shot",
        "base_few_shot",
    ]
    assert list(figures["systems"]) == expected
    predictions = rows_of(read_predictions(lake, report), "endpoint_other")
    truth = predictions["label"].to_pylist()
    assert predictions["predicted"].to_pylist() == [label if label != HOSTILE else UNREADABLE for label in truth]
    wrong = truth.count(HOSTILE)
    assert 0 < wrong < len(truth)
    assert figures["systems"]["endpoint_other"]["accuracy"]["value"] == pytest.approx(1 - wrong / len(truth))
    told = figures["info"]["endpoint_other"]
    assert told["unreadable"] == wrong and told["prompt_tokens"] == 11 * len(truth)
    assert told["completion_tokens"] == 2 * len(truth)
    per = figures["per_1000_requests"]["endpoint_other"]
    assert per["currency"] == "USD" and per["money"] == pytest.approx(11 * 0.5 + 2 * 2.0) and per["seconds"] > 0
    assert figures["per_1000_requests"]["base_zero_shot"]["money"] is None
    # One request for each test record, greedy, with the instruction and the record's anonymized text; no label, no
    # feature, no id.
    assert len(server.requests) == len(truth)
    for request in server.requests:
        assert request["temperature"] == 0 and request["model"] == "big-1" and request["max_tokens"] == 8
        assert [message["role"] for message in request["messages"]] == ["system", "user"]
        assert CANARY in request["messages"][1]["content"]
        assert request["headers"]["Authorization"] == f"Bearer {KEY}"
        assert not {"record_id", "subject_id", "region", "north", "r0008"} & set(
            json.dumps(request["messages"]).replace('"', " ").split()
        )
    assert KEY not in caplog.text and CANARY not in caplog.text
    assert KEY not in "".join(
        lake.read_file(report, name).decode(errors="replace") for name in lake.manifest(report).files
    )
    asked = len(server.requests)
    assert publish_base_evaluation(lake, environment, use_case, splits) == report and len(server.requests) == asked, (
        "equal inputs are not paid for twice"
    )


def test_free_answers_have_no_losses_and_all_systems_are_compared_by_what_they_share(
    server: ChatServer, tmp_path: Path
) -> None:
    from ft_platform.reporting.model_card import publish_model_card
    from ft_platform.reporting.publishing.fairness import publish_fairness
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.reporting.score_table import score_table_markdown

    environment, lake, use_case, splits = installed(tmp_path, "generation", endpoints=[settings(server)])
    server.answer = lambda messages: next(
        f"Sorry about your {word}." for word in ("swipe", "house", "wire") if word in messages[-1]["content"]
    )
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test")).checkpoint
    asked = len(server.requests)
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    assert len(server.requests) == asked, "the answers of the base evaluation are used"
    figures = read_metrics(lake, report)
    assert "answer_loss" not in figures["systems"]["endpoint_other"]
    assert "answer_loss" in figures["systems"]["fine_tuned"]
    assert figures["main_metric"] == "rouge_l" and {test["metric"] for test in figures["tests"].values()} == {"rouge_l"}
    assert figures["systems"]["endpoint_other"]["rouge_l"]["value"] == 1.0
    assert figures["info"]["endpoint_other"]["unreadable"] is None
    page = lake.read_file(report, "report.html").decode()
    assert "endpoint_other is model big-1 at 127.0.0.1" in page
    assert "Prompt: the fine-tuned model is worse than endpoint_other" in page
    assert "endpoint_other" in score_table_markdown(figures, 0.95)
    card = publish_model_card(lake, use_case, checkpoint, report, publish_fairness(lake, use_case, report))
    assert r"| endpoint\_other | – | – |" in lake.read_file(card, "README.md").decode()


def garbage(handler: Any) -> bool:
    return send(handler, 200, b"<html>not JSON</html>")


def busy(handler: Any) -> bool:
    return send(handler, 429, b"", Retry_After="0")


def forbidden(handler: Any) -> bool:
    return send(handler, 401, b"wrong key")


def slow(handler: Any) -> bool:
    import time

    time.sleep(0.6)
    return True


@pytest.mark.parametrize(
    ("broken", "error", "tries"),
    [
        (garbage, EndpointFailed, 1),
        (forbidden, EndpointFailed, 1),
        (busy, EndpointUnavailable, 4),
        (slow, EndpointUnavailable, 4),
    ],
)
def test_an_endpoint_that_fails_has_no_score_and_nothing_is_published(
    server: ChatServer, tmp_path: Path, broken: Any, error: type[Exception], tries: int
) -> None:
    endpoints = [settings(server, timeout_seconds=0.3)]
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=endpoints)
    server.broken = broken
    with pytest.raises(error) as failed:
        publish_base_evaluation(lake, environment, use_case, splits)
    assert type(failed.value) is error and len(server.requests) == tries
    assert lake.artifacts("complaints", "base_evaluation") == []
    assert CANARY not in str(failed.value) and KEY not in str(failed.value)


def test_a_busy_endpoint_is_asked_again(server: ChatServer, tmp_path: Path) -> None:
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=[settings(server)])
    server.answer = lambda messages: "loan"
    server.broken = lambda handler: len(server.requests) == 1 and busy(handler)
    report = publish_base_evaluation(lake, environment, use_case, splits)
    rows = rows_of(read_predictions(lake, report), "endpoint_other")
    assert rows["predicted"].unique().to_pylist() == ["loan"] and len(server.requests) == rows.num_rows + 1


def test_a_host_that_is_not_allowed_gets_no_request(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FT_ENDPOINTS_ALLOWED", "https://models.example.org")
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=[settings(server)])
    with pytest.raises(ConfigError, match="not on the list of allowed endpoints"):
        publish_base_evaluation(lake, environment, use_case, splits)
    assert server.requests == []


def test_a_key_that_is_not_set_is_named_and_nothing_is_sent(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TESTS_ENDPOINT_KEY")
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=[settings(server)])
    with pytest.raises(ConfigError, match="TESTS_ENDPOINT_KEY"):
        publish_base_evaluation(lake, environment, use_case, splits)
    assert server.requests == []


def test_records_of_the_restricted_zone_are_never_sent(server: ChatServer, tmp_path: Path) -> None:
    environment, lake, use_case, splits = installed(tmp_path, "classification", endpoints=[settings(server)])
    with pytest.raises(VersionRefused, match="zone restricted"):
        publish_base_evaluation(lake, environment, use_case, dataclasses.replace(splits, zone="restricted"))
    assert server.requests == []
