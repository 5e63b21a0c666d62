"""Paraphrases as an option: grouped by the division, counted by the leakage check, by vectors of n-grams or of a
sentence model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.records.engines import engine_of
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema
from ft_platform.splitting.paraphrases import neighbours, paraphrase_fingerprint, paraphrases, sentence_model
from ft_platform.splitting.paraphrases.sentence_model import SentenceModel
from ft_platform.splitting.paraphrases.vector_file import VectorFile, packed_vectors
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Compute, UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case
from ft_platform_tests.tiny_models import save_tiny_encoder

QUESTION = "Why was my mortgage payment charged twice in the month of May?"
REORDERED = "In the month of May my mortgage payment was charged twice, why?"
"""The same words in another order: no word 3-gram but `the month of`, `in the month` and two more is in both."""
NGRAMS = {"paraphrases": "ngrams", "paraphrase_similarity": 0.8}


def texts(count: int = 60) -> list[str]:
    return [f"case {i} speaks of w{i * 7} w{i * 11} w{i * 13} and nothing else w{i * 17}" for i in range(count)]


def records(case: NamedUseCase, said: list[str]) -> pa.Table:
    return table(
        anonymized_schema(case),
        said,
        label=["a", "b"] * (len(said) // 2),
        subject_id=[f"s{i}" for i in range(len(said))],
    )


def found(case: NamedUseCase, given: pa.Table, folder: Path, compute: Compute | None = None) -> set[tuple[str, str]]:
    """Pairs of record_ids."""
    engine = engine_of(compute) if compute else InProcess()
    ids = given["record_id"].to_pylist()
    pairs = paraphrases(case.settings.splits, TableRows(given, 16), engine, folder)
    return {tuple(sorted((ids[a], ids[b]))) for i, j in pairs for a, b in zip(i.tolist(), j.tolist(), strict=True)}  # type: ignore[misc]


def test_another_word_order_is_a_leak_only_where_paraphrases_are_asked_for() -> None:
    for settings, pairs in (({}, None), (NGRAMS, 1)):
        case = use_case(splits=settings)
        given = records(case, texts())
        divided = given.append_column("group_id", given["record_id"]).append_column(
            "split", pa.array(["train"] * 30 + ["test"] * 30)
        )
        said = divided["messages"].to_pylist()
        said[3], said[40] = ([{"role": "user", "content": text}] for text in (QUESTION, REORDERED))
        divided = divided.set_column(
            divided.schema.get_field_index("messages"),
            "messages",
            pa.array(said, divided.schema.field("messages").type),
        )
        counts = leakage(case, divided)
        assert (
            counts.get("paraphrase_pairs") == pairs
            and counts["near_duplicate_pairs"] == 0
            and counts["passed"] is (pairs is None)
        )


def test_the_division_keeps_paraphrases_on_one_side_and_the_check_passes() -> None:
    said = [*texts(), *([QUESTION, REORDERED] * 4)]
    said = [f"{text} {'x' * (i % 7)}" if i < 60 else text for i, text in enumerate(said)]
    case = use_case(splits=NGRAMS)
    result = split(case, records(case, said)).kept
    groups = {
        row["group_id"]
        for row in result.select(["group_id", "messages"]).to_pylist()
        if row["messages"][0]["content"] in (QUESTION, REORDERED)
    }
    assert len(groups) == 1 and leakage(case, result)["passed"]
    plain = use_case()
    without = split(plain, records(plain, said)).kept
    apart = {
        row["group_id"]
        for row in without.select(["group_id", "messages"]).to_pylist()
        if row["messages"][0]["content"] in (QUESTION, REORDERED)
    }
    assert len(apart) == 2


@pytest.mark.integration
def test_the_pairs_depend_neither_on_the_order_of_the_rows_nor_on_the_engine(tmp_path: Path) -> None:
    case = use_case(splits=NGRAMS)
    given = records(
        case,
        [
            *texts(50),
            *(
                text.replace("May", month)
                for month in ("May", "June", "July", "August", "April")
                for text in (QUESTION, REORDERED)
            ),
        ],
    )
    expected = found(case, given, tmp_path)
    assert len(expected) >= 5
    assert found(case, given.take(np.random.default_rng(0).permutation(60)), tmp_path) == expected
    assert found(case, given, tmp_path, Compute(engine="processes", workers=2)) == expected
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("said", [["", " ", "\n"] * 4, ["!"] * 12])
def test_texts_without_anything_to_learn_from_have_no_paraphrases(said: list[str], tmp_path: Path) -> None:
    case = use_case(splits=NGRAMS)
    assert found(case, records(case, said), tmp_path) == set()


def test_cells_find_what_comparing_all_with_all_finds_each_pair_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    centres = random.normal(size=(1500, 32))
    vectors = np.concatenate([centres, centres + random.normal(scale=0.2, size=centres.shape), np.zeros((3, 32))])
    with VectorFile(tmp_path / "vectors", len(vectors)) as file:
        for start in range(0, len(vectors), 100):
            file.append(packed_vectors(vectors[start : start + 100]).column(0))
        rows = random.permutation(len(vectors))
        whole = _pairs(file, rows)
        monkeypatch.setattr(neighbours, "ONE_CELL", 100)
        monkeypatch.setattr(neighbours, "CELL_VECTORS", 300)
        celled = _pairs(file, rows)
    assert len(celled) == len(set(celled)) and len(whole) == len(set(whole)) >= 1400
    assert set(celled) <= set(whole) and len(celled) >= 0.97 * len(whole)
    unit = vectors[:-3] / np.linalg.norm(vectors[:-3], axis=1, keepdims=True)
    true = {tuple(pair) for pair in np.argwhere(np.triu(unit @ unit.T, 1) >= 0.9).tolist()}
    assert len(true ^ set(whole)) <= 0.01 * len(true)  # half precision, at the threshold itself


def _pairs(file: VectorFile, rows: np.ndarray) -> list[tuple[int, int]]:
    blocks = [np.sort(np.stack(pair), axis=0) for pair in neighbours.similar_pairs(file, rows, 0.9)]
    return [(int(i), int(j)) for block in blocks for i, j in block.T]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


def pooling(folder: Path, **modes: bool) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))


def batch_of(case: NamedUseCase, said: list[str]) -> pa.RecordBatch:
    return records(case, said).select(["messages"]).combine_chunks().to_batches()[0]


@pytest.mark.parametrize("first_token", [False, True])
def test_a_sentence_model_gives_each_text_its_pooled_vector_whatever_stands_beside_it(
    encoder: Path, first_token: bool
) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    case = use_case()
    said = [QUESTION, "", "A much longer text " * 20, REORDERED]
    pooling(encoder, pooling_mode_cls_token=first_token, pooling_mode_mean_tokens=not first_token)
    vectors = (
        np.frombuffer(SentenceModel(str(encoder))(batch_of(case, said)).column(0).buffers()[1], np.float16)
        .reshape(4, -1)
        .astype(np.float32)
    )
    model, tokenizer = AutoModel.from_pretrained(encoder).eval(), AutoTokenizer.from_pretrained(encoder)
    for row in (0, 2, 3):
        tokens = tokenizer(said[row], return_tensors="pt", truncation=True, max_length=64)
        with torch.no_grad():
            hidden = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0]
        expected = (hidden[0] if first_token else hidden.mean(0)).numpy()
        assert np.allclose(vectors[row], expected / np.linalg.norm(expected), atol=2e-3)
    assert not vectors[1].any()


def test_a_sentence_model_decides_and_its_files_are_part_of_what_the_division_depends_on(
    encoder: Path, tmp_path: Path
) -> None:
    case = use_case(
        splits={"paraphrases": "sentence_model", "sentence_model": str(encoder), "paraphrase_similarity": 0.99}
    )
    pooling(encoder, pooling_mode_mean_tokens=True)
    given = records(case, [*texts(58), QUESTION, QUESTION + " "])
    near = given.set_column(given.schema.get_field_index("messages"), "messages", given["messages"])
    assert found(case, near, tmp_path)
    before = paraphrase_fingerprint(case.settings.splits)
    pooling(encoder, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    assert paraphrase_fingerprint(case.settings.splits) != before and list(before) == ["sentence_model_sha256"]
    assert paraphrase_fingerprint(use_case(splits=NGRAMS).settings.splits) == {}


def test_what_cannot_be_used_as_a_sentence_model_is_refused_by_name(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="is no folder with a model") as caught:
        SentenceModel(str(tmp_path))
    assert "hf download" in str(caught.value)
    pooling(encoder, pooling_mode_max_tokens=True)
    with pytest.raises(ConfigError, match=r"wants pooling \['pooling_mode_max_tokens'\]"):
        SentenceModel(str(encoder))
    pooling(encoder, pooling_mode_mean_tokens=True)
    (encoder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(ConfigError, match=r"wants layers \['Dense'\]"):
        SentenceModel(str(encoder))
    (encoder / "modules.json").unlink()
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtra, match="train"):
        sentence_model.SentenceModel(str(encoder))


@pytest.mark.parametrize(
    "splits",
    [
        {"paraphrases": "sentence_model"},
        {"sentence_model": "folder"},
        {"paraphrases": "ngrams", "sentence_model": "folder"},
    ],
)
def test_model_and_mode_need_each_other(splits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need each other"):
        UseCase.model_validate({**minimal_attributes("x.csv"), "splits": splits})
