"""A token classification model behind the interface: a tiny one that is trained here in seconds. Persons are
fictitious."""

import sys
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.privacy.ner.transformers import TransformersNer, entities_of
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy

PERSONS, PLACES = ("zorblax", "quillon", "vexmoor"), ("narthex", "dunholm")
OTHERS = ("yesterday", "refused", "the", "refund", "in", "again", "nobody", "came", "said", ".")
LABELS = ["O", "I-PER", "I-LOC"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a BERT with one layer that has learned which of fifteen words are persons and places. It reads 24
    tokens at once."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("ner") / "tiny"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PERSONS, *PLACES, *OTHERS]
    tokenizer = BertTokenizerFast(
        vocab={word: number for number, word in enumerate(words)}, do_lower_case=True, model_max_length=24
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    network = BertForTokenClassification(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(80):
        ids = torch.randint(5, len(words), (16, 22))
        person = (ids >= 5) & (ids < 5 + len(PERSONS))
        place = (ids >= 5 + len(PERSONS)) & (ids < 5 + len(PERSONS) + len(PLACES))
        labels = torch.where(person, 1, torch.where(place, 2, 0))
        loss = network(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_persons_and_places_have_our_names_and_right_offsets(model: str) -> None:
    text = "Yesterday Zorblax Quillon refused the refund in Narthex."
    (spans,) = TransformersNer(model).find([text])
    found = [(s.entity, text[s.start : s.end], s.recognizer) for s in spans]
    assert found == [("PERSON", "Zorblax Quillon", "transformers"), ("LOCATION", "Narthex", "transformers")]
    assert all(0.5 < s.score <= 1.0 for s in spans)


def test_a_piece_longer_than_the_model_reads_is_read_to_its_end(model: str) -> None:
    text = "nobody refused the refund again " * 20 + "Vexmoor came"
    (spans,) = TransformersNer(model).find([text])
    assert "Vexmoor" in [text[s.start : s.end] for s in spans]


def test_a_batch_gives_what_single_texts_give(model: str) -> None:
    found = TransformersNer(model)
    texts = ["Zorblax came.", "", "  ", "nobody said the refund refused in Dunholm again", "Quillon"] * 3
    assert found.find(texts) == [found.find([text])[0] for text in texts]


def test_the_scanner_uses_it(model: str) -> None:
    text = "Yesterday Zorblax refused the refund."
    (spans,) = Scanner(Privacy(ner="transformers", ner_model=model)).find([text])
    assert [(s.entity, text[s.start : s.end]) for s in spans] == [("PERSON", "Zorblax")]


def test_a_model_that_is_not_there_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    tmp_path.joinpath("empty").mkdir()
    with pytest.raises(ConfigError, match=r"privacy.ner_model: .*empty cannot be loaded"):
        TransformersNer(str(tmp_path / "empty"))


def test_a_model_that_finds_no_persons_is_refused() -> None:
    with pytest.raises(ConfigError, match="no label of sentiment is a person, it has NEG, POS"):
        entities_of("sentiment", ["POS", "NEG"])
    found = entities_of("m", ["O", "B-PER", "I-GPE", "B-MISC", "LAST_NAME"])
    assert found == {"GPE": "LOCATION", "PER": "PERSON", "LAST_NAME": "PERSON"}


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r'pip install "ft-platform\[train\]"'):
        TransformersNer("org/name")
