"""A GLiNER model behind the interface. Its package wants another transformers than training does, so here a stand-in
with its functions answers.

Persons are fictitious.
"""

import sys
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import pytest

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.privacy.ner.gliner import ENTITIES, OVERLAP, GlinerNer, windows_of
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy

KNOWN = {"Zorblax": "person", "Narthex": "location"}
MOST_WORDS = 40


class StandIn:
    """`gliner.GLiNER` as its version 0.2.29 is called. Reads at most `MOST_WORDS` words of a text."""

    config = SimpleNamespace(max_len=MOST_WORDS)
    asked: tuple = ()

    @classmethod
    def from_pretrained(cls, model_id: str, revision: str | None = None) -> "StandIn":
        if model_id == "org/missing":
            raise OSError
        cls.asked = (model_id, revision)
        return cls()

    def inference(self, texts: list[str], labels: list[str], threshold: float, batch_size: int) -> list[list[dict]]:
        assert labels == list(ENTITIES) and all(len(text.split()) <= MOST_WORDS for text in texts)
        return [
            [
                {"start": at, "end": at + len(n), "text": n, "label": kind, "score": 0.91}
                for n, kind in KNOWN.items()
                if (at := text.find(n)) >= 0
            ]
            for text in texts
        ]


@pytest.fixture(autouse=True)
def gliner(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gliner")
    module.GLiNER = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gliner", module)


def test_persons_and_places_have_our_names_and_right_offsets() -> None:
    text = "Yesterday Zorblax refused in Narthex."
    spans, nothing = GlinerNer("org/name@abc").find([text, ""])
    found = [(s.entity, text[s.start : s.end], s.score) for s in spans]
    assert found == [("PERSON", "Zorblax", 0.91), ("LOCATION", "Narthex", 0.91)]
    assert nothing == [] and StandIn.asked == ("org/name", "abc")


def test_a_piece_longer_than_the_model_reads_is_read_to_its_end_and_each_name_counts_once() -> None:
    text = "nothing " * (MOST_WORDS - 5) + "Zorblax " + "nothing " * 100 + "Narthex"
    (spans,) = GlinerNer("org/name").find([text])
    assert [text[s.start : s.end] for s in spans] == ["Zorblax", "Narthex"]


@pytest.mark.parametrize("count", [0, 1, OVERLAP, MOST_WORDS - 1, MOST_WORDS, MOST_WORDS + 1, 200])
def test_windows_leave_no_word_out_and_overlap(count: int) -> None:
    text = " ".join(f"w{i}" for i in range(count))
    windows = list(windows_of(text, MOST_WORDS))
    assert all(text[start : start + len(part)] == part and len(part.split()) <= MOST_WORDS for start, part in windows)
    assert {word for _, part in windows for word in part.split()} == set(text.split())
    for (_, one), (_, other) in pairwise(windows):
        assert len(set(one.split()) & set(other.split())) == OVERLAP


def test_the_scanner_uses_it() -> None:
    text = "Yesterday Zorblax refused the refund."
    (spans,) = Scanner(Privacy(ner="gliner", ner_model="org/scanner")).find([text])
    assert [(s.entity, text[s.start : s.end]) for s in spans] == [("PERSON", "Zorblax")]


def test_a_model_that_cannot_be_loaded_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"privacy\.ner_model: org/missing cannot be loaded"):
        GlinerNer("org/missing")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gliner", None)
    with pytest.raises(MissingExtra, match=r'pip install "ft-platform\[gliner\]"'):
        GlinerNer("org/name")
