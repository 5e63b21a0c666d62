import csv
import hashlib
import json
import pickle
import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from ft_platform.cleaning import batch as batch_module
from ft_platform.cleaning import clean as clean_module
from ft_platform.errors import DataError
from ft_platform.lake.content_hash import ContentHash
from ft_platform.lake.stage_table import Work
from ft_platform.process.progress import Update, listening
from ft_platform.records.columns import MESSAGES, PROVENANCE, contents_sha256, user_texts
from ft_platform.records.engines import Engine, engine_of
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import cleaned_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import raw, use_case

LETTER = (
    "The bank charged me a fee of thirty dollars on my checking account although the balance never went below zero in"
    " May and I want it back"
)


def clean(case: NamedUseCase, records: pa.Table, batch_rows: int = 8192, engine: Engine | None = None) -> StageResult:
    with tempfile.TemporaryDirectory() as folder:
        stream = clean_module.clean(case, TableRows(records, batch_rows), Work(Path(folder), engine or InProcess()))
        return stream.collect(cleaned_schema(case))


def removed(result: StageResult) -> list[tuple]:
    return [tuple(row.values()) for row in result.removed.to_pylist()]


def test_texts_and_answers_are_repaired_and_each_change_is_named() -> None:
    case = use_case("generation")
    records = raw(case, ["<p>My  cafÃ© &amp; bar</p>", "nothing to do here"], ["He said:  naïve\u200b!", "fine"])
    result = clean(case, records)
    assert result.kept.schema == cleaned_schema(case)
    first, second = result.kept.to_pylist()
    assert [m["content"] for m in first["messages"]] == ["My café & bar", "He said: naïve!"]
    assert first["changes"] == ["unicode", "html", "whitespace"] and second["changes"] == []
    assert first["text_characters"] == len("My café & bar")
    counts = {"changed_unicode": 1, "changed_html": 1, "changed_whitespace": 1, "changed_rows": 1}
    assert {name: result.counts[name] for name in counts} == counts


def test_hashes_are_over_the_texts_before_and_after() -> None:
    case = use_case()
    changed, same = clean(case, raw(case, ["a  changed text", "an unchanged text"], label=["x", "y"])).kept.to_pylist()
    assert changed["sha256_before"] == hashlib.sha256(json.dumps(["a  changed text"]).encode()).hexdigest()
    assert changed["sha256_after"] == hashlib.sha256(json.dumps(["a changed text"]).encode()).hexdigest()
    assert same["sha256_before"] == same["sha256_after"]


@pytest.mark.parametrize(
    ("switch", "text", "kind"),
    [
        ("fix_unicode", "a cafÃ© here", "unicode"),
        ("strip_html", "a <b>cafe</b> here", "html"),
        ("normalize_whitespace", "a  cafe here", "whitespace"),
    ],
)
def test_each_repair_can_be_switched_off(switch: str, text: str, kind: str) -> None:
    on, off = use_case(), use_case(cleaning={switch: False})
    assert clean(on, raw(on, [text], label=["x"])).kept["changes"].to_pylist() == [[kind]]
    assert user_texts(clean(off, raw(off, [text], label=["x"])).kept["messages"]) == [text]


def test_indentation_of_an_answer_stays() -> None:
    case, answer = use_case("generation"), "def f():\n    return 1"
    assert (
        clean(case, raw(case, ["write  a function"], [answer])).kept["messages"].to_pylist()[0][1]["content"] == answer
    )


def test_labels_are_trimmed_and_a_missing_one_removes_the_record() -> None:
    case = use_case()
    result = clean(
        case,
        raw(case, ["the first text", "the second text", "the third text"], label=["  credit \n card ", None, "  "]),
    )
    assert result.kept["label"].to_pylist() == ["credit card"]
    assert removed(result) == [("r001", "label_missing", None), ("r002", "label_missing", None)]


def test_rows_without_messages_or_texts_are_removed_not_lost() -> None:
    case = use_case()
    records = raw(case, ["a good text", None, "x"], label=["a", "b", "c"])
    records = records.set_column(
        records.schema.get_field_index("messages"),
        "messages",
        pa.array([records["messages"][0].as_py(), None, []], records["messages"].type),
    )
    result = clean(case, pa.concat_tables([records, raw(case, [None], label=["d"], record_id=["r9"])]))
    assert result.kept["record_id"].to_pylist() == ["r000"]
    assert removed(result) == [("r001", "empty", None), ("r002", "empty", None), ("r9", "empty", None)]


