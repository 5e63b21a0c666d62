"""Packed rows give what separate rows give, in logits and in gradients."""

import pytest
import torch

from ft_platform.models.kernels import blockwise_attention, packed_attention
from ft_platform.models.kernels.blockwise_attention import AttentionSettings
from ft_platform.models.kernels.fused_layers import replace_layers
from ft_platform.models.kernels.packed_attention import PackedLayout, PackingUnsupported, Segment, Tree
from ft_platform.models.kernels.packed_forward import (
    batches_of,
    continuation_log_probabilities,
    packed_forward,
    packing_problem,
    padded_forward,
)
from ft_platform_tests.tiny_models import tiny_model

ARCHITECTURES = {
    "llama": {},
    "qwen2": {"attention_bias": True},
    "qwen3": {},
    "mistral": {"sliding_window": 9},
    "gemma2": {"sliding_window": 7, "attn_logit_softcapping": 5.0},
    "gemma3_text": {"sliding_window": 8},
    "phi3": {},
    "gpt2": {"n_embd": 48, "n_layer": 2, "n_head": 6},
}
PREFIX = [257, 10, 20, 30, 40, 50]


def segments(lengths=(12, 3, 11, 7, 26)) -> list[Segment]:
    generator = torch.Generator().manual_seed(3)
    return [Segment(torch.randint(0, 256, (n,), generator=generator).tolist()) for n in lengths]


