"""Who may ask, how much is taken, and that no text of a request gets anywhere it does not belong."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform.serving.api.guard import Pace
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api_keys import ApiKeys, add_key, revoke_key
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform_tests.serving.fakes import FakeEngine, asking

PLANTED = "Erika Mustermann, IBAN DE02120300000000202051"  # fictitious
CHAT = "/v1/chat/completions"
EVERY_PATH = [CHAT, "/v1/completions", "/v1/classify", "/v1/feedback"]


def question(model: str = "support", text: str = "?") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture
def every(path: Path) -> str:
    return add_key(path, "all", "operations")[1]


@pytest.fixture
def locked(engine: FakeEngine, path: Path, every: str) -> Iterator[TestClient]:
    """A server with keys."""
    with asking(engine, keys=ApiKeys(path)) as client:
        yield client


def test_every_route_but_five_needs_a_key(locked: TestClient) -> None:
    for address in EVERY_PATH:
        found = locked.post(address, json=question())
        assert found.status_code == 401 and found.headers["www-authenticate"] == "Bearer", address
    for address in ("/v1/models", "/v1/models/support", "/metrics", "/nothing"):
        assert locked.get(address).status_code == 401, address
    for address in ("/", "/health", "/ready", "/openapi.json", "/docs"):
        assert locked.get(address).status_code == 200, address


def test_keys_that_are_not_good(locked: TestClient, path: Path, every: str) -> None:
    ended, revoked = add_key(path, "all", "revoked")
    revoke_key(path, ended.id)
    _, expired = add_key(path, "all", "expired", days=-1)
    locked.app._keys.look(always=True)  # pyright: ignore
    for key in (revoked, expired, every[:-1], f"{every}A", "sk-nothing", ""):
        found = locked.post(CHAT, json=question(), headers=bearer(key))
        assert found.status_code == 401 and found.json()["error"]["code"] == "invalid_api_key"
        assert not key or key not in found.text
    for scheme in ("Basic ", "", "Bearer  \t"):
        assert locked.post(CHAT, json=question(), headers={"Authorization": f"{scheme}x"}).status_code == 401
    assert locked.post(CHAT, json=question(), headers={"Authorization": f"bearer {every}"}).status_code == 200


def test_a_key_of_one_use_case_sees_only_its_models(locked: TestClient, path: Path) -> None:
    _, key = add_key(path, "claims", "claims portal")
    locked.app._keys.look(always=True)  # pyright: ignore
    mine = bearer(key)
    assert [one["id"] for one in locked.get("/v1/models", headers=mine).json()["data"]] == ["claims"]
    assert locked.post(CHAT, json=question("claims"), headers=mine).status_code == 200
    for name in ("support", "complaints", "claims2", "not_there", "complaints@previous"):
        found = locked.post(CHAT, json=question(name), headers=mine)
        assert found.status_code == 403 and found.json()["error"]["code"] == "wrong_key", name
        assert locked.get(f"/v1/models/{name}", headers=mine).status_code == 403
    assert locked.get("/metrics", headers=mine).status_code == 403


def test_each_key_shares_only_the_instruction_with_others(
    locked: TestClient, path: Path, every: str, engine: FakeEngine
) -> None:
    _, other = add_key(path, "all", "other")
    locked.app._keys.look(always=True)  # pyright: ignore
    for key in (every, other):
        assert locked.post(CHAT, json=question(), headers=bearer(key)).status_code == 200
        text = {"model": "complaints", "input": "My card was charged twice."}
        assert locked.post("/v1/classify", json=text, headers=bearer(key)).status_code == 200
    chat, label, *others = engine.sharings
    assert len({one.caller for one in (chat, label)}) == 1 and not {chat.caller} & {one.caller for one in others}
    for one, prompt in ((chat, engine.asked[0].prompt), (label, engine.prompts[0])):
        assert 0 < len(one.public) < len(prompt) and one.public == prompt[: len(one.public)]


def test_feedback_belongs_to_the_key_that_asked(locked: TestClient, path: Path, every: str) -> None:
    _, other = add_key(path, "all", "other")
    locked.app._keys.look(always=True)  # pyright: ignore
    asked = locked.post(CHAT, json=question(), headers=bearer(every)).json()["id"]
    given = {"request_id": asked, "rating": "good"}
    assert locked.post("/v1/feedback", json=given, headers=bearer(other)).status_code == 404
    assert locked.post("/v1/feedback", json=given, headers=bearer(every)).status_code == 200


def test_a_rate_that_is_used_up(engine: FakeEngine, path: Path) -> None:
    _, key = add_key(path, "all", "slow", rate=4)
    with asking(engine, keys=ApiKeys(path)) as client:
        assert client.post(CHAT, json={**question(), "n": 3}, headers=bearer(key)).status_code == 200
        assert client.post(CHAT, json=question(), headers=bearer(key)).status_code == 200
        found = client.post(CHAT, json=question(), headers=bearer(key))
        assert found.status_code == 429 and found.json()["error"]["code"] == "rate_limit"
        assert 1 <= int(found.headers["retry-after"]) <= 16


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("models.example.org", 200),
        ("evil.example.org:8000", 421),
        ("127.0.0.1:9999", 421),
        ("127.0.0.1.evil.example.org", 421),
        ("", 421),
    ],
)
def test_without_keys_only_its_own_names_are_answered(engine: FakeEngine, host: str, status: int) -> None:
    with asking(engine, hosts=Hosts.of(["models.example.org"])) as client:
        assert client.get("/v1/models", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bodies_that_any_page_can_send_are_refused(client: TestClient, engine: FakeEngine, kind: str) -> None:
    sent = client.post(CHAT, content=b'{"model": "support", "messages": []}', headers={"Content-Type": kind})
    assert sent.status_code == 415 and engine.asked == []
    preflight = client.options(CHAT, headers={"Origin": "https://evil.example.org"})
    assert preflight.status_code == 403 and "access-control-allow-origin" not in preflight.headers


OWN, FOREIGN = "http://127.0.0.1:8000", "https://evil.example.org"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": OWN}, 200),
        ({"Origin": "https://models.example.org"}, 200),  # behind a proxy that asks by another name
        ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),  # typed into the address bar
        ({"Origin": "https://inside.example.org", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),  # a file, or a frame in a sandbox
        ({"Origin": ""}, 403),
        ({"Origin": "http://127.0.0.1:8001"}, 403),
        ({"Origin": f"{OWN}@evil.example.org"}, 403),
        ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_pages_of_other_origins_are_refused(engine: FakeEngine, headers: dict[str, str], status: int) -> None:
    with asking(engine, hosts=Hosts.of(["models.example.org"])) as client:
        for found in (client.post(CHAT, json=question(), headers=headers), client.get("/v1/models", headers=headers)):
            assert found.status_code == status
            assert status == 200 or found.json()["error"]["code"] == "wrong_origin"
        for address in ("/", "/docs"):
            assert client.get(address, headers=headers).status_code == 200, "anybody may link to it"
    assert bool(engine.asked) == (status == 200)


def test_large_bodies_and_heads(client: TestClient) -> None:
    found = client.post(CHAT, json=question(text="x" * 1_100_000))
    assert found.status_code == 413 and found.json()["error"]["code"] == "body_too_large"
    assert client.post(CHAT, json=question(text="x" * 11_000_000)).status_code == 413
    found = client.post(CHAT, json=question(), headers={"X-Long": "x" * 20_000})
    assert found.status_code == 431 and found.json()["error"]["code"] == "headers_too_large"
    assert client.get("/v1/models", params={"a": "x" * 20_000}).status_code == 431


def test_a_header_that_is_given_twice(client: TestClient) -> None:
    headers = [("Host", "127.0.0.1:8000"), ("Authorization", "a"), ("Authorization", "b")]
    assert client.get("/v1/models", headers=headers).status_code == 400


def test_too_many_requests_at_once(engine: FakeEngine) -> None:
    with asking(engine, limits=Limits(requests=0)) as client:
        found = client.post(CHAT, json=question())
        assert found.status_code == 429 and found.json()["error"]["code"] == "busy"
        assert client.get("/health").status_code == 200


def test_refusals_leave_at_a_pace() -> None:
    """Ten a second: the first at once, each next one a tenth later, none later than half a second."""
    now = [100.0]
    pace = Pace(10, 0.5, lambda: now[0])
    assert [round(pace.wait(), 3) for _ in range(8)] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5]
    now[0] += 0.55
    assert pace.wait() == pytest.approx(0.05)
    now[0] += 60
    assert pace.wait() == 0, "a quiet minute lends nothing"
    assert pace.wait() == pytest.approx(0.1)


def test_who_asks_again_at_once_is_refused_no_more_often_than_the_pace_says(engine: FakeEngine) -> None:
    engine.full = 1.0
    with asking(engine, limits=Limits(refusals=20)) as client:
        started = time.monotonic()
        codes = {client.post(CHAT, json=question()).json()["error"]["code"] for _ in range(11)}
        assert codes == {"engine_full"}
        assert time.monotonic() - started >= 10 / 20
        engine.full = None
        assert client.post(CHAT, json=question()).status_code == 200


def test_a_refusal_that_waits_holds_no_place(engine: FakeEngine) -> None:
    engine.full = 1.0
    with asking(engine, limits=Limits(requests=1, refusals=0.001, refusal_seconds=1.0)) as client:
        client.post(CHAT, json=question())
        waiting = threading.Thread(target=client.post, args=(CHAT,), kwargs={"json": question()})
        waiting.start()
        time.sleep(0.2)
        engine.full = None
        assert waiting.is_alive()
        assert client.post(CHAT, json=question()).status_code == 200
        waiting.join()


def test_an_answer_that_takes_too_long(engine: FakeEngine) -> None:
    engine.endless, engine.pace = True, 0.01
    with asking(engine, limits=Limits(request_seconds=0.1)) as client:
        found = client.post(CHAT, json={**question(), "max_tokens": 1900})
        assert found.status_code == 504 and found.json()["error"]["code"] == "timeout"
        streamed = client.post(CHAT, json={**question(), "max_tokens": 1900, "stream": True})
        assert '"code":"timeout"' in streamed.text and streamed.text.endswith("data: [DONE]\n\n")
    assert engine.cancelled == 2


@pytest.mark.parametrize(("method", "address", "status"), [
    ("GET", CHAT, 405), ("POST", "/health", 405), ("DELETE", "/v1/models", 405), ("GET", "/nothing", 404),
    ("GET", "/v1/models/", 404), ("GET", "//v1/models", 404), ("GET", "/v1/models/a/b", 404),
])  # fmt: skip
def test_other_paths_and_methods(client: TestClient, method: str, address: str, status: int) -> None:
    found = client.request(method, f"http://127.0.0.1:8000{address}", json={})
    assert found.status_code == status and found.json()["error"]["type"]


def test_every_answer_has_its_id_and_may_not_be_sniffed_or_framed(client: TestClient) -> None:
    for found in (client.get("/health"), client.get("/nothing"), client.post(CHAT, json=question())):
        assert found.headers["x-request-id"] and found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["x-frame-options"] == "DENY"
    answer = client.post(CHAT, json=question())
    assert answer.json()["id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_names_the_release_and_the_checkpoint_behind_it(client: TestClient, streamed: bool) -> None:
    found = client.post(CHAT, json={**question(), "stream": streamed})
    assert found.headers["x-ft-release"] == "release-1"
    assert found.headers["x-ft-checkpoint"] == "checkpoint-of-release-1"
    assert "x-ft-release" not in client.post(CHAT, json=question("nothing")).headers


def test_no_text_of_a_request_is_in_a_log_a_metric_or_an_error(
    engine: FakeEngine, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, key = add_key(path, "all", "portal", rate=100_000)
    caplog.set_level(logging.DEBUG)
    answers: list[str] = []
    texts = [PLANTED, [{"role": "user", "content": PLANTED}], {PLANTED: PLANTED}]
    with asking(engine, keys=ApiKeys(path)) as client:
        client.headers.update(bearer(key))
        client.headers["User-Agent"] = PLANTED
        for fails in (None, RuntimeError(PLANTED)):
            engine.breaks = fails
            for text in texts:
                bodies = [
                    question(text=text),  # pyright: ignore
                    {"model": "support", "messages": text},
                    {"model": text, "messages": question()["messages"]},
                    {"model": "support", "prompt": text},
                    {"model": "complaints", "input": text},
                    {"request_id": text, "rating": text, "correct_label": text},
                    {**question(), "stop": text, "seed": text, "response_format": {"type": text}},
                    {**question(text=PLANTED), "stream": True},
                ]
                for address in EVERY_PATH:
                    answers += [client.post(address, json=body).text for body in bodies]
            answers.append(
                client.post(CHAT, content=f'{{"a": "{PLANTED}"', headers={"Content-Type": "application/json"}).text
            )
            answers.append(client.get(f"/{PLANTED}", params={"q": PLANTED}).text)
        engine.breaks = None
        metrics = client.get("/metrics").text
    lines = [
        record.getMessage() + str(record.exc_info or "")
        for record in caplog.records
        if not record.name.startswith("httpx")
    ]
    assert any("RuntimeError at" in line for line in lines), "failures are told by their kind and place"
    for where, found in (("answer", answers), ("log", lines), ("metrics", [metrics])):
        for text in found:
            for part in ("Mustermann", "DE0212", key, key[12:]):
                assert part not in text, (where, text)


def test_a_panic_of_a_native_library_is_an_error_without_its_text(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Panic(BaseException):
        """As pyo3's, which is no Exception."""

    def panics(*_: Any) -> Any:
        raise Panic(PLANTED)

    monkeypatch.setattr("ft_platform.models.rendering.renderer.Renderer.prompt_ids", panics)
    found = client.post(CHAT, json=question())
    assert found.status_code == 500 and found.json()["error"]["code"] == "internal_error"
    assert PLANTED not in found.text and PLANTED not in caplog.text
    assert client.get("/health").status_code == 200