def test_exact_duplicates_leave_the_smallest_record_id() -> None:
    case = use_case()
    texts, ids = ["same text", "same  text", "other text", "same text"], ["r3", "r1", "r2", "r4"]
    result = clean(case, raw(case, texts, label=["a", "a", "a", "a"], record_id=ids))
    assert result.kept["record_id"].to_pylist() == ["r1", "r2"]
    assert removed(result) == [("r3", "exact_duplicate", "r1"), ("r4", "exact_duplicate", "r1")]
    assert result.counts["label_conflicts"] == 0


CONFLICTS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "most of them say a": ({"r1": "b", "r3": "a", "r4": "a"}, ["r3"], "exact_duplicate"),
    "one against one": ({"r1": "b", "r3": "a"}, [], "label_conflict"),
    "two against two": ({"r1": "b", "r2": "a", "r3": "a", "r4": "b"}, [], "label_conflict"),
    "two against two and one": ({"r1": "b", "r2": "a", "r3": "a", "r4": "b", "r5": "c"}, [], "label_conflict"),
    "three labels, one of them twice": ({"r1": "b", "r2": "c", "r3": "a", "r4": "a"}, ["r3"], "exact_duplicate"),
}


@pytest.mark.parametrize("why", CONFLICTS)
@pytest.mark.parametrize("near", ["drop", "keep"])
def test_equal_texts_with_several_labels_take_the_one_that_most_have_or_go(why: str, near: str) -> None:
    labels, stays, reason = CONFLICTS[why]
    case = use_case(cleaning={"near_duplicates": near})
    other = {"r0": "a", "r9": "b"}
    texts = ["same text"] * len(labels) + ["other text", "a third one, quite different"]
    ids, given = [*labels, *other], [*labels.values(), *other.values()]
    result = clean(case, raw(case, texts, label=given, record_id=ids))
    assert sorted(result.kept["record_id"].to_pylist()) == sorted([*stays, *other])
    gone = [one for one in labels if one not in stays]
    assert sorted(removed(result)) == [(one, reason, stays[0] if stays else None) for one in sorted(gone)]
    assert result.counts["label_conflicts"] == 1


def test_requests_to_a_served_model_have_no_vote_on_the_label_of_a_record_of_the_source() -> None:
    from ft_platform.records.columns import TRAFFIC

    case = use_case()
    places = ["letters.csv", f"{TRAFFIC}one", f"{TRAFFIC}two"]
    records = raw(case, ["same text"] * 3, label=["a", "b", "b"], record_id=["r9", "r1", "r2"])
    position = records.schema.get_field_index("source_uri")
    result = clean(case, records.set_column(position, "source_uri", pa.array(places)))
    assert result.kept["record_id"].to_pylist() == ["r9"] and result.kept["label"].to_pylist() == ["a"]
    requests_only = records.slice(1).set_column(position, "source_uri", pa.array(places[1:]))
    assert clean(case, requests_only).kept["label"].to_pylist() == ["b"]


def test_a_record_without_a_label_has_no_vote() -> None:
    case = use_case("generation")
    answered = raw(
        case, ["Say something nice"] * 3, ["You are kind"] * 3, label=[None, None, "a"], record_id=["r1", "r2", "r3"]
    )
    result = clean(case, answered)
    assert result.kept["record_id"].to_pylist() == ["r3"] and result.counts["label_conflicts"] == 0


def test_for_generation_the_same_question_with_another_answer_is_no_duplicate() -> None:
    case = use_case("generation")
    result = clean(
        case,
        raw(
            case,
            ["Say something nice", "Say something nice", "Say something nice"],
            ["You are kind", "Well done", "You are kind"],
        ),
    )
    assert removed(result) == [("r002", "exact_duplicate", "r000")]


def test_near_duplicates_go_and_say_of_which_record() -> None:
    case = use_case()
    texts = [LETTER, LETTER + " now", LETTER.upper() + "!", "Something else entirely was written here"]
    result = clean(case, raw(case, texts, label=["a", "b", "a", "b"]))
    assert removed(result) == [("r001", "near_duplicate", "r000"), ("r002", "near_duplicate", "r000")]
    assert result.counts["near_label_conflicts"] == 1


