"""Annotated texts in other ways of writing: the annotations stay in place, and most findings stay. Persons are
fictitious."""

from pathlib import Path

import pytest

from ft_platform.privacy.evaluation import GoldText, half_of, read_gold, score
from ft_platform.privacy.gold import gold_texts
from ft_platform.privacy.perturbations import PERTURBATIONS, perturbed
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy

GOLD = GoldText('Dear Anna Reed,\ncall 415-555-0132 "now".', ((5, 14, "PERSON"), (21, 33, "PHONE")))


def test_there_are_thirty() -> None:
    assert len(PERTURBATIONS) == 30


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_annotations_stay_on_their_value(name: str) -> None:
    (changed,) = perturbed([GOLD], name)
    (a, b, _), (c, d, _) = changed.spans
    assert 0 <= a < b <= c < d <= len(changed.text)
    # The surroundings never slip in: first and last character are those of the value, or stand for them.
    assert changed.text[a] not in " \n\t," and changed.text[d - 1] not in " \n\t,."
    assert perturbed([GOLD], name) == [changed]


def test_a_perturbation_changes_the_text() -> None:
    text = (
        'Zo\u00e9 o\'Neil-Reed, 12 Main Road, 80158  0ld; said: "call me about the thing that we spoke of yesterday" &'
        " left\nfor work, see https://a.example/"
    )
    gold = GoldText(text, ((0, len(text), "PERSON"),))
    assert [name for name in PERTURBATIONS if perturbed([gold], name)[0].text == text] == []


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(Privacy())


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_recall_survives(name: str, scanner: Scanner) -> None:
    gold = perturbed(gold_texts(per_entity=4), name)
    recall = score(gold, scanner.find([g.text for g in gold])).recall
    assert recall is not None and recall >= SURVIVES.get(name, 0.95)


SURVIVES = {"upper case": 0.9, "title case": 0.9, "scanned digits": 0.88}
"""Where writing loses information, less is left to find: in codes that mix letters and digits either may be meant, and
one character of the 40 of a wallet is enough."""


@pytest.mark.real_data
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_recall_survives_on_texts_that_were_only_counted(name: str, scanner: Scanner, shared_data: Path) -> None:
    gold = perturbed(half_of(read_gold(shared_data / "presidio_synth" / "synth_dataset_v2.json"), "held_out"), name)
    recall = score(gold, scanner.find([g.text for g in gold])).recall
    assert recall is not None and recall >= {"lower case": 0.85, "spaced letters": 0.85, "title case": 0.9}.get(
        name, 0.93
    )
