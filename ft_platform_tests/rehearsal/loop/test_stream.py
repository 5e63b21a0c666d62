"""loop.stream and loop.case: what is asked, and what a person adds to the source."""

import csv
from pathlib import Path

import pytest

from ft_platform.rehearsal.loop.case import ROWS, SEED, SOURCE, USE_CASE, add_to_source, installation, prepared
from ft_platform.rehearsal.loop.stream import LABELS, Stream, unused_sentences
from ft_platform.samples.feedback import generate, sentences
from ft_platform.settings.environment import Environment
from ft_platform.use_case.file import load_use_case, use_case_folder

Texts = list[tuple[str, str]]


def accuracy(learned: Texts, asked: Texts) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2))
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(words.fit_transform([text for text, _ in learned]), [label for _, label in learned])
    answers = model.predict(words.transform([text for text, _ in asked]))
    return sum(answer == label for answer, (_, label) in zip(answers, asked, strict=True)) / len(asked)


def test_what_is_new_misleads_a_model_until_it_learns_some_of_it() -> None:
    usual = [(text, LABELS[rating <= 0]) for *_, rating, text in sentences()]
    stream = Stream(1.0)
    new = [stream.new() for _ in range(450)]
    before, after = accuracy(usual, new[150:]), accuracy(usual + new[:150], new[150:])
    assert before < 0.5 and after > 0.85


def test_usual_requests_are_of_customers_of_whom_there_is_no_record() -> None:
    known = generate(ROWS, SEED)[0]
    assert len(unused_sentences()) > 500
    long = [text for text, _ in unused_sentences() if len(text) > 60]
    assert sum(text in known for text in long) < len(long) / 100


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_only_the_share_of_requests_after_the_change_is_new(share: float) -> None:
    stream = Stream(share)
    before, after = stream.day(300, changed=False), stream.day(300, changed=True)
    assert not any(one.new for one in before)
    assert sum(one.new for one in after) / 300 == pytest.approx(share, abs=0.1)
    assert len({one.subject for one in before + after}) == 600


def test_equal_seeds_ask_the_same() -> None:
    assert Stream(0.4).day(50, changed=True) == Stream(0.4).day(50, changed=True)
    assert Stream(0.4).day(50, changed=True) != Stream(0.4, seed=8).day(50, changed=True)


def test_the_file_of_the_loop_is_the_demo_with_what_the_loop_needs(tmp_path: Path) -> None:
    environment = prepared(installation(Environment(home=tmp_path), "change"))
    use_case = load_use_case(use_case_folder(environment.defs, USE_CASE), {}, environment)
    assert use_case.settings.retraining.mode == "by_reasons" and use_case.settings.source.feedback.join
    before = generate(ROWS, SEED)[0]
    add_to_source(environment, [("the bass is filthy.", "praise")], "2026-12-05")
    text = (environment.home / SOURCE).read_text(encoding="utf-8")
    assert text.startswith(before)
    added = list(csv.DictReader(text.splitlines()))[-1]
    assert added["Feedback"] == "the bass is filthy." and added["Sentiment"] == "praise"