def test_the_threshold_of_near_duplicates_decides() -> None:
    """`now` adds one shingle to 25: Jaccard similarity 25/26 = 0.9615."""
    assert len(LETTER.split()) - 2 == 25
    for threshold, left in ((0.96, 1), (0.97, 2)):
        case = use_case(cleaning={"near_duplicate_threshold": threshold})
        assert clean(case, raw(case, [LETTER, LETTER + " now"], label=["a", "a"])).kept.num_rows == left


def test_a_chain_of_near_duplicates_loses_only_what_is_near_a_kept_record() -> None:
    """Each text has one word more than the one before; at 0.9 the third is near the second, which goes, but not near
    the first."""
    words = LETTER.split()
    texts = [" ".join([*words, *(f"more{i}" for i in range(n))]) for n in (0, 2, 4)]
    case = use_case(cleaning={"near_duplicate_threshold": 0.9})
    assert removed(clean(case, raw(case, texts, label=["a"] * 3))) == [("r001", "near_duplicate", "r000")]


def test_a_copy_with_other_punctuation_shares_the_fate_of_its_original() -> None:
    """r001 is near r000; r002 has the same words as r001, so it is near r000 too and not a reason to keep one of
    them."""
    case = use_case()
    result = clean(case, raw(case, [LETTER, LETTER + " now", LETTER + ", now!"], label=["a"] * 3))
    assert removed(result) == [("r001", "near_duplicate", "r000"), ("r002", "near_duplicate", "r000")]


def test_copies_share_the_fate_of_their_original() -> None:
    """Row 2 is near row 0, and row 3 a copy of row 2: it goes with it, for row 0."""
    case = use_case(cleaning={"exact_duplicates": "keep"})
    texts = [LETTER, "something else that nobody has sent before", LETTER + " now", LETTER + " now"]
    found = removed(clean(case, raw(case, texts, label=["a"] * 4)))
    assert found == [("r002", "near_duplicate", "r000"), ("r003", "near_duplicate", "r000")]


def test_duplicates_stay_where_the_settings_say_so() -> None:
    texts = [LETTER, LETTER, LETTER + " now"]
    for exact, near, kept in (("keep", "keep", [0, 1, 2]), ("keep", "drop", [0, 1]), ("drop", "keep", [0, 2])):
        case = use_case(cleaning={"exact_duplicates": exact, "near_duplicates": near})
        assert clean(case, raw(case, texts, label=["a"] * 3)).kept["record_id"].to_pylist() == [f"r00{i}" for i in kept]


def test_the_result_does_not_depend_on_the_order_of_the_rows() -> None:
    case, rng = use_case(cleaning={"near_duplicate_threshold": 0.93}), random.Random(0)
    texts = [LETTER + f" in case {i % 7}" + " please" * (i % 3) for i in range(60)] + [
        "x",
        "other words of no relation",
    ]
    records = raw(case, texts, label=[f"l{(i % 21 + i // 21 * (i % 3 == 0)) % 4}" for i in range(62)])
    result = clean(case, records)
    assert {"label_conflict", "exact_duplicate", "near_duplicate"} <= set(result.removed["reason"].to_pylist())
    shuffled = clean(case, records.take(rng.sample(range(62), 62)))
    assert result.kept.to_pylist() == shuffled.kept.sort_by("record_id").to_pylist()
    assert result.removed.sort_by("record_id").to_pylist() == shuffled.removed.sort_by("record_id").to_pylist()
    assert result.kept.num_rows + result.removed.num_rows == 62 and 2 < result.kept.num_rows < 30


def test_a_text_of_10_mb_is_removed_before_it_is_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    case, repaired = use_case(), []
    original = batch_module.repair
    monkeypatch.setattr(
        batch_module,
        "repair",
        lambda text, *args, **kwargs: repaired.append(len(text)) or original(text, *args, **kwargs),
    )
    result = clean(case, raw(case, ["Ã© <b>x</b>  " * 800_000, "a <b>good</b> text"], label=["a", "b"]))
    assert removed(result) == [("r000", "too_long", None)] and max(repaired) < 100


def test_a_text_that_is_short_once_its_markup_is_gone_stays() -> None:
    case = use_case(cleaning={"max_characters": 100})
    assert clean(case, raw(case, [f"<p style='{'x' * 5000}'>a short text</p>"], label=["a"])).kept[
        "text_characters"
    ].to_pylist() == [12]


