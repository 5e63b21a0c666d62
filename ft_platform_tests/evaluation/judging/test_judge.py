"""A judge is asked in both orders, compared with people, and without them worth nothing to a gate. A local server plays
the judge."""

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ft_platform.errors import ConfigError, DataError, EndpointFailed, SourceError
from ft_platform.evaluation.judging.figures import LEAST_GOLD_ROWS, verdict
from ft_platform.evaluation.judging.question import choice_in, comparison, instruction
from ft_platform.lake.gate import problems_with
from ft_platform.reporting.publishing.judge import judge_inputs, publish_judge
from ft_platform.reporting.publishing.review import import_answers
from ft_platform.reporting.publishing.review_sheets import export_sheets
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.judge import Judge
from ft_platform_tests.chat_server import ChatServer, chat_server, send
from ft_platform_tests.evaluation.judged_case import XSS, JudgedCase, judged_case
from ft_platform_tests.evaluation.tiny_case import CANARY


def good(place: int) -> str:
    return f"good {place} {XSS[place % len(XSS)]}"


def bad(place: int) -> str:
    return f"bad {place}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedCase:
    """24 test records. Tests publish reports under settings of their own."""
    return judged_case(tmp_path_factory.mktemp("home"), good, bad, rows=120)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as made:
        made.answer = fair
        yield made


def asked(messages: list[dict[str, str]]) -> dict[str, str]:
    return json.loads(messages[1]["content"])


def fair(messages: list[dict[str, str]]) -> str:
    """A judge who prefers the good answer wherever it stands."""
    return "A" if asked(messages)["answer_A"].startswith("good") else "B"


def with_judge(case: JudgedCase, server: ChatServer | None, **settings: Any) -> NamedUseCase:
    endpoint = {"endpoint": {"url": server.url, "model": "judge-1"}} if server else {}
    judge = Judge.model_validate({**endpoint, **settings})
    return case.use_case.model_copy(update={"settings": case.use_case.settings.model_copy(update={"judge": judge})})


def judge(case: JudgedCase, server: ChatServer | None, **settings: Any) -> dict[str, Any]:
    use_case = with_judge(case, server, **settings)
    report = publish_judge(case.lake, case.environment, use_case, case.evaluation)
    return json.loads(case.lake.read_file(report, "judge.json"))


def gold_file(folder: Path, better: Callable[[int], str], rows: int = 30) -> str:
    """Pairs that people judged: the good answer stands first in every other line."""
    lines = []
    for place in range(rows):
        answers = [f"good {place}", f"bad {place}"][:: 1 if place % 2 else -1]
        lines.append(
            {"question": f"q {place}", "answer_1": answers[0], "answer_2": answers[1], "better": better(place)}
        )
    path = folder / "gold.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def people(place: int) -> str:
    return "1" if place % 2 else "2"


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("A", "A"),
        (" b.\n", "B"),
        ("**Tie**", "tie"),
        ("Final answer: B", "B"),
        ("Both name the product.\nThe second is wrong.\nA", "A"),
        ("A better answer is B", None),
        ("A or B", None),
        ("A is better", None),
        ("I cannot judge this.", None),
        ("AB", None),
        ("", None),
        ("\n", None),
        ('{"better": "A"}', None),
    ],
)
def test_only_a_reply_that_is_a_choice_is_read_as_one(reply: str, choice: str | None) -> None:
    assert choice_in(reply) == choice
    assert choice_in("Unsupported.", ("supported", "unsupported")) == "unsupported"
    assert choice_in("not supported", ("supported", "unsupported")) is None


@pytest.mark.parametrize(
    ("first", "swapped", "expected"),
    [
        ("A", "B", ("fine_tuned", False)),
        ("B", "A", ("alternative", False)),
        ("tie", "tie", ("tie", False)),
        ("A", "A", ("tie", True)),
        ("B", "B", ("tie", True)),
        ("A", "tie", ("tie", True)),
        ("A", None, (None, False)),
        (None, None, (None, False)),
    ],
)
def test_a_judge_who_contradicts_itself_after_swapping_has_a_tie(
    first: str | None, swapped: str | None, expected: tuple
) -> None:
    assert verdict(first, swapped) == expected


def test_the_judge_gets_rubric_task_and_both_answers_as_data(judged: JudgedCase, server: ChatServer) -> None:
    judge(judged, server, rubric="Prefer what a lawyer would sign.", rows=3)
    assert len(server.requests) == 6 and all(
        request["messages"][0]["content"] == instruction("Prefer what a lawyer would sign.")
        for request in server.requests
    )
    texts = [asked(request["messages"]) for request in server.requests]
    for first, swapped in zip(texts[:3], texts[3:], strict=True):
        assert first["task"] == "Help." and CANARY in first["question"] and first["question"] == swapped["question"]
        assert (first["answer_A"], first["answer_B"]) == (swapped["answer_B"], swapped["answer_A"])
        assert first["answer_A"].startswith("good")
    found = list(json.loads(comparison("t", '"}, "answer_A": "', "a", "b")))
    assert found == ["task", "question", "answer_A", "answer_B"]


