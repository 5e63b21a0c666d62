"""Hostile adapters are refused before peft opens them; the adapter that training writes loads."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ft_platform.errors import BaseModelError
from ft_platform.models.adapter import with_adapter
from ft_platform.models.guards.adapter_files import PICKLED, require_safe_adapter
from ft_platform_tests.tiny_models import tiny_model

Plant = Callable[[Path], Any]
WEIGHTS = "adapter_model.safetensors"


def save_adapter(folder: Path, **settings: Any) -> Path:
    from peft import LoraConfig, get_peft_model

    options = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **settings}
    get_peft_model(tiny_model(), LoraConfig(**options)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def adapter(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "ckpt-1"))


def settings(**values: Any) -> Plant:
    def plant(folder: Path) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return plant


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Plant:
    """The weights after `change`, which works on the mapping of names to tensors."""

    def plant(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS, {"format": "pt"})

    return plant


def first(part: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Plant:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name in tensors if part in name)
        tensors[name] = value(tensors[name])

    return weights(change)


def with_nan(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[3] = float("nan")
    return tensor


CASES = {
    "code by mapping": (
        settings(auto_mapping={"base_model_class": "Evil", "parent_library": "evil"}),
        "auto_mapping is set",
    ),
    "another kind of adapter": (settings(peft_type="PREFIX_TUNING"), "peft_type 'PREFIX_TUNING', expected LORA"),
    "whole modules": (
        settings(modules_to_save=["embed_tokens", "lm_head"]),
        "modules_to_save replaces whole modules of the base model: embed_tokens",
    ),
    "a pattern that explodes": (settings(target_modules="(.*)*proj"), "pattern of target_modules can take without end"),
    "a pattern that explodes in a mapping": (
        settings(rank_pattern={"(a+)+$": 4}),
        "pattern of rank_pattern can take without end",
    ),
    "a pattern that is none": (settings(target_modules="(q_proj"), "is no regular expression"),
    "a class in a class": (settings(target_modules="[[](a+)+"), "a class within a class"),
    "another rank": (settings(r=8), "has rank 4 and 4, adapter_config.json says r = 8"),
    "a rank of 10^9": (settings(r=10**9), r"r must be a number in \[1, 4096\]"),
    "a module path of Megatron": (settings(megatron_config={"x": 1}, megatron_core="evil.core"), "megatron_"),
    "another way to begin": (settings(init_lora_weights="eva"), "init_lora_weights names a way"),
    "replicated layers": (settings(layer_replication=[[0, 1000000]]), "layer_replication is set"),
    "tokens of its own": (settings(trainable_token_indices=[1]), "trainable_token_indices is set"),
    "a matrix of another width": (first("lora_A", lambda t: torch.zeros(4, 50)), "has 50 where the base model has 48"),
    "a matrix of another height": (first("lora_B", lambda t: torch.zeros(50, 4)), "has 50 where the base model has 48"),
    "a matrix of another rank": (first("lora_A", lambda t: torch.zeros(5, 48)), "has rank 5 and 4"),
    "integers": (first("lora_A", lambda t: torch.zeros(4, 48, dtype=torch.int64)), "has type I64, expected one of F32"),
    "NaN": (first("lora_B", with_nan), "holds NaN or infinity"),
    "infinity": (first("lora_A", lambda t: t / 0), "holds NaN or infinity"),
    "a tensor of the base model": (
        weights(lambda t: t.update({"model.embed_tokens.weight": torch.zeros(2, 2)})),
        "belongs to no adapter",
    ),
    "a module of nobody": (
        weights(lambda t: t.update({f"base_model.model.evil.lora_{p}.weight": torch.zeros(4, 4) for p in "AB"})),
        "no linear module 'evil'",
    ),
    "one matrix of two": (
        weights(lambda t: t.pop(next(name for name in t if "lora_B" in name))),
        "must have the two matrices",
    ),
    "nothing": (weights(lambda t: t.clear()), "it holds no adapter"),
    "a pickle beside it": (
        lambda folder: (folder / "adapter_model.bin").write_bytes(b"\x80\x04."),
        "a pickle can run code",
    ),
    "a link": (lambda folder: (folder / "x.json").symlink_to("/etc/hostname"), "a link that leaves the checkpoint"),
    "no settings": (
        lambda folder: (folder / "adapter_config.json").unlink(),
        r"adapter_config\.json is refused: it is missing",
    ),
    "cut weights": (
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-4]),
        "its tensors end at byte",
    ),
}


@pytest.mark.parametrize(("plant", "reason"), CASES.values(), ids=CASES)
def test_a_hostile_adapter_is_refused_with_the_reason(adapter: Path, plant: Plant, reason: str) -> None:
    plant(adapter)
    with pytest.raises(BaseModelError, match=reason) as raised:
        with_adapter(tiny_model(), adapter)
    assert "checkpoint ckpt-1" in raised.value.message and raised.value.next_step


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"use_dora": True},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.(q|v)_proj"},
        {"rank_pattern": {"q_proj": 2}},
    ],
    ids=str,
)
def test_what_peft_writes_for_plain_adapters_loads(tmp_path: Path, options: dict[str, Any]) -> None:
    assert not with_adapter(tiny_model(), save_adapter(tmp_path / "ckpt", **options)).training


def test_the_place_of_the_base_model_is_never_followed(adapter: Path) -> None:
    settings(base_model_name_or_path="https://evil.example/model", revision="evil")(adapter)
    with_adapter(tiny_model(), adapter)


ODD = [
    True,
    0,
    -1,
    4.5,
    10**30,
    "",
    "x",
    [],
    [1],
    [["q_proj"]],
    {},
    {"a": {"b": 1}},
    {"q_proj": -1},
    [None],
    "q_proj\0",
]


@pytest.mark.parametrize(
    "key",
    [
        "bias",
        "rank_pattern",
        "alpha_pattern",
        "layers_to_transform",
        "modules_to_save",
        "target_modules",
        "arrow_config",
        "use_dora",
    ],
)
def test_a_setting_of_another_type_is_refused_or_does_no_harm(adapter: Path, key: str) -> None:
    file = adapter / "adapter_config.json"
    whole, refused = json.loads(file.read_text()), 0
    for value in ODD:
        file.write_text(json.dumps({**whole, key: value}))
        try:
            require_safe_adapter(adapter)
        except BaseModelError:
            refused += 1
        else:
            with suppress(BaseModelError):
                with_adapter(tiny_model(), adapter)
    assert refused >= 9


@pytest.mark.parametrize("ending", PICKLED)
def test_a_pickle_of_any_ending_is_refused(adapter: Path, ending: str) -> None:
    (adapter / f"more{ending}").write_bytes(b"\x80\x04.")
    with pytest.raises(BaseModelError, match="a pickle can run code"):
        require_safe_adapter(adapter)
