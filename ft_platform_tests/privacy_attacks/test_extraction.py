"""What counts as a copy, and which words the model is asked to go on with."""

import pytest

from ft_platform.models.rendering.renderer import Piece, Renderer
from ft_platform.training.privacy_attacks.extraction import Copied, Target, copied, extraction, similarity, targets
from ft_platform.training.privacy_attacks.records import Sample
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform_tests.tiny_models import tiny_tokenizer

SETTINGS = Attacks(prefix_tokens=5, continuation_tokens=8, extraction_rows=20)


def test_edit_similarity_by_hand() -> None:
    assert similarity([1, 2, 3, 4], [1, 2, 3, 4]) == 1.0 and similarity([], []) == 1.0
    assert similarity([1, 2, 3, 4], [1, 9, 3, 4]) == 0.75 and similarity([1, 2, 3], [1, 2, 3, 4]) == 0.75
    assert similarity([1, 3, 4], [1, 2, 3, 4]) == 0.75 and similarity([], [1, 2]) == 0.0


def test_copies_word_for_word_and_nearly_so() -> None:
    expected = Target([], list(range(10)))
    written = [list(range(10)), [*range(10), 77, 78], [*range(9), 99], [*range(8), 98, 99], [5] * 10, []]
    assert copied(written, [expected] * 6) == Copied(6, 2, 3), (
        "what follows after the expected words does not count; 0.8 is not near, 0.9 is"
    )


def test_an_answer_is_continued_after_the_whole_question_and_a_text_after_the_opening() -> None:
    renderer = Renderer(tiny_tokenizer(), Task(kind="generation", instruction="Help."))
    question, answer = "what is it about?", "a rather long answer of the model"
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    pieces = renderer.pieces(messages)
    (of_answer,) = targets(Sample([], [pieces], []), SETTINGS, of_answers=True)
    assert of_answer.prompt == [*renderer.prompt_ids(messages[:1]), *renderer.text.content(answer[:5])]
    assert of_answer.expected == renderer.text.content(answer[5:13])
    (of_text,) = targets(Sample([], [pieces], []), SETTINGS, of_answers=False)
    assert of_text.prompt == [
        *renderer.prefix_ids(),
        *renderer.text.content(question[:5]),
    ] and of_text.expected == renderer.text.content(question[5:13])


def test_of_several_answers_the_last_is_continued() -> None:
    renderer = Renderer(tiny_tokenizer(), Task(kind="generation", instruction="Help."))
    said = ["first question of all", "first answer of all", "second question", "second answer of the model"]
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    (found,) = targets(Sample([], [renderer.pieces(messages)], []), SETTINGS, of_answers=True)
    assert found.prompt == [*renderer.prompt_ids(messages[:3]), *renderer.text.content(said[3][:5])]


@pytest.mark.parametrize(("length", "given"), [(14, None), (15, 7), (17, 8), (200, 9)])
def test_at_most_half_of_a_text_is_given_and_short_ones_are_left_out(length: int, given: int | None) -> None:
    pieces = [Piece([1, 2]), Piece(list(range(length)), person=True)]
    found = targets(Sample([], [pieces], []), SETTINGS.model_copy(update={"prefix_tokens": 9}), of_answers=False)
    assert [len(one.prompt) - 2 for one in found] == ([] if given is None else [given])


def test_too_few_texts_have_no_figure() -> None:
    found = extraction(Copied(19, 5, 5), Copied(40, 0, 0), Copied(19, 0, 0), "answers", 0.95)
    assert found["verbatim"] is None and found["gain"] is None and "19 per side" in found["status"]
