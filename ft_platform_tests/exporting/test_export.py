"""A tiny checkpoint in every form, and exports with planted faults: each is refused, and nothing of it is left."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from ft_platform import cli
from ft_platform.errors import BaseModelError, ConfigError, CorruptVersion, ExportRefused
from ft_platform.lake.files import sha256_file
from ft_platform.lake.signing.models import verify_model
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models import base_model
from ft_platform.serving.exporting import chat_template, export, gguf_file, merged
from ft_platform.serving.exporting.adapter import LOADER
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.exporting.exported import Case, trained

pytestmark = pytest.mark.integration
FORMS = [
    ("adapter", {}),
    ("merged", {"dtype": "float32"}),
    ("merged", {"dtype": "bfloat16"}),
    ("gguf", {"quantization": "f16"}),
    ("gguf", {"quantization": "q8_0"}),
]


@pytest.fixture(autouse=True)
def few_chats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "compare", partial(chat_template.compare, chats=60))


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("labels") / "home", "classification")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("answers") / "home", "generation")


@pytest.mark.parametrize(("form", "order"), FORMS, ids=[" ".join([form, *order.values()]) for form, order in FORMS])
def test_every_form_of_a_model_that_writes_labels(labels, form, order):
    out = f"{form}-{'-'.join(order.values())}"
    told = labels.export(form, out, **order)
    folder = labels.place(out)
    assert json.loads((folder / "export.json").read_text()) == {key: told[key] for key in told if key != "signed"}
    verify_model(folder, folder / "model.sig", signing_keys_of(labels.environment))
    assert told["equivalence"]["ok"] and told["decision_holds"] and told["kind"] == "written_label"
    assert not [path for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]
    if form == "adapter":
        assert told["equivalence"]["status"] == "equal" and told["equivalence"]["same_files"]
    else:
        assert told["equivalence"]["status"] == "too_few_records" and told["equivalence"]["records"] == 12


@pytest.mark.parametrize(
    ("form", "order"), [*FORMS[1:], ("gguf", {"quantization": "q4_0"})], ids=["float32", "bfloat16", "f16", "q8", "q4"]
)
def test_open_answers_are_compared_as_distributions(answers, form, order):
    out = f"{form}-{'-'.join(order.values())}"
    told = answers.export(form, out, **order, keep_different=True)["equivalence"]
    coarse = order.get("quantization") == "q4_0"
    assert told["ok"] is not coarse, told["problems"]
    assert (told["divergence"]["value"] <= told["most_divergence"]) is not coarse
    assert told["records"] == told["records_evaluated"] == 12
    ratio = told["perplexity"]["ratio"]
    assert ratio["low"] <= ratio["value"] <= ratio["high"]


def test_fewer_records_are_compared_where_asked_and_then_show_less(answers):
    told = answers.export("gguf", "few", records=3)
    assert told["equivalence"]["records"] == 3 and told["equivalence"]["records_evaluated"] == 12
    assert told["equivalence"]["status"] == "too_few_records" and not told["decision_holds"]


def test_every_transformers_finds_positions_and_tokenizer(labels):
    """transformers 4 reads `rope_theta` and knows no `TokenizersBackend`; 5 reads `rope_parameters`."""
    labels.export("merged", "both-names")
    config = json.loads((labels.place("both-names") / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 10000.0
    labels.export("adapter", "adapter-names")
    for out in ("both-names", "adapter-names"):
        settings = json.loads((labels.place(out) / "tokenizer_config.json").read_text())
        assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_an_adapter_names_its_base_its_template_and_how_vllm_is_started(labels):
    told = labels.export("adapter", "to-start")
    folder, base = labels.place("to-start"), labels.environment.home / "base"
    assert told["base_model"]["folder"] == str(base)
    assert told["base_model"]["files"] == {"model.safetensors": sha256_file(base / "model.safetensors")}
    (line,) = told["start"]
    assert line.startswith(f"vllm serve {base} --dtype float32 --chat-template chat_template.jinja --enable-lora ")
    assert line.endswith("--lora-modules complaints=.") and (folder / "chat_template.jinja").is_file()
    readme = (folder / "README.md").read_text()
    assert line in readme and str(base) in readme and told["base_model"]["files"]["model.safetensors"] in readme
    assert told["files"]["README.md"] == sha256_file(folder / "README.md")


def test_an_exported_model_that_only_suggests_says_so_whatever_the_file_says_later(tmp_path):
    case = trained(tmp_path / "home", "classification")
    told, readme = exported_claim(case, "decides")
    assert told == "decides" and "a person decides" not in readme
    attributes = case.use_case.settings.model_dump(exclude_unset=True)
    suggests = UseCase.model_validate({**attributes, "gate": {"claim": "suggests"}})
    decides, case.use_case = case.use_case, case.use_case.model_copy(update={"settings": suggests})
    told, readme = exported_claim(case, "not-released")
    assert told == "suggests" and "a person decides on every request" in readme
    case.use_case = decides
    released(case.lake, case.checkpoint, claim="suggests")
    told, readme = exported_claim(case, "released")
    assert told == "suggests" and "a person decides on every request" in readme


def exported_claim(case: Case, out: str) -> tuple[str, str]:
    """What the machine-readable file and the README say."""
    case.export("adapter", out)
    return json.loads((case.place(out) / "export.json").read_text())["claim"], (
        case.place(out) / "README.md"
    ).read_text()


def released(lake: Lake, checkpoint: ArtifactVersion, **record: str) -> None:
    """A release, as far as what follows one reads it."""
    with lake.scratch("complaints", "release") as folder:
        folder.mkdir(parents=True)
        named = {"id": checkpoint.artifact_id, "content_hash": checkpoint.content_hash}
        (folder / "release.json").write_text(json.dumps({"checkpoint": named, **record}))
        lake.publish(
            "complaints", "release", "release-1", folder, parents=[checkpoint], settings_hash="s", input_hash="i"
        )


def test_all_weights_are_merged_as_they_are_and_have_no_adapter(tmp_path):
    case = trained(tmp_path / "home", "classification", method="full", learning_rate=0.0005)
    told = case.export("merged", "merged")["equivalence"]
    assert told["ok"] and told["weights"]["layers"] == 0
    with pytest.raises(ExportRefused, match="no adapter"):
        case.export("adapter", "adapter")


def scaling_dropped(real: Any, *given: Any) -> Any:
    from peft.tuners.lora import LoraLayer

    was = LoraLayer.update_layer

    def update(layer: Any, name: str, *rest: Any, **options: Any) -> None:
        was(layer, name, *rest, **options)
        layer.scaling[name] = 1.0

    LoraLayer.update_layer = update
    try:
        return real(*given)
    finally:
        LoraLayer.update_layer = was


def merged_twice(real: Any, base: Any, *rest: Any) -> Any:
    once, tokenizer = real(base, *rest)
    from ft_platform.models import base_model

    plain, _ = base_model.load(base, "float32")
    start = plain.state_dict()
    once.load_state_dict({name: 2 * value - start[name] for name, value in once.state_dict().items()})
    return once, tokenizer


def another_adapter(real: Any, base: Any, checkpoint: Path, *rest: Any) -> Any:
    """Of the same shape, with the same settings."""
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as other:
        shutil.copytree(checkpoint, other, dirs_exist_ok=True)
        weights = load_file(checkpoint / "adapter_model.safetensors")
        save_file(
            {name: value.flip(0).contiguous() for name, value in weights.items()}, f"{other}/adapter_model.safetensors"
        )
        return real(base, Path(other), *rest)


def not_merged(real: Any, base: Any, *rest: Any) -> Any:
    from ft_platform.models import base_model

    return base_model.load(base, "float32")


def another_base(real: Any, *given: Any) -> Any:
    import torch

    model, tokenizer = real(*given)
    with torch.no_grad():
        model.get_input_embeddings().weight[5] += 1.0
    return model, tokenizer


@pytest.mark.parametrize("form", ["merged", "gguf"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (scaling_dropped, r"0\.1[23] times the change"),  # alpha / r is 8
        (merged_twice, r"2\.0\d times the change"),
        (another_adapter, "times the change"),
        (not_merged, r"0\.0\d times the change"),
        (another_base, "differs from the base model"),
    ],
)
def test_a_wrong_merge_is_refused_and_nothing_is_left(labels, monkeypatch, fault, said, form):
    before = labels.left()
    monkeypatch.setattr(merged, "merged_model", partial(fault, merged.merged_model))
    with pytest.raises(ExportRefused, match=said):
        labels.export(form, f"wrong-{fault.__name__}")
    assert labels.left() == before


def other_dtype(folder: Path, model: Any, dtype: str, end: int) -> None:
    WRITE_MERGED(folder, model, "float16", end)


def other_end(folder: Path, model: Any, dtype: str, end: int) -> None:
    WRITE_MERGED(folder, model, dtype, end - 1)


def cut(folder: Path, model: Any, dtype: str, end: int) -> None:
    WRITE_MERGED(folder, model, dtype, end)
    with open(folder / "model.safetensors", "r+b") as file:
        file.truncate(20_000)


WRITE_MERGED, WRITE_GGUF = merged.write_merged, gguf_file.write_gguf


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (other_dtype, r"\['F16'\].*expected float32"),
        (other_end, "answers would end at token"),
        (cut, "model.safetensors"),
    ],
)
def test_damaged_merged_files_are_refused(labels, monkeypatch, fault, said):
    before = labels.left()
    monkeypatch.setattr(merged, "write_merged", fault)
    with pytest.raises((ExportRefused, BaseModelError), match=said):
        labels.export("merged", f"damaged-{fault.__name__}")
    assert labels.left() == before


def test_a_gguf_file_that_is_cut_or_not_permuted_or_ends_elsewhere_is_refused(labels, monkeypatch):
    before = labels.left()

    def cut_gguf(folder: Path, *rest: Any) -> None:
        WRITE_GGUF(folder, *rest)
        with open(folder / "model.gguf", "r+b") as file:
            file.truncate((folder / "model.gguf").stat().st_size // 2)

    with monkeypatch.context() as patched:
        patched.setattr(gguf_file, "write_gguf", cut_gguf)
        with pytest.raises(BaseModelError, match="past the end of the file"):
            labels.export("gguf", "cut")
    with monkeypatch.context() as patched:
        patched.setattr(gguf_file, "permuted", lambda weight, heads: weight)
        with pytest.raises(ExportRefused, match=r"_proj.*times the change"):
            labels.export("gguf", "not-permuted")
    with monkeypatch.context() as patched:
        add = gguf_file._add_tokenizer
        patched.setattr(gguf_file, "_add_tokenizer", lambda *given: add(*given[:-1], given[-1] - 1))
        with pytest.raises(ExportRefused, match="answers would end at token"):
            labels.export("gguf", "elsewhere")
    assert labels.left() == before


@pytest.mark.parametrize("form", ["adapter", "merged", "gguf"])
def test_a_template_without_a_newline_is_refused(labels, monkeypatch, form):
    before = labels.left()
    real = chat_template.chat_template
    monkeypatch.setattr(export, "chat_template", lambda *given: real(*given).replace("assistant\\n", "assistant"))
    with pytest.raises(ExportRefused, match="60 of 60 plain chats have other tokens"):
        labels.export(form, "wrong-template")
    assert labels.left() == before


def test_another_adapter_in_the_folder_is_refused(labels, monkeypatch):
    from ft_platform.serving.exporting import adapter

    real, before = adapter.write_adapter, labels.left()

    def write(folder: Path, *rest: Any) -> None:
        real(folder, *rest)
        settings = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**settings, "lora_alpha": 1}))

    monkeypatch.setattr(adapter, "write_adapter", write)
    with pytest.raises(ExportRefused, match="not as in the checkpoint: lora_alpha"):
        labels.export("adapter", "other-scaling")
    assert labels.left() == before


def test_a_coarse_file_that_decides_differently_is_kept_only_where_asked(labels):
    with pytest.raises(ExportRefused, match="q4_0 is another model"):
        labels.export("gguf", "q4", quantization="q4_0")
    told = labels.export("gguf", "q4", quantization="q4_0", keep_different=True)
    assert not told["equivalence"]["ok"] and not told["decision_holds"] and labels.place("q4").is_dir()


def test_a_folder_that_exists_is_not_touched(labels):
    labels.place("mine").mkdir(parents=True)
    with pytest.raises(ConfigError, match="exists already"):
        labels.export("adapter", "mine")
    assert not list(labels.place("mine").iterdir())


def test_what_a_killed_export_left_is_removed_by_the_next_one(labels):
    left, running = labels.place(".again-4194305-a"), labels.place(f".again-{os.getpid()}-b")
    for folder in (left, running):
        folder.mkdir(parents=True)
    labels.export("adapter", "again")
    assert not left.exists() and running.exists() and labels.place("again").is_dir()
    running.rmdir()


def test_the_modelfile(labels):
    labels.export("gguf", "for-ollama")
    text = (labels.place("for-ollama") / "Modelfile").read_text()
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """{{ "<|im_start|>system\\nName the product')
    assert '{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}' in text and 'PARAMETER stop "<|im_end|>"' in text


def test_another_architecture_is_not_written_as_gguf(tmp_path):
    case = trained(tmp_path / "home", "classification", architecture="mistral")
    with pytest.raises(ExportRefused, match="base models of type mistral are not written as GGUF yet, only llama"):
        case.export("gguf", "gguf")
    assert case.left() == [] and case.export("merged", "merged")["equivalence"]["ok"]


def test_a_label_head_is_loaded_by_thirty_lines_without_the_platform(tmp_path):
    import torch

    from ft_platform.models import base_model
    from ft_platform.models.adapter import with_adapter
    from ft_platform.models.label_head import head_scores
    from ft_platform.models.rendering.renderer import Renderer

    case = trained(tmp_path / "home", "classification", objective="label_head")
    told = case.export("adapter", "head")
    assert told["start"] == [f'python load.py {case.environment.home / "base"} "Your text"']
    for form in ("merged", "gguf"):
        with pytest.raises(ExportRefused, match="label head cannot be exported"):
            case.export(form, form)
    assert len(LOADER.read_text().splitlines()) <= 30
    text, folder = "  My card <|im_end|> was swiped twice.\n", case.place("head")
    alone = "import runpy, sys; sys.modules['ft_platform'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    alone = alone.replace("runpy.run_path", "sys.argv = sys.argv[1:]; runpy.run_path").replace(
        "sys.argv[1],", "sys.argv[0],"
    )
    plain = "My card was swiped twice."
    said = []
    for one in (text, plain):
        words = [sys.executable, "-c", alone, str(folder / "load.py"), str(case.environment.home / "base"), one]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout))
    resolved = base_model.resolve(case.use_case.settings.base_model, case.environment.cache_path)
    model, tokenizer = base_model.load(resolved, "float32")
    renderer = Renderer(tokenizer, case.use_case.settings.task, told["labels"])
    with case.lake.local_copy(case.checkpoint) as checkpoint:
        ours = head_scores(with_adapter(model, checkpoint), [renderer.prompt_ids([{"role": "user", "content": plain}])])
    assert list(said[1]) == told["labels"] and torch.allclose(torch.tensor([[*said[1].values()]]), ours, atol=1e-4)
    assert set(said[0]) == set(said[1])


