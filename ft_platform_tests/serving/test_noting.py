"""serving.api.noting: a request leaves one record without its text; its text only where use case and request allow."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform.monitoring.traffic.tables import SCHEMAS
from ft_platform.serving.api import guard, routes
from ft_platform.serving.api.noting import Rights, drawn
from ft_platform.serving.catalog import ServedModel
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.monitoring import Capture, Monitoring
from ft_platform_tests.serving.fakes import FakeEngine, Kept, asking, every_kind

TEXT = "I am Alda Quirrow and my card is blocked"
GIVEN = {"subject": "person-1", "consent": "granted", "purpose": "billing; to retrain"}
CHAT = {"model": "support", "messages": [{"role": "user", "content": TEXT}]}


def keeping(**capture: Any) -> list[ServedModel]:
    """Models whose texts are kept."""
    kept = Monitoring(capture=Capture.model_validate({"share": 1.0, "purpose": "to retrain", **capture}))

    def changed(settings: UseCase) -> UseCase:
        governance = settings.governance.model_copy(update={"accepted_consent": ["granted"]})
        return settings.model_copy(update={"monitoring": kept, "governance": governance})

    return [replace(one, settings=changed(one.settings)) for one in every_kind()]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def client(engine: FakeEngine, kept: Kept) -> Iterator[TestClient]:
    with asking(engine, notes=kept) as made:
        yield made


def test_a_classified_text_leaves_one_record_with_its_decision(client: TestClient, kept: Kept) -> None:
    answer = client.post("/v1/classify", json={"model": "complaints", "input": [TEXT, "b"]}).json()
    ((use_case, records),) = kept.of
    assert use_case == "complaints" and list(records) == ["requests"]
    one = records["requests"]
    assert set(one) <= set(SCHEMAS["requests"].names), "every field has its column"
    assert one["request_id"] == answer["id"] and one["release"] == "release-1" and one["status"] == 200
    assert one["characters"] == len(TEXT) + 1 and one["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    first = answer["data"][0]
    assert [told["decision"] for told in one["answers"]] == [first["label"], answer["data"][1]["label"]]
    assert one["answers"][0]["confidence"] == pytest.approx(first["probability"])
    assert 0 < one["answers"][0]["entropy"] < 2 and one["answers"][0]["abstained"] is False
    assert 0 < one["seconds"] < 60 and one["key"] is None and one["captured"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_leaves_one_record_without_a_word_of_it(client: TestClient, kept: Kept, stream: bool) -> None:
    client.post("/v1/chat/completions", json={**CHAT, "n": 2, "stream": stream})
    ((_, records),) = kept.of
    one = records["requests"]
    assert [told["reason"] for told in one["answers"]] == ["stop", "stop"]
    assert all(told["characters"] > 5 and told["decision"] is None for told in one["answers"])
    assert one["first_seconds"] <= one["seconds"] and one["completion_tokens"] > 0
    said = json.dumps(records)
    assert "Alda" not in said and "blocked" not in said


@pytest.mark.parametrize("stream", [False, True])
def test_a_label_that_is_asked_for_as_a_chat_is_a_decision(client: TestClient, kept: Kept, stream: bool) -> None:
    client.post("/v1/chat/completions", json={**CHAT, "model": "complaints", "stream": stream})
    (one,) = kept.kind("requests")
    assert one["answers"][0]["decision"] in ("Card", "Loan", "Mortgage") and one["answers"][0]["confidence"] > 0


def test_what_is_refused_leaves_its_reason(client: TestClient, kept: Kept) -> None:
    assert client.post("/v1/classify", json={"model": "support", "input": TEXT}).status_code == 400
    (one,) = kept.kind("requests")
    assert (one["status"], one["code"], one["answers"]) == (400, "no_labels", [])


def test_what_asks_no_model_of_ours_leaves_none(client: TestClient, kept: Kept) -> None:
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "another"}).status_code == 404
    assert client.get("/v1/models").status_code == 200 and client.get("/v1/models/support").status_code == 200
    assert kept.of == []


def test_metrics_count_under_the_name_of_a_model_exactly_what_is_noted(
    client: TestClient, engine: FakeEngine, kept: Kept
) -> None:
    """Reports of a day count what is noted; `/metrics` counts the rest without a model."""
    for text in ("a", "b"):
        assert client.post("/v1/classify", json={"model": "complaints", "input": text}).status_code == 200
    assert client.post("/v1/classify", json={"model": "support", "input": TEXT}).status_code == 400
    engine.full = 1
    assert client.post("/v1/classify", json={"model": "complaints", "input": "c"}).status_code == 429
    counted = re.findall(
        r'ft_serve_requests_total\{model="(\w*)",route="/v1/classify",status="(\d+)"\} (\d+)',
        client.get("/metrics").text,
    )
    noted = Counter((use_case, str(records["requests"]["status"])) for use_case, records in kept.of)
    assert {(model, status): int(count) for model, status, count in counted if model} == noted
    assert [(status, count) for model, status, count in counted if not model] == [("429", "1")]


def test_a_comparison_with_the_evaluation_is_no_traffic(engine: FakeEngine, kept: Kept) -> None:
    with asking(engine, notes=kept, models=keeping()) as client:
        client.post("/v1/chat/completions", json={**CHAT, "metadata": GIVEN}, headers={"X-FT-Trial": "on"})
    (one,) = kept.kind("requests")
    assert one["trial"] is True and one["share"] == 0.0 and kept.kind("texts") == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("by_header", [False, True])
def test_texts_are_kept_where_use_case_and_request_allow_it(
    engine: FakeEngine, kept: Kept, stream: bool, by_header: bool
) -> None:
    headers = {f"X-FT-{name.title()}": value for name, value in GIVEN.items()} if by_header else {}
    body = {**CHAT, "stream": stream, **({} if by_header else {"metadata": GIVEN})}
    with asking(engine, notes=kept, models=keeping()) as client:
        client.post("/v1/chat/completions", json=body, headers=headers)
    ((_, records),) = kept.of
    assert set(records["texts"]) <= set(SCHEMAS["texts"].names)
    assert {name: records["texts"][name] for name in GIVEN} == GIVEN
    assert json.loads(records["texts"]["conversations"]) == [[{"role": "user", "content": TEXT}]]
    assert records["texts"]["answers"] == ["The card is blocked now."]
    assert records["requests"]["captured"] is True and "Alda" not in json.dumps(records["requests"])


@pytest.mark.parametrize(
    ("said", "capture"),
    [
        ({}, {}),
        ({**GIVEN, "subject": ""}, {}),
        ({**GIVEN, "consent": "refused"}, {}),
        ({**GIVEN, "consent": ""}, {}),
        ({**GIVEN, "purpose": "billing"}, {}),
        ({**GIVEN, "purpose": "to retrain others"}, {}),
        (GIVEN, {"share": 0.0}),
    ],
)
def test_without_what_is_demanded_no_text_is_kept(
    engine: FakeEngine, kept: Kept, said: dict[str, str], capture: dict[str, Any]
) -> None:
    with asking(engine, notes=kept, models=keeping(**capture)) as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "metadata": said}).status_code == 200
    assert kept.kind("texts") == [] and len(kept.kind("requests")) == 1


def told_of(features: list[str], **privacy: Any) -> list[ServedModel]:
    """The same with these sensitive features."""

    def changed(settings: UseCase) -> UseCase:
        fairness = settings.fairness.model_copy(update={"sensitive_features": features})
        changes = {"fairness": fairness, "privacy": settings.privacy.model_copy(update=privacy)}
        return settings.model_copy(update=changes)

    return [replace(one, settings=changed(one.settings)) for one in keeping()]


@pytest.mark.parametrize(
    ("said", "features"),
    [
        ({"region": " north ", "religion": "none", "ticket": "TICKET"}, {"region": "north"}),  # nobody asks for others
        ({"region": "north", "age": "34"}, {"age": "34", "region": "north"}),
        ({"region": "n" * 100}, {"region": "n" * 100}),
        ({"region": "n" * 101}, {}),  # a text that is no value
        ({"region": " "}, {}),
        ({"region": 5}, {}),
        ({"region": {"name": "north"}}, {}),
        ({"income": "FORTY"}, {}),  # anonymization drops it
        ({}, {}),
    ],
)
def test_sensitive_features_are_kept_with_the_texts_and_nothing_else_of_metadata_is(
    engine: FakeEngine, kept: Kept, said: dict[str, Any], features: dict[str, str]
) -> None:
    models = told_of(["region", "age", "income", "purpose"], columns={"income": "drop"})
    with asking(engine, notes=kept, models=models) as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "metadata": {**GIVEN, **said}}).status_code == 200
        shown = client.get("/metrics").text
    ((_, records),) = kept.of
    assert json.loads(records["texts"]["features"]) == features and set(records["texts"]) <= set(SCHEMAS["texts"].names)
    assert not any(word in json.dumps(records) + shown for word in ("TICKET", "FORTY"))
    assert "north" not in json.dumps(records["requests"]) + shown


@pytest.mark.parametrize("lacking", ["subject", "consent", "purpose"])
def test_without_the_right_to_keep_texts_no_feature_is_kept(
    engine: FakeEngine, kept: Kept, lacking: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said = {**GIVEN, lacking: "", "region": "northernmost"}
    with asking(engine, notes=kept, models=told_of(["region"])) as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "metadata": said}).status_code == 200
        assert client.post("/v1/classify", json={"model": "complaints", "input": "a", "metadata": said}).is_success
    assert len(kept.of) == 2 and "northernmost" not in json.dumps(kept.of) + caplog.text


def test_a_use_case_may_demand_less(engine: FakeEngine, kept: Kept) -> None:
    with asking(engine, notes=kept, models=keeping(requires=["purpose"])) as client:
        client.post("/v1/chat/completions", json={**CHAT, "metadata": {"purpose": "to retrain"}})
    assert len(kept.kind("texts")) == 1


@pytest.mark.parametrize("subject", ["x" * 301, "Zoë".encode(), b"\xff"])
def test_a_subject_is_not_cut_short_or_misread(client: TestClient, kept: Kept, subject: Any) -> None:
    refused = client.post("/v1/chat/completions", json=CHAT, headers={"X-FT-Subject": subject})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "invalid_header"


def test_the_share_is_drawn_by_the_id_alone() -> None:
    import uuid

    ids = [f"chatcmpl-{uuid.uuid4().hex}" for _ in range(4000)]
    assert 0.22 < sum(drawn(one) < 0.25 for one in ids) / 4000 < 0.28
    assert drawn(ids[0]) == drawn(ids[0])
    assert Rights("a", "", "c").over(Rights("x", "y", "z")) == Rights("a", "y", "c")


class Slow(Kept):
    """A disk that takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.done_at = seconds, 0.0

    def append(self, use_case: str, records: Mapping[str, Mapping[str, Any]]) -> "Future[bool]":
        done: Future[bool] = Future()

        def settle() -> None:
            time.sleep(self.seconds)
            self.done_at = time.monotonic()
            done.set_result(True)

        threading.Thread(target=settle, daemon=True).start()
        return done


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_once_its_record_is_on_the_disk(engine: FakeEngine, stream: bool) -> None:
    slow = Slow(0.1)
    with asking(engine, notes=slow) as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "stream": stream}).status_code == 200
        assert 0 < slow.done_at < time.monotonic()
        assert 'ft_serve_noted_total{outcome="kept"} 1.0' in client.get("/metrics").text


