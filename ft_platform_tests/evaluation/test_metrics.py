"""Expected values come from scikit-learn, sacrebleu and rouge-score."""

import math
import pkgutil

import numpy as np
import pytest

from ft_platform.errors import ConfigError
from ft_platform.evaluation import metrics
from ft_platform.evaluation.label_counts import confusion_matrix, per_label_table
from ft_platform.evaluation.metric import all_metrics, metric, metrics_of
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.evaluation.metrics.rouge_l import rouge_l
from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
from ft_platform.use_case.settings.answer_style import Style

LABELS = ["card", "loan", "mortgage", "never in test", "transfer"]


def label_outputs(seed: int, rows: int = 60) -> LabelOutputs:
    rng = np.random.default_rng(seed)
    truth = rng.choice(["card", "loan", "mortgage", "transfer"], rows, p=[0.6, 0.25, 0.1, 0.05])
    noise = rng.choice(LABELS, rows)
    return LabelOutputs(LABELS, list(truth), list(np.where(rng.random(rows) < 0.6, truth, noise)))


TEXTS = [
    ("The cat sat on the mat.", "the cat sat on a mat"),
    ("Reset the router, then wait.", "Please restart your computer."),
    ("identical", "identical"),
    ("some words", ""),
    ("a", "abc"),
    ("one two one two", "two one two one two"),
]


def text_outputs() -> TextOutputs:
    references, answers = zip(*TEXTS, strict=True)
    return TextOutputs(list(references), list(answers), np.arange(1.0, 7.0), np.array([2, 2, 3, 4, 5, 5]))


def test_every_file_in_the_folder_is_a_metric_of_that_name() -> None:
    files = {m.name for m in pkgutil.iter_modules(metrics.__path__)}
    assert files == set(all_metrics())
    assert files == {m.name for task in ("classification", "generation") for m in metrics_of(task)} | {"tool_calls"}, (
        "for splits with calls only"
    )


def test_a_wrong_metric_name_lists_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="macro_f1"):
        metric("f1_macro")


@pytest.mark.parametrize("seed", range(5))
def test_classification_metrics_equal_scikit_learn(seed: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    outputs = label_outputs(seed)
    present = sorted(set(outputs.truth))
    keywords = {"labels": present, "average": "macro", "zero_division": 0}
    assert metric("accuracy").value(outputs) == pytest.approx(accuracy_score(outputs.truth, outputs.predicted))
    found = metric("macro_precision").value(outputs)
    assert found == pytest.approx(precision_score(outputs.truth, outputs.predicted, **keywords))
    found = metric("macro_recall").value(outputs)
    assert found == pytest.approx(recall_score(outputs.truth, outputs.predicted, **keywords))
    assert metric("macro_f1").value(outputs) == pytest.approx(f1_score(outputs.truth, outputs.predicted, **keywords))


def test_per_label_table_and_confusion_matrix_equal_scikit_learn() -> None:
    from sklearn import metrics as reference

    outputs = label_outputs(3)
    labels = LABELS
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        outputs.truth, outputs.predicted, labels=labels, zero_division=0
    )
    for label, row in per_label_table(outputs).items():
        i = labels.index(label)
        assert row == {
            "precision": pytest.approx(precision[i]),
            "recall": pytest.approx(recall[i]),
            "f1": pytest.approx(f1[i]),
            "support": support[i],
        }
    found = confusion_matrix(outputs)
    assert found == reference.confusion_matrix(outputs.truth, outputs.predicted, labels=labels).tolist()


def test_chrf_equals_sacrebleu_for_the_corpus_and_for_each_record() -> None:
    import sacrebleu

    references, answers = [r for r, _ in TEXTS], [a for _, a in TEXTS]
    assert metric("chrf").value(text_outputs()) == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score)
    for reference, answer in TEXTS:
        assert chrf(reference, answer) == pytest.approx(sacrebleu.sentence_chrf(answer, [reference]).score)


