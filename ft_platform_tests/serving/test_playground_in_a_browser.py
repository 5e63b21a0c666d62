"""The playground in Chromium: what people do with it, hostile texts, and barriers."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.serving.catalog import ServedModel
from ft_platform.serving.engine.requests import Full
from ft_platform_tests.reporting.axe import axe_script, barriers_of
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.reporting.xss import ATTACKS
from ft_platform_tests.serving.clients import FOLDER
from ft_platform_tests.serving.fakes import (
    WORDS,
    FakeEngine,
    Kept,
    app_of,
    every_kind,
    running,
    served,
    wait_until,
    withholding,
)

pytestmark = pytest.mark.components(name="browser")

TEXT = 'It\'s "odd": $HOME, `x`, 50 %\\n,\nétè 🙂 <b>&amp;'
"""Signs that end a text or mean something in a shell, in Python, in JavaScript or in HTML."""
MANY = (*ATTACKS, "x" * 900, *(f"A label with the number {number}" for number in range(200 - len(ATTACKS) - 1)))
SCORED = [-number / 50 for number in range(len(MANY))]


def many_labels() -> ServedModel:
    """A model with 200 labels, hostile and long ones among them."""
    return dataclasses.replace(served("routing", "label_head"), labels=MANY)


MODELS = [
    *every_kind(),
    served("support@previous", release="release-0"),
    served("complaints@candidate", "label_head", release="release-2"),
    many_labels(),
]


class Playground:
    """The page in a browser, as somebody uses it."""

    def __init__(self, chrome: Any, server: ApiServer) -> None:
        self.chrome, self.server = chrome, server
        chrome.get_log("browser")
        chrome.get(f"{server.url}/")
        wait_until(lambda: bool(self.one("#model option") or self.one("#key").is_displayed()))

    def every(self, selector: str) -> list[Any]:
        return self.chrome.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return next(iter(self.every(selector)), None)

    def choose(self, place: str, words: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.one(place)).select_by_visible_text(words)

    def write(self, text: str) -> None:
        """As if it was pasted; the driver types no signs beyond U+FFFF."""
        script = "const e = document.querySelector('textarea'); e.value = arguments[0];"
        self.chrome.execute_script(f"{script} e.dispatchEvent(new Event('input', {{bubbles: true}}))", text)

    def ask(self, text: str = "Why is my card blocked?") -> None:
        self.write(text)
        self.one("#ask").click()
        self.wait()

    def wait(self) -> None:
        """Until every answer is there."""
        wait_until(lambda: bool(self.one(".card")) and not self.one(".card[aria-busy=true]") and bool(self.said))

    @property
    def said(self) -> str:
        """What a screen reader says at the end."""
        return self.one("#said").get_attribute("textContent")

    @property
    def errors(self) -> list[str]:
        """Of the browser's console."""
        return [entry["message"] for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    axe_script()
    with browser() as chrome:
        yield chrome


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@contextmanager
def serving(engine: FakeEngine, **options: Any) -> Iterator[ApiServer]:
    with running(app_of(engine, MODELS, **options)) as server:
        wait_until(lambda: len(engine.loaded) == len(MODELS))
        yield server


@pytest.fixture
def page(chrome: Any, engine: FakeEngine, kept: Kept) -> Iterator[Playground]:
    with serving(engine, notes=kept) as server:
        found = Playground(chrome, server)
        yield found
        assert found.errors == []


def test_a_text_is_answered_with_what_is_behind_it(page: Playground) -> None:
    page.ask()
    (card,) = page.every(".card")
    assert card.find_element("css selector", ".text").text == "".join(WORDS)
    assert "release-1" in card.text and "checkpoint-of-release-1" in card.text
    assert "seconds" in card.text and "tokens read, 5 written" in card.text
    assert page.said == f"support: {''.join(WORDS)}"
    assert not page.one("#with-key").is_displayed()


def test_labels_are_shown_as_bars_with_their_probabilities(page: Playground) -> None:
    page.choose("#model", "complaints")
    page.ask()
    assert page.one(".card .label").text == "Card" and "Confidence: 84.4 %" in page.one(".card").text
    rows = [[cell.text for cell in row.find_elements("css selector", "th, td.number")] for row in page.every("tr")]
    assert rows == [["Card", "84.4 %"], ["Loan", "11.4 %"], ["Mortgage", "4.2 %"]]
    widths = [bar.size["width"] for bar in page.every("td.bar span")]
    assert widths[0] / widths[1] == pytest.approx(0.844 / 0.114, rel=0.1)
    assert "bstained" not in page.one(".card").text


def test_a_model_that_is_not_sure_enough_abstains(page: Playground, engine: FakeEngine) -> None:
    engine.scored = [-1.0, -1.1, -1.2]
    page.choose("#model", "complaints")
    page.ask()
    warnings = [one.text for one in page.every(".card .warning")]
    assert warnings[0] == "Guardrail that acted: abstained" and "Abstained: not as sure as 50.0 %" in warnings[1]
    assert "Abstained" in page.said


def test_two_aliases_are_compared_side_by_side(page: Playground) -> None:
    page.choose("#model", "complaints")
    assert [one.text for one in page.every("#other option")] == ["nothing", "complaints@candidate"]
    page.choose("#other", "complaints@candidate")
    page.ask()
    first, second = page.every(".card")
    assert "release-1" in first.text and "release-2" in second.text
    assert first.location["y"] == second.location["y"] and first.location["x"] < second.location["x"]
    page.choose("#model", "routing")
    assert not page.one("#compare").is_displayed(), "it has no other alias"


def test_a_conversation_goes_on(page: Playground, engine: FakeEngine) -> None:
    page.ask()
    page.one(".card button").click()
    roles = [one.get_attribute("value") for one in page.every("#messages select")]
    assert roles == ["user", "assistant", "user"]
    page.chrome.switch_to.active_element.send_keys("And now?")
    page.one("#ask").click()
    wait_until(lambda: len(engine.asked) == 2)
    page.wait()
    assert len(engine.asked[1].prompt) > len(engine.asked[0].prompt) + len("".join(WORDS))
    page.one("#reset").click()
    assert len(page.every("#messages li")) == 1 and not page.every(".card")


def test_opinions_are_sent(page: Playground, kept: Kept) -> None:
    page.choose("#model", "complaints")
    page.ask()
    good, _, send = page.every(".card [role=group] button")
    good.click()
    wait_until(lambda: len(kept.kind("feedback")) == 1)
    send.click()
    assert "Choose the right label first." in page.one(".card").text
    page.choose(".card select", "Loan")
    send.click()
    wait_until(lambda: len(kept.kind("feedback")) == 2)
    assert [
        (use_case, told["feedback"]["rating"], told["feedback"]["label"])
        for use_case, told in kept.of
        if "feedback" in told
    ] == [
        ("complaints", "good", None),
        ("complaints", None, "Loan"),
    ]
    wait_until(lambda: "Thank you" in page.one(".card").text)


def test_hostile_answers_are_text(page: Playground, engine: FakeEngine) -> None:
    # A text that looks like personal data adds the line about the guardrail.
    elements = "document.querySelectorAll('body *:not(.card .warning:first-child)').length"
    shown = "document.querySelector('.card .text').textContent"
    page.ask("Plain?")
    plain = page.chrome.execute_script(f"return {elements}")
    for attack in ATTACKS:
        engine.words = (attack,)
        page.ask(attack)
        assert page.chrome.execute_script(f"return {shown}") == attack
        assert page.chrome.execute_script(f"return {elements}") == plain, "no element more than for a plain text"


def test_hostile_labels_are_text(page: Playground, engine: FakeEngine) -> None:
    engine.scored = SCORED
    page.choose("#model", "routing")
    page.ask()
    for cells in (".bars th", ".card option:not(:first-child)"):
        names = page.chrome.execute_script(f"return [...document.querySelectorAll('{cells}')].map(e => e.textContent)")
        assert sorted(names) == sorted(MANY)
    assert page.one(".card .label").text == ATTACKS[0]
    assert not page.every(".card b, .card img, .card svg, .card script, .card iframe, .card [onmouseover]")


def test_trusted_types_refuse_to_turn_a_text_into_html(chrome: Any, engine: FakeEngine) -> None:
    with serving(engine) as server:
        page = Playground(chrome, server)
        tried = "try { document.body.innerHTML = '<i></i>'; return 'done' } catch (error) { return error.name }"
        assert chrome.execute_script(tried) == "TypeError"
        assert any("TrustedHTML" in one for one in page.errors)


@pytest.mark.parametrize("case", ["200 labels", "10,000 characters"])
def test_there_are_no_barriers_and_no_break_of_the_layout(page: Playground, engine: FakeEngine, case: str) -> None:
    assert barriers_of(page.chrome, axe_script()) == {}
    engine.words, engine.scored = ("x" * 5000, " word" * 1000), SCORED
    page.choose("#model", "routing" if case == "200 labels" else "support")
    if case != "200 labels":
        page.choose("#other", "support@previous")
    page.ask("y" * 1000)
    assert case == "200 labels" or len(page.one(".card .text").text) == 10_000
    assert barriers_of(page.chrome, axe_script()) == {}


def test_everything_can_be_done_with_the_keyboard(page: Playground, kept: Kept) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> str:
        """The name of what has the focus then."""
        ActionChains(page.chrome).send_keys(*keys).perform()
        return page.chrome.execute_script(
            "const e = document.activeElement; return e.id || e.ariaLabel || e.textContent"
        )

    stops = []
    while not stops or stops[-1] not in ("", "javascript"):
        stops.append(press(Keys.TAB))
        assert len(stops) < 30
    ways = ["model", "other", "Role", "Text", "add", "reset", "ask", "stop", "curl", "python", "javascript"]
    assert [one for one in stops if one in ways] == ways
    page.one("#model").send_keys("c")  # the first that begins with it
    page.one("textarea").send_keys("Why?", Keys.CONTROL + Keys.ENTER)
    page.wait()
    assert page.chrome.switch_to.active_element.tag_name == "textarea", "the focus stays"
    assert page.said.startswith("complaints: Card, 84.4 %")
    page.one(".card [role=group] button").send_keys(Keys.ENTER)
    wait_until(lambda: len(kept.kind("feedback")) == 1)


def test_an_answer_can_be_stopped(page: Playground, engine: FakeEngine) -> None:
    engine.endless, engine.pace = True, 0.01
    page.write("Why?")
    page.one("#ask").click()
    wait_until(lambda: bool(page.one(".card .text")) and len(page.one(".card .text").text) > 20)
    assert page.one(".card").get_attribute("aria-busy") == "true"
    page.one("#stop").click()
    page.wait()
    assert page.one(".card .warning").text == "Stopped."
    wait_until(lambda: engine.cancelled == 1)


def test_failures_are_told(chrome: Any, engine: FakeEngine) -> None:
    with serving(engine) as server:
        page = Playground(chrome, server)
        engine.full = 2.0
        page.ask()
        assert page.one(".card .warning").text == "The server refuses: the server is busy"
        engine.full, engine.fails_after = None, 2
        page.ask()
        assert page.one(".card .warning").text == "The server stopped: the answer could not be written"
        assert page.one(".card .text").text.strip() == "The card"
    page.ask()
    assert page.one(".card .warning").text == "The server does not answer."


def test_which_guardrail_acted_is_told(chrome: Any, engine: FakeEngine) -> None:
    app = app_of(engine, MODELS)
    inner = app._app

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith("/v1/c"):
                message = {**message, "headers": [*message["headers"], (b"x-ft-guardrail", b"input: <b>topic</b>")]}
            await send(message)

        await inner(scope, receive, marked)

    app._app = guarded
    with running(app) as server:
        wait_until(lambda: len(engine.loaded) == len(MODELS))
        page = Playground(chrome, server)
        page.ask()
        assert page.one(".card .warning").text == "Guardrail that acted: input: <b>topic</b>"
        engine.breaks = Full(1.0)
        page.ask()
        assert [one.text for one in page.every(".card .warning")] == [
            "Guardrail that acted: input: <b>topic</b>",
            "The server refuses: the server is busy",
        ]


def test_an_answer_that_was_withheld_is_told(page: Playground, engine: FakeEngine) -> None:
    withholding(engine)
    page.ask()
    assert page.one(".card .warning").text == "A guardrail withheld the answer."
    assert page.said == "support: A guardrail withheld the answer."


def test_the_key_is_typed_into_the_page_and_kept_nowhere(chrome: Any, engine: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "api_keys.json"
    _, key = add_key(path, "complaints", "portal")
    with serving(engine, keys=ApiKeys(path)) as server:
        page = Playground(chrome, server)
        assert page.one("#status").text == "This server needs a key." and not page.every("#model option")
        assert page.one("#key").get_attribute("type") == "password"
        page.one("#key").send_keys("ft_wrong\n")
        wait_until(lambda: "The server refuses" in page.one("#problem").text)
        page.one("#key").clear()
        page.one("#key").send_keys(f"{key}\n")
        wait_until(lambda: bool(page.every("#model option")))
        assert [one.text for one in page.every("#model option")] == ["complaints", "complaints@candidate"]
        assert page.one("#problem").text == ""
        page.ask()
        assert page.one(".card .label").text == "Card"
        assert key not in page.chrome.page_source and "$FT_API_KEY" in page.one("#curl").text
        kept = "return [document.cookie, localStorage.length, sessionStorage.length, location.href]"
        assert chrome.execute_script(kept) == ["", 0, 0, f"{server.url}/"]
        chrome.refresh()
        wait_until(lambda: page.one("#status").text == "This server needs a key.")
        assert page.one("#key").get_attribute("value") == ""


ELSEWHERE = """
const done = arguments[arguments.length - 1], [base] = arguments;
const body = '{"model": "support", "messages": [{"role": "user", "content": "?"}]}';
const json = {method: "POST", headers: {"Content-Type": "application/json"}, body};
const tries = {models: ["/v1/models", {}], asked: ["/v1/chat/completions", json],
  blind: ["/v1/models", {mode: "no-cors"}], posted: ["/v1/chat/completions", {method: "POST", mode: "no-cors", body}]};
Promise.all(Object.entries(tries).map(([name, [path, options]]) =>
  fetch(base + path, options).then((answer) => [name, answer.type], () => [name, "refused"])))
  .then((found) => done(Object.fromEntries(found)));
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """The address of a page of another origin on this machine, from where browsers let pages ask."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_port}/index.html"
        other.shutdown()


def test_a_page_of_another_origin_asks_and_reads_nothing(chrome: Any, engine: FakeEngine, elsewhere: str) -> None:
    import httpx2

    with serving(engine) as server:
        chrome.get(elsewhere)
        tried = chrome.execute_async_script(ELSEWHERE, server.url)
        assert tried["models"] == tried["asked"] == "refused"
        assert {tried["blind"], tried["posted"]} <= {"opaque", "refused"}, "sent, and not to be read"
        counted = httpx2.get(f"{server.url}/metrics").text
    assert engine.asked == []
    answered = [line for line in counted.splitlines() if line.startswith("ft_serve_requests_total{")]
    assert answered and all('status="403"' in line for line in answered), answered


@pytest.mark.components(name="clients")
@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs OpenAI's client for JavaScript: scripts/install_clients.sh")
@pytest.mark.parametrize("model", ["support", "complaints"])
def test_the_snippet_for_javascript_runs(chrome: Any, engine: FakeEngine, tmp_path: Path, model: str) -> None:
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    _, key = add_key(tmp_path / "api_keys.json", "all", "snippets")
    with serving(engine, keys=ApiKeys(tmp_path / "api_keys.json")) as server:
        page = Playground(chrome, server)
        page.one("#key").send_keys(f"{key}\n")
        wait_until(lambda: bool(page.every("#model option")))
        page.choose("#model", model)
        page.ask(TEXT)
        (tmp_path / "ask.mjs").write_text(chrome.execute_script("return javascript.textContent"), encoding="utf-8")
        words, variables = [str(FOLDER / "bin" / "node"), "ask.mjs"], {**os.environ, "FT_API_KEY": key}
        done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("".join(WORDS) if model == "support" else "Card 0.84")
    prompts = [one.prompt for one in engine.asked] or engine.prompts
    assert len(prompts) == 2 and len(set(prompts)) == 1


@pytest.mark.parametrize("model", ["support", "complaints"])
@pytest.mark.parametrize("locked", [False, True], ids=["open", "with keys"])
def test_the_snippets_run(chrome: Any, engine: FakeEngine, tmp_path: Path, model: str, locked: bool) -> None:
    pytest.importorskip("openai")
    path = tmp_path / "api_keys.json"
    key = add_key(path, "all", "snippets")[1] if locked else ""
    with serving(engine, keys=ApiKeys(path if locked else None)) as server:
        page = Playground(chrome, server)
        if locked:
            page.one("#key").send_keys(f"{key}\n")
            wait_until(lambda: bool(page.every("#model option")))
        page.choose("#model", model)
        page.ask(TEXT)
        variables = {**os.environ, "FT_API_KEY": key}

        def run(*words: str) -> str:
            done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return done.stdout

        found = json.loads(run("bash", "-c", page.chrome.execute_script("return curl.textContent")))
        written = run(sys.executable, "-c", page.chrome.execute_script("return python.textContent"))
        if model == "support":
            assert found["choices"][0]["message"]["content"] == "".join(WORDS) == written.strip()
            assert len({one.prompt for one in engine.asked}) == 1 and len(engine.asked) == 3
        else:
            assert found["data"][0]["label"] == "Card" and written.split()[0] == "Card"
            assert len(set(engine.prompts)) == 1 and len(engine.prompts) == 3
