"""Writes a checkpoint in a form that other programs load, with evidence that it is the same model."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError, ExportRefused, MissingExtra, VersionRefused
from ft_platform.evaluation.champion_system import require_same_rendering
from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.evaluation.records import evaluation_records
from ft_platform.lake.files import fsync_path, sha256_file
from ft_platform.lake.provenance import version_of_parent
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models import base_model
from ft_platform.models.adapter import with_adapter
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.gguf import converted_folder
from ft_platform.models.guards.own_files import LABEL_HEAD
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.models.tokenizer import load_tokenizer
from ft_platform.serving.exporting import adapter, gguf_file, keras_files, merged, words
from ft_platform.serving.exporting.chat_template import chat_template, compare, control_texts
from ft_platform.serving.exporting.equivalence import answers_of, compared, require_same_weights
from ft_platform.serving.exporting.matrix import TOLD, Form, kind_of, require_possible
from ft_platform.serving.exporting.open_answers import compared_answers, drawn_answers, readings_of
from ft_platform.serving.exporting.starting import start_lines, write_readme
from ft_platform.serving.exporting.transformers_4 import add_old_names
from ft_platform.training.checkpoint import environment_versions
from ft_platform.training.reproduce import as_trained
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import DECIDES

SIGNATURE = "model.sig"


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        form: of `matrix.FORMS`.
        dtype: of merged weights.
        quantization: of a GGUF file.
        out: folder to write; it may not exist.
        keep_different: keep a GGUF file that decides differently; `export.json` then says that the release decision
            does not hold for it.
        records: most test records that are compared; None: those of the evaluation.
    """

    form: Form
    dtype: str
    quantization: gguf_file.Quantization
    out: Path
    keep_different: bool = False
    records: int | None = None

    @property
    def weights(self) -> str:
        """What the weights are rounded to; "" for an adapter, and for words."""
        return {"adapter": "", "words": "", "merged": self.dtype, "gguf": self.quantization}.get(self.form, "float32")


@dataclass(frozen=True)
class Source:
    """A checkpoint on this machine, with what it was trained and is evaluated with.

    Attributes:
        folder: its files.
        use_case: with the settings of its training.
        dtype: of the base weights in its training.
        splits: columns of the splits that it was trained on.
    """

    lake: Lake
    checkpoint: ArtifactVersion
    folder: Path
    use_case: NamedUseCase
    base: ResolvedModel
    dtype: str
    renderer: Renderer
    tokenizer: Any
    splits: Any

    @property
    def quantization(self) -> str:
        return self.use_case.settings.base_model.quantization


def export(
    lake: Lake, environment: Environment, use_case: NamedUseCase, checkpoint: ArtifactVersion, order: Order
) -> dict[str, Any]:
    """Writes the folder, whole or not at all, and returns what `export.json` in it says.

    Raises:
        ConfigError: the folder exists.
        ExportRefused: the form is not for this model, or the exported model is not the checkpoint.
        VersionRefused: checkpoint or splits are damaged or gone, or base model or renderer are others now.
    """
    files = lake.manifest(checkpoint).files
    require_possible(files, order.form)
    kind = kind_of(use_case.settings.task, files)
    if order.out.exists():
        raise ConfigError([f"{order.out} exists already"], "Name another folder with --out, or remove it")
    with lake.local_copy(checkpoint) as folder, _whole(order.out) as made:
        source = _source(lake, environment, use_case, checkpoint, folder)
        template = "" if order.form == "words" else chat_template(source.renderer, source.tokenizer)
        written = _write(made, source, order, template)
        told = {
            **_described(source, order, kind),
            "claim": _claim(lake, use_case, checkpoint),
            "chat_template": _checked_template(made, source, order, template),
            "equivalence": {**_equivalence(made, source, order), **written},
        }
        evidence = told["equivalence"]
        if not evidence["ok"] and not (order.keep_different and order.form == "gguf"):
            raise ExportRefused(
                f"{checkpoint.id} as {order.form} {order.weights} is another model: {'; '.join(evidence['problems'])}",
                _finer(order),
            )
        told["start"] = start_lines(made, told)
        write_readme(made, told, told["start"])
        told["decision_holds"] = evidence["ok"] and (order.records is None or evidence["status"] == "equal")
        written_files = [path for path in sorted(made.rglob("*")) if path.is_file()]
        told["files"] = {path.relative_to(made).as_posix(): sha256_file(path) for path in written_files}
        (made / TOLD).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        told["signed"] = _sign(made, environment)
    return told


