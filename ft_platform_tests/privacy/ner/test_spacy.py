"""The spaCy engine behind its interface. Persons are fictitious."""

import sys

import pytest

from ft_platform.errors import MissingExtra
from ft_platform.privacy.ner import load_ner
from ft_platform.privacy.ner.spacy import SpacyNer


@pytest.mark.integration
def test_it_is_loaded_once() -> None:
    assert load_ner("spacy") is load_ner("spacy")


def test_persons_and_places_have_our_names_and_right_offsets() -> None:
    text = "Harold Whitcombe moved from Chicago to Boston."
    spans = load_ner("spacy").find([text])[0]  # type: ignore[union-attr]
    found = {(s.entity, text[s.start : s.end]) for s in spans}
    assert found == {("PERSON", "Harold Whitcombe"), ("LOCATION", "Chicago"), ("LOCATION", "Boston")}


def test_a_batch_gives_what_single_texts_give() -> None:
    texts = ["Harold Whitcombe called.", "", "Nobody in Chicago answered Teresa Okonjo."] * 30
    ner = load_ner("spacy")
    assert ner is not None
    assert ner.find(texts) == [ner.find([text])[0] for text in texts]


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtra, match=r'pip install "ft-platform\[ner\]"'):
        SpacyNer()


def test_a_missing_model_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.privacy.ner.spacy.MODEL", "no_such_model")
    with pytest.raises(MissingExtra, match="no_such_model is not installed"):
        SpacyNer()
