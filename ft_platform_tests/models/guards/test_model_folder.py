"""Hostile model folders: every planted file is refused before a library opens it, with the reason; what is harmless
still loads."""

import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ft_platform.errors import BaseModelError
from ft_platform.models.base_model import load, resolve
from ft_platform.models.guards.config_keys import checked_config
from ft_platform.models.guards.regexes import why_explosive
from ft_platform.models.guards.tensor_files import read_header
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.tiny_models import save_tiny_model

Plant = Callable[[Path], Any]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "model"))


def opened(folder: Path, tmp_path: Path) -> tuple[Any, Any]:
    return load(resolve(BaseModelSettings(uri=str(folder)), tmp_path / "cache"), "float32")


def changed(name: str, **values: Any) -> Plant:
    """The file with other values; a nested key is written with two underscores."""

    def plant(folder: Path) -> None:
        file = folder / name
        content = json.loads(file.read_text()) if file.exists() else {}
        for key, value in values.items():
            *path, last = key.split("__")
            target = content
            for step in path:
                target = target.setdefault(step, {})
            target[last] = value
        file.write_text(json.dumps(content))

    return plant


def text(name: str, content: str | bytes) -> Plant:
    return lambda folder: (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def config(**values: Any) -> Plant:
    return changed("config.json", **values)


def tokenizer(**values: Any) -> Plant:
    return changed("tokenizer.json", **values)


def template(source: str) -> Plant:
    return text("chat_template.jinja", source)


CONFIGURATIONS = {
    "code of a repository": (config(auto_map={"AutoModel": "modeling_evil.Evil"}), "names code to run: auto_map"),
    "code that generates": (config(custom_generate="evil/repo"), "names code to run: custom_generate"),
    "a wish for remote code": (config(trust_remote_code="yes"), "names code to run: trust_remote_code"),
    "an attention kernel": (config(attn_implementation="somebody/kernel"), "names code to run: attn_implementation"),
    "a pinned attention kernel": (
        config(_attn_implementation="somebody/kernel@v1:attend"),
        "names code to run: _attn_implementation",
    ),
    "an expert kernel": (config(experts_implementation="somebody/kernel"), "names code to run: experts_implementation"),
    "a kernel by part of the model": (
        config(attn_implementation={"text_config": "somebody/kernel"}),
        "names code to run: attn_implementation",
    ),
    "a kernel in a nested configuration": (
        config(text_config={"vision": {"_attn_implementation_internal": "a/b"}}),
        r"names code to run: text_config\.vision\._attn_implementation_internal",
    ),
    "a list of kernels": (config(hub_kernels=["a/b"]), "names code to run: hub_kernels"),
    "quantization that imports a library": (
        config(quantization_config={"quant_method": "aqlm"}),
        "names code to run: quantization_config",
    ),
    "weights of another repository": (config(backbone="evil/backbone"), "names code to run: backbone"),
    "a path": (config(rope_scaling={"rope_type": "../../etc/passwd"}), "could be a file, an address or a repository"),
    "an address": (config(hidden_act="https://evil.example/act.py"), "could be a file, an address or a repository"),
    "a file by key": (config(vocab_file="vocab"), "vocab_file names a file"),
    "an architecture that is not transformers' own": (
        config(model_type="evil_net"),
        "model_type 'evil_net' is no causal language model",
    ),
    "no architecture": (config(model_type=None), "model_type 'None' is no causal language model"),
    "a width of 10^9": (config(hidden_size=10**9), "hidden_size is 1,000,000,000, more than"),
    "a width that the weights do not have": (
        config(intermediate_size=1_000_000),
        r"describes [\d,]+ weights, but the files hold",
    ),
    "more layers than tensors": (
        config(num_hidden_layers=4000),
        r"num_hidden_layers is 4,000, but the weights have \d+ tensors",
    ),
    "10^9 layers": (config(num_hidden_layers=10**9), "num_hidden_layers is 1,000,000,000, more than"),
    "a larger vocabulary than embeddings": (
        config(vocab_size=1_000_000),
        r"describes [\d,]+ weights, but the files hold",
    ),
    "deep nesting": (text("config.json", '{"a":' * 40 + "1" + "}" * 40), "nested deeper than 32 levels"),
    "nesting that overflows the stack": (
        text("config.json", "[" * 100_000 + "]" * 100_000),
        "nested deeper than 32 levels",
    ),
    "a key twice": (
        text("config.json", '{"model_type": "llama", "model_type": "bert"}'),
        "'model_type' is there twice",
    ),
    "NaN": (text("config.json", '{"model_type": "llama", "rms_norm_eps": NaN}'), "has NaN, which is not JSON"),
    "a list": (text("config.json", "[]"), "must be a mapping"),
    "bytes": (text("config.json", b"\xff\xfe\x00"), "not JSON in UTF-8"),
    "code for generation": (
        changed("generation_config.json", custom_generate="evil/repo"),
        r"generation_config\.json is refused: it names code",
    ),
}

FILES = {
    "a link that leaves the folder": (
        lambda folder: (folder / "vocab.txt").symlink_to("/etc/hostname"),
        "link that leaves the folder",
    ),
    "a link to nothing": (lambda folder: (folder / "vocab.txt").symlink_to(folder / "none"), "link to nothing"),
    "a named pipe": (lambda folder: os.mkfifo(folder / "merges.txt"), "device, pipe or socket"),
    "a pickled vocabulary": (text("vocab.pkl", b"\x80\x04."), "a pickle can run code"),
    "a numpy file": (text("embeddings.npy", b"\x93NUMPY"), "a pickle can run code"),
    "an adapter in front of another model": (
        text("adapter_config.json", '{"base_model_name_or_path": "evil/repo"}'),
        "names another model to load",
    ),
    "a shard outside the folder": (
        text("model.safetensors.index.json", '{"weight_map": {"a": "../other.safetensors"}}'),
        "no safetensors file of this folder",
    ),
    "a pickled shard": (
        text("model.safetensors.index.json", '{"weight_map": {"a": "model.bin"}}'),
        "no safetensors file of this folder",
    ),
    "a missing shard": (
        text("model.safetensors.index.json", '{"weight_map": {"a": "other.safetensors"}}'),
        "is missing",
    ),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), r"config\.json is refused: it is missing"),
}

