"""How the network for names learns, and how it is compared. Persons are fictitious."""

import json
from pathlib import Path

import pytest

from benchmarks import names
from benchmarks.name_tagger.forms import made
from ft_platform.privacy.spans import Span

pytest.importorskip("torch")

from benchmarks.name_tagger import training


def test_a_word_has_the_tag_of_the_span_that_it_stands_in() -> None:
    from benchmarks.name_tagger.network import sentence

    row = sentence("Ann Reed left Elm Bay.", [(14, 21, "LOCATION"), (0, 8, "PERSON")])
    assert row.words == ["Ann", "Reed", "left", "Elm", "Bay", "."]
    assert row.tags == [1, 1, 0, 2, 2, 0]


def test_texts_that_are_made_up_have_names_where_they_say() -> None:
    texts = list(made(300))
    assert texts == list(made(300)) and len({text for text, _ in texts}) > 250
    assert all(text[s:e].strip() == text[s:e] and "{" not in text[s:e] for text, spans in texts for s, e, _ in spans)
    assert {tag for _, spans in texts for _, _, tag in spans} == {"PERSON", "LOCATION", "ORGANIZATION"}


def test_neighbouring_sentences_are_joined_with_their_names_in_place() -> None:
    import random

    texts = [("Ann left.", [(0, 3, "PERSON")])] * 50
    rows = list(training.joined(texts, random.Random(1)))
    assert sum(row.words.count("Ann") for row in rows) == sum(sum(row.tags) for row in rows) == 50
    assert len(rows) < 50


def test_the_last_part_of_made_texts_validates_and_stretches_stay_whole() -> None:
    import random

    first, last = training.in_parts([("a b", [])] * 100)
    assert (len(first), len(last)) == (95, 5)
    numbered = [(f"{n} b", []) for n in range(500)]
    kept = training.at_most(numbered, 300, random.Random(1))
    assert len(kept) == 150 and kept[1][0] == f"{int(kept[0][0].split()[0]) + 1} b"


def test_it_learns_and_the_loop_measures_it() -> None:
    from benchmarks.name_tagger.network import Tagger, TagLoss, sentence
    from ft_platform.training.loop import train
    from ft_platform.use_case.settings.training import Training

    rows = [sentence(text, spans) for text, spans in made(200)]
    settings = Training.model_validate(
        {"recipe": "manual", "epochs": 6, "batch_rows": 16, "learning_rate": 3e-3, "micro_batch_tokens": 4096}
    )
    run = train(Tagger(), TagLoss(), rows, rows[:50], settings)
    measured = [point for point in run.curve if "f1" in point]
    assert measured[-1]["f1"] > 0.8 > measured[0]["f1"]


def test_recall_and_precision_count_characters_of_persons_and_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Ann Reed left Elmshorn"
    spans = [(0, 8, "PERSON"), (14, 22, "LOCATION"), (9, 13, "OTHER_NAME")]
    keys = ("start_position", "end_position", "entity_type")
    line = {"full_text": text, "spans": [dict(zip(keys, span, strict=True)) for span in spans]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    source = {"name": "a", "language": "en", "register": "formal", "role": "test"}
    (tmp_path / "sources.json").write_text(json.dumps([source, {**source, "name": "b", "role": "train"}]))
    monkeypatch.setattr(names, "SOURCES", tmp_path / "sources.json")
    monkeypatch.setattr(names, "ours", lambda _: lambda texts: [[Span(0, 13, "PERSON", 0.9, "x")] for _ in texts])
    monkeypatch.setattr("sys.argv", ["names", "--folder", str(tmp_path), "--compare", "--json"])
    names.main()
    result = json.loads(capsys.readouterr().out)
    assert {m: result["formal"][m] for m in names.MEASURES} == {"persons": 1.0, "places": 0.0, "precision": 0.6154}
    assert result["noisy"] == {"persons": None, "places": None, "precision": None, "sources": {}}
    assert "| English, formal | a | 1 | ours | 1.000 | 0.000 | 0.615 |" in names.table(result)
