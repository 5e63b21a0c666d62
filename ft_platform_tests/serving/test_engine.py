"""Answers are those of transformers and peft, whatever else is in the batch."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ft_platform.errors import BaseModelError
from ft_platform.serving.engine import schedule
from ft_platform.serving.engine.cache import KeyValueCache
from ft_platform.serving.engine.packed_weights import PackedForward, can_pack
from ft_platform.serving.engine.requests import (
    Adapter,
    Finished,
    Full,
    Generation,
    Sampling,
    Sharing,
    TooLong,
    UnknownModel,
)
from ft_platform.serving.engine.rows import Row, Writing
from ft_platform.serving.engine.schedule import Schedule
from ft_platform.serving.engine.worker import Engine
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.serving.engines import END, LORA, TEXT, Asked, adapted_model, greedy, running, save_adapter
from ft_platform_tests.tiny_models import tiny_model

PROMPT = TEXT.content("Where is my card?")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: save_adapter(folder / name, seed, **settings) for seed, (name, settings) in enumerate(LORA.items())}


def adapters(folders: dict[str, Path]) -> list[Adapter]:
    return [Adapter(name, folder) for name, folder in folders.items()]


def test_each_model_alone_writes_what_peft_writes(folders: dict[str, Path]) -> None:
    written = {}
    with running(*adapters(folders)) as engine:
        for name, folder in {"base": None, **folders}.items():
            asked = Asked(engine, name, PROMPT, 24)
            written[name] = asked.tokens
            assert written[name] == greedy(adapted_model(folder), PROMPT, 24), name
            assert asked.text == TEXT.decoded(asked.tokens)
    assert len({tuple(tokens) for tokens in written.values()}) == 4


@pytest.mark.parametrize("seed", range(3))
def test_requests_that_join_and_leave_at_any_time_do_not_change_each_other(
    folders: dict[str, Path], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "BESIDE_TOKENS", 8)  # long prompts come in pieces
    monkeypatch.setattr(schedule, "SHORTEST_LINE", 12)  # a slow machine refuses none of them
    chance = random.Random(seed)
    models = {name: adapted_model(folder) for name, folder in {"base": None, **folders}.items()}
    starts = ["You help.", "You are a bank. Be short, polite and right. ", ""]
    rows, cancelled = [], []
    # Room for about four at once: the others wait, and what is kept of finished ones is given up.
    with running(*adapters(folders), cache_tokens=400) as engine:
        for _ in range(12):
            name = chance.choice(list(models))
            prompt = TEXT.content(chance.choice(starts) + "?" * chance.randrange(1, 40))
            asked = Asked(engine, name, prompt, chance.randrange(1, 20))
            if chance.random() < 0.2:
                cancelled.append(asked)
                threading.Timer(chance.random() / 20, asked.handle.cancel).start()
            else:
                rows.append((name, prompt, asked))
            time.sleep(chance.random() / 30)
        for name, prompt, asked in rows:
            expected = greedy(models[name], prompt, len(asked.tokens) if asked.finished.reason == "length" else 20)
            assert asked.tokens == expected
        while engine.state().running or engine.state().waiting:
            time.sleep(0.01)
        assert engine.state().cache_tokens == 0
    assert len(rows) > 4


def test_adapters_come_and_go_while_an_answer_is_written(folders: dict[str, Path]) -> None:
    with running(Adapter("mine", folders["plain"])) as engine:
        asked = Asked(engine, "mine", PROMPT, 150)
        asked.next()
        engine.load(Adapter("mine", folders["root"]))
        other = Asked(engine, "mine", PROMPT, 10)
        assert other.tokens == greedy(adapted_model(folders["root"]), PROMPT, 10)
        engine.unload("mine")
        with pytest.raises(UnknownModel, match="no model 'mine'"):
            Asked(engine, "mine", PROMPT, 1)
        # Finished by the weights it was accepted for.
        assert asked.tokens == greedy(adapted_model(folders["plain"]), PROMPT, 150)
        assert Asked(engine, "base", PROMPT, 10).tokens == greedy(tiny_model(), PROMPT, 10)
        assert engine._served.lora._stack == []
        assert {kept.owner for kept in engine._served.cache._kept} == {None}
        assert engine.state().models == ("base",)


def test_a_wrong_scaling_is_seen(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.serving.engine.stacked_lora._scaling", lambda *_: 1.0)
    with running(*adapters(folders)) as engine:
        for name, folder in folders.items():
            assert Asked(engine, name, PROMPT, 24).tokens != greedy(adapted_model(folder), PROMPT, 24), name


def test_a_cancelled_request_frees_its_memory_and_says_nothing_more() -> None:
    with running() as engine:
        asked = Asked(engine, "base", PROMPT, 400)
        asked.next()
        asked.handle.cancel()
        assert Asked(engine, "base", PROMPT, 2).finished.reason == "length"
        assert engine.state().running == 0
        assert engine.state().cache_tokens == 0
    assert not any(isinstance(event, Finished) for event in asked._events.queue)


def test_a_full_waiting_line_refuses_and_says_when_to_come_back() -> None:
    with running(cache_tokens=450, max_waiting=2) as engine:
        first = Asked(engine, "base", PROMPT, 400)
        first.next()
        waiting = [Asked(engine, "base", PROMPT, 400) for _ in range(2)]
        with pytest.raises(Full) as refused:
            Asked(engine, "base", PROMPT, 400)
        assert refused.value.retry_after > 0
        assert (engine.state().running, engine.state().waiting) == (1, 2)
        waiting.pop().handle.cancel()
        waiting.append(Asked(engine, "base", PROMPT, 400))  # a place is free at once
        first.handle.cancel()
        for asked in waiting:
            assert asked.next()
            asked.handle.cancel()


def test_how_long_to_wait_follows_from_how_fast_the_line_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 103.0, 106.0, 111.0])  # the time is asked where it counts
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    rows = [Writing(Generation("base", (1,), Sampling(1)), None, TEXT, END, None, print) for _ in range(5)]
    line = Schedule(KeyValueCache(4), 3)
    line.add(rows[:3])  # the line begins at 100
    line.admit()  # two leave it, at 103 and 106
    line.add(rows[:1])  # two may wait before a batch that is full
    with pytest.raises(Full) as refused:
        line.add(rows[:2])
    assert refused.value.retry_after == pytest.approx(2 * 11 / 2)


def test_what_cannot_fit_or_is_unknown_is_refused_at_once() -> None:
    with running(cache_tokens=100) as engine:
        with pytest.raises(TooLong, match="101 tokens of prompt and answer, at most 100 fit"):
            Asked(engine, "base", PROMPT, 101 - len(PROMPT))
        with pytest.raises(UnknownModel, match="there are base"):
            Asked(engine, "nobody", PROMPT, 1)
        with pytest.raises(UnknownModel, match="without labels"):
            engine.scores("base", [PROMPT], print)
    with running() as engine, pytest.raises(TooLong, match="at most 512 fit"):  # the model's context
        Asked(engine, "base", PROMPT, 500)


def test_before_a_full_batch_only_a_quarter_as_many_wait_and_a_burst_is_let_in() -> None:
    cache = KeyValueCache(400)
    schedule = Schedule(cache, most=30)

    def rows(count: int) -> list[Writing]:
        return [Writing(Generation("base", (5,), Sampling(39)), None, TEXT, END, None, print) for _ in range(count)]

    schedule.add(rows(30))  # nobody knows yet how many there is room for
    schedule.admit()
    assert (len(schedule.running), len(schedule.waiting)) == (10, 20)
    with pytest.raises(Full):
        schedule.add(rows(1))
    for row in [*schedule.running, *list(schedule.waiting)[:10]]:
        row.cancelled = True
    schedule.admit()
    assert (len(schedule.running), len(schedule.waiting)) == (10, 0)
    schedule.add(rows(12))
    schedule.admit()
    with pytest.raises(Full):
        schedule.add(rows(1))
    schedule.cancel(list(schedule.waiting)[:10])  # two wait
    with pytest.raises(Full):
        schedule.add(rows(1))
    schedule.cancel(list(schedule.waiting)[:1])
    schedule.add(rows(1))
    with pytest.raises(Full):
        schedule.add(rows(1))


def test_answers_wait_for_a_place_and_labels_do_not() -> None:
    line = Schedule(KeyValueCache(4000), most=30, answers=3)
    answers = [Writing(Generation("base", (5,), Sampling(39)), None, TEXT, END, None, print) for _ in range(5)]
    label = Row(None, (5, 6), 0, Sharing())
    line.add([*answers, label])
    line.admit()
    assert line.running == [*answers[:3], label]
    assert list(line.waiting) == answers[3:]
    with pytest.raises(Full):  # before a full batch a quarter as many wait
        line.add([answers[0]])
    line.leave(answers[0])
    line.admit()
    assert line.running == [answers[1], answers[2], label, answers[3]]
    line.cancel([answers[4]])
    line.admit()
    assert not line.waiting


@pytest.mark.parametrize(
    ("prompt", "sampling", "message"),
    [
        ([], {}, "a prompt has no tokens"),
        ([5, 260], {}, "a token id is not in [0, 260)"),
        (PROMPT, {"choices": ("",)}, "choices: one of them has no tokens"),
    ],
)
def test_a_request_that_cannot_be_computed_ends_with_an_error(
    prompt: list[int], sampling: dict[str, object], message: str
) -> None:
    with running() as engine:
        finished = Asked(engine, "base", prompt, 5, **sampling).finished
        assert (finished.reason, finished.message) == ("error", message)
        assert Asked(engine, "base", PROMPT, 5).finished.reason == "length"


def test_nan_ends_one_request_and_not_the_others(folders: dict[str, Path]) -> None:
    with running(*adapters(folders)) as engine:
        loaded = engine._models["plain"].adapter
        assert loaded
        for weight in loaded.layers["model.layers.0.mlp.down_proj"]:
            weight.fill_(1e38)
        others = [Asked(engine, name, PROMPT, 30) for name in ("base", "root")]
        assert Asked(engine, "plain", PROMPT, 5).finished.reason == "error"
        assert [asked.finished.reason for asked in others] == ["length", "length"]
        assert others[0].tokens == greedy(tiny_model(), PROMPT, 30)


def test_a_pass_that_fails_ends_its_requests_and_the_engine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as engine:
        with monkeypatch.context() as broken:
            broken.setattr(engine._served, "run", lambda parts: 1 / 0)
            finished = Asked(engine, "base", PROMPT, 5).finished
        assert (finished.reason, finished.message) == ("error", "the pass failed: ZeroDivisionError")
        assert Asked(engine, "base", PROMPT, 5).tokens == greedy(tiny_model(), PROMPT, 5)


def test_nothing_is_computed_where_nothing_is_asked(folders: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with running(*adapters(folders)) as engine:
        assert Asked(engine, "base", [], 1).finished.reason == "error"
        engine.unload("plain")
        Asked(engine, "base", PROMPT, 50).handle.cancel()
    assert not caplog.records


def test_a_callback_that_fails_ends_only_its_own_request() -> None:
    with running() as engine:
        engine.generate(Generation("base", tuple(PROMPT), Sampling(50)), lambda event: 1 / 0)
        assert Asked(engine, "base", PROMPT, 5).finished.reason == "length"
        assert engine.state().running == 0


def test_layers_that_keep_their_weights_the_other_way_round_take_adapters(tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    sizes = {"n_embd": 48, "n_head": 6, "n_layer": 2, "n_positions": 512}
    modules = ["c_attn", "c_proj", "c_fc"]
    settings = LoraConfig(r=3, lora_alpha=5, target_modules=modules, fan_in_fan_out=True, task_type="CAUSAL_LM")
    adapted = get_peft_model(tiny_model("gpt2", **sizes), settings)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.15)
    adapted.save_pretrained(tmp_path)
    expected = greedy(PeftModel.from_pretrained(tiny_model("gpt2", **sizes), tmp_path).eval(), PROMPT, 20)
    with running(Adapter("gpt", tmp_path), model=tiny_model("gpt2", **sizes)) as engine:
        assert Asked(engine, "gpt", PROMPT, 20).tokens == expected
        assert Asked(engine, "base", PROMPT, 20).tokens != expected


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"target_modules": ["lm_head"]}, {"lora_bias": True}])
def test_what_is_no_plain_adapter_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    folder = save_adapter(tmp_path, **{**LORA["plain"], "target_modules": ["q_proj"], **settings})
    with running() as engine, pytest.raises(BaseModelError):
        engine.load(Adapter("mine", folder))


def test_updates_are_added_before_outputs_are_rounded() -> None:
    """An update of a third of a rounding step moves a third of the outputs, not none (`fused_lora`)."""
    if not can_pack():
        pytest.skip("oneDNN has no bfloat16 for this processor")
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 512, bias=False).to(torch.bfloat16)
    x = torch.randn(8, 64).to(torch.bfloat16)
    exact = x.double() @ layer.weight.double().T
    update = (exact.abs() * 2**-8 / 3).to(torch.bfloat16)
    with torch.inference_mode():
        found = PackedForward(layer).plus(x, update)
    right = (exact + update.double()).to(torch.bfloat16)
    assert (found == right).float().mean() > 0.98


def test_requests_are_described_without_torch() -> None:
    code = "import sys, ft_platform.serving.engine.requests; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_stopping_ends_what_runs_and_what_waits() -> None:
    engine = Engine(tiny_model(), TEXT, end_of_turn=[END], cache_tokens=450)
    engine.start()
    asked = [Asked(engine, "base", PROMPT, 400) for _ in range(3)]
    asked[0].next()
    engine.stop()
    assert {one.finished.message for one in asked} == {"the engine was stopped"}
    with pytest.raises(RuntimeError, match="the engine was stopped"):
        Asked(engine, "base", PROMPT, 1)


def test_bfloat16_writes_what_float32_writes_where_it_is_clear(folders: dict[str, Path]) -> None:
    """Weights in the processor's order, several adapters. Logits differ by up to 0.2 from those of float32."""
    models = {name: adapted_model(folder) for name, folder in {"base": None, **folders}.items()}
    lost = []
    with running(*adapters(folders), model=tiny_model().to(torch.bfloat16)) as engine:
        asked = {(name, n): Asked(engine, name, [*PROMPT, n], 12) for name in models for n in range(8)}
        for (name, n), one in asked.items():
            ids = torch.tensor([[*PROMPT, n, *one.tokens]])
            with torch.inference_mode():
                logits = models[name](input_ids=ids).logits[0, len(PROMPT) : -1]
            lost.append(logits.max(1).values - logits[range(len(one.tokens)), one.tokens])
    lost = torch.cat(lost)
    assert len(lost) > 200
    assert lost.max() < 0.4
    assert (lost == 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("llama", {"tie_word_embeddings": True}),
        ("gpt2", {"n_embd": 48, "n_head": 6, "n_layer": 2, "n_positions": 512}),
        ("mistral", {"sliding_window": 8}),
        ("qwen2", {}),
        ("qwen3", {}),
        ("gemma2", {"sliding_window": 8, "query_pre_attn_scalar": 8}),
        ("gemma3_text", {"sliding_window": 8, "query_pre_attn_scalar": 8}),
        ("phi3", {}),
        ("olmo2", {}),
        ("gpt_neox", {}),
        ("granite", {"logits_scaling": 3.0}),
    ],
)
def test_architectures_write_what_transformers_writes(architecture: str, settings: dict[str, object]) -> None:
    expected = greedy(tiny_model(architecture, **settings), PROMPT, 20)
    with running(model=tiny_model(architecture, **settings)) as engine:
        other = Asked(engine, "base", PROMPT[3:], 30)
        assert Asked(engine, "base", PROMPT, 20).tokens == expected
        assert other.finished.prompt_tokens == len(PROMPT) - 3


