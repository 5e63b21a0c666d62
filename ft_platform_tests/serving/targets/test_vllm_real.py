"""A real vLLM: adapters are loaded, tried and switched, and answer as transformers and peft do.

`FT_VLLM_PYTHON` names the Python of an environment with vLLM 0.32 or later, apart from this one."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import torch

from ft_platform.monitoring.traffic.log_formats import Logged, requests_in
from ft_platform.serving.targets.contract import Model
from ft_platform.serving.targets.vllm import Vllm
from ft_platform.use_case.settings.serving_targets import VllmTarget
from ft_platform_tests.serving.targets.worlds import USE_CASE
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

PYTHON = os.environ.get("FT_VLLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="FT_VLLM_PYTHON names no environment with vLLM"),
]
SIZES = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64}
OURS = "{{ '<|im_start|>' + messages[-1]['content'] + '<|im_end|>' }}"
"""Not the template of the base model."""
QUESTION = [{"role": "user", "content": "Who are you?"}]
RELEASES = ("release-a", "release-b")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model, and for each release an exported adapter that changes its answers."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("vllm")
    tiny_model(**SIZES).save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    for number, release in enumerate(RELEASES):
        adapted = get_peft_model(
            tiny_model(**SIZES), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
        )
        torch.manual_seed(number)
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.2)
        adapted.save_pretrained(folder / release)
        tokenizer = tiny_tokenizer(OURS)
        tokenizer.save_pretrained(folder / release)
        end = tokenizer.convert_tokens_to_ids("<think>")  # the base model ends answers elsewhere
        (folder / release / "export.json").write_text(json.dumps({"release": release, "end_of_turn": {"id": end}}))
    return folder


@pytest.fixture(scope="module")
def collector(place: Path) -> Iterator[str]:
    """What stands in for OpenTelemetry's collector with its file exporter: a line in `spans.jsonl` for each message."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            told = ExportTraceServiceRequest.FromString(content)
            with (place / "spans.jsonl").open("a") as file:
                file.write(json.dumps(MessageToDict(told, use_integers_for_enums=True)) + "\n")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    server.shutdown()


