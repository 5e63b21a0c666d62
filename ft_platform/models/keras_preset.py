"""A Keras preset as base model: KerasHub writes it as a transformers folder, once, in a process of its own, and both
must give the same logits and tokens."""

import hashlib
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ft_platform.errors import BaseModelError
from ft_platform.lake.files import sha256_file
from ft_platform.models.cached_folder import compared_folder
from ft_platform.models.guards.plain_files import require_plain_files
from ft_platform.models.guards.plain_json import read_object, refused
from ft_platform.models.keras_process import MOST_OFF_LOGIT, run_keras
from ft_platform.process import progress

LOG = logging.getLogger(__name__)
CONVERSION = 1
"""Raise when the converted folder would differ."""
WEIGHTS = ("model.weights.h5", "model.weights.json")
"""All weights, or the list of the files that hold them."""
SHARD = re.compile(r"model_\d+\.weights\.h5")
TEMPLATE = "chat_template.jinja"
"""Presets have none. One that somebody put there is taken."""
READ = ("config.json", "tokenizer.json", *WEIGHTS, "model_*.weights.h5", "assets/tokenizer/*", TEMPLATE)
"""Files that the model is made of; the others are not opened."""

LOST: dict[str, dict[str, Any]] = {
    "GPT2": {},
    "Llama3": {"rope_position_scaling_factor": 1.0},
    "Qwen": {"rope_scaling_factor": 1.0, "use_sliding_window_attention": False},
}
"""Family -> settings that KerasHub 0.32 does not write back, with the values that transformers takes without them.

Gemma and Mistral are not among them: transformers reads their tokenizers only with SentencePiece."""
BUILT_BY = ("name", "trainable", "dtype")
"""Settings of every layer of Keras; the weights are read in float32."""
FLOATS = ("float32", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16")
OF_THE_TOKENIZER = ("add_prefix_space", "unsplittable_tokens")
VOCABULARIES = ("vocab.json", "merges.txt")
"""What `tokenizer.json` is made of."""

ROWS, TOKENS = 2, 128
"""Random tokens whose logits are compared."""
TEXTS = (
    "Hello, my card was swiped twice on 12/03/2024 for 1234567.89 EUR!",
    "  two spaces,\ttabs\n\n\nand lines \r\n of  text   ",
    "it's we'll I'D they've don't",
    "Ünïcödé straße ñandú, Ελληνικά, русский, עברית, العربية",
    "漢字かな交じり文。한국어 텍스트 ไทย हिन्दी",
    "👩‍👩‍👧 🎉🎉 ½ ² € — “quotes” …",
    "def f(x):\n    return {'a': [1, 2, 3]}  # comment",
    "a" * 60 + " " * 20 + "0" * 20,
)
"""Made-up texts that both tokenizers cut. Accents are composed: transformers composes them first, KerasHub does not."""


def is_preset(path: Path) -> bool:
    """Whether a folder is a Keras preset, and not a folder of transformers."""
    return any((path / name).is_file() for name in WEIGHTS) and not any(path.glob("*.safetensors"))


def preset_sha256(folder: Path) -> str:
    """Hash of all files that the model is made of, tokenizer included."""
    lines = [f"{path.relative_to(folder).as_posix()} {sha256_file(path)}" for path in _files(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def converted_preset(
    preset: Path, sha256: str, cache: Path, inspect: Callable[[Path, str], object], noted: Path | None = None
) -> tuple[Path, str]:
    """The converted model, from the cache if it was converted before, and the hash of what was converted.

    Args:
        sha256: its `preset_sha256`, the key in the cache.
        inspect: `require_safe_folder`, before transformers opens what KerasHub wrote.
        noted: file with hashes of what was converted (`compared_folder`).

    Raises:
        BaseModelError: it is not safe to read, KerasHub does not write it for transformers, or what it writes is
            another model.
        CorruptVersion: the converted model was changed.
        MissingExtra: there is no TensorFlow.
    """

    def convert(folder: Path) -> None:
        progress.report("base_model", 0, 1, "models")
        _convert(preset, folder, inspect)
        progress.report("base_model", 1, 1, "models")

    folder, digest = compared_folder(cache / "converted" / f"{sha256[:24]}-keras-{CONVERSION}", convert, noted)
    if not (folder / TEMPLATE).is_file():
        LOG.warning(
            f"{preset}: a Keras preset has no chat template, so chats are written as plain questions and answers. If"
            f" the model was trained on chats, put its own template into the preset as {TEMPLATE}"
        )
    return folder, digest


def asked_of_keras(preset: Path) -> dict[str, Any]:
    """What KerasHub is asked to build, read by ourselves: a preset may name any class of any module.

    Raises:
        BaseModelError: naming the file and the reason.
    """
    for folder in (preset, preset / "assets", preset / "assets" / "tokenizer"):
        if not folder.is_dir():
            refused(folder.name, "the preset has no tokenizer", "Save model and tokenizer with save_to_preset")
        require_plain_files(folder)
    family, settings = _built(preset, "config.json", "Backbone")
    _require_written_back(family, settings)
    _require_own_shards(preset)
    _require_size(settings, sum(path.stat().st_size for path in preset.glob("model*.weights.h5")))
    of, tokenizer = _built(preset, "tokenizer.json", "Tokenizer")
    if of != family:
        refused("tokenizer.json", f"it is for {of}, and the model is {family}")
    return {
        "preset": str(preset),
        "family": family,
        "settings": settings,
        "tokenizer": {name: tokenizer[name] for name in OF_THE_TOKENIZER if tokenizer.get(name)},
    }


def _files(folder: Path) -> list[Path]:
    return sorted({path for pattern in READ for path in folder.glob(pattern) if path.is_file()})


def _built(preset: Path, name: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Family and settings in a file of a preset."""
    if not (preset / name).is_file():
        refused(name, "it is missing", "Save model and tokenizer with save_to_preset")
    told = read_object(preset / name)
    registered, config = str(told.get("registered_name")), told.get("config")
    family = registered.removeprefix("keras_hub>").removesuffix(kind)
    if registered != f"keras_hub>{family}{kind}" or not isinstance(config, dict):
        refused(name, f"{registered[:60]} is no {kind.lower()} of KerasHub")
    if family not in LOST:
        _next_step(f"Keras presets of {family[:60]} are not read, only {', '.join(LOST)}")
    policy = config.get("dtype")
    dtype = policy.get("config", {}).get("name") if isinstance(policy, dict) else policy
    if kind == "Backbone" and dtype not in (*FLOATS, None):
        _next_step(f"{name} is refused: its weights are {str(dtype)[:60]}")
    plain = {key: value for key, value in config.items() if key not in BUILT_BY}
    for key, value in plain.items():
        texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (texts or value is None or isinstance(value, (bool, int, float, str))):
            refused(name, f"{key[:60]} must be a plain value")
    return family, plain


def _require_written_back(family: str, settings: dict[str, Any]) -> None:
    for name, taken in LOST[family].items():
        if settings.get(name, taken) != taken:
            _next_step(f"KerasHub does not write {name} {settings[name]} of {family} for transformers")


def _require_own_shards(preset: Path) -> None:
    """Where weights are in several files, only files of the preset."""
    if (preset / WEIGHTS[0]).is_file():
        return
    named = read_object(preset / WEIGHTS[1]).get("weight_map")
    files = {name for one in named.values() for name in (one if isinstance(one, list) else [one])} if named else set()
    for name in sorted(files, key=str):
        if not (SHARD.fullmatch(str(name)) and (preset / str(name)).is_file()):
            refused(WEIGHTS[1], f"it names {str(name)[:60]!r}, which is no weights file of this folder")


def _next_step(problem: str) -> NoReturn:
    raise BaseModelError(problem, "Name the model's own safetensors folder in base_model.uri")


def _require_size(settings: dict[str, Any], stored: int) -> None:
    """Layers are built one by one: 10^9 of them would take for ever."""
    sizes = [settings.get(name) for name in ("num_layers", "hidden_dim", "intermediate_dim", "vocabulary_size")]
    if not all(type(size) is int and size > 0 for size in sizes):
        refused("config.json", "its sizes must be whole numbers above 0")
    layers, width, inner, words = (int(size or 0) for size in sizes)
    described = layers * width * inner + words * width
    if described > stored:
        refused("config.json", f"it describes {described:,} weights or more, but the files have {stored:,} bytes")


def _convert(preset: Path, folder: Path, inspect: Callable[[Path, str], object]) -> None:
    asked = asked_of_keras(preset)
    tokens = np.random.default_rng(0).integers(0, asked["settings"]["vocabulary_size"], (ROWS, _length(asked)))
    control = asked["tokenizer"].get("unsplittable_tokens", [])
    texts = [*TEXTS, *(f"a{token} {token}b" for token in control)]

    def failed(told: str) -> BaseModelError:
        return BaseModelError(f"KerasHub cannot write the preset {preset} for transformers: {told}", "Check the preset")

    with tempfile.TemporaryDirectory(prefix="ft-preset-") as place:
        logits = Path(place) / "logits.npy"
        given = {**asked, "out": str(folder), "tokens": tokens.tolist(), "texts": texts, "logits": str(logits)}
        said = run_keras("from_preset", given, failed)
        expected = np.load(logits)
    if (preset / TEMPLATE).is_file():
        shutil.copyfile(preset / TEMPLATE, folder / TEMPLATE)
    inspect(folder, str(preset))
    _write_tokenizer(folder, control)
    _require_same_tokens(folder, texts, said["texts"])
    _require_same_logits(folder, tokens, expected)
    told = {"preset": preset.name, "versions": said["versions"]}
    (folder / "keras_preset.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def _length(asked: dict[str, Any]) -> int:
    """GPT-2 has an embedding for each place."""
    return min(TOKENS, asked["settings"].get("max_sequence_length") or TOKENS)


def _write_tokenizer(folder: Path, control: list[str]) -> None:
    """KerasHub writes the control tokens as plain words, which would be cut into parts."""
    from tokenizers import AddedToken

    tokenizer = _tokenizer(folder)
    words = tokenizer.get_vocab()
    if new := [token for token in control if token not in words]:
        refused("tokenizer.json", f"{len(new)} of its unsplittable_tokens are not in the vocabulary")
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer.save_pretrained(folder)
    if (folder / "tokenizer.json").is_file():
        for name in VOCABULARIES:
            (folder / name).unlink(missing_ok=True)


def _require_same_tokens(folder: Path, texts: list[str], expected: list[list[int]]) -> None:
    found = _tokenizer(folder)(texts, add_special_tokens=False)["input_ids"]
    if other := [number for number, (one, two) in enumerate(zip(found, expected, strict=True)) if one != two]:
        _next_step(
            f"the tokenizer that KerasHub writes cuts {len(other)} of {len(texts)} made-up texts otherwise than in the"
            f" preset, the first is {texts[other[0]][:40]!r}"
        )


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _require_same_logits(folder: Path, tokens: np.ndarray, expected: np.ndarray) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    with torch.no_grad():
        found = model.eval()(input_ids=torch.from_numpy(tokens)).logits.numpy()
    off = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not off <= MOST_OFF_LOGIT:
        _next_step(f"what KerasHub writes is another model: a logit differs by {off:.3g}, more than {MOST_OFF_LOGIT}")
    LOG.info(f"converted Keras preset: largest difference of a logit {off:.2g}")