TOKENIZERS = {
    "code": (
        changed("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]}),
        r"tokenizer_config\.json is refused: it names code",
    ),
    "a class of nobody": (
        changed("tokenizer_config.json", tokenizer_class="EvilTokenizer"),
        "'EvilTokenizer' is no tokenizer of transformers",
    ),
    "a vocabulary elsewhere": (
        changed("tokenizer_config.json", vocab_file="/etc/passwd"),
        "vocab_file names another file",
    ),
    "an added token past the embeddings": (
        changed("tokenizer_config.json", added_tokens_decoder={"99999": {"content": "<x>"}}),
        "token id 99,999 is outside the model's 260 embeddings",
    ),
    "added_tokens.json past the embeddings": (text("added_tokens.json", '{"<x>": 260}'), "token id 260 is outside"),
    "a negative id": (tokenizer(model__vocab={"a": -1}), "token id -1 is outside"),
    "two tokens with one id": (tokenizer(model__vocab={"a": 1, "b": 1}), "two tokens of its vocabulary have one id"),
    "a larger vocabulary": (tokenizer(model__vocab={f"t{n}": n for n in range(300)}), "token id 299 is outside"),
    "an unknown model": (tokenizer(model__type="Evil"), "must be one of BPE"),
    "a pattern that explodes": (
        tokenizer(
            pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
        ),
        "pattern of its pre_tokenizer can take without end: it repeats a repetition",
    ),
    "a pattern that explodes quietly": (
        tokenizer(
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": "a*a*a*a*a*a*b"},
                "behavior": "Isolated",
                "invert": False,
            }
        ),
        r"tokenizer\.json is refused: tokenizing 4,00. letters ended with PanicException",
    ),
    "a normalizer that expands": (
        tokenizer(normalizer={"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}),
        r"normalizer can make 1e\+03 characters of one",
    ),
    "normalizers that expand together": (
        tokenizer(
            normalizer={
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40,
            }
        ),
        r"normalizer can make 1\.1e\+12 characters of one",
    ),
    "a normalizer of nothing": (
        tokenizer(normalizer={"type": "Replace", "pattern": {"String": ""}, "content": "a"}),
        "a pattern that is not empty",
    ),
    "padding without end": (
        tokenizer(padding={"strategy": {"Fixed": 10**9}, "pad_id": 0}),
        "padding makes every text 1,000,000,000 tokens long",
    ),
    "no tokenizer at all": (
        text("tokenizer.json", '{"model": {"type": "BPE", "vocab": {}, "merges": 7}}'),
        "the tokenizers library cannot read it",
    ),
}

LOOPS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
TOO_LONG = "it takes more than 3 cpu-seconds"
TEMPLATES = {
    "a loop without end": (LOOPS, TOO_LONG),
    "a loop under tools": ("{% if tools %}" + LOOPS + "{% endif %}", TOO_LONG),
    "a loop under documents": ("{% if documents %}" + LOOPS + "{% endif %}", TOO_LONG),
    "a loop under a long history": ("{% if messages | length > 300 %}" + LOOPS + "{% endif %}", TOO_LONG),
    "a range beyond the sandbox": (
        "{% for i in range(10**12) %}{% endfor %}",
        "it names a number of more than 1,048,576",
    ),
    "a text without end": ("{{ 'a' * 10**10 }}", "it makes more than 8,388,608 signs"),
    "a long text": ("{{ 'a' * 10**6 * 8 }}", r"it makes 8,000,000 characters of a chat of \d+"),
    "internals": ("{{ messages.__class__.__mro__ }}", r"reaches for Python's internals: \.__"),
    "internals by subscript": ("{{ messages['__class__'] }}", "reaches for Python's internals"),
    "internals by filter": ("{{ messages | attr('__class__') }}", "reaches for Python's internals through a filter"),
    "internals put together": ("{{ messages['__cl' + 'ass__'].mro() }}", "is unsafe|access to attribute"),
    "another template": ("{% include '/etc/passwd' %}", "it loads another template"),
    "no template": ("{% if %}", "cannot be parsed"),
}


def header(entries: dict[str, Any], data: bytes = b"", length: int | None = None) -> Plant:
    content = json.dumps(entries).encode()
    return text(
        "model.safetensors", (len(content) if length is None else length).to_bytes(8, "little") + content + data
    )


def tensor(start: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(end - start) // 4] if shape is None else shape, "data_offsets": [start, end]}


WEIGHTS = {
    "a header longer than the file": (header({}, length=2**60), "header claims 1,152,921,504,606,846,976 bytes"),
    "an empty file": (text("model.safetensors", b""), "header claims"),
    "a header that is no JSON": (text("model.safetensors", (4).to_bytes(8, "little") + b"code"), "not JSON"),
    "overlapping tensors": (
        header({"a": tensor(0, 8), "b": tensor(4, 12)}, b"\0" * 12),
        "tensors overlap or leave a gap",
    ),
    "a gap": (header({"a": tensor(0, 4), "b": tensor(8, 12)}, b"\0" * 12), "tensors overlap or leave a gap"),
    "offsets past the end": (header({"a": tensor(0, 4096)}, b"\0" * 8), "its tensors end at byte 4,096 of 8"),
    "bytes behind the tensors": (header({"a": tensor(0, 4)}, b"\0" * 8), "its tensors end at byte 4 of 8"),
    "a shape that does not fit": (header({"a": tensor(0, 4, [1 << 40])}, b"\0" * 4), "its offsets say 4"),
    "a negative dimension": (header({"a": tensor(0, 4, [-1])}, b"\0" * 4), "all of them counts"),
    "a type of nobody": (header({"a": tensor(0, 4, dtype="PYOBJ")}, b"\0" * 4), "has type 'PYOBJ'"),
    "a tensor twice": (
        text("model.safetensors", (40).to_bytes(8, "little") + b'{"a": 1, "a": 2}'.ljust(40)),
        "'a' is there twice",
    ),
    "metadata that is no text": (header({"__metadata__": {"run": {"code": 1}}}), "metadata must be texts"),
    "a payload as metadata": (header({"__metadata__": {"x": "A" * 2_000_000}}), "something else is hidden in it"),
    "another library's weights": (header({"__metadata__": {"format": "evil"}}), "format 'evil', expected pt"),
}

CASES = [
    pytest.param(plant, reason, id=f"{kind}: {name}")
    for kind, cases in [("config", CONFIGURATIONS), ("files", FILES), ("tokenizer", TOKENIZERS), ("weights", WEIGHTS)]
    for name, (plant, reason) in cases.items()
] + [pytest.param(template(source), reason, id=f"template: {name}") for name, (source, reason) in TEMPLATES.items()]


@pytest.mark.parametrize(("plant", "reason"), CASES)
def test_a_hostile_folder_is_refused_with_the_reason(model: Path, tmp_path: Path, plant: Plant, reason: str) -> None:
    plant(model)
    with pytest.raises(BaseModelError, match=reason) as raised:
        opened(model, tmp_path)
    assert raised.value.next_step and str(model) in raised.value.message


def test_the_folder_that_the_plants_start_from_loads(model: Path, tmp_path: Path) -> None:
    loaded, tokens = opened(model, tmp_path)
    assert loaded.config.hidden_size == 48 and tokens("a")["input_ids"]


@pytest.mark.parametrize(
    "name", ["tokenizer.model", "README.md", "pytorch_model.bin", "modeling_own.py", "consolidated.pth"]
)
def test_files_that_no_loader_of_ours_opens_are_no_reason_to_refuse(model: Path, tmp_path: Path, name: str) -> None:
    (model / name).write_bytes(b"\x80\x04 whatever")
    opened(model, tmp_path)


@pytest.mark.parametrize("key", ["rope_theta", "is_llama_config", "some_new_number"])
def test_an_unknown_number_is_kept_because_old_names_are_read_that_way(key: str) -> None:
    kept, dropped = checked_config({"model_type": "llama", key: 12345.0})
    assert kept[key] == 12345.0 and dropped == []


def test_unknown_texts_and_mappings_of_plain_values_are_dropped_and_named() -> None:
    kept, dropped = checked_config(
        {
            "model_type": "llama",
            "flavour": "vanilla",
            "js": {"dtype": "q4"},
            "_name_or_path": "org/name",
            "hidden_size": 8,
        }
    )
    assert kept == {"model_type": "llama", "hidden_size": 8} and dropped == ["flavour", "js"]


def test_a_setting_that_old_models_spell_otherwise_still_counts(model: Path, tmp_path: Path) -> None:
    file = model / "config.json"
    old = {key: value for key, value in json.loads(file.read_text()).items() if key != "rope_parameters"}
    file.write_text(json.dumps({**old, "rope_theta": 777.0}))
    loaded, _ = opened(model, tmp_path)
    assert loaded.config.rope_parameters["rope_theta"] == 777.0


@pytest.mark.parametrize(
    ("pattern", "explosive"),
    [
        (
            (
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}|"
                r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
            ),
            False,
        ),  # Llama 3, Qwen 2
        (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", False),  # GPT-2
        (r".*\.layers\.[0-9]+\.(q|v)_proj", False),
        ("(a+)+", True),
        ("(a*b)*c", True),
        ("(a|a)*", True),
        ("((a{2,})b){1,}", True),
        (r"(a)\1", True),
        ("(a{1,3})+", False),
        ("a" * 5000, True),
    ],
)
def test_patterns_that_repeat_a_repetition_are_found(pattern: str, explosive: bool) -> None:
    assert (why_explosive(pattern) is not None) is explosive


def test_a_download_that_was_cut_is_told_from_its_blob(pristine: Path, tmp_path: Path) -> None:
    """The cache of the hub: a snapshot of links to blobs that are named by their hash."""
    from ft_platform.lake.files import sha256_file

    repository = tmp_path / "cache" / "hub" / "models--example--tiny"
    snapshot, blobs = repository / "snapshots" / ("1" * 40), repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    for file in pristine.iterdir():
        blob = blobs / sha256_file(file)
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    pinned = BaseModelSettings(uri="example/tiny", revision="1" * 40)
    resolved = resolve(pinned, tmp_path / "cache", "refuse")
    assert resolved.commit == "1" * 40
    blob = (snapshot / "tokenizer_config.json").resolve()
    blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(BaseModelError, match=r"tokenizer_config\.json is refused: the hub names it"):
        resolve(pinned, tmp_path / "cache")


@pytest.mark.parametrize("revision", [None, "main", "v2", "1" * 39])
def test_a_hub_model_without_a_commit_is_refused_or_warned_about(
    tmp_path: Path, revision: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    settings = BaseModelSettings(uri="example/tiny", revision=revision)
    with pytest.raises(BaseModelError, match=r"example/tiny is not pinned.*40 hex digits"):
        resolve(settings, tmp_path, "refuse")
    with pytest.raises(BaseModelError, match="cannot be found"):  # there is no hub here
        resolve(settings, tmp_path, "warn")
    assert "is not pinned" in caplog.text


def test_a_folder_needs_no_commit(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    resolve(BaseModelSettings(uri=str(model)), tmp_path, "refuse")
    assert "pinned" not in caplog.text


def test_no_compiled_kernel_is_fetched_from_the_hub(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers before 5.25 reads the variable when it is imported: a program loads its model before anything else
    imports it."""
    from transformers.integrations import hub_kernels
    from transformers.utils import ENV_VARS_TRUE_VALUES

    monkeypatch.setenv("USE_HUB_KERNELS", "YES")
    opened(model, tmp_path)
    assert os.environ["USE_HUB_KERNELS"].upper() not in ENV_VARS_TRUE_VALUES
    assert '"USE_HUB_KERNELS"' in inspect.getsource(hub_kernels)


def test_every_type_and_shape_of_a_header_is_read(tmp_path: Path) -> None:
    save_file(
        {"a": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.bfloat16), "c": torch.zeros(0, dtype=torch.bool)},
        tmp_path / "x.safetensors",
    )
    found = read_header(tmp_path / "x.safetensors")
    assert {name: (info.dtype, info.shape) for name, info in found.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("BF16", ()),
        "c": ("BOOL", (0,)),
    }