def test_texts_are_counted_by_length_before_and_after() -> None:
    """Bins: 0, 1, 2 to 3, 4 to 7, 8 to 15, 16 to 31 characters, ..."""
    case = use_case()
    found = clean(
        case,
        raw(
            case,
            ["", "<b>x</b>", "<b>twelve chars</b>", "twelve chars", "another text of 31 characters !"],
            label=["a"] * 5,
        ),
    ).counts["characters"]
    assert found["at_least"][:6] == [0, 1, 2, 4, 8, 16]
    assert found["before"][:7] == [1, 0, 0, 0, 2, 2, 0] and sum(found["before"]) == 5
    assert found["after"][:6] == [0, 0, 0, 0, 1, 1] and sum(found["after"]) == 2


def test_no_record_left_is_an_error_with_the_reasons_and_without_texts() -> None:
    case = use_case()
    with pytest.raises(DataError, match=r"no record is left after cleaning \(1 empty, 2 too_short\)") as error:
        clean(case, raw(case, ["abc", "", "xyz"], label=["a"] * 3))
    assert "abc" not in str(error.value)
    with pytest.raises(DataError, match="no records came in"):
        clean(case, raw(case, []))


def test_progress_is_reported() -> None:
    updates: list[Update] = []
    case = use_case()
    with listening(updates.append):
        clean(case, raw(case, ["a good text"], label=["a"]))
    assert ("cleaned_records", 1, 1, "rows") in {(u.stage, u.done, u.total, u.unit) for u in updates}


@pytest.mark.real_data
def test_a_thousand_copies_of_ten_pairs_leave_ten(shared_data: Path) -> None:
    pairs = yaml.safe_load((shared_data / "chatterbot_tech_support" / "tech_support.yml").read_text())["conversations"]
    case = use_case("generation", cleaning={"max_removed_share": 1.0})
    result = clean(
        case,
        raw(case, [q for q, _ in pairs], [a for _, a in pairs], record_id=[f"r{i:05d}" for i in range(len(pairs))]),
    )
    found = result.funnel("cleaned_records")
    assert found == {"stage": "cleaned_records", "rows_in": 1050, "kept": 10, "removed": {"exact_duplicate": 1040}}


