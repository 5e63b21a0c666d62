"""How rows go through a model on this machine: which forward pass, and which optional kernels.

`compute.attention`, `compute.liger` and `compute.compile` say how something is computed, not what: they change results
in the last bits only. The options for a GPU have not been timed on one.
"""

import importlib.util
from typing import Any

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.use_case.schema import Compute


def accelerated(model: Any, compute: Compute) -> tuple[Any, str]:
    """The forward pass for `model`, and what it is called in the manifest; the model is changed where an option says
    so.

    Args:
        model: with its trainable weights.
        compute: `attention`, `liger`, `compile`.

    Raises:
        ConfigError: `attention: flash` on a machine without a GPU, or for a model that cannot.
        MissingExtra: a package that an option needs is not installed.
    """
    from ft_platform.models.kernels.packed_forward import packed_forward, packing_problem, padded_forward

    names = [name for name, apply in (("liger", _use_liger), ("compiled", _compile)) if apply(model, compute)]
    forward, name = _flash(model, compute) if _wants_flash(model, compute) else (None, "")
    if forward is None:
        problem = "compute.attention: padded" if compute.attention == "padded" else packing_problem(model)
        forward, rows = (padded_forward, f"padded ({problem})") if problem else (packed_forward, "packed")
        name = ", ".join(filter(None, [rows, name]))
    return forward, ", ".join([name, *names])


def _wants_flash(model: Any, compute: Compute) -> bool:
    there = importlib.util.find_spec("flash_attn") is not None
    if compute.attention == "flash":
        if model.device.type != "cuda":
            raise ConfigError(
                [f"compute.attention: flash needs a CUDA device, the model is on {model.device.type}"],
                "Set compute.attention: auto",
            )
        if not there:
            raise MissingExtra("flash-attn, for compute.attention: flash,", install="flash-attn")
    return compute.attention == "flash" or (compute.attention == "auto" and model.device.type == "cuda" and there)


def _flash(model: Any, compute: Compute) -> tuple[Any | None, str]:
    """Rows one after the other through flash attention, after a probe against separate rows; with `auto` None and the
    reason if it fails.

    Raises:
        ConfigError: this model cannot, and flash attention was asked for.
    """
    from ft_platform.models.kernels.flat_forward import flat_forward
    from ft_platform.models.kernels.packed_forward import packing_problem

    base = model.get_base_model() if hasattr(model, "peft_config") else model
    before = base.config._attn_implementation
    try:
        base.set_attn_implementation("flash_attention_2")
        problem = packing_problem(model, flat_forward)
    except (ValueError, ImportError) as error:  # the architecture or the installed package
        problem = str(error)
    if problem is None:
        return flat_forward, "flash_attention_2"
    if compute.attention == "flash":
        raise ConfigError(
            [f"compute.attention: this model cannot run with flash attention: {problem}"],
            "Set compute.attention: packed",
        )
    base.set_attn_implementation(before)
    return None, f"no flash attention ({problem})"


def _use_liger(model: Any, compute: Compute) -> bool:
    if not compute.liger:
        return False
    if model.device.type != "cuda":
        raise ConfigError(
            [f"compute.liger needs a CUDA device, the model is on {model.device.type}"], "Set compute.liger: false"
        )
    if importlib.util.find_spec("liger_kernel") is None:
        raise MissingExtra("liger-kernel, for compute.liger,", install="liger-kernel")
    from transformers.integrations.liger import apply_liger_kernel

    # The loss is ours: logits are made only where a token is supervised.
    apply_liger_kernel(model, {"cross_entropy": False, "fused_linear_cross_entropy": False})
    return True


def _compile(model: Any, compute: Compute) -> bool:
    """Compiles every layer; all layers share one compiled function, and lengths may vary."""
    if not compute.compile:
        return False
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    for layer in base.get_decoder().layers:
        layer.compile(dynamic=True)
    return True
