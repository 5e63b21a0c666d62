"""Rows one after the other without padding, each with its own prefix, through an attention of transformers itself.

The position ids start anew with each row; transformers' attentions (sdpa, flash_attention_2) keep rows apart by that.
On a GPU with flash attention this is the fast way, though the prefix is computed once per row.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ft_platform.models.kernels.packed_attention import PackingUnsupported, Segment


def flat_forward(
    model: Any, segments: Sequence[Segment], prefix: Sequence[int], keep: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """The same as `packed_forward`, with the attention the model was loaded with. No trees."""
    if any(s.tree.tokens for s in segments):
        raise PackingUnsupported("trees need packed rows")
    rows = [[*prefix, *s.ids] for s in segments]
    starts = [sum(map(len, rows[:number])) for number in range(len(rows))]
    ids = torch.tensor([[token for row in rows for token in row]], device=model.device)
    positions = torch.tensor([[place for row in rows for place in range(len(row))]], device=model.device)
    wanted = torch.tensor([starts[row] + len(prefix) + place for row, place in keep], device=model.device)
    return model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=wanted).logits[0]