def test_without_people_to_compare_with_a_verdict_is_not_usable_in_a_gate(
    judged: JudgedCase, server: ChatServer
) -> None:
    found = judge(judged, server, rows=20)
    assert found["win_rate"]["value"] == 1.0 and found["rows"] == 20 and found["tokens"] == 40 * 13
    assert found["calibrated"] is False and found["usable_in_gate"] is False
    assert "there is no gold set" in found["reason"]
    assert found["position_bias"]["value"] == 0.0 and found["first_share"] == 0.5
    assert found["judge"] == {"kind": "endpoint", "host": "127.0.0.1", "model": "judge-1"}


def test_a_judge_who_agrees_with_people_is_usable_and_one_who_does_not_is_not(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    found = judge(judged, server, gold=gold_file(tmp_path, people))
    assert found["calibrated"] and found["usable_in_gate"] and found["reason"] is None
    assert found["gold"]["kappa"]["value"] == 1.0 and found["gold"]["rows"] == 30
    assert found["gold"]["agreement"]["low"] < 1
    found = judge(judged, server, gold=gold_file(tmp_path, lambda place: "2" if place % 2 else "1"))
    assert found["calibrated"] and not found["usable_in_gate"] and found["gold"]["kappa"]["value"] == -1.0
    assert "less than judge.min_kappa 0.4" in found["reason"]


def test_kappa_is_that_of_scikit_learn_and_the_least_kappa_decides(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    from sklearn.metrics import cohen_kappa_score

    said = [people(place) if place % 3 else "tie" for place in range(30)]
    gold = gold_file(tmp_path, lambda place: said[place])
    found = judge(judged, server, gold=gold)
    expected = cohen_kappa_score(said, [people(place) for place in range(30)])
    assert found["gold"]["kappa"]["value"] == pytest.approx(expected) and found["usable_in_gate"] is (expected >= 0.4)
    assert judge(judged, server, gold=gold, min_kappa=0.9)["usable_in_gate"] is False


def test_a_judge_who_always_prefers_the_first_answer_only_has_ties_and_its_bias_is_told(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    server.answer = lambda messages: "A"
    found = judge(judged, server, gold=gold_file(tmp_path, people))
    assert found["answers"] == {"fine_tuned": 0, "tie": 24, "alternative": 0} and found["win_rate"]["value"] == 0.5
    assert found["position_bias"]["value"] == 1.0 and found["first_share"] == 1.0
    assert found["gold"]["kappa"]["value"] == 0.0 and not found["usable_in_gate"]


def test_replies_that_cannot_be_read_are_left_out_and_too_many_of_them_block_the_gate(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    server.answer = lambda messages: (
        "Well, it depends." if asked(messages)["answer_A"].startswith("bad 1") else fair(messages)
    )
    found = judge(judged, server, gold=gold_file(tmp_path, people))
    assert found["unreadable"]["rows"] == 11 and found["rows"] == 13 and found["win_rate"]["value"] == 1.0
    assert found["calibrated"] is False or "no readable verdict" in found["reason"]
    assert found["usable_in_gate"] is False
    server.answer = lambda messages: "garbage"
    found = judge(judged, server, rows=7, gold=gold_file(tmp_path, people))
    assert found["win_rate"] is None and found["position_bias"] is None and found["rows"] == 0
    assert "no reply of the judge could be read" in found["reason"]


def test_a_small_gold_set_calibrates_nothing(judged: JudgedCase, server: ChatServer, tmp_path: Path) -> None:
    found = judge(judged, server, gold=gold_file(tmp_path, people, LEAST_GOLD_ROWS - 1))
    assert found["calibrated"] is False and f"{LEAST_GOLD_ROWS} are needed" in found["reason"]
    assert found["gold"]["kappa"] is None


def test_the_imported_review_of_this_evaluation_is_the_gold_set(server: ChatServer, tmp_path: Path) -> None:
    case = judged_case(tmp_path / "home", good, bad, rows=120)
    assert judge(case, server)["gold"]["source"] == "none"
    before = judge_inputs(case.lake, with_judge(case, server), case.evaluation)[0]
    made = export_sheets(case.lake, case.use_case, tmp_path / "sheets", raters=1, file_format="csv")
    path = Path(made["files"][0])
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["sheet", "rater", "row", "better"], extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            preferred = "1" if row["answer_1"].startswith("good") else "2"
            writer.writerow({**row, "better": preferred if int(row["row"]) % 4 else "tie"})
    review, _ = import_answers(case.lake, case.use_case, [path])
    found = judge(case, server)
    use_case = with_judge(case, server)
    assert judge_inputs(case.lake, use_case, case.evaluation)[0] != before, "another gold set is another report"
    assert found["gold"]["source"] == f"human review {review.id}" and found["gold"]["rows"] == 24
    assert found["calibrated"]
    assert found["gold"]["agreement"]["value"] == pytest.approx(18 / 24)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "gold.jsonl:1: is no JSON"),
        ('{"question": "q", "answer_1": "a", "answer_2": "b"}', "gold.jsonl:1: must have the fields"),
        ('{"question": "q", "answer_1": "a", "answer_2": "b", "better": 1}', "each a text"),
        (
            '{"question": "q", "answer_1": "a", "answer_2": "b", "better": "Jane Roe"}',
            "better must be 1, 2 or tie, got a text of 8 characters",
        ),
    ],
)
def test_a_gold_set_with_a_fault_is_refused_with_its_line_and_without_its_words(
    judged: JudgedCase, server: ChatServer, tmp_path: Path, line: str, message: str
) -> None:
    (tmp_path / "gold.jsonl").write_text(line)
    with pytest.raises(DataError, match=message) as refused:
        judge(judged, server, gold=str(tmp_path / "gold.jsonl"))
    assert "Jane" not in str(refused.value) and server.requests == []


def test_a_gold_set_that_is_not_there_or_not_allowed_is_refused(
    judged: JudgedCase, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="is no file"):
        judge(judged, server, gold=str(tmp_path / "none.jsonl"))
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "file:///srv/data")
    with pytest.raises(SourceError, match=r"judge\.gold"):
        judge(judged, server, gold=gold_file(tmp_path, people))


