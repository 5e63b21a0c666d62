"""How rows go through the model is chosen by `compute` and by what the machine has; no option changes what is
computed."""

import importlib.machinery
import importlib.util
import shutil
import types

import pytest
import torch

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.models.kernels import acceleration
from ft_platform.models.kernels.acceleration import accelerated
from ft_platform.models.kernels.flat_forward import flat_forward
from ft_platform.models.kernels.packed_attention import PackingUnsupported, Segment, Tree
from ft_platform.models.kernels.packed_forward import packed_forward, packing_problem, padded_forward
from ft_platform.use_case.schema import Compute
from ft_platform_tests.tiny_models import tiny_model

PREFIX = [257, 10, 20, 30]
ROWS = [Segment([5, 6, 7, 8, 9]), Segment([11, 12, 13]), Segment(list(range(40, 60)))]
KEEP = [(row, place) for row, s in enumerate(ROWS) for place in (0, len(s.ids) - 1)]


def on_cuda(model):
    """The same model, as if it were on a GPU."""
    model.__class__ = type(
        type(model).__name__, (type(model),), {"device": property(lambda self: torch.device("cuda"))}
    )
    return model


@pytest.fixture
def installed(monkeypatch):
    """Pretends that packages are installed or not."""
    real = importlib.util.find_spec

    def pretend(**packages):
        def find(name, *rest):
            return (
                (importlib.machinery.ModuleSpec(name, None) if packages[name] else None)
                if name in packages
                else real(name, *rest)
            )

        monkeypatch.setattr(importlib.util, "find_spec", find)

    return pretend


@pytest.mark.parametrize(
    ("attention", "forward", "name"), [("auto", packed_forward, "packed"), ("packed", packed_forward, "packed")]
)
def test_rows_are_packed_on_a_cpu(attention, forward, name):
    assert accelerated(tiny_model(), Compute(attention=attention)) == (forward, name)


def test_rows_are_padded_where_asked_for_or_needed():
    assert accelerated(tiny_model(), Compute(attention="padded")) == (
        padded_forward,
        "padded (compute.attention: padded)",
    )
    forward, name = accelerated(tiny_model("mamba", state_size=8), Compute())
    assert forward is padded_forward and "differ from separate rows" in name


def test_flash_and_liger_need_a_gpu():
    for settings in ({"attention": "flash"}, {"liger": True}):
        with pytest.raises(ConfigError, match="needs a CUDA device, the model is on cpu"):
            accelerated(tiny_model(), Compute(**settings))


@pytest.mark.parametrize(
    ("settings", "package"), [({"attention": "flash"}, "flash-attn"), ({"liger": True}, "liger-kernel")]
)
def test_a_missing_package_is_named_with_its_command(settings, package, installed):
    installed(flash_attn=False, liger_kernel=False)
    with pytest.raises(MissingExtra, match=f"{package}.*pip install {package}"):
        accelerated(on_cuda(tiny_model()), Compute(**settings))


def test_flash_attention_is_taken_by_itself_on_a_gpu_that_has_it(installed, monkeypatch):
    installed(flash_attn=True)
    model = on_cuda(tiny_model())
    asked = []
    monkeypatch.setattr(model, "set_attn_implementation", asked.append)
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model, forward: None)
    assert accelerated(model, Compute()) == (flat_forward, "flash_attention_2")
    assert asked == ["flash_attention_2"]


def test_a_model_that_flash_attention_gets_wrong_is_refused(installed, monkeypatch):
    installed(flash_attn=True)
    model = on_cuda(tiny_model())
    monkeypatch.setattr(model, "set_attn_implementation", lambda name: None)
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model, forward: "planted")
    with pytest.raises(ConfigError, match=r"cannot run with flash attention: planted.*compute.attention: packed"):
        accelerated(model, Compute(attention="flash"))


def test_by_itself_a_model_that_flash_attention_gets_wrong_is_packed_and_says_why(installed, monkeypatch):
    installed(flash_attn=True)
    model = on_cuda(tiny_model())
    asked = []
    monkeypatch.setattr(model, "set_attn_implementation", asked.append)
    monkeypatch.setattr(
        "ft_platform.models.kernels.packed_forward.packing_problem",
        lambda model, forward=None: "planted" if forward else None,
    )
    assert accelerated(model, Compute()) == (packed_forward, "packed, no flash attention (planted)")
    assert asked == ["flash_attention_2", "eager"]


def test_liger_gets_the_model_without_its_loss(installed, monkeypatch):
    installed(liger_kernel=True, flash_attn=False)
    seen = []
    monkeypatch.setattr(
        "transformers.integrations.liger.apply_liger_kernel", lambda model, settings: seen.append(settings)
    )
    assert acceleration._use_liger(on_cuda(tiny_model()), Compute(liger=True))
    assert seen == [{"cross_entropy": False, "fused_linear_cross_entropy": False}]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma2", "mistral"])
def test_flat_rows_equal_padded_ones(architecture):
    model = tiny_model(architecture, **({"sliding_window": 9} if architecture == "mistral" else {}))
    for implementation in ("sdpa", "eager"):
        if implementation == "sdpa" and architecture == "gemma2":
            continue  # its softcap needs eager attention
        model.set_attn_implementation(implementation)
        assert packing_problem(model, flat_forward) is None
        with torch.no_grad():
            assert (
                flat_forward(model, ROWS, PREFIX, KEEP) - padded_forward(model, ROWS, PREFIX, KEEP)
            ).abs().max() < 1e-4


def test_flat_rows_refuse_trees():
    with pytest.raises(PackingUnsupported):
        flat_forward(tiny_model(), [Segment([1], Tree.of([[2]]))], [], [(0, 0)])


def test_every_layer_is_compiled():
    model = tiny_model()
    compiled = []
    for layer in model.model.layers:
        layer.compile = types.MethodType(lambda self, **settings: compiled.append(settings), layer)
    assert accelerated(model, Compute(compile=True)) == (packed_forward, "packed, compiled")
    assert compiled == [{"dynamic": True}] * 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_model_gives_the_same_logits_and_gradients():
    found = []
    for compile in (False, True):
        model = tiny_model()
        forward, _ = accelerated(model, Compute(compile=compile))
        logits = forward(model, ROWS, PREFIX, KEEP)
        logits.log_softmax(-1)[:, 3].sum().backward()
        found.append((logits.detach(), model.model.layers[0].mlp.up_proj.weight.grad.clone()))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-4)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-4)
