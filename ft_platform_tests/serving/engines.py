"""Tiny engines and adapters, and what transformers and peft write with the same weights."""

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ft_platform.models.rendering.text_tokens import TextTokens
from ft_platform.serving.engine.requests import Adapter, Event, Finished, Generation, Sampling, Sharing
from ft_platform.serving.engine.worker import Engine
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

TEXT = TextTokens(tiny_tokenizer())
END = TEXT.tokenizer.eos_token_id
LORA = {
    "plain": {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"},
    "root": {"r": 9, "lora_alpha": 6, "use_rslora": True, "target_modules": ["q_proj", "down_proj"]},
    "patterns": {
        "r": 2,
        "lora_alpha": 3,
        "target_modules": ["k_proj", "v_proj", "up_proj"],
        "rank_pattern": {"v_proj": 5},
        "alpha_pattern": {"layers.1.self_attn.v_proj": 7},
    },
}
"""Adapters with other ranks, scalings and modules."""


def save_adapter(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """A random adapter of the tiny model that changes its answers."""
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(tiny_model(), LoraConfig(task_type="CAUSAL_LM", **settings))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=0.15)
    adapted.save_pretrained(folder)
    return folder


def adapted_model(folder: Path | None) -> Any:
    """The tiny model with an adapter, by peft."""
    from peft import PeftModel

    return PeftModel.from_pretrained(tiny_model(), folder).eval() if folder else tiny_model()


def greedy(model: Any, prompt: Sequence[int], tokens: int) -> list[int]:
    """What transformers writes, without the end of turn."""
    settings = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": END, "pad_token_id": 0}
    ids = torch.tensor([list(prompt)])
    with torch.inference_mode():
        written = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
    written = written[0, len(prompt) :].tolist()
    return written[: written.index(END)] if END in written else written


@contextmanager
def running(*adapters: Adapter, model: Any = None, **settings: Any) -> Iterator[Engine]:
    """An engine that is stopped behind the block."""
    engine = Engine(model or tiny_model(), TEXT, end_of_turn=[END], **{"cache_tokens": 2000, **settings})
    for adapter in adapters:
        engine.load(adapter)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


class Asked:
    """A request and its events."""

    def __init__(
        self,
        engine: Engine,
        model: str,
        prompt: Sequence[int],
        tokens: int,
        sharing: Sharing = Sharing(),
        **sampling: Any,
    ) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        request = Generation(model, tuple(prompt), Sampling(tokens, **sampling), sharing)
        self.handle = engine.generate(request, self._events.put)
        self._seen: list[Event] = []

    def next(self) -> Event:
        self._seen.append(self._events.get(timeout=60))
        return self._seen[-1]

    @property
    def events(self) -> list[Event]:
        """All of them, once the last one is there."""
        while not (self._seen and isinstance(self._seen[-1], Finished)):
            self.next()
        return self._seen

    @property
    def finished(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last

    @property
    def tokens(self) -> list[int]:
        return [token for event in self.events if not isinstance(event, Finished) for token in event.tokens]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if not isinstance(event, Finished))