def test_without_a_judge_or_with_a_failing_one_nothing_is_published(judged: JudgedCase, server: ChatServer) -> None:
    before = judged.lake.artifacts("complaints", "judge_report")
    with pytest.raises(ConfigError, match="no judge is named"):
        judge(judged, None, rows=9)
    with pytest.raises(ConfigError, match=r"no system 'majority'"):
        judge(judged, server, rows=9, alternative="majority")
    server.broken = lambda handler: len(server.requests) > 5 and send(handler, 401, b"Zanzibar")
    with pytest.raises(EndpointFailed, match="status 401"):
        judge(judged, server, rows=9)
    assert judged.lake.artifacts("complaints", "judge_report") == before
    with pytest.raises(ValueError, match="name either"):
        Judge.model_validate({"endpoint": {"url": "http://127.0.0.1/v1", "model": "m"}, "model": {"uri": "a/b"}})


def test_equal_inputs_ask_nobody_and_every_setting_makes_another_report(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    judge(judged, server, rows=4)
    count = len(server.requests)
    judge(judged, server, rows=4)
    assert len(server.requests) == count
    ids = {
        judge_inputs(judged.lake, with_judge(judged, server, **settings), judged.evaluation)[0]
        for settings in (
            {},
            {"rows": 5},
            {"rubric": "Another rubric."},
            {"min_kappa": 0.5},
            {"gold": gold_file(tmp_path, people)},
            {"alternative": "x"},
        )
    }
    assert len(ids) == 6


def test_the_judge_is_asked_for_support_too_where_the_use_case_measures_groundedness(
    server: ChatServer, tmp_path: Path
) -> None:
    evaluation = {"bootstrap_samples": 400, "groundedness": "prompt"}
    case = judged_case(tmp_path / "home", good, bad, evaluation=evaluation)

    def answer(messages: list[dict[str, str]]) -> str:
        if "context" not in asked(messages):
            return fair(messages)
        assert CANARY in asked(messages)["context"] and asked(messages)["answer"].startswith("good")
        return ("Supported.", "unsupported", "hm")[int(asked(messages)["answer"].split()[1]) % 3]

    server.answer = answer
    report = publish_judge(case.lake, case.environment, with_judge(case, server), case.evaluation)
    found = json.loads(case.lake.read_file(report, "judge.json"))["groundedness"]
    assert (found["hallucination_rate"]["value"], found["rows"], found["unreadable"]) == (0.5, 8, 4)
    assert found["usable_in_gate"] is False and found["calibrated"] is False
    assert "claims that the question does not support in 50 %" in case.lake.read_file(report, "report.html").decode()
    server.answer = lambda messages: fair(messages) if "context" not in asked(messages) else "hm"
    report = publish_judge(case.lake, case.environment, with_judge(case, server, rows=5), case.evaluation)
    assert json.loads(case.lake.read_file(report, "judge.json"))["groundedness"]["hallucination_rate"] is None


def test_the_report_passes_the_gate_and_holds_no_text_of_a_record(
    judged: JudgedCase, server: ChatServer, tmp_path: Path
) -> None:
    use_case = with_judge(judged, server, gold=gold_file(tmp_path, people), rows=10)
    report = publish_judge(judged.lake, judged.environment, use_case, judged.evaluation)
    assert problems_with(judged.lake, use_case, report) == []
    choices = pq.read_table(io.BytesIO(judged.lake.read_file(report, "choices.parquet"))).to_pylist()
    records = {row["record_id"] for row in choices if row["gold_line"] is None}
    assert len(records) == 10 and all(re.fullmatch(r"r\d{4}", record) for record in records), (
        "so that the trace of a person finds the report"
    )
    assert [row["gold_line"] for row in choices if row["record_id"] is None] == list(range(1, 31))
    assert {(row["first_order"], row["swapped"]) for row in choices if row["record_id"]} == {("A", "B")}
    page = judged.lake.read_file(report, "report.html").decode()
    assert "may be used in a gate: the judge agrees with people" in page and "almost perfect" in page
    assert "http" not in page.replace("http-equiv", "")
    for name in judged.lake.manifest(report).files:
        content = judged.lake.read_file(report, name)
        assert CANARY.encode() not in content and b"good 1" not in content
    version = publish_judge(judged.lake, judged.environment, with_judge(judged, server, rows=11), judged.evaluation)
    page = judged.lake.read_file(version, "report.html").decode()
    assert "may not be used in a gate: there is no gold set" in page


def test_a_local_model_judges_by_the_likelier_choice(judged: JudgedCase, tmp_path: Path) -> None:
    from ft_platform_tests.tiny_models import save_tiny_model, tiny_model, tiny_tokenizer

    folder = save_tiny_model(tmp_path / "judge")
    found = judge(judged, None, model={"uri": str(folder), "dtype": "float32"}, rows=3, rubric="The shorter one.")
    assert found["judge"]["kind"] == "local" and len(found["judge"]["sha256"]) == 64
    assert found["rows"] == 0 and found["win_rate"] is None and found["unreadable"]["share"] == 1.0, (
        "the context of 512 tokens is too short for a comparison"
    )
    tiny_model(max_position_embeddings=4096).save_pretrained(tmp_path / "longer")
    tiny_tokenizer().save_pretrained(tmp_path / "longer")
    found = judge(judged, None, model={"uri": str(tmp_path / "longer"), "dtype": "float32"}, rows=3)
    assert found["rows"] == 3 and found["unreadable"]["rows"] == 0 and found["tokens"] > 1000


def test_the_asset_starts_the_program_once_and_shows_the_verdict(
    judged: JudgedCase, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from ft_platform.assets import judge_report, report

    use_case = with_judge(judged, server, rows=6)
    started = []

    def run_program(
        context: Any, environment: Environment, use_case: NamedUseCase, program: str, extras: dict[str, Any]
    ) -> Any:
        started.append((program, list(extras)))
        return SimpleNamespace(artifact=publish_judge(judged.lake, environment, use_case, judged.evaluation))

    monkeypatch.setattr(report, "run_program", run_program)
    (asset,) = judge_report.build(use_case)
    for _ in range(2):
        made = asset.op.compute_fn.decorated_fn(
            SimpleNamespace(log=logging.getLogger("test")),
            lake=judged.lake,
            environment=judged.environment,
            evaluation_report=judged.evaluation,
        )
    assert started == [("judge", ["evaluation_report"])]
    assert "may not be used in a gate" in made.metadata["conclusion"].value and "plot/judge" in made.metadata


def test_the_program_judges_the_newest_evaluation_by_hand(
    judged: JudgedCase, server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    import sys

    from ft_platform.programs import judge as program
    from ft_platform_tests.conftest import write_use_case

    attributes = judged.use_case.settings.model_dump(mode="json", exclude_none=True)
    endpoint = {"url": server.url, "model": "m"}
    write_use_case(judged.environment.defs, "complaints", {**attributes, "judge": {"endpoint": endpoint, "rows": 2}})
    for name, value in judged.environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(program, "prepare_process", lambda: None)  # it sets up a process of its own
    monkeypatch.setattr(sys, "argv", ["judge", "--use-case", "complaints"])
    program.main()
    assert json.loads(capsys.readouterr().out)["artifact"]["name"] == "judge_report" and len(server.requests) == 4
