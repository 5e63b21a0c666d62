"""loop.stream and loop.case: what is asked, and what a person adds to the source."""

import csv
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from ft_platform.onboarding.rehearsal.loop.case import SOURCE, USE_CASE, add_to_source, installation, prepared
from ft_platform.onboarding.rehearsal.loop.story import Plan
from ft_platform.onboarding.rehearsal.loop.stream import ROWS, SEED, Asked, Sentence, Stream, unused_sentences
from ft_platform.sources.samples.feedback import generate, sentences
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.settings.environment import Environment

LABELLED = Plan().labelled
Texts = Sequence[Sentence | Asked]


def accuracy(learned: Texts, asked: Texts) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2))
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(words.fit_transform([one.text for one in learned]), [one.label for one in learned])
    answers = model.predict(words.transform([one.text for one in asked]))
    return sum(answer == one.label for answer, one in zip(answers, asked, strict=True)) / len(asked)


def test_posts_mislead_a_model_that_knows_the_usual_sentences() -> None:
    stream = Stream(1.0, LABELLED)
    usual, posts = stream.day(300, changed=False), stream.day(300, changed=True)
    unused = {one.text for one in unused_sentences()}
    known = [
        Sentence(text, "praise" if rating > 0 else "problem", "", "")
        for *_, rating, text in sentences()
        if text not in unused
    ]
    assert accuracy(known, usual) > 0.7
    assert accuracy(known, posts) < 0.55


def test_usual_requests_are_of_customers_of_whom_there_is_no_record() -> None:
    known = generate(ROWS, SEED)[0]
    assert len(unused_sentences()) > 500
    long = [one.text for one in unused_sentences() if len(one.text) > 60]
    assert sum(text in known for text in long) < len(long) / 100


def test_no_sentence_is_labelled_and_asked_or_quoted() -> None:
    stream = Stream(0.5, LABELLED)
    asked = [one.text for _ in range(8) for one in stream.day(120, changed=True)]
    assert len(stream.labelled) == LABELLED
    parts = [re.split(" -- [a-z ]+: ", one) for one in (*asked, *(post.text for post in stream.labelled))]
    answers, labelled = ({one[0] for one in some} for some in (parts[: len(asked)], parts[len(asked) :]))
    quotes = {one[1] for one in parts if len(one) > 1}
    assert max(len(one & two) for one, two in combinations((answers, labelled, quotes), 2)) < 5, (
        "customers say the same"
    )


def test_what_was_learned_is_not_asked_again() -> None:
    stream = Stream(0.0, LABELLED)
    before = {one.text for one in stream.day(100, changed=False)}
    since = {one.text for one in stream.day(100, changed=True)}
    stream.learned()
    later = {one.text for _ in range(8) for one in stream.day(100, changed=True)}
    assert before - since <= later and len(later & since) < 5, "customers say the same"


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_only_the_share_of_requests_after_the_change_is_new(share: float) -> None:
    stream = Stream(share, LABELLED)
    before, after = stream.day(300, changed=False), stream.day(300, changed=True)
    assert not any(one.new for one in before)
    assert sum(one.new for one in after) / 300 == pytest.approx(share, abs=0.1)
    assert len({one.subject for one in before + after}) == 600


def test_equal_seeds_ask_the_same() -> None:
    assert Stream(0.4, LABELLED).day(50, changed=True) == Stream(0.4, LABELLED).day(50, changed=True)
    assert Stream(0.4, LABELLED).day(50, changed=True) != Stream(0.4, LABELLED, seed=8).day(50, changed=True)


def test_the_file_of_the_loop_is_the_demo_with_what_the_loop_needs(tmp_path: Path) -> None:
    environment = prepared(installation(Environment(home=tmp_path), "change"))
    use_case = load_use_case(use_case_folder(environment.defs, USE_CASE), {}, environment)
    assert use_case.settings.retraining.mode == "by_reasons" and use_case.settings.source.feedback.join
    before = generate(ROWS, SEED)[0]
    post = Sentence("it is great. -- in reply to: it broke.", "praise", "camera", "7")
    add_to_source(environment, [post], "2026-12-05")
    text = (environment.home / SOURCE).read_text(encoding="utf-8")
    assert text.startswith(before)
    added = list(csv.DictReader(text.splitlines()))[-1]
    assert (added["Feedback"], added["Sentiment"], added["Product"]) == (post.text, "praise", "camera")
