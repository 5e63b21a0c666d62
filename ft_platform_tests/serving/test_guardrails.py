"""Guardrails over HTTP: what the model reads, what the caller gets, and how it is told. Persons are fictitious."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ft_platform.evaluation.abstaining import ALWAYS
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.serving.catalog import Kind, ServedModel
from ft_platform.serving.engine.requests import Generation
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.guardrails import Guardrails
from ft_platform.use_case.settings.serving import Serving
from ft_platform_tests.serving.fakes import FakeEngine, app_of, running, served, settings, wait_until
from ft_platform_tests.tiny_models import tiny_tokenizer

CHAT, COMPLETIONS, CLASSIFY = "/v1/chat/completions", "/v1/completions", "/v1/classify"
PLACEHOLDER = re.compile(r"<[A-Z_]+_[a-z2-7]{8}>")
NAME, PHONE = "Erika Mustermann", "+1 415 555 0142"
QUESTION = f"My name is {NAME}, call me at {PHONE} please."
KEY = "sk-abcdefghijklmnop1234567890"  # a form that OpenAI's keys have
FIELDS = {"city": {"type": "string"}, "amount": {"type": "number", "required": False}}


def model(kind: Kind = "open_answer", task: dict[str, Any] | None = None, **guardrails: Any) -> ServedModel:
    """`support` with guardrails."""
    made, of = served("support", kind), settings(kind)
    of = of.model_copy(update={"serving": Serving(guardrails=Guardrails(**guardrails))})
    if task:
        of = of.model_copy(update={"task": Task.model_validate(task)})
        made = replace(made, renderer=Renderer(tiny_tokenizer(), of.task, made.labels))
    return replace(made, settings=of)


class Server:
    """A server with one model, and what its model read last."""

    def __init__(self, url: str, engine: FakeEngine) -> None:
        self.url, self.engine = url, engine

    def post(self, path: str = CHAT, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        if path == CHAT and "messages" not in fields:
            fields["messages"] = [{"role": "user", "content": QUESTION}]
        return httpx2.post(self.url + path, json={"model": "support", **fields}, headers=headers or {}, timeout=20)

    def events(self, **fields: Any) -> list[Any]:
        lines = [line.removeprefix("data: ") for line in self.post(stream=True, **fields).text.split("\n\n") if line]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    @property
    def read(self) -> str:
        prompt = self.engine.asked[-1].prompt if self.engine.asked else self.engine.prompts[-1]
        return tiny_tokenizer().decode(list(prompt))

    def metric(self, guardrail: str, did: str) -> float:
        line = f'ft_serve_guardrails_total{{did="{did}",guardrail="{guardrail}",model="support"}} '
        text = httpx2.get(f"{self.url}/metrics", timeout=20).text
        return sum(float(one.removeprefix(line)) for one in text.splitlines() if one.startswith(line))


@contextmanager
def serving(one: ServedModel, keys: ApiKeys | None = None) -> Iterator[Server]:
    engine = FakeEngine()
    with running(app_of(engine, [one], keys)) as server:
        wait_until(lambda: bool(engine.loaded) and httpx2.get(f"{server.url}/ready", timeout=5).is_success)
        yield Server(server.url, engine)


def content(response: httpx2.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def shown(events: list[Any]) -> str:
    return "".join(one["choices"][0]["delta"].get("content", "") for one in events)


def ending(events: list[Any]) -> Any:
    (found,) = [one for one in events if one["choices"][0]["finish_reason"]]
    return found


def test_the_model_reads_no_personal_data_and_the_caller_gets_it_back() -> None:
    with serving(model()) as server:
        server.post()
        assert NAME not in server.read and PHONE not in server.read
        person, phone = PLACEHOLDER.findall(server.read)
        server.engine.words = ["Dear ", person, ", we call ", phone, "."]
        response = server.post()
        assert content(response) == f"Dear {NAME}, we call {PHONE}."
        assert response.headers["X-FT-Guardrail"] == "personal_data"
        assert server.metric("personal_data", "replaced") == 2


def test_a_placeholder_that_is_split_over_pieces_is_shown_whole() -> None:
    with serving(model(answer_scan="pass")) as server:
        server.post()
        person = PLACEHOLDER.findall(server.read)[0]
        server.engine.words = ["Dear ", *person, ", 1 < 2 ", person[:5], " and <PER"]
        found = server.events()
    pieces = [one["choices"][0]["delta"].get("content", "") for one in found]
    assert shown(found) == f"Dear {NAME}, 1 < 2 {person[:5]} and <PER"
    assert not any(person[:n] in piece for piece in pieces[:-3] for n in range(2, len(person)))
    assert ending(found)["x_ft_guardrail"] == ["personal_data"]


def test_what_stands_for_two_persons_is_not_restored() -> None:
    one = model()
    privacy = one.settings.privacy.model_copy(update={"default_operator": "redact"})
    one = replace(one, settings=one.settings.model_copy(update={"privacy": privacy}))
    with serving(one) as server:
        server.engine.words = ["Dear <PERSON>, we call <PHONE>."]
        assert content(server.post()) == f"Dear {NAME}, we call {PHONE}."
        both = [{"role": "user", "content": f"{QUESTION} My wife is Klara Schumann."}]
        assert content(server.post(messages=both)) == f"Dear <PERSON>, we call {PHONE}."


def test_another_request_gets_nothing_of_this_one() -> None:
    with serving(model()) as server:
        server.post()
        person = PLACEHOLDER.findall(server.read)[0]
        server.engine.words = [person]
        assert content(server.post(messages=[{"role": "user", "content": f"Who is {person}?"}])) == person


def test_a_request_with_personal_data_is_refused_where_the_file_says_so() -> None:
    with serving(model(personal_data="refuse")) as server:
        response = server.post()
        assert response.status_code == 400 and response.json()["error"]["code"] == "personal_data"
        assert response.headers["X-FT-Guardrail"] == "personal_data" and not server.engine.asked
        assert NAME not in response.text and "PERSON, PHONE" in response.text
        assert server.post(messages=[{"role": "user", "content": "Why was my card blocked?"}]).status_code == 200
        assert server.metric("personal_data", "refused") == 1


def test_classify_and_completions_replace_too() -> None:
    with serving(model("label_head")) as server:
        for path, field in ((CLASSIFY, "input"), (COMPLETIONS, "prompt")):
            asked: dict[str, Any] = {field: [QUESTION, "A fee."]}
            response = server.post(path, **asked)
            assert response.headers["X-FT-Guardrail"] == "personal_data", path
            assert all(NAME not in tiny_tokenizer().decode(list(prompt)) for prompt in server.engine.prompts)
    with serving(model()) as server:
        server.post(COMPLETIONS, prompt=QUESTION)
        assert NAME not in server.read and PLACEHOLDER.search(server.read)


LEAKS = {
    "a number": ("Call Mr. Braun at ", "+49 30 ", "9018 20", "55 today."),
    "a person": ("You should ask ", "Matthias ", "Brinkhoff ", "about it."),
    "a key": ("Use ", KEY[:9], KEY[9:], " for it."),
}
TOLD = ("9018", "Brinkhoff", KEY[9:])


@pytest.mark.parametrize("words", LEAKS.values(), ids=LEAKS)
def test_personal_data_and_secrets_that_are_not_from_the_request_are_not_shown(words: tuple[str, ...]) -> None:
    plain = [{"role": "user", "content": "Whom do I ask?"}]
    long = " We are sorry for the delay and will look at it as soon as we can." * 8
    with serving(model(answer_scan="replace")) as server:
        server.engine.words = [*words, long]
        for text in (content(server.post(messages=plain)), shown(server.events(messages=plain))):
            assert not any(value in text for value in TOLD) and re.search(r"<[A-Z_]+>", text) and long[-60:] in text
        assert server.metric("answer_scan", "replaced") == 2
    with serving(model(answer_scan="withhold")) as server:
        server.engine.words = [long, *words, long]
        response = server.post(messages=plain)
        assert content(response) == "" and response.headers["X-FT-Guardrail"] == "answer_scan"
        assert response.json()["choices"][0]["finish_reason"] == "content_filter"
        found = server.events(messages=plain)
        assert not any(value in shown(found) for value in TOLD) and long.startswith(shown(found))
        assert ending(found)["choices"][0]["finish_reason"] == "content_filter"
        assert ending(found)["x_ft_guardrail"] == ["answer_scan"]
    with serving(model(answer_scan="pass")) as server:  # what the test looks for is there
        server.engine.words = list(words)
        assert content(server.post(messages=plain)) == "".join(words)


def test_what_the_request_says_may_be_said_again() -> None:
    with serving(model(personal_data="pass", answer_scan="withhold")) as server:
        server.engine.words = ["Dear Erika Mustermann, we call (415) 555-0142 or +1 415 555 0142."]
        response = server.post()
        assert content(response) == "".join(server.engine.words) and "X-FT-Guardrail" not in response.headers


def test_log_probabilities_end_where_an_answer_is_changed() -> None:
    plain = [{"role": "user", "content": "Whom do I ask?"}]
    asked = {"messages": plain, "logprobs": True, "top_logprobs": 1}
    with serving(model()) as server:
        server.engine.words = ["We ", "look ", "at ", "it ", "again. "] * 18
        found = server.events(**asked)
        told = [one["choices"][0]["logprobs"] for one in found]
        tokens = [token["token"] for one in told if one for token in one["content"]]
        assert "".join(tokens) == shown(found) == "".join(server.engine.words) and len(found) > 3
        server.engine.words = ["Ask ", "Matthias ", "Brinkhoff."]
        assert server.post(**asked).json()["choices"][0]["logprobs"]["content"] == []
        told = [one["choices"][0]["logprobs"] for one in server.events(**asked)]
        assert any(told) and all(one["content"] == [] for one in told if one)


@pytest.mark.parametrize(
    ("answer", "is_shown"),
    [
        ('{"city": "Ulm", "amount": 3}', True),
        ('{"city": "Ulm"}', True),
        ('{"city": "Ulm", "amount": "3"}', False),
        ('{"amount": 3}', False),
        ('```{"city": "Ulm"}```', False),
        ('{"city": "Ulm"', False),
        ("Ulm", False),
    ],
)
def test_an_answer_in_json_is_what_the_task_says_or_it_abstains(answer: str, is_shown: bool) -> None:
    task = {"kind": "generation", "answer_format": "json", "fields": FIELDS, "instruction": "Extract."}
    asked = [{"role": "user", "content": "A fee of 3 in Ulm."}]
    with serving(model(task=task)) as server:
        server.engine.words = [answer[:9], answer[9:]]
        response = server.post(messages=asked)
        assert content(response) == (answer if is_shown else "")
        assert response.headers.get("X-FT-Guardrail", "").count("invalid_answer") == (not is_shown)
        reason = "stop" if is_shown else "content_filter"
        assert response.json()["choices"][0]["finish_reason"] == reason
        assert ending(server.events(messages=asked))["choices"][0]["finish_reason"] == reason
        assert all(one.sampling.schema is None for one in server.engine.asked)  # as in the evaluation


def test_a_schema_of_the_client_takes_the_place_of_the_fields() -> None:
    task = {"kind": "generation", "answer_format": "json", "fields": FIELDS, "instruction": "Extract."}
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "A fee."}]}
    own = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    with serving(model(task=task)) as server:  # the engine writes {"a": 1} under any constraint
        assert content(server.post(response_format=own, **asked)) == '{"a": 1}'
        assert content(server.post(response_format={"type": "json_object"}, **asked)) == ""


@pytest.mark.parametrize("written", ["Card", "Insurance", "Car"])
def test_an_answer_that_is_no_label_is_withheld(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(model("written_label"), settings=settings("written_label", "generated"))
    with serving(one) as server:
        write = server.engine._write

        def without_constraint(request: Generation, *rest: Any) -> None:
            write(replace(request, sampling=replace(request.sampling, choices=(written,))), *rest)

        monkeypatch.setattr(server.engine, "_write", without_constraint)
        response = server.post()
        assert content(response) == (written if written == "Card" else "")
        told = response.headers["X-FT-Guardrail"].split(", ")
        assert told == ["personal_data"] + ["invalid_answer"] * (written != "Card")


def test_below_the_threshold_the_model_abstains_in_every_route() -> None:
    plain = [{"role": "user", "content": "My card"}]
    with serving(model("label_head")) as server:  # abstain_below is 0.5
        server.engine.scored = [-1.0, -1.1, -1.2]
        response = server.post(messages=plain, logprobs=True, top_logprobs=3)
        choice = response.json()["choices"][0]
        assert choice["finish_reason"] == "content_filter" and choice["message"]["content"] == ""
        assert choice["logprobs"]["content"] == []
        assert response.headers["X-FT-Guardrail"] == "abstained"
        assert ending(server.events(messages=plain))["x_ft_guardrail"] == ["abstained"]
        assert server.post(CLASSIFY, input="My card").headers["X-FT-Guardrail"] == "abstained"
        assert (server.metric("abstained", "withheld"), server.metric("abstained", "told")) == (2, 1)
        server.engine.scored = [-1.0, -3.0, -4.0]
        assert content(server.post(messages=plain)) == "Card"


def test_a_model_that_only_suggests_decides_nothing_even_without_guardrails() -> None:
    plain = [{"role": "user", "content": "My card"}]
    with serving(replace(model("label_head"), abstain_below=ALWAYS, suggests=True)) as server:
        server.engine.scored = [0.0, -30.0, -30.0]
        for headers in ({}, {"X-FT-Guardrails": "off"}):
            found = server.post(CLASSIFY, headers=headers, input="My card").json()["data"][0]
            assert (found["label"], found["abstained"]) == ("Card", True), headers
            answer = server.post(messages=plain, headers=headers)
            assert (content(answer), answer.json()["choices"][0]["finish_reason"]) == ("", "content_filter"), headers


def test_a_model_abstains_from_texts_that_are_unlike_its_records_however_sure_it_is() -> None:
    foreign = "Meine Karte wurde gestern gesperrt, und niemand sagt mir, warum."
    of = settings("label_head")
    cleaning = of.cleaning.model_copy(update={"allowed_languages": ["en"]})
    made = replace(served("support", "label_head"), settings=of.model_copy(update={"cleaning": cleaning}))
    with serving(made) as server:
        server.engine.scored = [0.0, -30.0, -30.0]
        texts = ["My card was blocked yesterday, and nobody tells me why.", "...", "x" * 3000, foreign]
        response = server.post(CLASSIFY, input=texts)
        assert [one["abstained"] for one in response.json()["data"]] == [False, True, True, True]
        assert {one["label"] for one in response.json()["data"]} == {"Card"}, "what it would say stays visible"
        assert response.headers["X-FT-Guardrail"] == "abstained"
        for text in texts[1:]:
            answer = server.post(messages=[{"role": "user", "content": text}])
            assert (content(answer), answer.json()["choices"][0]["finish_reason"]) == ("", "content_filter")
        unguarded = server.post(CLASSIFY, headers={"X-FT-Guardrails": "off"}, input=foreign).json()
        assert unguarded["data"][0]["abstained"] is False
    with serving(model("label_head", abstain_below="none")) as server:
        assert server.post(CLASSIFY, input="...").json()["data"][0]["abstained"] is False


@pytest.mark.parametrize(("unit", "longest"), [("characters", 20), ("tokens", 20)])
def test_a_longer_input_is_refused(unit: str, longest: int) -> None:
    with serving(model(longest_input=longest, longest_input_unit=unit)) as server:
        for length, status in ((20, 200), (21, 400)):  # the tiny tokenizer has one token for each letter
            half = length // 2
            turns = [("user", "x" * half), ("assistant", ""), ("user", "x" * (length - half))]
            response = server.post(messages=[{"role": role, "content": text} for role, text in turns])
            assert response.status_code == status, (length, response.text)
        assert response.json()["error"]["code"] == "longest_input"
        assert response.headers["X-FT-Guardrail"] == "longest_input" and server.metric("longest_input", "refused") == 1


def test_without_guardrails_answers_are_as_the_model_gives_them() -> None:
    off = {"X-FT-Guardrails": "off"}
    with serving(model(answer_scan="withhold")) as server:
        server.engine.words = ["Ask Matthias Brinkhoff."]
        response = server.post(headers=off)
        assert content(response) == server.engine.words[0] and NAME in server.read
        assert "X-FT-Guardrail" not in response.headers
        assert server.post(headers={"X-FT-Guardrails": "on"}).status_code == 400


@pytest.mark.parametrize("only", [{"X-FT-Guardrails": "off"}, {"X-FT-Trial": "on"}], ids=["unguarded", "trial"])
def test_only_a_key_for_comparisons_leaves_guardrails_out_or_counts_as_no_traffic(
    tmp_path: Path, only: dict[str, str]
) -> None:
    path = tmp_path / "keys.json"
    made = {name: add_key(path, "all", name, unguarded=name == "parity")[1] for name in ("portal", "parity")}
    with serving(model(), ApiKeys(path)) as server:
        for name, status in (("portal", 403), ("parity", 200)):
            response = server.post(headers={"Authorization": f"Bearer {made[name]}", **only})
            assert response.status_code == status, name
            assert status == 200 or response.json()["error"]["code"] == "comparisons_only"
        assert server.post(headers=only).status_code == 401
