"""`/v1/classify`, `/v1/feedback`, and what says what there is."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform.serving.engine.requests import Handle, TooLong
from ft_platform_tests.serving.fakes import LABELS, FakeEngine, Kept, asking, served


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff", "\u3000"], ids=ascii)
def test_an_empty_text_gets_no_label(client: TestClient, text: str) -> None:
    found = client.post("/v1/classify", json={"model": "complaints", "input": ["Why?", text]})
    assert (found.status_code, found.json()["error"]["code"]) == (400, "no_question")
    asked = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]}
    for model in ("complaints", "claims", "support"):
        found = client.post("/v1/chat/completions", json={"model": model, **asked})
        assert (found.status_code, found.json()["error"]["code"]) == (400, "no_question")


def test_a_text_of_signs_only_is_a_text(client: TestClient) -> None:
    for text in ("?", "👍", "5"):
        assert client.post("/v1/classify", json={"model": "complaints", "input": text}).status_code == 200


def classify(client: TestClient, given: Any, status: int = 200, model: str = "complaints") -> Any:
    response = client.post("/v1/classify", json={"model": model, "input": given})
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.parametrize("model", ["complaints", "claims"])
def test_a_label_has_the_probabilities_of_the_evaluation(client: TestClient, engine: FakeEngine, model: str) -> None:
    engine.scored = [-1.0, -2.0, -3.0]
    found = classify(client, "My card is blocked", model=model)
    (one,) = found["data"]
    # e^-1, e^-2, e^-3 divided by their sum, by hand.
    assert one["probabilities"] == pytest.approx({"Card": 0.66524, "Loan": 0.24473, "Mortgage": 0.09003}, abs=1e-5)
    assert (one["index"], one["label"], one["abstained"]) == (0, "Card", False)
    assert one["probability"] == one["probabilities"]["Card"]
    assert found["usage"]["prompt_tokens"] == len(engine.prompts[0]) and found["release"] == "release-1"


def test_below_the_threshold_of_the_model_it_abstains(client: TestClient, engine: FakeEngine) -> None:
    engine.scored = [-1.0, -1.1, -1.2]
    assert classify(client, "My card is blocked")["data"][0]["abstained"] is True


def test_scores_without_any_hope_are_still_numbers(client: TestClient, engine: FakeEngine) -> None:
    engine.scored = [-1e6, -2e6, -2e6]
    assert classify(client, "?")["data"][0]["probabilities"] == {"Card": 1.0, "Loan": 0.0, "Mortgage": 0.0}


def test_several_texts_and_one_conversation(client: TestClient, engine: FakeEngine) -> None:
    assert [one["index"] for one in classify(client, ["a", "b", "c"])["data"]] == [0, 1, 2]
    conversation = [
        {"role": "user", "content": "My card"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "is blocked"},
    ]
    assert len(classify(client, conversation)["data"]) == 1
    renderer = served("complaints", "label_head").renderer
    assert engine.prompts[-1] == tuple(renderer.prompt_ids([{"role": "user", "content": "My card\n\nis blocked"}]))


@pytest.mark.parametrize("given", [None, 5, [], {}, [1], ["a", {"role": "user", "content": "b"}], ["a"] * 65])
def test_mistakes(client: TestClient, given: Any) -> None:
    assert classify(client, given, 400)["error"]["type"] == "invalid_request_error"


def test_a_model_without_labels_cannot_classify(client: TestClient) -> None:
    assert classify(client, "x", 400, "support")["error"]["code"] == "no_labels"


@pytest.mark.parametrize(("error", "status"), [(TooLong(), 400), (RuntimeError("text"), 500)])
def test_scores_that_fail(
    client: TestClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    monkeypatch.setattr(
        engine, "scores", lambda model, prompts, on_done, sharing: on_done(error) or Handle(lambda: None)
    )
    assert "text" not in str(classify(client, "x", status)).replace("context", "")


def test_feedback_is_kept_with_release_and_checkpoint(engine: FakeEngine) -> None:
    kept = Kept()
    with asking(engine, notes=kept) as client:
        asked = classify(client, ["a", "b"])["id"]
        given = {"request_id": asked, "index": 1, "rating": "bad", "correct_label": "Loan", "csat": 2}
        assert client.post("/v1/feedback", json=given).status_code == 200
        (one,) = kept.kind("feedback")
        told = {"index": 1, "rating": "bad", "label": "Loan", "csat": 2, "answer": None, "comment": None, "key": None}
        assert {name: one[name] for name in told} == told and one["request_id"] == asked
        assert (one["release"], one["checkpoint"]) == ("release-1", "checkpoint-of-release-1")
        answer = client.post(
            "/v1/chat/completions", json={"model": "support", "messages": [{"role": "user", "content": "?"}]}
        ).json()
        assert client.post("/v1/feedback", json={"request_id": answer["id"], "rating": "good"}).status_code == 200
    assert [use_case for use_case, records in kept.of if "feedback" in records] == ["complaints", "support"]


def test_feedback_on_an_answer_that_is_long_ago_names_its_model(engine: FakeEngine) -> None:
    kept, long_ago = Kept(), {"request_id": "classify-" + "0" * 32, "rating": "good"}
    with asking(engine, notes=kept) as client:
        assert client.post("/v1/feedback", json=long_ago).status_code == 404
        assert client.post("/v1/feedback", json={**long_ago, "model": "complaints"}).status_code == 200
    (one,) = kept.kind("feedback")
    assert one["release"] is None and one["request_id"] == long_ago["request_id"]


def test_feedback_that_cannot_be_kept_is_not_accepted(engine: FakeEngine) -> None:
    kept = Kept()
    with asking(engine, notes=kept) as client:
        asked = classify(client, "a")["id"]
        kept.refuses = True
        refused = client.post("/v1/feedback", json={"request_id": asked, "rating": "good"})
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "feedback_not_kept"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"request_id": "classify-" + "0" * 32, "rating": "good"}, 404),
        ({"index": 1, "rating": "good"}, 404),
        ({"correct_label": "Savings"}, 400),
        ({"rating": "excellent"}, 400),
        ({"csat": 6}, 400),
        ({"comment": "texts of this use case are not kept"}, 400),
        ({"request_id": "../../etc", "rating": "good"}, 400),
        ({}, 400),
    ],
)
def test_feedback_that_is_refused(client: TestClient, changed: dict[str, Any], status: int) -> None:
    asked = classify(client, "a")["id"]
    assert client.post("/v1/feedback", json={"request_id": asked, **changed}).status_code == status


def test_models_say_what_they_are(client: TestClient) -> None:
    found = client.get("/v1/models").json()
    assert found["object"] == "list" and [one["id"] for one in found["data"]] == ["support", "complaints", "claims"]
    one = client.get("/v1/models/complaints").json()
    assert (one["object"], one["kind"], one["labels"]) == ("model", "label_head", list(LABELS))
    assert one["release"] == "release-1" and one["use_case"] == "complaints"
    assert client.get("/v1/models/other").status_code == 404


def test_metrics_count_and_name_no_text(client: TestClient, engine: FakeEngine) -> None:
    classify(client, "a-planted-text")
    classify(client, "x", 404, model="a-planted-name")
    client.get("/a-planted-path")
    client.get("/v1/models/claims")
    engine.full = 1
    classify(client, "x", 429)
    text = client.get("/metrics").text
    for line in (
        'ft_serve_requests_total{model="complaints",route="/v1/classify",status="200"} 1.0',
        'ft_serve_requests_total{model="",route="/v1/classify",status="404"} 1.0',
        'ft_serve_requests_total{model="",route="other",status="404"} 1.0',
        'ft_serve_requests_total{model="claims",route="/v1/models/{name}",status="200"} 1.0',
        'ft_serve_refused_total{reason="engine_full"} 1.0',
        "ft_serve_capacity_tokens 4096.0",
        "ft_serve_running 0.0",
        'ft_serve_gone_total{why="went_away"} 0.0',
        'ft_serve_request_seconds_count{route="/v1/classify"} 3.0',
    ):
        assert line in text.splitlines(), text
    assert "planted" not in text


def test_the_api_describes_itself(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    schemas = found["components"]["schemas"]
    for path, operations in found["paths"].items():
        for told in operations.values():
            assert told["summary"] and told["responses"], path
    named = set(json.dumps(found).split("#/components/schemas/")[1:])
    assert all(one.split('"')[0] in schemas for one in named)
    routes = {"/v1/chat/completions", "/v1/completions", "/v1/classify", "/v1/feedback", "/v1/models", "/metrics"}
    assert routes <= set(found["paths"])


def test_the_page_of_the_api_runs_no_script_and_loads_nothing(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text and "http" not in page.text.lower().replace("over http", "")
    assert "max_completion_tokens" in page.text
