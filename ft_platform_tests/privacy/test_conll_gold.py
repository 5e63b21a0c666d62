"""CoNLL columns as annotated texts (`benchmarks/conll_gold.py`). Persons are fictitious."""

import importlib.util

from ft_platform_tests.conftest import REPOSITORY

LINES = """-DOCSTART- -X- O

Zorblax I-PER
Quillon I-PER
's O
bank O
( O
Narthex I-LOC
) O
. O

Ann B-PER
Lee B-PER
""".splitlines()


def test_words_become_texts_with_spans_at_their_place() -> None:
    spec = importlib.util.spec_from_file_location("conll_gold", REPOSITORY / "benchmarks" / "conll_gold.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    first, second = (module.annotated(words) for words in module.sentences(LINES))
    assert first["full_text"] == "Zorblax Quillon's bank (Narthex)."
    found = [(first["full_text"][s["start_position"] : s["end_position"]], s["entity_type"]) for s in first["spans"]]
    assert found == [("Zorblax Quillon", "PERSON"), ("Narthex", "LOCATION")]
    assert [second["full_text"][s["start_position"] : s["end_position"]] for s in second["spans"]] == ["Ann", "Lee"]
