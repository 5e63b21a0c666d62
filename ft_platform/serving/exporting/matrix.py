"""Which kind of model can be exported in which form, and which programs then load it."""

from collections.abc import Collection
from typing import Literal, get_args

from ft_platform.errors import ExportRefused
from ft_platform.models.guards.adapter_files import WEIGHTS
from ft_platform.models.guards.own_files import LABEL_HEAD, TERMS
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.training import Training

Kind = Literal["label_head", "written_label", "open_answer", "words"]
Form = Literal["adapter", "merged", "gguf", "savedmodel", "words"]
Target = Literal["platform", "transformers", "vllm", "llama.cpp", "ollama", "tensorflow", "python"]
KINDS, FORMS, TARGETS = get_args(Kind), get_args(Form), get_args(Target)
TOLD = "export.json"
"""File of an export that says what it is."""

LOADS: dict[str, tuple[str, ...]] = {
    "adapter": ("platform", "transformers", "vllm"),
    "merged": ("platform", "transformers", "vllm"),
    "gguf": ("platform", "llama.cpp", "ollama"),
    "savedmodel": ("tensorflow",),
    "words": ("platform", "python"),
}
"""Form -> programs that load it. vLLM reads GGUF too, which it calls experimental, and Ollama converts some safetensors
folders: neither was tried."""
FIRST: dict[str, Target] = {
    "adapter": "transformers",
    "merged": "transformers",
    "gguf": "llama.cpp",
    "savedmodel": "tensorflow",
    "words": "python",
}
"""Form -> the program it is made for where none is named."""
FOR_HEADS = ("adapter", "savedmodel")
"""Forms that hold a label head."""


def problem(kind: str, form: str, target: str) -> str | None:
    """Why a kind of model cannot go to a program in this form, in words; None where it can.

    Args:
        kind: one of `KINDS`.
        form: one of `FORMS`.
        target: one of `TARGETS`.

    Raises:
        ValueError: one of them is not known.
    """
    for word, known in ((kind, KINDS), (form, FORMS), (target, TARGETS)):
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}")
    if kind == "words" and (form != "words" or target not in LOADS[form]):
        return (
            f"a TF-IDF classifier is no language model, so it cannot be exported as {form} for {target}. Use words, and"
            " python with the exported load.py"
        )
    if kind != "words" and form == "words":
        return "words is the form of a TF-IDF classifier (training.method: tfidf_logreg), and this is none. Use adapter"
    if kind == "label_head" and form not in FOR_HEADS:
        return (
            f"a label head cannot be exported as {form}: it stands in place of the layer that predicts tokens, and"
            " programs for language models have no place for it. Use adapter or savedmodel, or train with"
            " training.objective: sft"
        )
    if kind == "label_head" and target not in ("platform", "transformers", "tensorflow"):
        return (
            f"{target} cannot load a label head, which scores labels and writes nothing. Use transformers with the"
            " exported load.py, or train with training.objective: sft"
        )
    if target not in LOADS[form]:
        fitting = [one for one in FORMS if target in LOADS[one] and problem(kind, one, target) is None]
        return f"{target} does not load {form}. Use {' or '.join(fitting) or 'another program'}"
    return None


def require_possible(files: Collection[str], form: Form) -> None:
    """That a checkpoint with these files can have this form, as far as its files tell.

    Raises:
        ExportRefused: it has a label head, for which the form has no place, or it has no adapter; it is a classifier of
            words and the form is for models, or the other way round.
    """
    if (TERMS in files) != (form == "words"):
        raise ExportRefused(problem("words" if TERMS in files else "open_answer", form, FIRST[form]) or "")
    if LABEL_HEAD in files and (why := problem("label_head", form, FIRST[form])):
        raise ExportRefused(why)
    if form == "adapter" and WEIGHTS not in files:
        raise ExportRefused("all weights of this checkpoint were trained: it has no adapter", "Use --as merged")


def kind_trained(task: Task, training: Training) -> Kind:
    """What a training with these settings gives."""
    if training.method == "tfidf_logreg":
        return "words"
    if training.objective == "label_head":
        return "label_head"
    return "written_label" if task.kind == "classification" else "open_answer"


def kind_of(task: Task, files: Collection[str]) -> Kind:
    """What a checkpoint with these files is."""
    if TERMS in files:
        return "words"
    if LABEL_HEAD in files:
        return "label_head"
    return "written_label" if task.kind == "classification" else "open_answer"