def test_bleu_equals_sacrebleu_for_the_corpus_and_for_each_record() -> None:
    import sacrebleu

    rng = np.random.default_rng(2)
    words = ["card", "loan", "the", "a", "fee.", "7,5", "x-ray", "(EUR", "20)", "don't", "e.g.", "&amp;", "Köln"]
    made = [
        (" ".join(rng.choice(words, rng.integers(1, 30))), " ".join(rng.choice(words, rng.integers(1, 30))))
        for _ in range(60)
    ]
    for pairs in (TEXTS, made, *([pair] for pair in TEXTS + made)):
        references, answers = [r for r, _ in pairs], [a for _, a in pairs]
        outputs = TextOutputs(references, answers, np.ones(len(pairs)), np.ones(len(pairs)))
        assert metric("bleu").value(outputs) == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score), (
            pairs[0]
        )


def test_exact_match_is_equality_up_to_white_space() -> None:
    outputs = TextOutputs(["yes", "no way", "a b"], [" yes\n", "no  way", "a  c"], np.ones(3), np.ones(3))
    assert metric("exact_match").value(outputs) == pytest.approx(
        sum(a.split() == r.split() for r, a in zip(outputs.references, outputs.answers, strict=True)) / 3
    )
    assert metric("exact_match").value(outputs) == pytest.approx(2 / 3)


def test_length_error_is_the_mean_absolute_error_of_the_number_of_words() -> None:
    from sklearn.metrics import mean_absolute_error

    references = ["one two three four", "one", "one two"]
    answers = ["one two", "one two  three\n", "two one"]
    counts = [[len(text.split()) for text in texts] for texts in (references, answers)]
    found = metric("length_error").value(TextOutputs(references, answers, np.ones(3), np.ones(3)))
    assert found == pytest.approx(mean_absolute_error(*counts) / np.mean(counts[0])) == pytest.approx(4 / 7)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("As an AI language model, I have no opinion.", True),
        ("I cannot provide medical advice.", True),
        ("I’m unable to open your account.", True),
        ("Sorry for the trouble! Your card is on its way.", False),
        ("You can't use this card abroad; please order another.", False),
        ("We are sorry about your loan.", False),
        ("x" * 200 + " I cannot help with that.", False),
    ],
)
def test_answers_that_decline_are_counted(answer: str, expected: bool) -> None:
    assert metric("refusal_rate").value(TextOutputs(["r"], [answer], np.ones(1), np.ones(1))) == expected


def test_rouge_l_equals_rouge_score_on_random_ascii_text() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    rng = np.random.default_rng(1)
    words = ["card", "loan", "the", "a", "fee", "7", "x-ray"]
    pairs = TEXTS + [
        (" ".join(rng.choice(words, rng.integers(1, 90))), " ".join(rng.choice(words, rng.integers(1, 90))))
        for _ in range(100)
    ]
    for reference, answer in pairs:
        assert rouge_l(reference, answer) == pytest.approx(scorer.score(reference, answer)["rougeL"].fmeasure)


def test_rouge_l_counts_words_of_other_scripts() -> None:
    assert rouge_l("Grüße aus Köln", "Grüße nach Köln") == pytest.approx(2 / 3)
    assert rouge_l("привет мир", "привет мир") == 1.0


def test_loss_is_the_mean_over_tokens_and_not_over_records() -> None:
    assert metric("answer_loss").value(text_outputs()) == pytest.approx(21 / 21)
    one_long = TextOutputs(["a", "b"], ["a", "b"], np.array([1.0, 30.0]), np.array([1, 9]))
    assert metric("answer_loss").value(one_long) == pytest.approx(3.1)
    assert metric("perplexity").value(one_long) == pytest.approx(math.exp(3.1))


@pytest.mark.parametrize("name", sorted(all_metrics()))
def test_a_perfect_system_reaches_the_good_end_of_the_range(name: str) -> None:
    found = metric(name)
    if found.task == "classification":
        outputs = LabelOutputs(["a", "b"], ["a", "b", "a"], ["a", "b", "a"])
    else:
        everywhere = found.applies(TextOutputs([""], [""], np.zeros(1), np.ones(1)))
        right = "the right answer is here" if everywhere else '{"answer": "here"}'
        if name == "tool_calls":
            right = '{"name": "find", "arguments": {}}'
        schema = {"properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        outputs = TextOutputs(
            [right] * 10,
            [right] * 10,
            np.zeros(10),
            np.full(10, 3),
            schema,
            np.full(10, 9.0),
            np.ones(10),
            Style(max_words=9),
        )
        assert found.applies(outputs)
    assert found.value(outputs) == pytest.approx(found.high if found.higher_is_better else found.low)