@pytest.fixture(scope="module")
def url(place: Path, collector: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = place / "home"
    home.mkdir()
    variables = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "OMP_WAIT_POLICY": "PASSIVE",
        "VLLM_API_KEY": "k",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
    command = [
        *(str(PYTHON), "-m", "vllm.entrypoints.cli.main", "serve", str(place / "base"), "--served-model-name", "base"),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--max-model-len", "256"),
        *("--max-num-seqs", "4", "--enable-lora", "--max-loras", "3", "--max-lora-rank", "8", "--enforce-eager"),
        *("--trust-request-chat-template", "--otlp-traces-endpoint", collector),
        *("--logging-config.formatter", "json", "--enable-log-requests", "--enable-log-outputs"),
    ]
    log = (place / "log").open("w")
    process = subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            assert process.poll() is None, (place / "log").read_text()[-3000:]
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx2.HTTPError:
                pass
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def target(url: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vllm]:
    monkeypatch.setenv("VLLM_KEY", "k")
    monkeypatch.setattr("ft_platform.serving.targets.vllm.DRAIN_SECONDS", 1.0)  # nobody asks when a test ends
    said = {
        "folder": str(place / "shared"),
        "api_key_env": "VLLM_KEY",
        "chat_template": "request",
        "switch_by": "in_place",
    }
    made = Vllm(VllmTarget(kind="vllm", url=url, **said), USE_CASE)
    yield made
    for release in RELEASES:
        made.delete(release)


def model(place: Path, release: str) -> Model:
    return Model(USE_CASE, release, "open_answer", (), lambda form: place / release, 256)


def expected(place: Path, release: str) -> str:
    """What transformers and peft write, up to 16 tokens."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(tiny_model(**SIZES), str(place / release))
    tokenizer = tiny_tokenizer(OURS)
    prompt = tokenizer.apply_chat_template(QUESTION, return_tensors="pt", return_dict=True)
    end = json.loads((place / release / "export.json").read_text())["end_of_turn"]["id"]
    written = adapted.generate(**prompt, max_new_tokens=16, do_sample=False, eos_token_id=end)
    return whole(tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))


def whole(text: str) -> str:
    """Without a letter that the longest answer cuts: a server does not show it."""
    return text.rstrip("\ufffd")


def answer(endpoint) -> str:
    body = {"model": endpoint.model, "messages": QUESTION, "temperature": 0, "max_tokens": 16, **endpoint.extra}
    found = httpx2.post(
        f"{endpoint.url}/v1/chat/completions",
        json={**body, "ignore_eos": True},  # of the base model; `stop_token_ids` still end it
        headers={"Authorization": f"Bearer {endpoint.key}"},
        timeout=60,
        trust_env=False,
    )
    assert found.status_code == 200, found.text
    return whole(found.json()["choices"][0]["message"]["content"])


def bring(target: Vllm, place: Path, release: str):
    target.deploy(model(place, release))
    endpoint = target.wait(model(place, release), 60, lambda _: None)
    assert answer(endpoint) == expected(place, release)
    return endpoint


def test_it_answers_as_peft_does_before_and_after_a_switch(target, place):
    assert expected(place, RELEASES[0]) != expected(place, RELEASES[1])
    for release in (*RELEASES, RELEASES[0]):
        bring(target, place, release)
        target.switch(release)
        status = target.status()
        assert (status.state, status.live) == ("ready", release)
        assert answer(status.endpoint) == expected(place, release)


def test_its_log_and_its_spans_tell_each_request(target, place):
    endpoint = bring(target, place, RELEASES[0])
    written = answer(endpoint)
    found: dict[str, list[Logged]] = {"log": [], "spans.jsonl": []}
    for _ in range(60):  # spans are sent every few seconds
        for name in found:
            lines = (place / name).read_bytes().splitlines() if (place / name).exists() else []
            told = [one for line in lines for one in requests_in("vllm", line.strip())]
            assert all(isinstance(one, Logged) for one in told)
            found[name] = [one for one in told if isinstance(one, Logged)]
        log, spans = found.values()
        if log and len(log) == len(spans):
            break
        time.sleep(0.5)
    assert {one.id for one in log} == {one.id for one in spans}
    ((text, reason),) = log[-1].answers
    assert (whole(text), reason) == (written, "length")
    assert spans[-1].completion_tokens == 16 and spans[-1].prompt_tokens and 0 < (spans[-1].seconds or 0) < 60
    assert abs((log[-1].at - spans[-1].at).total_seconds()) < 60


def test_without_the_template_of_the_release_it_answers_otherwise(target, place):
    """What parity finds if the server was started without it."""
    endpoint = bring(target, place, RELEASES[0])
    endpoint = type(endpoint)(endpoint.url, endpoint.model, endpoint.key)
    assert answer(endpoint) != expected(place, RELEASES[0])


def test_a_switch_loses_no_request(target, place):
    for release in RELEASES:
        bring(target, place, release)
    target.switch(RELEASES[0])
    endpoint, found, done = target.status().endpoint, [], threading.Event()
    problems: list[Exception | AssertionError] = []

    def client() -> None:
        while not done.is_set():
            try:
                found.append(answer(endpoint))
            except Exception as error:
                problems.append(error)

    asking = [threading.Thread(target=client) for _ in range(2)]
    for one in asking:
        one.start()
    for number in range(4):
        time.sleep(0.5)
        target.switch(RELEASES[(number + 1) % 2])
    time.sleep(0.5)
    done.set()
    for one in asking:
        one.join()
    assert not problems
    assert len(found) > 10
    assert answer(endpoint) == expected(place, RELEASES[0])
    known = {expected(place, release) for release in RELEASES}
    print(f"{len(found)} answers, {sum(one not in known for one in found)} of neither release alone")
