"""The built-in network that finds names. Persons are fictitious."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from ft_platform.privacy.ner import WEIGHTS
from ft_platform.privacy.ner.built_in import built_in, may_name
from ft_platform.privacy.ner.built_in import network as module
from ft_platform.privacy.ner.built_in.network import Network, quantized
from ft_platform.privacy.ner.built_in.words import hashes, tokens

TEXTS = [
    "Yesterday Harold Whitcombe met Mirela Okonjo in Bratislava.",
    "",
    "Sehr geehrte Frau Kowalczyk,\nich wohne in Hamburg.\n",
    "no names at all here, only 12 words and signs: (), {}!",
]


def words_of(text: str) -> list[str]:
    return [word for _, _, word in tokens(text)]


def test_tokens_stand_where_they_are_in_the_text() -> None:
    text = "O'Neill's 2nd e-mail_to\nÅse"
    assert [text[start:end] for start, end, _ in tokens(text)] == words_of(text)
    assert words_of(text) == ["O", "'", "Neill", "'", "s", "2", "nd", "e", "-", "mail", "_", "to", "\n", "Åse"]


def test_the_weights_are_small_and_hold_whole_numbers_where_products_are_made() -> None:
    held = load_file(WEIGHTS)
    assert WEIGHTS.stat().st_size < 15_000_000
    assert held["word"].dtype == held["layers.0"].dtype == np.int8
    assert module.WIDTH * 127 * 127 < 2**24, "sums are exact in float32"


def test_equal_texts_have_equal_shares_bit_for_bit_whatever_is_read_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(load_file(WEIGHTS))
    together = network.tags([words_of(text) for text in TEXTS * 20])
    alone = [Network(load_file(WEIGHTS)).tags([words_of(text)])[0] for text in TEXTS]
    monkeypatch.setattr(module, "BLOCK", 7)
    in_small_blocks = network.tags([words_of(" ".join(TEXTS))])[0]
    monkeypatch.setattr(module, "BLOCK", 1000)
    assert all(np.array_equal(one, alone[n % len(TEXTS)]) for n, one in enumerate(together))
    assert np.array_equal(in_small_blocks, network.tags([words_of(" ".join(TEXTS))])[0])


def test_words_that_are_forgotten_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_WORDS", 40)
    network = Network(load_file(WEIGHTS))
    first = network.tags([words_of(TEXTS[0])])[0]
    for text in TEXTS * 3:
        network.tags([words_of(text)])
    assert np.array_equal(first, network.tags([words_of(TEXTS[0])])[0])


def test_what_it_learned_in_floats_is_what_it_says_in_8_bits() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.name_tagger.network import Sentence, Tagger, TagLoss

    torch.manual_seed(3)
    model = Tagger().eval()
    words = words_of(TEXTS[0])
    with torch.no_grad():
        logits, _, _ = TagLoss()._logits(model, [Sentence(words, [0] * len(words))], False)
    expected = logits.softmax(-1).numpy()[module.GAP : module.GAP + len(words)]
    network = Network(quantized({name: w.detach().numpy() for name, w in model.state_dict().items()}))
    assert np.abs(network.tags([words])[0] - expected).max() < 0.02


def test_names_are_whole_and_masks_and_nationalities_are_none() -> None:
    text = "Mr. Harold van der Whitcombe-Reed and XXXX met the British in Bratislava."
    found = [(s.entity, text[s.start : s.end]) for s in built_in().find([text])[0] if s.score >= 0.5]
    assert found == [("PERSON", "Harold van der Whitcombe-Reed"), ("LOCATION", "Bratislava")]


def test_a_hash_is_a_row_of_its_table() -> None:
    for word in ("Harold", "ß", "\ud800", "日本"):
        assert len(hashes(word)) == len(module.TABLES) and all(row > 0 for row in hashes(word))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("When do I get the new card? I'm waiting, and I don't know.", False),
        ("we asked mirela", True),
        ("the House of Table", True),
        ("It is late.\nMy card is here.", False),
        ("", False),
    ],
)
def test_texts_of_everyday_words_are_not_read(text: str, may: bool) -> None:
    assert may_name(text) is may