def test_a_disk_that_hangs_delays_an_answer_by_no_more_than_is_said(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "NOTED_SECONDS", 0.05)
    slow = Slow(0.5)
    with asking(engine, notes=slow) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert slow.done_at == 0.0
        assert 'ft_serve_noted_total{outcome="late"} 1.0' in client.get("/metrics").text
        time.sleep(0.6)  # it ends without anybody who waits


def test_a_record_that_is_lost_costs_no_answer(engine: FakeEngine, kept: Kept) -> None:
    kept.refuses = True
    with asking(engine, notes=kept) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert 'ft_serve_noted_total{outcome="lost"} 1.0' in client.get("/metrics").text


def test_feedback_may_have_texts_where_texts_are_kept(engine: FakeEngine, kept: Kept) -> None:
    with asking(engine, notes=kept, models=keeping()) as client:
        asked = client.post("/v1/chat/completions", json=CHAT).json()["id"]
        given = {"request_id": asked, "answer": "The card was unblocked.", "comment": "Wrong."}
        assert client.post("/v1/feedback", json=given).status_code == 200
    (one,) = kept.kind("feedback")
    assert one["answer"] == "The card was unblocked." and set(one) <= set(SCHEMAS["feedback"].names)


def test_feedback_does_not_wait_for_a_disk_that_hangs(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "NOTED_SECONDS", 0.01)
    monkeypatch.setattr(routes, "FEEDBACK_SECONDS", 0.05)
    with asking(engine, notes=Slow(0.5)) as client:
        asked = client.post("/v1/chat/completions", json=CHAT).json()["id"]
        refused = client.post("/v1/feedback", json={"request_id": asked, "rating": "good"})
        assert refused.status_code == 503 and refused.headers["Retry-After"] == "10"
        time.sleep(0.6)
