"""A file of words and numbers answers as scikit-learn does, and is refused where it was damaged."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ft_platform.errors import BaseModelError
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, fitted
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.characters import SHA256, Characters
from ft_platform.models.guards.own_files import TERM_WEIGHTS, TERMS
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.models.tokenizer import load_tokenizer
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import WORDS_ONLY

WORDS = {
    "card": "card swipe swipe fee 12 karte überzogen カード",
    "loan": "loan house house rate 3 kredit größe ローン",
    "wire": "wire transfer Ω 7 überweisung banküberweisung 送金",
}
ODD = [
    "",
    "   ",
    "nothing known here",
    "CARD, card; Card!",
    "größe GRÖSSE İstanbul",
    "a\nb\tc loan\u00a0house",
    "🙂 wire",
]


def drawn(labels: list[str], rows: int, seed: int) -> LabelledTexts:
    draw = np.random.default_rng(seed)
    answers = [labels[place] for place in draw.integers(len(labels), size=rows)]
    every = " ".join(WORDS.values()).split()
    texts = [" ".join([*draw.choice(WORDS[one].split(), 4), *draw.choice(every, 6)]) for one in answers]
    return LabelledTexts(texts, answers)


def learned(labels: list[str]) -> tuple[TextClassifier, object, object]:
    vectorizer, regression, _ = fitted(drawn(labels, 200, 0), drawn(labels, 60, 1))
    return TextClassifier.of(vectorizer, regression, labels), vectorizer, regression


@pytest.mark.parametrize("labels", [["loan", "card"], ["wire", "card", "loan"]])
def test_probabilities_are_those_of_scikit_learn_before_and_after_the_file(labels: list[str], tmp_path: Path) -> None:
    classifier, vectorizer, regression = learned(labels)
    classifier.save(tmp_path)
    texts = [*drawn(labels, 200, 2).texts, *ODD]
    expected = regression.predict_proba(vectorizer.transform(texts))  # type: ignore[attr-defined]
    order = [list(regression.classes_).index(label) for label in labels]  # type: ignore[attr-defined]
    for one in (classifier, TextClassifier.load(tmp_path)):
        np.testing.assert_allclose(np.exp(one.log_probabilities(texts)), expected[:, order], atol=1e-6)


def test_a_prompt_is_the_words_of_the_user_and_long_texts_are_cut_where_all_are() -> None:
    renderer = Renderer(Characters(), Task(kind="classification", instruction="Choose among {labels}."), ["b", "a"])
    said = [
        {"role": "system", "content": "no"},
        {"role": "user", "content": " Größe 🙂 "},
        {"role": "user", "content": "x"},
    ]
    assert "".join(map(chr, renderer.prompt_ids(said))) == "Größe 🙂 \n\nx"
    long = [{"role": "user", "content": "a" * 100}]
    assert len(renderer.prompt_ids(long, 3)) == 96 == renderer.ids_for(3)
    example = renderer.example(long, "a", 3)
    assert example.truncated and len(example.input_ids) == 96
    assert renderer.chat(long, 3) == [{"role": "user", "content": "a" * 96}]
    assert renderer.hash != Renderer(Characters(), renderer.task, ["a", "c"]).hash


def test_its_tokenizer_needs_no_folder() -> None:
    resolved = ResolvedModel(Path(), SHA256, WORDS_ONLY.uri, SHA256)
    tokenizer = load_tokenizer(resolved).tokenizer
    assert tokenizer.decode(tokenizer("Ω🙂")["input_ids"]) == "Ω🙂"


def damage_shape(folder: Path) -> None:
    said = json.loads((folder / TERMS).read_text())
    (folder / TERMS).write_text(json.dumps({**said, "terms": said["terms"][:-1]}))


def damage_numbers(folder: Path) -> None:
    tensors = load_file(folder / TERM_WEIGHTS)
    tensors["idf"] = np.full_like(tensors["idf"], np.nan)
    save_file(tensors, folder / TERM_WEIGHTS)


def damage_form(folder: Path) -> None:
    said = json.loads((folder / TERMS).read_text())
    (folder / TERMS).write_text(json.dumps({**said, "form": 1}))


def cut_off(folder: Path) -> None:
    content = (folder / TERM_WEIGHTS).read_bytes()
    (folder / TERM_WEIGHTS).write_bytes(content[:-4])


@pytest.mark.parametrize("damage", [damage_shape, damage_numbers, damage_form, cut_off])
def test_a_damaged_file_is_refused(damage: object, tmp_path: Path) -> None:
    learned(["card", "loan"])[0].save(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(BaseModelError):
        TextClassifier.load(tmp_path)


def test_it_answers_without_scikit_learn_and_torch_in_well_under_a_millisecond(tmp_path: Path) -> None:
    classifier, *_ = learned(["card", "loan"])
    classifier.save(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ft_platform.models.text_classifier import TextClassifier\n"
        f"TextClassifier.load(Path({str(tmp_path)!r})).log_probabilities(['card'])\n"
        "assert not {'torch', 'sklearn', 'scipy', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    texts = [text for text in drawn(["card", "loan"], 200, 3).texts for _ in range(5)]
    began = time.process_time()
    classifier.log_probabilities(texts)
    assert (time.process_time() - began) / len(texts) < 1e-3
