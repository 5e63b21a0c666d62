"""A safetensors file written one tensor at a time, so that a model whose weights are divided between processes is never
whole in any of them.

Format: https://huggingface.co/docs/safetensors#format. The bytes are those that the safetensors library writes.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ft_platform.training import sharding

DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.uint8: "U8"}
Kept = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""By name, what this process has of a tensor, and a tensor that is divided alike."""


def each_whole(kept: Kept) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor whole, one at a time; all processes must go through them."""
    for name in _in_order(kept):
        own, like = kept[name]
        yield name, sharding.whole_of(own, like)


def write_tensors(path: Path, kept: Kept, metadata: Mapping[str, str] | None = None) -> None:
    """Writes them whole; the other processes go through `each_whole` meanwhile."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in _in_order(kept):
        own, like = kept[name]
        shape = like.shape if sharding.is_part(like) else own.shape
        begin, end = end, end + shape.numel() * own.element_size()
        header[name] = {"dtype": DTYPES[own.dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in each_whole(kept):
            file.write(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)


def _in_order(kept: Kept) -> list[str]:
    """As the library writes them."""
    return sorted(kept, key=lambda name: (-kept[name][0].element_size(), name))
