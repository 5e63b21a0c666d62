import hashlib

import pyarrow as pa
import pytest

from ft_platform.evaluation.records import Side, evaluation_records, side_of
from ft_platform.evaluation.systems.few_shot import EXAMPLE_TOKENS, few_shot_prompts
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.records.schemas import splits_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.fixed_draws import FixedDraws
from ft_platform.use_case.settings.regression import Regression
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def case(
    kind: str = "classification", rows: list[dict] | None = None, **evaluation
) -> tuple[NamedUseCase, pa.Table, Renderer]:
    settings = UseCase.model_validate(attributes_for("none", kind, **evaluation))
    use_case = NamedUseCase(name="complaints", settings=settings)
    table = pa.Table.from_pylist(rows_for(kind) if rows is None else rows, splits_schema(use_case))
    return (
        use_case,
        table,
        Renderer(TOKENIZER, use_case.settings.task, ["card", "loan"] if kind == "classification" else []),
    )


def side(texts: list[str], answers: list[str]) -> Side:
    messages = [[{"role": "user", "content": t}] for t in texts]
    rows = pa.table({"record_id": [f"r{n}" for n in range(len(texts))], "messages": messages})
    return Side(rows, texts, answers)


def test_examples_are_cut_and_the_question_keeps_its_room() -> None:
    _, _, renderer = case()
    train = side(["x" * 500, "y" * 500], ["card", "loan"])
    question = "q" * 2000
    settings = Evaluation(few_shot_examples=2, few_shot_selection="random", max_prompt_tokens=400)
    text = TOKENIZER.decode(few_shot_prompts(renderer, TOKENIZER, train, side([question], ["card"]), settings)[0])
    zero_shot = TOKENIZER.decode(renderer.prompt_ids([{"role": "user", "content": question}], 400))
    assert text.count("x") - renderer.system.count("x") == EXAMPLE_TOKENS
    assert text.count("q") == zero_shot.count("q") > 200


def test_examples_come_from_train_only_and_the_test_label_is_not_in_the_prompt() -> None:
    use_case, table, renderer = case()
    records = evaluation_records(use_case, table, renderer)
    train = side_of(use_case, table, "train")
    prompts = few_shot_prompts(renderer, TOKENIZER, train, records.side, use_case.settings.evaluation)
    others = [text for name in ("validation", "test") for text in side_of(use_case, table, name).texts]
    for own, ids in zip(records.side.texts, prompts, strict=True):
        text = TOKENIZER.decode(ids)
        assert own in text
        assert not any(other in text for other in others if other != own)
        assert text.endswith("<|im_start|>assistant\n")


def test_short_answers_are_preferred_over_cut_ones() -> None:
    _, _, renderer = case("generation")
    train = side(["same words", "same words"], ["long answer " * 100, "short"])
    test = side(["same words"], [""])
    text = TOKENIZER.decode(few_shot_prompts(renderer, TOKENIZER, train, test, Evaluation(few_shot_examples=1))[0])
    assert "short" in text and "long answer" not in text


def test_the_choice_of_test_records_follows_from_their_ids_alone() -> None:
    use_case, table, renderer = case(rows=rows_for("classification", 200), max_test_rows=10)
    chosen = evaluation_records(use_case, table, renderer)
    assert len(chosen.side) == 10 and chosen.left_out == {"not_sampled": 30}
    backwards = table.take(pa.array(range(table.num_rows - 1, -1, -1)))
    found = evaluation_records(use_case, backwards, renderer).side.rows["record_id"].to_pylist()
    assert found == chosen.side.rows["record_id"].to_pylist()
    more, _, _ = case(rows=rows_for("classification", 200), max_test_rows=15)
    many = evaluation_records(more, table, renderer).side.rows["record_id"].to_pylist()
    digests = sorted(many, key=lambda one: hashlib.sha256(one.encode()).digest())
    assert sorted(digests[:10]) == found, "nobody can choose other records, but more or fewer of them"


@pytest.mark.parametrize("section", [Evaluation, Attacks, Regression])
def test_nobody_chooses_the_seed_of_what_a_decision_rests_on(section: type[FixedDraws]) -> None:
    with pytest.raises(ValueError, match="seed"):
        section.model_validate({"seed": 2202})
    assert section().seed == 17


def test_records_without_an_answer_are_left_out_and_counted() -> None:
    rows = rows_for("classification")
    rows[8]["label"] = None
    use_case, table, renderer = case(rows=rows)
    records = evaluation_records(use_case, table, renderer)
    assert records.left_out == {"no_answer": 1} and "r0008" not in records.side.rows["record_id"].to_pylist()


def test_no_test_record_is_an_error_with_counts() -> None:
    from ft_platform.errors import DataError

    use_case, table, renderer = case(rows=[r for r in rows_for("classification") if r["split"] != "test"])
    with pytest.raises(DataError, match="0 in the test split"):
        evaluation_records(use_case, table, renderer)