def _claim(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> str:
    """What the model may do (`gate.claim`): as its newest standing release says, or the file if there is none."""
    for release in standing_releases(lake, use_case.name):
        if release.checkpoint == checkpoint.artifact_id:
            return release.record.get("claim", DECIDES)
    return use_case.settings.gate.claim


def _finer(order: Order) -> str:
    """What to do where a form is another model."""
    if order.form == "merged":
        return (
            "Use --dtype float32" if order.dtype != "float32" else "Export it again; if it is refused again, report it"
        )
    if order.form != "gguf":
        return "Use --as merged"
    finer = "" if order.quantization == "f16" else " or a finer --quantization"
    return f"Use --as merged{finer}, or --keep-different: the release decision is then not for this file"


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place at the end; after an error nothing is left. What a killed process
    left is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for left in out.parent.glob(f".{glob.escape(out.name)}-*-*"):
        writer = left.name.split("-")[-2]
        if writer.isdecimal() and not _runs(int(writer)):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-{os.getpid()}-", dir=out.parent))
    try:
        yield made
        made.chmod(0o755)
        for path in made.rglob("*"):
            fsync_path(path)
        os.rename(made, out)
        fsync_path(out.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _runs(process: int) -> bool:
    """Whether there is a process with this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True


def _source(
    lake: Lake, environment: Environment, use_case: NamedUseCase, checkpoint: ArtifactVersion, folder: Path
) -> Source:
    then, info = as_trained(lake, use_case, checkpoint), lake.manifest(checkpoint)
    splits = next((version_of_parent(lake, use_case.name, p) for p in info.parents if p.name == "splits"), None)
    if not isinstance(splits, TableVersion):
        raise VersionRefused(f"{checkpoint.id} names no splits", "Train again")
    lake.verify_table(splits)
    table = lake.read_table(splits)
    base = base_model.resolve_here(then.settings.trained_base, environment)
    tokenizer = load_tokenizer(base).tokenizer
    renderer = Renderer(tokenizer, then.settings.task, labels_of(table))
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    require_same_rendering(training, renderer, base, checkpoint)
    dtype = info.info["base_model"]["dtype"]
    return Source(lake, checkpoint, folder, then, base, dtype, renderer, tokenizer, table)


def _write(made: Path, source: Source, order: Order, template: str) -> dict[str, Any]:
    """Writes the files, and returns evidence that is only to be had meanwhile."""
    end_of_turn, found = source.renderer.end_of_turn[-1], {}
    if order.form == "words":
        words.write_words(made, source.folder)
        return found
    if order.form == "adapter":
        adapter.write_adapter(made, source.folder, source.base)
    elif order.form == "savedmodel":
        found = _write_for_tensorflow(made, source)
    else:
        model, tokenizer = merged.merged_model(source.base, source.folder, source.dtype, source.quantization)
        if order.form == "merged":
            merged.write_merged(made, model, order.dtype, end_of_turn)
        else:
            name = f"{source.use_case.name} {source.checkpoint.artifact_id}"
            gguf_file.write_gguf(made, model, tokenizer, source.renderer, template, order.quantization, name)
    if order.form != "gguf":
        written = load_tokenizer(source.base).tokenizer  # another one: the renderer goes on with its own
        written.chat_template = template
        written.eos_token = source.renderer.text.text_of(end_of_turn)
        written.save_pretrained(made)
        add_old_names(made)
    return found


def _write_for_tensorflow(made: Path, source: Source) -> dict[str, Any]:
    """By way of merged weights, which are compared with the checkpoint before KerasHub reads them."""
    config = json.loads((source.base.folder / "config.json").read_text(encoding="utf-8"))
    keras_files.require_convertible(config)
    with tempfile.TemporaryDirectory(prefix=f"{made.name.rpartition('-')[0]}-", dir=made.parent) as place:
        folder = Path(place)
        model, _ = merged.merged_model(source.base, source.folder, source.dtype, source.quantization)
        merged.write_merged(folder, model, "float32", source.renderer.end_of_turn[-1])
        del model
        weights = require_same_weights(_as_evaluated(source)[0], folder, merged.rounded("float32"))
        label_head = (source.folder / LABEL_HEAD).is_file()
        return {"weights": weights, "versions": keras_files.convert(folder, made, label_head=label_head)}


def _as_evaluated(source: Source) -> tuple[Any, Any]:
    """The checkpoint as it is evaluated, in float32, and its tokenizer."""
    model, tokenizer = base_model.load(source.base, source.dtype, source.quantization)
    return with_adapter(model.float(), source.folder), tokenizer


def _checked_template(made: Path, source: Source, order: Order, template: str) -> dict[str, Any]:
    """The template as it is on disk, compared on made-up chats. A GGUF file holds the same text, which is compared."""
    from transformers import AutoTokenizer

    if order.form == "words":
        return {}
    with _readable(made, order) as folder:
        read: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    stop = source.renderer.end_of_turn[-1]
    if read.eos_token_id != stop:
        raise ExportRefused(f"answers would end at token {read.eos_token_id}, expected {stop}", "Export it again")
    if read.chat_template != template:
        raise ExportRefused("the chat template on disk is not the one that was written", "Export it again")
    return compare(source.renderer, read, control_texts(source.renderer, source.tokenizer))


def _equivalence(made: Path, source: Source, order: Order) -> dict[str, Any]:
    """Evidence that the files on disk are the checkpoint."""
    if order.form == "words":
        return words.require_same_words(made, source.folder)
    if order.form == "adapter":
        return adapter.require_same_adapter(made, source.folder)
    model, tokenizer = _as_evaluated(source)
    asked = _fewer(source.use_case, order.records)
    evaluator = Evaluator(asked, source.splits, model, tokenizer, source.renderer, "export")
    if order.form == "savedmodel":
        return keras_files.equivalence(made, evaluator)
    gguf = order.form == "gguf"
    rounded = gguf_file.rounded(order.quantization) if gguf else merged.rounded(order.dtype)
    with _readable(made, order) as folder:
        if not gguf:
            merged.require_dtype(folder, order.dtype, source.renderer.end_of_turn[-1])
        weights = require_same_weights(model, folder, rounded)
        drawn = [] if evaluator.classification else drawn_answers(evaluator)
        ask: Any = answers_of if evaluator.classification else partial(readings_of, drawn=drawn)
        before = ask(evaluator, what="checkpoint")
        del model
        evaluator.model = None  # its memory is needed for the next one
        evaluator.model = merged.exported_model(folder)
    after = ask(evaluator, what="exported")
    if evaluator.classification:
        return {**compared(before, after, order.weights, evaluator), "weights": weights}
    evaluated = len(evaluation_records(source.use_case, source.splits, source.renderer).prompts)
    return {**compared_answers(before, after, order.weights, evaluator, evaluated), "weights": weights}


def _fewer(use_case: NamedUseCase, records: int | None) -> NamedUseCase:
    """The use case, evaluated on at most `records` test records."""
    if records is None:
        return use_case
    evaluation = use_case.settings.evaluation
    fewer = evaluation.model_copy(update={"max_test_rows": min(records, evaluation.max_test_rows or records)})
    settings = use_case.settings.model_copy(update={"evaluation": fewer})
    return use_case.model_copy(update={"settings": settings})


@contextmanager
def _readable(made: Path, order: Order) -> Iterator[Path]:
    """The exported files as a folder that transformers reads; a GGUF file is read as a base model would be."""
    if order.form != "gguf":
        yield made
        return
    with tempfile.TemporaryDirectory(prefix=f"{made.name.rpartition('-')[0]}-", dir=made.parent) as cache:
        yield converted_folder(made / gguf_file.NAME, sha256_file(made / gguf_file.NAME), Path(cache))[0]


def _described(source: Source, order: Order, kind: str) -> dict[str, Any]:
    base, renderer = source.base, source.renderer
    placed: dict[str, Any] = {}
    if order.form == "adapter":
        weights = sorted(base.folder.glob("*.safetensors"))
        placed = {"folder": str(base.folder.absolute()), "files": {file.name: sha256_file(file) for file in weights}}
    return {
        "use_case": source.use_case.name,
        "checkpoint": source.checkpoint.artifact_id,
        "content_hash": source.checkpoint.content_hash,
        "form": order.form,
        "weights": order.weights or None,
        "kind": kind,
        "labels": renderer.labels,
        "base_model": {
            "uri": base.uri,
            "commit": base.commit,
            "sha256": base.weights_sha256,
            "dtype": source.dtype,
            "quantization": source.quantization,
            **placed,
        },
        "renderer_hash": renderer.hash,
        "end_of_turn": {"id": renderer.end_of_turn[-1], "text": renderer.text.text_of(renderer.end_of_turn[-1])},
        "versions": environment_versions(),
    }


def _sign(made: Path, environment: Environment) -> str | None:
    """Signs every file with the key of the installation. Returns its id, or None where `model-signing` is not
    installed."""
    from ft_platform.lake.signing.models import sign_model
    from ft_platform.lake.signing.opening import signing_keys_of

    try:
        return sign_model(made, made / SIGNATURE, signing_keys_of(environment)).key_id
    except MissingExtra:
        return None