@pytest.mark.parametrize(
    ("architecture", "settings"), [("mamba", {}), ("bloom", {}), ("llama", {"attention_chunk_size": 8192})]
)
def test_architectures_without_keys_and_values_of_this_form_are_refused(
    architecture: str, settings: dict[str, object]
) -> None:
    with pytest.raises(BaseModelError, match="the serving engine cannot run"):
        Engine(tiny_model(architecture, **settings), TEXT, end_of_turn=[END])


def test_rows_are_no_longer_than_positions_mean_the_same() -> None:
    factors = {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 64, **factors}
    model = tiny_model("phi3", rope_parameters=rope, original_max_position_embeddings=64)
    with running(model=model) as engine:
        assert engine.state().context_tokens == 64


def test_answers_of_many_adapters_are_computed_with_a_stack_and_prompts_without(folders: dict[str, Path]) -> None:
    """Which way a token is computed does not show: each adapter's answer is its own in all of them."""
    names = [*folders, "base", *folders, "base"]
    models = {name: adapted_model(folder) for name, folder in {"base": None, **folders}.items()}
    stacked = set[tuple[bool, bool]]()
    with running(*adapters(folders)) as engine:
        lora = engine._served.lora
        select = lora.select

        def seen(*arguments: Any) -> None:
            select(*arguments)
            stacked.add((lora.mask is not None, bool(lora.runs)))

        lora.select = seen  # type: ignore[method-assign]
        asked = [Asked(engine, name, TEXT.content(f"{number}?"), 40) for number, name in enumerate(names)]
        asked[0].next()
        late = Asked(engine, "plain", TEXT.content("And " * 20), 10)
        for number, (name, one) in enumerate(zip(names, asked, strict=True)):
            assert one.tokens == greedy(models[name], TEXT.content(f"{number}?"), 40), name
        assert late.tokens == greedy(models["plain"], TEXT.content("And " * 20), 10)
    assert {(False, True), (True, False)} <= stacked, "prompts by runs, answers by the stack"
