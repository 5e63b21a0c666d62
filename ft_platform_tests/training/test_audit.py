"""The audit of splits: each planted fault stops training with the ids of its records and the remedy, and nothing else
does."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import BaseModelError, VersionRefused
from ft_platform.lake.gate import problems_with, require_usable
from ft_platform.lake.store import Lake
from ft_platform.models.rendering.renderer import NotRendered, Renderer
from ft_platform.models.rendering.text_tokens import TextTokens
from ft_platform.reporting.publishing.training_audit import audit_for
from ft_platform.stages import TRAINING_AUDIT
from ft_platform.training.audit import renderers_of
from ft_platform.training.audit_faults import KINDS, REASONS, Found
from ft_platform.training.audit_verdict import audit_inputs, current_verdict, read_figures, require_audited_renderer
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.audit import Audit
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer
from ft_platform_tests.tiny_models import CHATML, split_rows, tiny_model, tiny_tokenizer, usable_splits, use_case_for

Rows = list[dict[str, Any]]
SECRET = "a text of somebody"


def rows_of(count: int = 48) -> Rows:
    """Those of `split_rows`, and every eighth in test."""
    rows = split_rows(count)
    for number, row in enumerate(rows):
        row["messages"][0]["content"] += f" {SECRET} {number}"
        row["split"] = "test" if number % 8 == 7 else row["split"]
    return rows


def answers(rows: Rows) -> Rows:
    """The same for generation."""
    return [
        {**row, "label": None, "messages": [*row["messages"], {"role": "assistant", "content": f"Answer {n}."}]}
        for n, row in enumerate(rows)
    ]


class House:
    """A tiny model on the disk, and what is planted."""

    def __init__(self, folder: Path, lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.lake, self.environment, self.monkeypatch = folder, lake, environment, monkeypatch
        self.rows = rows_of()
        self.sections: dict[str, dict[str, Any]] = {"training": {"recipe": "manual", "max_length": 300}}
        self.write_model()

    def write_model(self, tokenizer: Any = None, **model: Any) -> None:
        tiny_model(**model).save_pretrained(self.folder)
        (tokenizer or tiny_tokenizer()).save_pretrained(self.folder)

    def use_case(self) -> NamedUseCase:
        case = use_case_for(self.folder)
        changed = {name: case.section(name).model_copy(update=values) for name, values in self.sections.items()}
        return case.model_copy(update={"settings": case.settings.model_copy(update=changed)})

    def audited(self) -> dict[str, Any]:
        self.case = self.use_case()
        self.splits = usable_splits(self.lake, self.case, self.rows)
        return read_figures(self.lake, audit_for(self.lake, self.environment, self.case, self.splits))

    def generation(self) -> None:
        self.sections["task"] = {"kind": "generation", "instruction": "Help."}
        self.rows = answers(self.rows)


@pytest.fixture
def house(tmp_path: Path, lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> House:
    return House(tmp_path / "model", lake, environment, monkeypatch)


def few_tokens_to_learn(house: House) -> None:
    house.sections["audit"] = {"min_supervised_share": 0.5}


def no_label(house: House) -> None:
    house.rows[4]["label"] = None


def a_long_answer(house: House) -> None:
    house.generation()
    house.rows[4]["messages"][1]["content"] = "long " * 80


def rendered_otherwise(house: House, change: Callable[[Any], Any]) -> None:
    real = Renderer.example
    house.monkeypatch.setattr(
        Renderer, "example", lambda self, *arguments, **named: change(real(self, *arguments, **named))
    )


def an_answer_that_loses_its_end(house: House) -> None:
    house.generation()
    rendered_otherwise(house, lambda made: replace(made, supervised=[*made.supervised[:-3], False, False, False]))


def a_masked_answer(house: House) -> None:
    rendered_otherwise(house, lambda made: replace(made, supervised=[False] * len(made.supervised)))


def no_end_of_turn(house: House) -> None:
    rendered_otherwise(
        house, lambda made: replace(made, input_ids=made.input_ids[:-1], supervised=made.supervised[:-1])
    )


def an_unknown_label(house: House) -> None:
    house.rows[2]["label"] = "mortgage"
    assert house.rows[2]["split"] == "validation"


def long_texts(house: House) -> None:
    for row in house.rows:
        row["messages"][0]["content"] += " and so on" * 40


def a_small_context(house: House) -> None:
    house.write_model(max_position_embeddings=150)
    house.rows[4]["messages"][0]["content"] += "x" * 60


def control_tokens_that_act(house: House) -> None:
    house.rows[4]["messages"][0]["content"] += "<|im_end|>"
    house.monkeypatch.setattr(TextTokens, "content", lambda self, text, limit=None: self.markers(text))


def two_alike(house: House) -> None:
    house.rows[4]["messages"] = house.rows[6]["messages"]


def a_template_that_changes(house: House) -> None:
    house.write_model(tiny_tokenizer("{{ 'abcdefghijklmnopqrstuvwxyz' | random }}" * 8 + CHATML))


def a_tokenizer_that_forgets_case(house: House) -> None:
    from tokenizers import normalizers

    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    house.write_model(tokenizer)


def tools_without_a_template_for_them(house: House) -> None:
    house.generation()
    house.rows[4]["messages"][1:1] = [
        {"role": "tool_call", "content": '[{"name": "find", "arguments": {}}]'},
        {"role": "tool", "content": "found"},
    ]


def a_broken_call(house: House) -> None:
    house.generation()
    house.write_model(family_tokenizer(FAMILIES["qwen2.5"]), vocab_size=300)
    house.rows[4]["messages"].insert(
        1, {"role": "tool_call", "content": '[{"name": "find", "arguments": {"phone": <PHONE_1>}}]'}
    )


def preferences(house: House) -> None:
    house.generation()
    house.sections["training"] |= {"objective": "dpo"}
    for number, row in enumerate(house.rows):
        row["messages"].append({"role": "rejected", "content": f"Bad answer {number}."})


def no_rejected_answer(house: House) -> None:
    preferences(house)
    del house.rows[4]["messages"][-1]


def a_long_rejected_answer(house: House) -> None:
    preferences(house)
    house.rows[4]["messages"][-1]["content"] = "long " * 80


def an_instruction_that_fills_the_row(house: House) -> None:
    house.sections["training"] = {"objective": "label_head", "max_length": 40}
    house.sections["task"] = {"instruction": "Name the product of the complaint. " * 9}


PLANTED = [
    (few_tokens_to_learn, "low_supervised_share", None),
    (no_label, "answer_missing", ["r0004"]),
    (a_long_answer, "answer_truncated", ["r0004"]),
    (an_answer_that_loses_its_end, "answer_truncated", None),
    (an_instruction_that_fills_the_row, "instruction_too_long", None),
    (a_masked_answer, "answer_masked", None),
    (no_end_of_turn, "end_of_turn_missing", None),
    (an_unknown_label, "answer_outside_labels", ["r0002"]),
    (long_texts, "prompt_shortened", None),
    (a_small_context, "longer_than_context", ["r0004"]),
    (control_tokens_that_act, "control_token_in_text", ["r0004"]),
    (two_alike, "duplicate_conversation", ["r0006"]),
    (a_template_that_changes, "renderer_differs", None),
    (a_tokenizer_that_forgets_case, "text_not_kept", None),
    (no_rejected_answer, "rejected_answer_missing", ["r0004"]),
    (a_long_rejected_answer, "answer_truncated", ["r0004"]),
    (tools_without_a_template_for_them, "tools_not_supported", ["r0004"]),
    (a_broken_call, "tool_call_broken", ["r0004"]),
]


def test_every_fault_is_planted():
    assert {kind for _, kind, _ in PLANTED} == set(KINDS)


def test_every_reason_to_leave_a_record_out_is_a_fault():
    from ft_platform.training import dataset

    kinds = [NotRendered, *NotRendered.__subclasses__()]
    assert dataset.NoRejectedAnswer in kinds and {REASONS.get(kind.reason, kind.reason) for kind in kinds} <= set(KINDS)


def test_a_label_head_needs_no_second_answer(house):
    plain = house.audited()
    house.sections["training"] |= {"objective": "label_head"}
    figures = house.audited()
    assert figures["passed"] and not any(figures["faults"].values())
    assert figures["renderer_hash"] == plain["renderer_hash"]


def test_a_label_head_needs_no_room_for_an_answer(house):
    """The prompt may fill the row; where the label is written, the same prompt is shortened."""
    longest = max(len(row["messages"][0]["content"]) for row in house.rows)
    for row in house.rows:
        row["messages"][0]["content"] = row["messages"][0]["content"].ljust(longest, ".")
    house.sections["training"] = {"objective": "label_head", "max_length": 300}
    house.audited()
    (row,) = {len(found) for found in prompts(house)}
    house.sections["training"] = {"objective": "label_head", "max_length": row}
    assert not any(house.audited()["faults"].values())
    house.sections["training"] = {"objective": "sft", "max_length": row}
    assert house.audited()["faults"]["prompt_shortened"]


def test_a_label_head_is_not_held_to_a_share_of_learned_tokens(house):
    house.sections["training"] = {"objective": "label_head", "max_length": 300}
    house.sections["audit"] = {"min_supervised_share": 0.5}
    assert house.audited()["passed"]


def prompts(house: House) -> list[list[int]]:
    tokenizer = tiny_tokenizer()
    renderer = Renderer(tokenizer, house.case.settings.task, ["card", "loan"])
    return [renderer.prompt_ids(row["messages"]) for row in house.rows]


def test_preferences_pass_and_both_answers_count_in_the_loss(house):
    preferences(house)
    house.rows[4]["messages"][-1]["content"] += "<|im_end|>"
    figures = house.audited()
    assert figures["passed"] and not any(figures["faults"].values())
    house.sections["training"] |= {"objective": "sft"}
    assert house.audited()["renderer_hash"] == figures["renderer_hash"]


@pytest.mark.parametrize(("plant", "kind", "ids"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_stops_training_with_ids_and_remedy(house, plant, kind, ids):
    plant(house)
    figures = house.audited()
    assert figures["faults"][kind] and not figures["passed"]
    (sentence,) = [problem for problem in figures["problems"] if problem.startswith(f"{kind}:")]
    assert KINDS[kind].remedy in sentence
    if ids:
        assert figures["record_ids"][kind] == ids and all(i in sentence for i in ids)
    with pytest.raises(VersionRefused, match=f"check {TRAINING_AUDIT} of splits@0 failed"):
        require_usable(house.lake, house.case, house.splits)
    assert SECRET not in json.dumps(figures)
    folder = Path(house.lake.artifacts(house.case.name, "training_audit")[0].uri)
    assert not any(SECRET.encode() in file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_splits_without_a_fault_pass_and_spelled_out_control_tokens_are_no_fault(house, kind):
    if kind == "generation":
        house.generation()
    house.rows[4]["messages"][0]["content"] += " <|im_end|>"
    figures = house.audited()
    assert figures["passed"] and not any(figures["faults"].values()) and figures["special_tokens_neutralized"] == 1
    assert figures["rows"] == 48 and 0 < figures["supervised_share"] < 1
    assert figures["expected"][:8] == ("macro-F1" if kind == "classification" else "")
    page = (Path(house.lake.artifacts(house.case.name, "training_audit")[0].uri) / "report.html").read_text()
    assert ("TF-IDF + logistic regression reaches" in page) == (kind == "classification")
    require_usable(house.lake, house.case, house.splits)
    verdict = house.lake.verdicts(house.splits)[TRAINING_AUDIT]
    assert (
        verdict.numbers["renderer_hash"] == figures["renderer_hash"]
        and len(set(figures["renderer_hashes"].values())) == 1
    )


def test_conversations_with_tools_pass_where_the_template_has_tools(house):
    house.generation()
    house.write_model(family_tokenizer(FAMILIES["qwen2.5"]), vocab_size=300)
    for row in house.rows:
        call = {"role": "tool_call", "content": json.dumps([{"name": "find", "arguments": {"word": "<|im_end|>"}}])}
        row["messages"][1:1] = [call, {"role": "tool", "content": "found"}]
    assert house.audited()["passed"]


@pytest.mark.parametrize(
    ("setting", "kind", "plant"),
    [
        ("max_left_out_share", "answer_missing", no_label),
        ("max_shortened_share", "prompt_shortened", long_texts),
        ("max_duplicate_share", "duplicate_conversation", two_alike),
        ("max_changed_share", "text_not_kept", a_tokenizer_that_forgets_case),
    ],
)
def test_a_higher_limit_makes_a_fault_a_warning(house, setting, kind, plant):
    plant(house)
    house.sections["audit"] = {setting: 1.0}
    figures = house.audited()
    assert figures["faults"][kind] and figures["passed"] and [w for w in figures["warnings"] if w.startswith(kind)]


def test_the_least_share_of_supervised_tokens_is_a_setting():
    found = Found(Audit(min_supervised_share=0.2), rows=1, tokens=100, supervised=20)
    found.judge_share()
    assert not found.blocking()
    found = Found(Audit(min_supervised_share=0.21), rows=1, tokens=100, supervised=20)
    found.judge_share()
    assert found.blocking() == ["low_supervised_share"]


def test_the_verdict_is_stale_once_what_is_rendered_changes_and_not_for_a_learning_rate(house):
    assert house.audited()["passed"]
    for section, values, stale in [
        ("training", {"learning_rate": 1e-5, "max_length": 300}, False),
        ("training", {"max_length": 301}, True),
        ("training", {"max_length": 300, "objective": "dpo"}, True),
        ("training", {"max_length": 300, "train_on": "last_turn"}, True),
        ("audit", {"max_left_out_share": 0.1}, True),
        ("base_model", {"uri": str(house.folder) + "/."}, True),
    ]:
        before, house.sections = house.sections, {**house.sections, section: values}
        problems = problems_with(house.lake, house.use_case(), house.splits)
        assert any(f"check {TRAINING_AUDIT} of splits@0 is stale" in problem for problem in problems) is stale, (
            section,
            values,
        )
        house.sections = before


def test_a_missing_verdict_is_refused(house):
    house.audited()
    Path(f"{house.lake._verdict_folder(house.splits)}/{TRAINING_AUDIT}.json").unlink()
    with pytest.raises(VersionRefused, match=f"the verdict {TRAINING_AUDIT} of splits@0 of complaints was deleted"):
        require_usable(house.lake, house.case, house.splits)


def test_equal_splits_and_settings_are_not_audited_again_and_a_changed_tokenizer_is(house):
    house.audited()
    first = audit_inputs(house.case, house.splits)
    house.monkeypatch.setattr("ft_platform.training.audit.figures_of", lambda *_: pytest.fail("audited again"))
    audit_for(house.lake, house.environment, house.case, house.splits)
    assert current_verdict(house.lake, house.case, house.splits)
    (house.folder / "chat_template.jinja").write_text(CHATML + " ")
    assert (
        audit_inputs(house.case, house.splits) != first
        and current_verdict(house.lake, house.case, house.splits) is None
    )


def test_training_refuses_another_renderer_than_the_audited_one(house):
    figures = house.audited()
    require_audited_renderer(house.lake, house.splits, figures["renderer_hash"])
    with pytest.raises(VersionRefused, match="was audited with renderer"):
        require_audited_renderer(house.lake, house.splits, "0" * 64)


def test_the_renderer_is_the_same_for_training_evaluation_and_serving(house):
    renderers = renderers_of(house.use_case(), tiny_tokenizer(), tiny_tokenizer(), ["loan", "card"])
    assert len({renderer.hash for renderer in renderers.values()}) == 1
    differs = renderers_of(
        house.use_case(),
        tiny_tokenizer(),
        tiny_tokenizer(CHATML.replace("<|im_end|>\n", "<|im_end|>")),
        ["loan", "card"],
    )
    assert differs["serving"].hash != differs["training"].hash


def test_a_tokenizer_that_cannot_end_an_answer_is_refused():
    tokenizer = tiny_tokenizer(None)
    tokenizer.eos_token = None
    with pytest.raises(BaseModelError, match="eos_token"):
        Renderer(tokenizer, use_case_for("x").settings.task)


def test_storage_order_does_not_change_what_is_found(house):
    two_alike(house)
    figures = house.audited()
    random.Random(1).shuffle(house.rows)
    assert house.audited()["record_ids"] == figures["record_ids"]
