import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.evaluation.systems.few_shot import chosen_examples
from ft_platform.evaluation.systems.majority import majority
from ft_platform.evaluation.systems.nearest_neighbour import nearest_neighbour
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, tfidf_logreg
from ft_platform.use_case.settings.evaluation import Evaluation

WORDS = {
    "card": ["swipe", "pin", "plastic"],
    "loan": ["rate", "mortgage", "house"],
    "transfer": ["wire", "iban", "send"],
}


def labelled(count: int, seed: int) -> LabelledTexts:
    rng = np.random.default_rng(seed)
    labels = [str(label) for label in rng.choice(list(WORDS), count, p=[0.7, 0.2, 0.1])]
    texts = [f"about my {rng.choice(WORDS[label])} and {rng.choice(WORDS[label])} please" for label in labels]
    return LabelledTexts(texts, labels)


def test_majority_is_the_most_frequent_label_and_the_first_by_name_of_equals() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_tfidf_learns_what_words_tell_and_gives_the_same_answers_again() -> None:
    train, validation, test = labelled(200, 1), labelled(50, 2), labelled(60, 3)
    (predicted, confidence, seconds), chosen = tfidf_logreg(train, validation, test.texts)
    assert predicted == test.labels and seconds > 0 and confidence is not None
    assert chosen["validation_macro_f1"] == 1.0 and len(confidence) == 60 and all(0.5 < c <= 1 for c in confidence)
    assert tfidf_logreg(train, validation, test.texts)[0][0] == predicted


def test_tfidf_works_without_a_validation_split() -> None:
    (predicted, *_), _ = tfidf_logreg(labelled(100, 1), LabelledTexts([], []), ["swipe and pin"])
    assert predicted == ["card"]


def test_the_nearest_neighbour_knows_what_it_has_seen_by_heart_and_nothing_else() -> None:
    train = LabelledTexts(["red apple", "green pear", "old car", "new bus"], ["fruit", "fruit", "vehicle", "vehicle"])
    (predicted, *_), chosen = nearest_neighbour(
        train, LabelledTexts([], []), ["a green pear please", "the old car again"]
    )
    assert predicted == ["fruit", "vehicle"] and chosen["neighbours"] == 1
    assert nearest_neighbour(train, LabelledTexts([], []), ["what about plums"])[0][0] == ["fruit"], (
        "no word in common: the first record, no error"
    )


def test_neighbours_vote_where_the_validation_split_says_so() -> None:
    texts = ["pay bill", *["pay bill now"] * 9, *["my rate"] * 9]
    train = LabelledTexts(texts, ["wrong", *["bill"] * 9, *["rate"] * 9])
    assert nearest_neighbour(train, LabelledTexts([], []), ["pay bill"])[0][0] == ["wrong"]
    (predicted, *_), chosen = nearest_neighbour(
        train, LabelledTexts(["pay bill", "my rate"], ["bill", "rate"]), ["pay bill"]
    )
    assert predicted == ["bill"] and chosen["neighbours"] == 5 and chosen["validation_macro_f1"] == 1.0


def test_one_label_only_is_an_error_with_a_next_step() -> None:
    with pytest.raises(DataError, match="rare_labels"):
        tfidf_logreg(LabelledTexts(["a b", "c d"], ["x", "x"]), LabelledTexts([], []), ["a"])


def test_nearest_examples_are_the_most_similar_ones_with_the_best_last() -> None:
    train = ["the card was stolen", "my mortgage rate", "card stolen yesterday abroad", "wire transfer"]
    chosen = chosen_examples(train, ["the card was stolen abroad", "mortgage"], Evaluation(few_shot_examples=2))
    assert chosen[0] == [2, 0]
    assert chosen[1][-1] == 1


def test_random_examples_are_one_set_for_all_questions() -> None:
    settings = Evaluation(few_shot_examples=3, few_shot_selection="random")
    train = [f"text {n}" for n in range(50)]
    chosen = chosen_examples(train, ["a", "b"], settings)
    assert chosen[0] == chosen[1] and len(set(chosen[0])) == 3


def test_there_are_no_more_examples_than_training_records() -> None:
    assert chosen_examples(["one", "two"], ["one"], Evaluation(few_shot_examples=8)) == [[1, 0]]
