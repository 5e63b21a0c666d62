"""Our own kernels give what the plain code gives, and leave alone what is not for them.

References are float64; bounds follow from the arithmetic, never from what another library happened to get."""

import math
import shutil
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from ft_platform.models.kernels import fused_layers, fused_rotary, own_kernels
from ft_platform.models.kernels.acceleration import accelerated
from ft_platform.models.kernels.answer_loss import _LinearCrossEntropy
from ft_platform.models.kernels.blockwise_attention import AttentionSettings
from ft_platform.models.kernels.fused_lora import _SummedOnce
from ft_platform.models.kernels.own_kernels import PLAIN, call, go_on_with, kernels, kernels_kept, sum_of_products
from ft_platform.models.kernels.packed_attention import NO_TREE, PackedLayout, Segment, Tree, _PackedAttention
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.training.batches import Row
from ft_platform.training.loop import train
from ft_platform.training.lora import with_trainable_weights
from ft_platform.training.objectives import AnswerLoss
from ft_platform.use_case.schema import Compute
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import tiny_model

UNIT = {torch.bfloat16: 2.0**-9, torch.float32: 2.0**-24}
"""Unit roundoff: the largest relative error of one rounding."""
ROUNDINGS = 4
"""How often a number is rounded to the dtype on its way from the inputs, at most."""
ABSOLUTE = {torch.bfloat16: 1e-4, torch.float32: 1e-6}
KINDS = {"avx512_bf16": torch.bfloat16, "avx512": torch.float32, "avx2": torch.float32}
SCALE = AttentionSettings(scale=0.125)
Tensors = tuple[torch.Tensor, ...]
dtype = torch.float32
"""Of the tensors of a test; `begin` sets it."""


def begin(kind: str, monkeypatch) -> None:
    """The kernels of a kind, and tensors for them. A processor with AVX-512 plays one with AVX2, and one with AMX plays
    one without."""
    monkeypatch.setattr(f"{__name__}.dtype", KINDS[kind])
    if kind == "avx2":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    if kind == "avx512_bf16":
        able = torch.cpu.get_capabilities()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {**able, "amx_tile": False})
    own_kernels._library.cache_clear()
    level = own_kernels._level()
    if level != kind.partition("_")[0] or own_kernels._library(KINDS[kind], level) is None:
        pytest.skip(f"own kernels: the processor lacks {kind}, or there is no compiler")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Whatever tests before left: fewer heads than threads are computed plainly. Kernels of a played processor go."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    own_kernels._library.cache_clear()


@pytest.fixture(params=KINDS)
def own(request, one_thread, monkeypatch) -> str:
    begin(request.param, monkeypatch)
    return request.param