def last_places(rows: list[Segment]) -> list[tuple[int, int]]:
    return [(row, place) for row, s in enumerate(rows) for place in (len(s.ids) // 2, len(s.ids) - 1)]


def separately(model, rows, prefix, keep) -> torch.Tensor:
    """Every row alone, through transformers' own attention."""
    logits = [model(input_ids=torch.tensor([[*prefix, *s.ids]])).logits[0] for s in rows]
    return torch.stack([logits[row][len(prefix) + place] for row, place in keep])


@pytest.fixture(params=["one_block", "small_blocks", "fused_forward"])
def blocks(request, monkeypatch):
    if request.param == "fused_forward":
        monkeypatch.setattr(packed_attention, "FUSED_FROM", 8)
        monkeypatch.setattr(packed_attention, "fused_pays", lambda device: True)
    if request.param == "small_blocks":
        monkeypatch.setattr(blockwise_attention, "BLOCK_SCORES", 1)
        monkeypatch.setattr(blockwise_attention, "LEAST_QUERIES", 4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("prefix", [PREFIX, []], ids=["prefix", "no_prefix"])
@pytest.mark.usefixtures("blocks")
def test_packed_rows_equal_separate_rows_in_logits_and_gradients(architecture, prefix):
    model = tiny_model(architecture, **ARCHITECTURES[architecture])
    rows = segments()
    keep = last_places(rows)
    found = []
    for forward in (packed_forward, separately):
        model.zero_grad()
        logits = forward(model, rows, prefix, keep)
        torch.nn.functional.cross_entropy(logits, torch.arange(len(keep))).backward()
        found.append((logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}))
    (packed, packed_gradients), (expected, gradients) = found
    assert (packed - expected).abs().max() < 1e-4
    assert packed_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(packed_gradients[name], gradient, atol=1e-5, rtol=1e-3), name


@pytest.mark.parametrize("architecture", ["llama", "mistral"])
def test_padded_rows_equal_separate_rows(architecture):
    model = tiny_model(architecture, **ARCHITECTURES[architecture])
    rows = segments()
    with torch.no_grad():
        assert (
            padded_forward(model, rows, PREFIX, last_places(rows)) - separately(model, rows, PREFIX, last_places(rows))
        ).abs().max() < 1e-4


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gemma3_text"])
@pytest.mark.usefixtures("blocks")
def test_branches_do_not_see_each_other(architecture):
    model = tiny_model(architecture, **ARCHITECTURES[architecture])
    ids, branches = [5, 6, 7], [[8, 9], [10], [11, 12, 13, 14]]
    packed = [Segment(ids, Tree.of(branches)), Segment([1, 2, 3, 4, 5, 6, 7, 8])]
    alone = [Segment([*ids, *branch]) for branch in branches]
    with torch.no_grad():
        found = packed_forward(model, packed, PREFIX, [(0, 2), (0, 4), (0, 5), (0, 9), (1, 7)])
        expected = separately(model, [*alone, packed[1]], PREFIX, [(0, 2), (0, 4), (1, 3), (2, 6), (3, 7)])
    assert (found - expected).abs().max() < 1e-4


LABELS = {
    "apart": [[100, 101, 258], [102, 258], [103, 104, 105, 258]],
    # The second begins like the first, the third is the start of both, the fifth is the first again.
    "sharing": [
        [100, 101, 102, 258],
        [100, 101, 103, 258],
        [100, 101, 258],
        [104, 258],
        [100, 101, 102, 258],
        [100, 105, 258],
    ],
    "one_token": [[258], [100]],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_label_scores_equal_those_of_whole_rows(labels, monkeypatch):
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.PASS_TOKENS", 30)
    model = tiny_model()
    prompts = [[3, 4, 5], [6] * 9, [7, 8], [1, 2, 3, 4]]
    found = continuation_log_probabilities(model, prompts, [labels] * len(prompts), PREFIX)
    for row, prompt in enumerate(prompts):
        for number, label in enumerate(labels):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*PREFIX, *prompt, *label]])).logits[0].log_softmax(-1)
            start = len(PREFIX) + len(prompt) - 1
            expected = sum(float(logits[start + i, token]) for i, token in enumerate(label))
            assert float(found[row][number]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_probe_finds_no_problem_with_architectures_that_can_pack(architecture):
    assert packing_problem(tiny_model(architecture, **ARCHITECTURES[architecture])) is None


@pytest.mark.parametrize(
    ("architecture", "settings", "reason"),
    [
        ("mamba", {"state_size": 8, "num_hidden_layers": 2}, "differ from separate rows"),
        (
            "gpt_oss",
            {
                "num_local_experts": 2,
                "num_experts_per_tok": 1,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            },
            "attention sinks",
        ),
    ],
)
def test_the_probe_names_why_an_architecture_cannot_pack(architecture, settings, reason):
    assert reason in (packing_problem(tiny_model(architecture, **settings)) or "")


def test_the_probe_notices_rows_that_see_their_neighbours(monkeypatch):
    def leaking(q, k, v, rows, settings):
        return real(q, k.flip(0), v.flip(0), rows, settings)

    real = packed_attention.attend
    monkeypatch.setattr(packed_attention, "attend", leaking)
    assert "differ from separate rows" in (packing_problem(tiny_model()) or "")


def test_a_tree_holds_shared_starts_once():
    tree = Tree.of([[1, 2, 3], [4], [1, 2, 5], [1], [4, 1]])
    assert tree.tokens == [1, 2, 3, 5, 4, 1]
    assert tree.depths == [0, 1, 2, 2, 0, 1]
    assert tree.ends == [4, 4, 3, 4, 6, 6]
    assert tree.paths == [[0, 1, 2], [4], [0, 1, 3], [0], [4, 5]]


def test_attention_is_put_back_after_an_error():
    model = tiny_model()
    before = model.config._attn_implementation
    with pytest.raises(IndexError):
        packed_forward(model, segments(), [9999], [(0, 0)])  # no such token
    assert model.config._attn_implementation == before


def test_padded_rows_refuse_branches():
    with pytest.raises(PackingUnsupported):
        padded_forward(tiny_model(), [Segment([1], Tree.of([[2]]))], [], [(0, 0)])


def test_batches_keep_order_and_bound_and_hold_a_row_that_is_too_long():
    assert list(batches_of([4, 4, 4, 20, 1, 1], 8)) == [[0, 1], [2], [3], [4, 5]]


def test_memory_of_attention_grows_with_the_tokens_and_not_with_their_square():
    kept = []
    for tokens in (64, 128, 256):
        layout = PackedLayout(0, [Segment(range(tokens))])
        q, k, v = (torch.randn(tokens, 2, *group, 8, requires_grad=True) for group in ((3,), (), ()))
        stored = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, stored=stored: stored.append(x.numel()) or x, lambda x: x
        ):
            packed_attention._PackedAttention.apply(q, k, v, layout, AttentionSettings(scale=0.3))
        kept.append(sum(stored))
    assert kept == [kept[0], 2 * kept[0], 4 * kept[0]]


