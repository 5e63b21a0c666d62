"""One forward pass over the next tokens of many rows: beginnings of prompts, answers, labels; each with its adapter."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ft_platform.errors import BaseModelError
from ft_platform.models.kernels.fused_layers import replace_layers
from ft_platform.models.kernels.fused_rotary import rotary_in
from ft_platform.models.kernels.packed_attention import PackingUnsupported, Segment
from ft_platform.models.kernels.packed_forward import PROBE_TOLERANCE, padded_forward
from ft_platform.models.tokenizer import context_length
from ft_platform.serving.engine.attention import NAME, Part, Pass, served_attention
from ft_platform.serving.engine.cache import KeyValueCache
from ft_platform.serving.engine.packed_weights import pack_weights
from ft_platform.serving.engine.stacked_lora import StackedLora


class _OutputLayer:
    """Replaces `forward` of the output layer: of rows with a label head the first outputs are its labels."""

    def __init__(self, original: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.original = original
        self.heads: dict[int, torch.Tensor] = {}

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """`(1, wanted, hidden)` to `(1, wanted, vocabulary)` in float32."""
        if not self.heads:
            return self.original(hidden).float()
        words = [row for row in range(hidden.shape[1]) if row not in self.heads]
        logits = self.original(hidden[:, words]).float()
        outputs = logits.new_zeros(1, hidden.shape[1], logits.shape[-1])
        outputs[:, words] = logits
        for row, head in self.heads.items():
            outputs[0, row, : len(head)] = head @ hidden[0, row].float()
        return outputs


class ServedModel:
    """A model that runs passes over a cache. The model is changed for good and belongs to this object.

    Args:
        model: causal LM of `base_model.load`, without adapter.
        cache_tokens: places of the cache.

    Raises:
        BaseModelError: this architecture cannot be served: a few tokens give other logits than transformers' own pass.
    """

    def __init__(self, model: Any, cache_tokens: int) -> None:
        self.model = model.eval()
        self.cache = KeyValueCache(cache_tokens)
        with torch.inference_mode():
            ids = [(7 * i + 3) % min(model.config.get_text_config().vocab_size, 1000) for i in range(12)]
            try:
                wanted = padded_forward(model, [Segment(ids)], [], [(0, place) for place in (5, 8, 9, 10, 11)])
                found = self._changed_model_logits(ids)
            except (PackingUnsupported, TypeError, AttributeError, RuntimeError, KeyError) as error:
                raise _refused(model, f"{type(error).__name__}: {str(error)[:200]}") from error
        difference = float((found - wanted.float()).norm() / (wanted - wanted.mean(1, keepdim=True)).float().norm())
        if not difference <= PROBE_TOLERANCE[model.dtype]:
            raise _refused(model, f"its logits differ by {difference:.2g} from those of transformers")

    def _changed_model_logits(self, ids: list[int]) -> torch.Tensor:
        """Logits of the tokens 5, 8, 9, 10 and 11: computed in pieces, beside another row."""
        from transformers import AttentionInterface

        AttentionInterface.register(NAME, served_attention)
        if not self.model._can_set_attn_implementation():
            raise PackingUnsupported("no attention interface")
        if getattr(self.model.config.get_text_config(), "attention_chunk_size", None):
            raise PackingUnsupported("attention in chunks, which too few tokens to probe do not show")
        self.model.set_attn_implementation(NAME)
        replace_layers(self.model)
        pack_weights(self.model)
        output = self.model.get_output_embeddings()
        self._output = output.forward = _OutputLayer(output.forward)
        self.lora = StackedLora(self.model)
        other, own = (self.cache.take(length, None, [], [])[0] for length in (4, 12))  # type: ignore[index]
        found = [
            self.run([Part(Segment(ids[3:7]), other, 0, []), Part(Segment(ids[:6]), own, 0, [5])]),
            self.run([Part(Segment(ids[6:9]), own, 6, [2])]),
            *(self.run([Part(Segment([ids[place]]), own, place, [0])]) for place in (9, 10, 11)),
        ]
        self.cache.release(other, 4, None, [])
        self.cache.release(own, 12, None, [])
        return torch.cat(found)

    def run(self, parts: Sequence[Part]) -> torch.Tensor:
        """Computes the new tokens of all rows and stores their keys and values.

        Returns:
            Logits at the places that are kept, row by row. Shape `(kept, vocabulary)`, float32, on the CPU; of a row
            with a label head the first ones are its labels.
        """
        device = self.model.device
        counts = [len(part.segment) for part in parts]
        starts = [sum(counts[:number]) for number in range(len(counts))]
        tokens, positions, places, wanted = [], [], [], []
        self._output.heads = {}
        for part, start in zip(parts, starts, strict=True):
            tokens += part.segment.tokens()
            positions += part.positions()
            places += range(part.first + part.past, part.first + part.past + len(part.segment))
            if part.adapter and part.adapter.head is not None:
                self._output.heads |= {len(wanted) + number: part.adapter.head for number in range(len(part.keep))}
            wanted += [start + place for place in part.keep]
        self.lora.select([part.adapter for part in parts], counts)
        with rotary_in(self.model):
            found = self.model(
                input_ids=torch.tensor([tokens], device=device),
                position_ids=torch.tensor([positions], device=device),
                use_cache=False,
                logits_to_keep=torch.tensor(wanted, dtype=torch.long, device=device),
                served=Pass(parts, self.cache, torch.tensor(places, device=device)),
            )
        return found.logits[0].cpu()


def longest_context(config: Any) -> int | None:
    """Most tokens of a row, None where the configuration names no limit. Where angles of positions change from a length
    on (LongRoPE, arXiv:2402.13753), that length: beyond it they would follow from the longest row of a pass."""
    longest = context_length(config.to_dict())
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    kinds = [rope, *(kind for kind in rope.values() if isinstance(kind, dict))]
    changing = [kind["original_max_position_embeddings"] for kind in kinds if kind.get("rope_type") == "longrope"]
    return min([length for length in (longest, *changing) if length], default=None)


def _refused(model: Any, why: str) -> BaseModelError:
    return BaseModelError(
        f"the serving engine cannot run {type(model).__name__}: {why}", "Serve another base model, or export this one"
    )
