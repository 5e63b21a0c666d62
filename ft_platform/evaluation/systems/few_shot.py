"""Which training records go into a few-shot prompt. Examples come from the training split only."""

from typing import Any

import numpy as np

from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.use_case import Evaluation

EXAMPLE_TOKENS = 48
"""Longest text of an example in tokens; longer ones are cut. Four examples then cost about as much as four short questions."""

QUESTIONS_AT_ONCE = 256


def chosen_examples(train_texts: list[str], questions: list[str], settings: Evaluation) -> list[list[int]]:
    """Positions in the training split of the examples for each question, the most similar one last. Shape `(questions, k)`."""
    count = min(settings.few_shot_examples, len(train_texts))
    if settings.few_shot_selection == "random":
        order = np.random.default_rng(settings.seed).permutation(len(train_texts))[:count].tolist()
        return [order for _ in questions]
    vectorizer = tfidf_vectorizer()
    train = vectorizer.fit_transform(train_texts)
    chosen: list[list[int]] = []
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        similarity = (vectorizer.transform(questions[start : start + QUESTIONS_AT_ONCE]) @ train.T).toarray()
        # Rounded and stable, so that the order of equally similar examples does not hang on the last bit.
        order = np.argsort(-similarity.round(6), axis=1, kind="stable")[:, :count]
        chosen += order[:, ::-1].tolist()
    return chosen


def shortened(text: str, renderer: Any, tokenizer: Any) -> str:
    """The text, or its first `EXAMPLE_TOKENS` tokens."""
    ids = renderer.text.content(text.strip(), EXAMPLE_TOKENS + 1)
    if len(ids) <= EXAMPLE_TOKENS:
        return text.strip()
    return tokenizer.decode(ids[:EXAMPLE_TOKENS]).rstrip("�").strip()
