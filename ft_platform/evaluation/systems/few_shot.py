"""Few-shot prompts: which training records serve as examples, and how long they may be. Examples come from train
only."""

from typing import Any

import numpy as np

from ft_platform.evaluation.records import Side
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.use_case.settings.evaluation import Evaluation

EXAMPLE_TOKENS = 48
"""Longest text of an example in tokens; longer ones are cut. Four examples then cost about as much as four short
questions."""

EXAMPLE_ANSWER_CHARACTERS = 400
"""Answers up to this length make examples, if there are enough of them: a cut answer would teach to break off."""

QUESTIONS_AT_ONCE = 256


def few_shot_prompts(
    renderer: Renderer, tokenizer: Any, train: Side, test: Side, settings: Evaluation
) -> list[list[int]]:
    """One prompt per test record, with as much room for the question as in the zero-shot prompt."""
    pool = _pool(train, settings.few_shot_examples)
    examples = [
        (_cut(text, renderer, tokenizer, EXAMPLE_TOKENS), _cut(answer, renderer, tokenizer, 2 * EXAMPLE_TOKENS))
        for text, answer in zip(pool.texts, pool.answers, strict=True)
    ]
    prompts = []
    for messages, places in zip(test.messages(), chosen_examples(pool.texts, test.texts, settings), strict=True):
        shown = [examples[place] for place in places]
        empty = [{"role": "user", "content": ""}]
        room = len(renderer.few_shot_prompt_ids(shown, empty)) - len(renderer.prompt_ids(empty))
        prompts.append(renderer.few_shot_prompt_ids(shown, messages, settings.max_prompt_tokens + room))
    return prompts


def chosen_examples(train_texts: list[str], questions: list[str], settings: Evaluation) -> list[list[int]]:
    """Positions in the training records of the examples for each question, the most similar one last. Shape
    `(questions, k)`."""
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


def _pool(train: Side, count: int) -> Side:
    short = [place for place, answer in enumerate(train.answers) if len(answer) <= EXAMPLE_ANSWER_CHARACTERS]
    return train.take(short) if len(short) >= count else train


def _cut(text: str, renderer: Renderer, tokenizer: Any, tokens: int) -> str:
    """The text, or its first `tokens` tokens."""
    ids = renderer.text.content(text.strip(), tokens + 1)
    return text.strip() if len(ids) <= tokens else tokenizer.decode(ids[:tokens]).rstrip("�").strip()
