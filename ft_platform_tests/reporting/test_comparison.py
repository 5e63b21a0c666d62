"""Two checkpoints beside each other: what is compared, what is left out, and what stays in the lake."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.cli import main
from ft_platform.errors import CorruptVersion, DataError, LakeUnreachable
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.comparison import compare, side, usual_pair
from ft_platform.web.portal_pages.pages import Portal
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.reporting.page_rules import problems_of
from ft_platform_tests.reporting.test_home import figure
from ft_platform_tests.tables import use_case as a_use_case

HOW: Any = {"settings_hash": "s", "input_hash": "i"}
TEST = [f"t{number:02d}" for number in range(40)]
LEARNED = ["l1", "l2"]
SECRET = "the words of an answer"


@pytest.fixture
def use_case() -> NamedUseCase:
    return a_use_case().model_copy(update={"name": "letters"})


def splits(lake: Lake, learned: list[str]) -> TableVersion:
    sides = {**dict.fromkeys(TEST, "test"), **dict.fromkeys(learned, "train")}
    rows = pa.table({"record_id": [*sides], "split": [*sides.values()]})
    return lake.write_table("letters", "splits", rows.to_batches(), rows.schema, zone="shared", **HOW)


def trained(lake: Lake, number: int, data: TableVersion, learned: list[str], rate: float) -> ArtifactVersion:
    with lake.scratch("letters", "adapter_checkpoint") as folder:
        folder.mkdir(parents=True)
        (folder / "training.json").write_text(json.dumps({"training": {"learning_rate": rate, "rank": 8}}))
        pq.write_table(pa.table({"record_id": learned}), folder / "training_records.parquet")
        (folder / "report.html").write_text("<!DOCTYPE html>")
        return lake.publish("letters", "adapter_checkpoint", f"ckpt-{number}", folder, parents=[data], **HOW)


def labels(predicted: dict[str, str], right: str = "praise", length: int = 9) -> pa.Table:
    count = len(predicted)
    about = {"label": [right] * count, "text_characters": [length] * count}
    return pa.table(
        {"record_id": [*predicted], "system": ["fine_tuned"] * count, **about, "predicted": [*predicted.values()]}
    )


def texts(scores: dict[str, float]) -> pa.Table:
    answers = [f"{SECRET} {score}" for score in scores.values()]
    return pa.table(
        {
            "record_id": [*scores],
            "system": ["fine_tuned"] * len(scores),
            "rouge_l": [*scores.values()],
            "answer": answers,
        }
    )


def evaluated(lake: Lake, checkpoint: ArtifactVersion, predictions: pa.Table, main: str = "accuracy") -> None:
    with lake.scratch("letters", "evaluation_report") as folder:
        folder.mkdir(parents=True)
        found = {"main_metric": main, "systems": {"fine_tuned": {main: figure(0.5)}}, "metric_versions": {}}
        (folder / "metrics.json").write_text(json.dumps(found))
        (folder / "report.html").write_text("<!DOCTYPE html>")
        pq.write_table(predictions, folder / "predictions.parquet")
        name = checkpoint.artifact_id.replace("ckpt", "eval")
        lake.publish("letters", "evaluation_report", name, folder, parents=[checkpoint], **HOW)


def both(lake: Lake, first: pa.Table, second: pa.Table, main: str = "accuracy") -> None:
    """Two checkpoints, the second on one record more and one less."""
    for number, (learned, table) in enumerate(((LEARNED, first), (["l2", "l3", "l4"], second)), 1):
        checkpoint = trained(lake, number, splits(lake, learned), learned, 0.1 * number)
        evaluated(lake, checkpoint, table, main)


def compared(lake: Lake, use_case: NamedUseCase, a: str = "ckpt-1", b: str = "ckpt-2") -> dict[str, Any]:
    return compare(lake, use_case, side(lake, "letters", a), side(lake, "letters", b))


def half_right() -> pa.Table:
    return labels({name: ("praise", "problem")[place % 2] for place, name in enumerate(TEST)})


def test_a_better_one_is_said_to_be_better_and_the_other_way_round_worse(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, half_right(), labels(dict.fromkeys(TEST, "praise")))
    found = compared(lake, use_case)
    (accuracy,) = found["metrics"]
    assert accuracy["difference"]["value"] == pytest.approx(0.5) and accuracy["a"] == figure(0.5)
    assert found["verdict"]["word"] == "better"
    assert found["verdict"]["text"].startswith("ckpt-2 is better than ckpt-1 on 40 test records: Accuracy +0.500 (")
    assert compared(lake, use_case, "ckpt-2", "ckpt-1")["verdict"]["word"] == "worse"
    assert found["mcnemar"] == {"only_a": 0, "only_b": 20, "p": pytest.approx(2**-19)}
    answers = found["predictions"]
    assert (answers["same"], answers["differ"], answers["only_b_right"], answers["both_wrong"]) == (20, 20, 20, 0)
    assert answers["changes"] == [{"right": "praise", "a": "problem", "b": "praise", "records": 20}]
    assert answers["examples"][0] == {"record_id": "t01", "right": "praise", "a": "problem", "b": "praise"}
    assert len(answers["examples"]) == 10


def test_equal_answers_are_not_told_apart(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, half_right(), half_right())
    found = compared(lake, use_case)
    assert found["verdict"]["word"] == "not_distinguishable" and "cannot tell the two apart" in found["verdict"]["text"]
    assert found["predictions"]["differ"] == 0 and found["predictions"]["examples"] == []


def test_settings_and_records_that_differ_are_named(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, half_right(), half_right())
    found = compared(lake, use_case)
    assert found["settings"] == [{"name": "training.learning_rate", "a": 0.1, "b": 0.2}]
    assert found["data"]["learned"] == {"a": 2, "b": 3, "both": 1, "only_a": 1, "only_b": 2}
    (stage,) = found["data"]["stages"]
    assert (stage["a"]["id"], stage["b"]["id"], stage["same"]) == ("splits@0", "splits@1", False)


def test_settings_that_were_altered_are_not_compared(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, half_right(), half_right())
    with open(f"{lake.artifacts('letters', 'adapter_checkpoint')[0].uri}/training.json", "a") as file:
        file.write(" ")
    with pytest.raises(CorruptVersion, match=r"training\.json"):
        compared(lake, use_case)


def test_a_store_that_does_not_answer_is_not_a_table_that_is_gone(
    lake: Lake, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise LakeUnreachable("the store does not answer")

    both(lake, half_right(), half_right())
    monkeypatch.setattr("ft_platform.web.portal_pages.comparison.learned_record_ids", unreachable)
    with pytest.raises(LakeUnreachable):
        compared(lake, use_case)


def test_records_that_one_learned_from_or_that_changed_are_left_out(lake: Lake, use_case: NamedUseCase) -> None:
    """Otherwise whoever learned from a test record would look better than it is."""
    second = labels(dict.fromkeys([*TEST[:10], *TEST[12:]], "praise"))
    relabelled = labels(dict.fromkeys(TEST[10:12], "praise"), right="problem")
    both(lake, half_right(), pa.concat_tables([second, relabelled]))
    third = trained(lake, 3, splits(lake, [*LEARNED, *TEST[:4]]), LEARNED, 0.1)
    evaluated(lake, third, half_right())
    records = compared(lake, use_case)["records"]
    assert (records["a"], records["b"], records["compared"], records["other"], records["learned"]) == (40, 40, 38, 2, 0)
    leaked = compared(lake, use_case, "ckpt-3", "ckpt-2")
    assert (leaked["records"]["compared"], leaked["records"]["learned"]) == (34, 4)
    assert not {one["record_id"] for one in leaked["predictions"]["examples"]} & {*TEST[:4], *TEST[10:12]}


def test_without_common_records_or_an_evaluation_nothing_is_judged(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, labels({"x1": "praise"}), half_right())
    found = compared(lake, use_case)
    assert found["verdict"]["word"] == "not_compared" and "no common records" in found["verdict"]["text"]
    assert found["predictions"] is None and found["metrics"][0]["difference"] is None
    trained(lake, 3, splits(lake, LEARNED), LEARNED, 0.1)
    alone = compared(lake, use_case, "ckpt-2", "ckpt-3")
    assert "ckpt-3 was not evaluated" in alone["verdict"]["text"] and alone["metrics"][0]["b"] is None


def test_of_texts_only_counts_and_scores_leave_the_lake(lake: Lake, use_case: NamedUseCase) -> None:
    first = dict.fromkeys(TEST, 0.2)
    both(lake, texts(first), texts({**first, **dict.fromkeys(TEST[:30], 0.9)}), "rouge_l")
    found = compared(lake, use_case)
    assert found["predictions"] == {"same": 10, "differ": 30, "a_scores_higher": 0, "b_scores_higher": 30}
    assert found["verdict"]["word"] == "better" and found["mcnemar"] is None
    page = Portal(lake, lambda: {"letters": use_case}).page("/letters/compare/ckpt-1/ckpt-2")
    assert page and SECRET not in json.dumps(found) and SECRET not in page.content.decode()


def test_what_is_released_is_compared_with_the_newest(lake: Lake, use_case: NamedUseCase) -> None:
    with pytest.raises(DataError, match="no two checkpoints"):
        usual_pair(lake, "letters")
    both(lake, half_right(), half_right())
    assert usual_pair(lake, "letters") == ("ckpt-1", "ckpt-2")
    third = trained(lake, 3, splits(lake, LEARNED), LEARNED, 0.1)
    assert usual_pair(lake, "letters") == ("ckpt-2", "ckpt-3")
    released(lake, lake.artifacts("letters", "adapter_checkpoint")[2])
    assert usual_pair(lake, "letters") == ("ckpt-1", "ckpt-3")
    released(lake, third)
    assert usual_pair(lake, "letters") == ("ckpt-2", "ckpt-3")


@pytest.mark.parametrize(
    "path",
    [
        "/letters/compare/ckpt-1/ckpt-9",
        "/letters/compare/ckpt-1/ckpt",  # the beginning of an id is for a person at a terminal
        "/letters/compare/ckpt-1/..",
        "/letters/compare/ckpt-1/%63kpt-2",
        "/letters/compare/ckpt-1",
        "/letters/compare/ckpt-1/ckpt-2/",
        "/others/compare/ckpt-1/ckpt-2",
    ],
)
def test_only_known_ids_are_answered(lake: Lake, use_case: NamedUseCase, path: str) -> None:
    both(lake, half_right(), half_right())
    portal = Portal(lake, lambda: {"letters": use_case})
    assert portal.page(path) is None
    assert portal.page("/letters/compare/ckpt-1/ckpt-2") and portal.page("/letters/compare/eval-1/ckpt-2")


def test_the_page_is_valid_and_links_the_reports(lake: Lake, use_case: NamedUseCase) -> None:
    both(lake, half_right(), labels(dict.fromkeys(TEST, "praise")))
    trained(lake, 3, splits(lake, LEARNED), LEARNED, 0.1)
    page = Portal(lake, lambda: {"letters": use_case}).page("/letters/compare/ckpt-1/ckpt-2")
    text = page.content.decode() if page else ""
    assert problems_of(text) == []
    for address in ("../../adapter_checkpoint/ckpt-1/report.html", "../ckpt-2/ckpt-1", "../ckpt-3/ckpt-2"):
        assert f'href="{address}"' in text or f'href="../{address}"' in text, address


def test_the_command_prints_the_same(
    environment: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_use_case(environment.defs, "letters", minimal_attributes("letters.csv"))
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    lake = open_lake(environment)
    both(lake, half_right(), labels(dict.fromkeys(TEST, "praise")))
    assert main(["compare", "letters", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"]["word"] == "better" and found["records"]["compared"] == 40
    assert main(["compare", "letters", "ckpt-2", "eval-1"]) == 0
    out = capsys.readouterr().out
    assert "ckpt-1 is worse than ckpt-2" in out and "training.learning_rate: 0.2 -> 0.1" in out
    assert "Only a is right on 20, only b on 0, neither on 0" in out
    assert main(["compare", "letters", "ckpt-2"]) == 1
    assert "expected two checkpoints or none" in capsys.readouterr().err
