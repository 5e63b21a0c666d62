"""What can be exported, and for whom."""

import itertools

import pytest

from ft_platform.serving.exporting.matrix import FIRST, FORMS, KINDS, TARGETS, kind_of, kind_trained, problem
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import REPOSITORY

LABELS, ANSWERS = (
    Task(kind="classification", instruction="One of: {labels}."),
    Task(kind="generation", instruction="Help."),
)
WORKS = [
    ("label_head", "adapter", "platform"),
    ("label_head", "adapter", "transformers"),
    *itertools.product(("label_head", "written_label", "open_answer"), ("savedmodel",), ("tensorflow",)),
    *itertools.product(("words",), ("words",), ("platform", "python")),
    *itertools.product(("written_label", "open_answer"), ("adapter", "merged"), ("platform", "transformers", "vllm")),
    *itertools.product(("written_label", "open_answer"), ("gguf",), ("platform", "llama.cpp", "ollama")),
]


@pytest.mark.parametrize(("kind", "form", "target"), list(itertools.product(KINDS, FORMS, TARGETS)))
def test_every_pair_works_or_says_why_not_and_what_to_do(kind, form, target):
    found = problem(kind, form, target)
    assert (found is None) == ((kind, form, target) in WORKS)
    assert found is None or ("Use " in found and len(found) < 250)


def test_the_first_program_of_a_form_loads_it():
    kinds = {form: "words" if form == "words" else "open_answer" for form in FORMS}
    assert all(problem(kinds[form], form, FIRST[form]) is None for form in FORMS)


def test_an_unknown_word_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="'onnx' is none of adapter, merged, gguf"):
        problem("open_answer", "onnx", "vllm")


@pytest.mark.parametrize(
    ("task", "training", "files", "kind"),
    [
        (LABELS, {"objective": "label_head"}, ["adapter_model.safetensors", "label_head.safetensors"], "label_head"),
        (LABELS, {"method": "tfidf_logreg"}, ["terms.json", "terms.safetensors"], "words"),
        (LABELS, {"objective": "sft"}, ["adapter_model.safetensors"], "written_label"),
        (ANSWERS, {"objective": "sft"}, ["adapter_model.safetensors"], "open_answer"),
        (ANSWERS, {"objective": "dpo"}, ["model.safetensors"], "open_answer"),
    ],
)
def test_settings_and_files_tell_the_same_kind(task, training, files, kind):
    assert kind_trained(task, Training.model_validate(training)) == kind_of(task, files) == kind


def test_the_table_in_the_documentation_is_the_one_in_the_code():
    page = (REPOSITORY / "docs" / "how_to" / "export.md").read_text(encoding="utf-8")
    for kind, words in (
        ("label_head", "label head"),
        ("written_label", "written label"),
        ("open_answer", "open answer"),
        ("words", "TF-IDF classifier"),
    ):
        row = next(line for line in page.splitlines() if line.startswith(f"| {words} "))
        for form, cell in zip(FORMS, row.split("|")[2:], strict=False):
            fitting = [target for target in TARGETS if problem(kind, form, target) is None]
            assert cell.strip() == (", ".join(fitting) or "no"), (kind, form)