@pytest.fixture
def own_bfloat16(one_thread, monkeypatch) -> None:
    begin("avx512_bf16", monkeypatch)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """Names of the kernels that were called."""
    names: list[str] = []

    def noted(function, *arguments):
        names.append(function)
        call(function, *arguments)

    for module in (own_kernels, fused_layers, fused_rotary):
        monkeypatch.setattr(module, "call", noted)
    return names


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def with_gradients(function, inputs: Tensors, gradient: torch.Tensor) -> Tensors:
    """Output and gradients of all inputs."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    output = function(*leaves)
    return output.detach(), *torch.autograd.grad(output, leaves, gradient.to(output.dtype))


def exactly(function, inputs: Tensors, gradient: torch.Tensor) -> Tensors:
    return with_gradients(function, tuple(x.double() for x in inputs), gradient)


def largest_error(terms: int) -> float:
    """Of a result, relative and as norms, by the arithmetic alone: each rounding to the dtype adds its unit roundoff,
    and a float32 sum of `terms` numbers adds `sqrt(terms)` of float32's. For numbers that go up and down, as random
    ones do, the errors of a sum are expected to be `sqrt(terms / 6)` of it (Higham and Mary, A New Approach to
    Probabilistic Rounding Error Analysis, 2019, theorem 3.1; its worst case is Higham, Accuracy and Stability of
    Numerical Algorithms, 2002, equation 3.5)."""
    return ROUNDINGS * UNIT[dtype] + math.sqrt(terms) * UNIT[torch.float32]


def assert_close(results: Tensors, exact: Tensors, terms: int) -> None:
    for number, (result, right) in enumerate(zip(results, exact, strict=True)):
        error, size, least = (result - right).norm(), right.norm(), ABSOLUTE[dtype] * math.sqrt(right.numel())
        assert error <= largest_error(terms) * size + least, (number, float(error / size))


def attention_of(layout: PackedLayout, settings: AttentionSettings = SCALE):
    return lambda q, k, v: _PackedAttention.apply(q, k, v, layout, settings)


def attention_inputs(layout: PackedLayout, kv_heads: int, group: int, dim: int) -> tuple[Tensors, torch.Tensor]:
    tokens = layout.position_ids.shape[1]
    q, k, v = random(tokens, kv_heads, group, dim), random(tokens, kv_heads, dim, seed=1), random(tokens, kv_heads, dim)
    return (q, k, v), random(tokens, kv_heads, group, dim, seed=3)


def layout_of(lengths: list[int], prefix: int = 0, tree: Tree = NO_TREE) -> PackedLayout:
    return PackedLayout(prefix, [Segment([0] * length, tree) for length in lengths])


ROWS = {
    "short chats": ([127, 98, 131, 77], 25, (3, 3, 64), SCALE),
    "odd lengths": ([5, 1, 77, 200, 64, 65], 0, (3, 3, 64), SCALE),
    "one token": ([1], 0, (1, 1, 16), SCALE),
    "one token behind one": ([1, 1], 1, (2, 1, 32), SCALE),
    "more keys than a block": ([300, 7], 130, (1, 5, 64), SCALE),
    "one head for each key, of 80": ([33, 90], 5, (2, 1, 80), SCALE),
    "heads of 128, long prefix": ([33, 390], 300, (1, 4, 128), SCALE),
    "a window": ([200, 300, 9], 10, (2, 3, 64), AttentionSettings(0.125, window=50)),
    "a window of one": ([70, 3], 2, (1, 2, 16), AttentionSettings(0.125, window=1)),
}


@pytest.mark.parametrize(("lengths", "prefix", "heads", "settings"), ROWS.values(), ids=ROWS)
def test_attention_and_its_gradients_are_exact_up_to_rounding(own, asked, lengths, prefix, heads, settings):
    layout = layout_of(lengths, prefix)
    inputs, gradient = attention_inputs(layout, *heads)
    attention = attention_of(layout, settings)
    exact = exactly(attention, inputs, gradient)
    assert asked == []
    assert_close(with_gradients(attention, inputs, gradient), exact, terms=prefix + max(lengths) + heads[-1])
    assert asked == ["attention_forward", "attention_backward"]


def test_a_row_neither_sees_nor_moves_another(own):
    """Beside other rows it gives the same bits as alone."""
    lengths, heads = [40, 130, 9], (2, 3, 64)
    layout = layout_of(lengths)
    inputs, gradient = attention_inputs(layout, *heads)
    together = with_gradients(attention_of(layout), inputs, gradient)
    own_part = slice(40, 170)
    alone = with_gradients(
        attention_of(layout_of([130])), tuple(x[own_part].clone() for x in inputs), gradient[own_part].clone()
    )
    assert all(torch.equal(one[own_part], other) for one, other in zip(together, alone, strict=True))


UNFIT = {
    "branches": (layout_of([9, 8], tree=Tree.of([[1, 2], [1, 3]])), SCALE, None, 64),
    "softcap": (layout_of([9, 8]), AttentionSettings(0.125, softcap=20.0), None, 64),
    "dropout": (layout_of([9, 8]), AttentionSettings(0.125, dropout=0.1, seed=3), None, 64),
    "float16": (layout_of([9, 8]), SCALE, torch.float16, 64),
    "float64": (layout_of([9, 8]), SCALE, torch.float64, 64),
    "narrow heads": (layout_of([9, 8]), SCALE, None, 8),
}


@pytest.mark.parametrize(("layout", "settings", "other", "dim"), UNFIT.values(), ids=UNFIT)
def test_what_the_attention_kernel_is_not_for_is_computed_plainly(own, asked, layout, settings, other, dim):
    inputs, gradient = attention_inputs(layout, 1, 2, dim)
    with_gradients(attention_of(layout, settings), tuple(x.to(other or dtype) for x in inputs), gradient)
    assert asked == []


@pytest.mark.parametrize("rows", [1, 5, 13, 127])
@pytest.mark.parametrize(("inner", "columns"), [(2, 1), (66, 17), (576, 130), (2050, 64), (4100, 70)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_sum_of_two_products_is_rounded_once(own, rows, inner, columns, transposed):
    a, b, c = random(rows, inner), random(inner, columns, seed=1), random(rows, 16, seed=2)
    d = random(16, columns, seed=3)
    given = b.T.contiguous().T if transposed else b
    exact = a.double() @ b.double() + c.double() @ d.double()
    in_32 = sum_of_products([(a, given), (c, d)], torch.float32)
    assert float((in_32 - exact).abs().max()) <= 1e-5 * inner
    assert torch.equal(sum_of_products([(a, given), (c, d)]), in_32.to(dtype))


@pytest.mark.parametrize("tokens", [1, 12, 131])
@pytest.mark.parametrize(("out", "width"), [(576, 192), (98, 576)])
def test_a_lora_layer_and_its_gradients_are_exact_up_to_rounding(own, asked, tokens, out, width):
    x, gradient = random(tokens, width), random(tokens, out, seed=1)
    a, b, weight = random(16, width, seed=2), random(out, 16, seed=3), random(out, width, seed=4)

    def layer(x, a, b):
        joined = torch.cat([weight, torch.zeros(out, 16)], dim=1).to(x.dtype)
        wide = torch.promote_types(x.dtype, torch.float32)
        return _SummedOnce.apply(x, a.to(wide), b.to(wide), joined, 0.5)

    exact = exactly(layer, (x, a, b), gradient)
    assert asked == []
    assert_close(with_gradients(layer, (x, a, b), gradient), exact, terms=max(tokens, out, width) + 16)
    assert asked == ["sum_of_products"] * 6


@pytest.mark.parametrize("width", [16, 17, 576])
def test_norms_are_exact_up_to_rounding(own, asked, width):
    x, scale, gradient = random(2, 5, width), random(width, seed=1), random(2, 5, width, seed=2)

    def norm(x):
        return fused_layers._RmsNorm.apply(x, scale, 1e-5)

    def plain(x):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * scale

    assert_close(with_gradients(norm, (x,), gradient), exactly(plain, (x,), gradient), terms=width)
    assert asked == ["norm_forward", "norm_backward"]


@pytest.mark.parametrize("width", [16, 17, 1536])
def test_gates_are_exact_up_to_rounding_also_far_out(own, asked, width):
    gate, up, gradient = 4 * random(3, width), random(3, width, seed=1), random(3, width, seed=2)
    gate[0, :6] = torch.tensor([-1e4, -100.0, -90.0, 90.0, 100.0, 1e4])

    def gated(gate, up):
        return fused_layers._Gated.apply(gate, up, "silu")

    assert_close(with_gradients(gated, (gate, up), gradient), exactly(gated, (gate, up), gradient), terms=1)
    assert asked == ["gated_forward", "gated_backward"]


@pytest.mark.parametrize("width", [16, 34, 64])
@pytest.mark.parametrize("packed", [True, False])
def test_rotations_are_exact_up_to_rounding(own, asked, width, packed):
    x, gradient = random(1, 3, 7, width), random(1, 3, 7, width, seed=1)
    cos, sin = (random(1, 1, 7, width, seed=seed) for seed in (2, 3))

    def turned(x):
        laid = x.transpose(1, 2).contiguous().transpose(1, 2) if packed else x
        return fused_rotary._Rotary.apply(laid, cos.to(x.dtype), sin.to(x.dtype))

    assert_close(with_gradients(turned, (x,), gradient), exactly(turned, (x,), gradient), terms=2)
    assert asked == ["rotate", "rotate"]


@pytest.mark.parametrize(("tokens", "width", "words"), [(1, 16, 2), (5, 64, 330), (37, 48, 1002)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_logits_never_rounded(own, tokens, width, words, weighted):
    hidden, weight = random(tokens, width), random(words, width, seed=1)
    targets = torch.arange(tokens) * 7 % words
    weights = torch.rand(tokens, generator=torch.Generator().manual_seed(2)) if weighted else None
    loss, gradient = with_gradients(
        lambda x: _LinearCrossEntropy.apply(x, weight, None, targets, weights), (hidden,), torch.tensor(1.0)
    )
    exact = hidden.double().requires_grad_()
    each = torch.nn.functional.cross_entropy(exact @ weight.double().T, targets, reduction="none")
    total = (each if weights is None else each * weights).sum()
    assert abs(float(loss) - float(total)) <= 1e-5 * float(total) + 1e-6
    assert_close((gradient,), (torch.autograd.grad(total, exact)[0],), terms=width + words)


@pytest.mark.parametrize("targets", [[0, 330, 1], [0, -1, 1], [0, 1]], ids=["no token", "negative", "too few"])
def test_targets_that_are_none_are_refused_and_nothing_is_read_beside_the_logits(own, targets):
    with pytest.raises((IndexError, RuntimeError)):
        _LinearCrossEntropy.apply(random(3, 64), random(330, 64, seed=1), None, torch.tensor(targets), None)


def test_threads_change_no_bit(own):
    layout = layout_of([61, 130, 9, 40], 20)
    inputs, gradient = attention_inputs(layout, 3, 3, 64)
    x, weight, hidden = random(123, 576), random(96, 576, seed=1), random(31, 64)
    words, targets = random(2000, 64, seed=2), torch.arange(31)

    def everything() -> list[torch.Tensor]:
        loss = with_gradients(
            lambda h: _LinearCrossEntropy.apply(h, words, None, targets, None), (hidden,), torch.tensor(1.0)
        )
        norm = fused_layers._RmsNorm.apply(x, weight[0], 1e-5)
        return [*with_gradients(attention_of(layout), inputs, gradient), sum_of_products([(x, weight.T)]), norm, *loss]

    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(everything())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_number_that_is_none_is_never_swallowed(own):
    layout = layout_of([20])
    (q, k, v), _ = attention_inputs(layout, 1, 1, 16)
    q[7] = math.nan
    assert torch.isnan(attention_of(layout)(q, k, v)[7]).all()
    x = random(3, 64)
    x[1, 5] = math.nan
    assert torch.isnan(fused_layers._RmsNorm.apply(x, x[0], 1e-5)[1]).all()
    assert torch.isnan(fused_layers._Gated.apply(x, x, "silu")[1, 5])
    assert torch.isnan(_LinearCrossEntropy.apply(x, random(32, 64), None, torch.arange(3), None))


def chat(length: int, targets: int, start: int) -> Row:
    ids = [(7 * n + start) % 250 for n in range(length)]
    places = list(range(length - targets - 1, length - 1)) if targets else []
    return Row(ids, [ids[place + 1] for place in places], places)


CHATS = [chat(9, 4, 1), chat(30, 0, 2), chat(2, 1, 3), chat(61, 20, 4), chat(17, 8, 5), chat(33, 9, 6)]
"""One of them has no answer."""
TRAINING = Training(learning_rate=5e-3, batch_rows=3, rank=4, epochs=6, validations_per_epoch=1)


def adapted():
    model = tiny_model(hidden_size=64, num_attention_heads=4, head_dim=16).to(dtype)
    return with_trainable_weights(model, TRAINING)


def test_the_loss_and_every_gradient_of_a_model_are_those_of_the_plain_code(own):
    objective, model = AnswerLoss(packed_forward, [257, 10, 20]), adapted()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    found = {}
    for name in ("own", PLAIN):
        with kernels_kept():
            go_on_with(name)
            objective.loss(model, CHATS).backward()
        found[name] = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
    assert len(found["own"]) == 2 * 14 and found["own"].keys() == found[PLAIN].keys()
    for name, gradient in found["own"].items():
        assert (gradient - found[PLAIN][name]).norm() <= 4 * largest_error(terms=350) * found[PLAIN][name].norm(), name


def test_a_training_has_the_losses_of_the_plain_code(own):
    curves = {}
    for name in (kernels(), PLAIN):
        with kernels_kept():
            go_on_with(name)
            run = train(adapted(), AnswerLoss(packed_forward, [257, 10, 20]), CHATS, CHATS[:2], TRAINING)
            curves[name] = [p[key] for p in run.curve for key in ("loss", "validation_loss") if key in p]
        assert {attempt["kernels"] for attempt in run.attempts} == {name}
    own = curves[kernels()]
    assert len(own) > 15 and own[-1] < 0.9 * own[0]
    assert own == pytest.approx(curves[PLAIN], rel=3 * largest_error(terms=350)) and own != curves[PLAIN]


OTHERS = {
    "neither AVX-512 nor AVX2": ("DEFAULT", {}, None, PLAIN),
    "AVX-512 without bfloat16": ("AVX512", {}, None, "avx512"),
    "AMX": ("AVX512", {"avx512_bf16": True, "amx_tile": True}, None, "avx512"),
    "no compiler": ("AVX512", {"avx512_bf16": True}, "", PLAIN),
}


@pytest.mark.parametrize(("level", "processor", "compiler", "name"), OTHERS.values(), ids=OTHERS)
def test_on_other_processors_and_without_a_compiler_the_plain_code_runs(
    one_thread, asked, monkeypatch, level, processor, compiler, name
):
    from ft_platform.process import native

    if own_kernels._library(torch.float32, "avx512") is None:
        pytest.skip("own kernels: no AVX-512, or no compiler")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: level)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    if compiler is not None:
        monkeypatch.setenv("CXX", compiler)
    for cached in (native.library, own_kernels._library):
        cached.cache_clear()
    try:
        assert kernels() == name
        layout = layout_of([9])
        inputs, _ = attention_inputs(layout, 1, 1, 16)
        for wanted in (torch.bfloat16, torch.float32):
            attention_of(layout)(*(x.to(wanted) for x in inputs))
            assert asked == ([] if wanted == torch.bfloat16 or name == PLAIN else ["attention_forward"])
    finally:
        monkeypatch.undo()
        for cached in (native.library, own_kernels._library):
            cached.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_layers_keep_the_plain_code(own_bfloat16, asked):
    objective, losses = AnswerLoss(packed_forward, [257, 10, 20]), []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = adapted()
        accelerated(model, Compute(compile=compiled))
        asked.clear()
        loss = objective.loss(model, CHATS)
        loss.backward()
        losses.append(float(loss.detach()))
        assert all(p.grad.abs().sum() > 0 for n, p in model.named_parameters() if "lora_B" in n)
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    outside = {"attention_forward": 2, "attention_backward": 2, "norm_backward": 1, "sum_of_products": 2}
    norms = asked.count("norm_forward")  # the last one, also while the output layer is tried
    assert Counter(asked) == {**outside, "norm_forward": norms}