def test_the_command_takes_a_use_case_or_a_checkpoint_and_ends_with_1_where_it_is_refused(labels, monkeypatch, capfd):
    monkeypatch.setenv("FT_HOME", str(labels.environment.home))
    monkeypatch.setenv("FT_DEFS", str(labels.environment.defs))
    monkeypatch.setenv("FT_TRACKING_URI", "none")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    out = labels.place("by-command")
    assert cli.main(["export", labels.checkpoint.artifact_id, "--as", "merged", "--out", str(out), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["folder"] == str(out) and found["ok"] and found["status"] == "too_few_records"
    assert found["equal_decisions"] == 1.0 and found["max_logprob_difference"] > 0
    assert cli.main(["export", "complaints", "--as", "merged", "--out", str(out)]) == 1
    assert "exists already" in capfd.readouterr().err
    assert cli.main(["export", "nothing", "--as", "merged"]) == 1
    assert "there is no use case 'nothing'" in capfd.readouterr().err
    assert cli.main(["export", "complaints", "--as", "adapter", "--out", str(labels.place("by-command-2"))]) == 0
    assert "vllm serve" in capfd.readouterr().out


def test_what_the_files_of_a_checkpoint_refuse_is_refused_before_a_program_is_started(tmp_path, monkeypatch, capfd):
    case = trained(tmp_path / "home", "classification", objective="label_head")
    monkeypatch.setenv("FT_HOME", str(case.environment.home))
    monkeypatch.setenv("FT_DEFS", str(case.environment.defs))
    monkeypatch.setenv("FT_TRACKING_URI", "none")
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: pytest.fail("a program was started"))
    for form in ("merged", "gguf"):
        assert cli.main(["export", "complaints", "--as", form]) == 1
        assert f"a label head cannot be exported as {form}" in capfd.readouterr().err


def test_a_converted_base_model_that_was_changed_in_the_cache_is_refused(labels, tmp_path):
    labels.export("gguf", "base", quantization="f16")
    gguf, cache, noted = labels.place("base") / "model.gguf", tmp_path / "cache", tmp_path / "seals" / "converted.json"
    settings = BaseModelSettings(uri=str(gguf))

    def resolved() -> base_model.ResolvedModel:
        return base_model.resolve(settings, cache, "warn", noted)

    before = resolved()
    weights = before.folder / "model.safetensors"
    assert resolved() == before and before.is_converted
    times, tensors = weights.stat(), load_file(weights)
    save_file({**tensors, "model.norm.weight": -tensors["model.norm.weight"]}, weights, {"format": "pt"})
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(CorruptVersion, match="was changed since it was made"):
        resolved()
    noted.unlink()  # a cache of an earlier version, or one that others filled: converted again, not believed
    assert resolved() == before and not load_file(weights)["model.norm.weight"].equal(-tensors["model.norm.weight"])
    (before.folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(CorruptVersion, match="was changed since it was made"):
        resolved()
    shutil.rmtree(before.folder)
    assert resolved() == before