def test_no_block_holds_more_scores_than_allowed(monkeypatch):
    monkeypatch.setattr(blockwise_attention, "BLOCK_SCORES", 6 * 4000 // torch.get_num_threads())
    sizes = []
    softmax = torch.softmax
    monkeypatch.setattr(torch, "softmax", lambda x, dim: sizes.append(x.numel()) or softmax(x, dim=dim))
    layout = PackedLayout(0, [Segment(range(500))])
    q, k, v = (torch.randn(500, 2, *group, 8) for group in ((3,), (), ()))
    found = packed_attention._PackedAttention.apply(q, k, v, layout, AttentionSettings(scale=0.3, softcap=50.0))
    # The least block, 32 queries, may hold more.
    assert len(sizes) > 5 and max(sizes) <= 6 * max(4000 * 1.5, 32 * 500 * 1.5)
    monkeypatch.setattr(blockwise_attention, "BLOCK_SCORES", 10**9)
    assert torch.allclose(
        found,
        packed_attention._PackedAttention.apply(q, k, v, layout, AttentionSettings(scale=0.3, softcap=50.0)),
        atol=1e-5,
    )


@pytest.mark.integration
def test_dropout_drops_the_same_weights_backward_as_forward():
    layout = PackedLayout(3, [Segment(range(9)), Segment(range(8))])
    generator = torch.Generator().manual_seed(2)
    q, k, v = (
        torch.randn(20, 2, *group, 4, dtype=torch.float64, generator=generator, requires_grad=True)
        for group in ((2,), (), ())
    )
    settings = AttentionSettings(scale=0.5, dropout=0.4, seed=11)
    plain = packed_attention._PackedAttention.apply(q, k, v, layout, AttentionSettings(scale=0.5))
    assert not torch.allclose(plain, packed_attention._PackedAttention.apply(q, k, v, layout, settings))
    # of_k and of_v are summed in float32.
    assert torch.autograd.gradcheck(
        lambda *x: packed_attention._PackedAttention.apply(*x, layout, settings), (q, k, v), eps=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2"])
def test_packed_rows_run_under_autocast(architecture):
    model = replaced(tiny_model(architecture, **ARCHITECTURES[architecture]))
    rows = segments()
    keep = last_places(rows)
    losses = []
    for forward in (packed_forward, separately):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = forward(model, rows, PREFIX, keep)
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.arange(len(keep)))
        loss.backward()
        losses.append(
            (float(loss.detach()), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        )
    assert losses[0][0] == pytest.approx(losses[1][0], rel=0.02)
    assert float((losses[0][1] - losses[1][1]).norm() / losses[1][1].norm()) < 0.1


def replaced(model):
    replace_layers(model)
    return model


@pytest.mark.parametrize(
    ("capabilities", "pays"), [({"amx_tile": True}, True), ({"amx_tile": False}, False), ({}, False)]
)
def test_on_a_processor_the_fused_kernel_runs_where_it_has_amx(monkeypatch, capabilities, pays):
    packed_attention.fused_pays.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    ran = []
    monkeypatch.setattr(
        packed_attention,
        "attend_causal",
        lambda q, k, v, settings: ran.append(q.shape) or torch.zeros(*q.shape[:-1], v.shape[-1]),
    )
    layout = PackedLayout(0, [Segment(range(300))])
    packed_attention._PackedAttention.apply(
        *(torch.randn(300, 2, *group, 8) for group in ((3,), (), ())), layout, AttentionSettings(scale=0.3)
    )
    assert bool(ran) is pays and packed_attention.fused_pays("cuda")
    packed_attention.fused_pays.cache_clear()