@pytest.mark.real_data
def test_real_texts_are_cleaned_in_columns_as_they_are_one_by_one(shared_data: Path) -> None:
    with (shared_data / "cfpb_2020" / "complaints_sample.csv").open(encoding="utf-8", newline="") as file:
        texts = [
            row["Consumer complaint narrative"] for row in csv.DictReader(file) if row["Consumer complaint narrative"]
        ]
    with (shared_data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        texts += [row["text"] for row in csv.DictReader(file)]
    instructions = json.loads((shared_data / "llamafactory_demo" / "alpaca_en_demo.json").read_text(encoding="utf-8"))
    case = use_case("generation", cleaning={"boilerplate": ["signatures", "quoted_replies"]})
    questions = [*texts, *(found["instruction"] + "\n" + found["input"] for found in instructions)]
    answers = ["yes"] * len(texts) + [found["output"] for found in instructions]
    marked = batch_module.BatchCleaner(case)(raw(case, questions, answers).combine_chunks().to_batches()[0])
    changed = 0
    for messages, changes, question, answer in zip(
        marked["messages"].to_pylist(), marked["changes"].to_pylist(), questions, answers, strict=True
    ):
        repaired = [
            batch_module.repair(text, case.settings.cleaning, role=role)
            for text, role in ((question, "user"), (answer, "assistant"))
        ]
        assert [message["content"] for message in messages] == [text for text, _ in repaired]
        assert set(changes) == {kind for _, found in repaired for kind in found}
        changed += bool(changes)
    assert len(questions) > 12_000 and changed > 1_000


MIXED = [
    *(
        "plain text of a customer",
        "two  blanks in a text",
        "<p>a paragraph</p>",
        "the bankâ€™s reply",
        "x",
        "",
        "plain text of a customer",
    ),
    *(
        LETTER,
        LETTER + " now",
        "naïve café, clean",
        "line one\n\n\n\nline two",
        'says "no" and \\ more',
        "kept as it is",
    ),
]


@pytest.mark.parametrize("kind", ["classification", "generation"])
def test_the_size_of_the_batches_makes_no_difference(kind: str) -> None:
    case = use_case(kind)
    records = raw(
        case, MIXED, [f"answer  to {i % 3}" for i in range(len(MIXED))], label=[f" l{i % 2}" for i in range(len(MIXED))]
    )
    whole = clean(case, records)
    assert 4 < whole.kept.num_rows < len(MIXED) - 2
    for batch_rows in (1, 2, 5):
        result = clean(case, records, batch_rows)
        assert result.kept.to_pylist() == whole.kept.to_pylist()
        assert sorted(removed(result)) == sorted(removed(whole)) and result.counts == whole.counts


def test_a_batch_is_cleaned_as_its_texts_one_by_one() -> None:
    """The reference: repair, hashes and bounds, row by row in plain Python."""
    case = use_case("generation")
    settings = case.settings.cleaning
    messages = [
        [
            {"role": "system", "content": "Be  brief."},
            {"role": "user", "content": a},
            {"role": "assistant", "content": b},
            {"role": "user", "content": "ok  then"},
        ]
        for a, b in zip(MIXED, reversed(MIXED), strict=True)
    ]
    records = raw(case, MIXED)
    records = records.set_column(records.schema.get_field_index("messages"), "messages", pa.array(messages, MESSAGES))
    marked = batch_module.BatchCleaner(case)(records.to_batches()[0]).to_pylist()
    for row, before in zip(marked, messages, strict=True):
        repaired = [batch_module.repair(m["content"], settings, role=m["role"]) for m in before]
        after = [text for text, _ in repaired]
        kinds = {kind for _, found in repaired for kind in found}
        assert [m["content"] for m in row["messages"]] == after and [m["role"] for m in row["messages"]] == [
            m["role"] for m in before
        ]
        assert row["changes"] == [kind for kind in batch_module.KINDS if kind in kinds]
        assert row["sha256_before"] == contents_sha256(m["content"] for m in before) and row[
            "sha256_after"
        ] == contents_sha256(after)
        assert row["text_characters"] == len(after[1]) + 2 + len(after[3])
        assert row["dedup_key"] == "\n\n".join(after[1:])


def test_the_function_of_a_batch_travels_to_other_processes() -> None:
    case = use_case(cleaning={"boilerplate": ["signatures"], "max_capitals_share": 0.9})
    batch = raw(case, MIXED, label=["a"] * len(MIXED)).to_batches()[0]
    cleaner = batch_module.BatchCleaner(case)
    assert pickle.loads(pickle.dumps(cleaner))(batch).equals(cleaner(batch))  # noqa: S301


@pytest.mark.integration
@pytest.mark.parametrize(
    "engine", ["processes", pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.components(name="ray")])]
)
def test_every_engine_comes_to_the_same_rows(engine: str) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
    case = use_case(cleaning={"boilerplate": ["signatures"]}, compute={"engine": engine, "workers": 2})
    texts = [f"{text} {number}" for number in range(40) for text in MIXED]
    records = raw(case, texts, label=[f"l{number % 3}" for number in range(len(texts))])
    digests = []
    for chosen in (InProcess(), engine_of(case.settings.compute)):
        result = clean(case, records, 100, chosen)
        hasher = ContentHash(leave_out=PROVENANCE)
        hasher.add(result.kept)
        digests.append((hasher.hexdigest(), sorted(removed(result)), result.counts))
    assert digests[0] == digests[1]


def test_each_new_reason_is_in_the_funnel_and_boilerplate_is_counted() -> None:
    case = use_case(cleaning={"max_capitals_share": 0.9, "boilerplate": ["signatures"]})
    texts = ["PLEASE SEND MY MONEY BACK TODAY", "please send it back\n-- \nAnn", "I would like to know more"]
    result = clean(case, raw(case, texts, label=["a"] * 3))
    assert removed(result) == [("r000", "all_caps", None)]
    assert result.counts["changed_boilerplate"] == 1 and user_texts(result.kept["messages"])[0] == "please send it back"


def test_no_text_is_left_outside_the_folder_and_batches_come_one_by_one(tmp_path: Path) -> None:
    case = use_case()
    stream = clean_module.clean(
        case, TableRows(raw(case, MIXED, label=["a"] * len(MIXED)), 3), Work(tmp_path, InProcess())
    )
    parts = [kept for kept, _ in stream.parts if kept is not None]
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned_rows.arrow"]
    assert len(parts) > 1 and stream.counts["changed_rows"] == 4
