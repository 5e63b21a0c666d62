"""Clients of others, unchanged, against the server: OpenAI's for JavaScript, LangChain and LiteLLM, each in a process
of its own. `scripts/install_clients.sh FOLDER` installs them, `FT_TEST_CLIENTS` names the folder."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.serving.trial import served
from ft_platform_tests.serving.clients import FOLDER, PROGRAMS
from ft_platform_tests.serving.fakes import LABELS, WORDS, FakeEngine, app_of, running, wait_until
from ft_platform_tests.serving.installations import Installation

ANSWER = "".join(WORDS)

pytestmark = [
    pytest.mark.components(name="clients"),
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="needs the clients: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER"
    ),
]


def asked(program: str, folder: Path, *words: str, key: str = "none") -> Any:
    """What a program of `clients/`, or one in `folder`, says.

    Args:
        folder: an empty one. Node looks for packages beside the program.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "OPENAI_", "PYTHON"))}
    # LiteLLM would fetch its list of prices.
    variables = {**kept, "FT_API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    if not (folder / program).exists():
        shutil.copy(PROGRAMS / program, folder)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(FOLDER / "node_modules")
    interpreter = FOLDER / "bin" / ("node" if program.endswith(".mjs") else "python")
    done = subprocess.run(
        [str(interpreter), program, *words], cwd=folder, env=variables, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def key(tmp_path: Path) -> str:
    return add_key(tmp_path / "api_keys.json", "all", "clients", rate=100_000)[1]


@pytest.fixture
def server(engine: FakeEngine, tmp_path: Path, key: str) -> Iterator[ApiServer]:
    with running(app_of(engine, keys=ApiKeys(tmp_path / "api_keys.json"))) as found:
        wait_until(lambda: len(engine.loaded) == 3)
        yield found


def test_openai_for_javascript(server: ApiServer, engine: FakeEngine, key: str, tmp_path: Path) -> None:
    engine.pace = 0.01
    assert asked("ask_openai.mjs", tmp_path, server.url, "support", "complaints", key=key) == {
        "models": ["support", "complaints", "claims"],
        "whole": ANSWER,
        "tokens": 5,
        "id": True,
        "streamed": ANSWER,
        "streamed_tokens": 5,
        "helper": ANSWER,
        "parsed": {"a": 1},
        "label": LABELS[0],
        "classified": LABELS[0],
        "refused": ["NotFoundError", 404, "model_not_found"],
        "left": True,
    }
    wait_until(lambda: engine.cancelled == 1)


def test_langchain(server: ApiServer, engine: FakeEngine, key: str, tmp_path: Path) -> None:
    told = asked("ask_langchain.py", tmp_path, server.url, "support", "complaints", key=key)
    assert "tools are not served" in told.pop("tools")
    assert told == {
        "whole": ANSWER,
        "tokens": 5,
        "reason": "stop",
        "streamed": ANSWER,
        "streamed_later": ANSWER,
        "conversation": ANSWER,
        "batch": [ANSWER] * 3,
        "form": 1,
        "json": 1,
        "label": LABELS[0],
    }
    assert {one.sampling.temperature for one in engine.asked} == {0.0}, "as the model was evaluated"


def test_litellm(server: ApiServer, key: str, tmp_path: Path) -> None:
    assert asked("ask_litellm.py", tmp_path, server.url, "support", "complaints", key=key) == {
        "whole": ANSWER,
        "tokens": 5,
        "reason": "stop",
        "streamed": ANSWER,
        "streamed_tokens": 5,
        "streamed_later": ANSWER,
        "form": {"a": 1},
        "label": LABELS[0],
        "missing": "NotFoundError",
        "wrong": "BadRequestError",
    }


@pytest.mark.parametrize("program", ["ask_openai.mjs", "ask_langchain.py", "ask_litellm.py"])
def test_a_wrong_key_is_refused(server: ApiServer, engine: FakeEngine, tmp_path: Path, program: str) -> None:
    with pytest.raises(AssertionError, match=r"AuthenticationError|401"):
        asked(program, tmp_path, server.url, "support", "complaints", key="wrong")
    assert engine.asked == []


STREAMED = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const ask = { model: "complaints", messages: [{ role: "user", content: "My swipe was handled badly" }] };
const whole = (await client.chat.completions.create(ask)).choices[0].message.content;
let streamed = "";
for await (const part of await client.chat.completions.create({ ...ask, stream: true })) {
  streamed += part.choices[0]?.delta.content ?? "";
}
console.log(JSON.stringify([whole, streamed]));
"""


@pytest.mark.parametrize(("objective", "kind"), [("label_head", "classification"), ("sft", "generation")])
def test_a_released_checkpoint_answers_a_stream_as_it_answers_at_once(
    tmp_path: Path, objective: str, kind: str
) -> None:
    installation = Installation(tmp_path / "home", objective, kind)
    (tmp_path / "streamed.mjs").write_text(STREAMED)
    with served(installation.environment, ["complaints"]) as url:
        whole, streamed = asked("streamed.mjs", tmp_path, url)
    assert whole == streamed and whole
