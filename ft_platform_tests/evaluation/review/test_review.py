"""Sheets are blinded and harmless, answers come back to the right system, and every fault in them is named."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from ft_platform.assets.human_review import build
from ft_platform.cli import main
from ft_platform.errors import AnswersRefused, ConfigError, DataError, VersionRefused
from ft_platform.evaluation.pairs import pairs_of
from ft_platform.evaluation.records import question_in
from ft_platform.evaluation.review.figures import reviews_of
from ft_platform.evaluation.review.sheets import ANSWERS
from ft_platform.lake.gate import problems_with
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.records.cells import MOST_CHARACTERS, cell
from ft_platform.reporting.publishing.review import import_answers
from ft_platform.reporting.publishing.review_sheets import export_sheets, first_systems, read_key
from ft_platform.reporting.review_form import json_in_html
from ft_platform_tests.evaluation.judged_case import FORMULAS, XSS, JudgedCase, evaluated, judged_case
from ft_platform_tests.evaluation.tiny_case import CANARY

HOSTILE = [*XSS, *FORMULAS]


def good(place: int) -> str:
    return f"good answer {place} {HOSTILE[place % len(HOSTILE)]}"


def bad(place: int) -> str:
    return good(place) if place == 7 else f"{HOSTILE[place % len(HOSTILE)]} bad answer {place}"


@pytest.fixture
def case(tmp_path: Path) -> JudgedCase:
    return judged_case(tmp_path / "home", good, bad)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def write_csv(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(buffer.getvalue().encode("utf-8-sig"))
    return path


def judge(row: dict[str, str]) -> str:
    """An expert who always prefers the good answer, whichever side it stands on."""
    return "1" if "good answer" in row["answer_1"] else "2"


def filled(
    case: JudgedCase, folder: Path, choose: Callable[[dict[str, str]], str] = judge, raters: int = 2, **options: Any
) -> list[Path]:
    made = export_sheets(case.lake, case.use_case, folder, raters=raters, file_format="csv", **options)
    for path in map(Path, made["files"]):
        write_csv(path, [{**row, "better": choose(row)} for row in read_csv(path)])
    return [Path(path) for path in made["files"]]


def test_sheets_name_no_system_and_hold_anonymized_texts_and_both_answers(case: JudgedCase, tmp_path: Path) -> None:
    for file_format in ("csv", "html"):
        made = export_sheets(case.lake, case.use_case, tmp_path / file_format, file_format=file_format)
        assert (made["rows"], made["differing_rows"], made["test_rows"]) == (11, 11, 12), (
            "the record with equal answers is not shown"
        )
        for path in map(Path, made["files"]):
            assert path.stat().st_mode & 0o777 == 0o600, "its owner passes it on"
            text = path.read_text("utf-8-sig")
            assert CANARY in text and "good answer 3" in text and "bad answer 3" in text and "answer 7" not in text
            for name in (
                "fine_tuned",
                "fine-tuned",
                "few_shot",
                "alternative",
                case.evaluation.id,
                case.evaluation.content_hash[:12],
            ):
                assert name not in text, name


def test_sides_are_drawn_for_each_rater_and_row_and_kept_in_the_lake_alone(case: JudgedCase, tmp_path: Path) -> None:
    made = export_sheets(case.lake, case.use_case, tmp_path / "a", file_format="csv")
    key = read_key(case.lake, case.use_case, made["sheet"])
    assert key and key["evaluation"] == case.evaluation.id
    for rater, path in zip(made["raters"], made["files"], strict=True):
        firsts = ["fine_tuned" if "good answer" in row["answer_1"] else "alternative" for row in read_csv(Path(path))]
        assert firsts == [side["first"] for side in key["raters"][rater]]
    sides = {
        rater: tuple(first_systems(case.evaluation, made["sheet"], rater, 200)) for rater in ("rater_1", "rater_2")
    }
    assert sides["rater_1"] != sides["rater_2"] and all(70 < side.count("fine_tuned") < 130 for side in sides.values())
    assert CANARY not in json.dumps(key) and "good answer" not in json.dumps(key)


def test_the_same_export_again_has_the_same_sheets_and_other_numbers_have_others(
    case: JudgedCase, tmp_path: Path
) -> None:
    first, second = (
        export_sheets(case.lake, case.use_case, tmp_path / name, rows=5, file_format="csv") for name in "ab"
    )
    assert first["sheet"] == second["sheet"]
    assert Path(first["files"][0]).read_bytes() == Path(second["files"][0]).read_bytes()
    assert export_sheets(case.lake, case.use_case, tmp_path / "c", rows=6)["sheet"] != first["sheet"]
    assert export_sheets(case.lake, case.use_case, tmp_path / "d", rows=5, raters=3)["sheet"] != first["sheet"]


def test_files_that_may_hold_answers_are_never_replaced(case: JudgedCase, tmp_path: Path) -> None:
    files = filled(case, tmp_path)
    before = files[1].read_bytes()
    with pytest.raises(DataError, match="may hold answers"):
        export_sheets(case.lake, case.use_case, tmp_path, file_format="csv")
    assert files[1].read_bytes() == before


def test_what_cannot_be_exported_says_why(case: JudgedCase, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no system 'majority' .* \['base_few_shot'\]"):
        export_sheets(case.lake, case.use_case, tmp_path, alternative="majority")
    for rows, raters in ((0, 2), (5, 0), (5, 51)):
        with pytest.raises(ConfigError, match="1 to 50 raters"):
            export_sheets(case.lake, case.use_case, tmp_path, rows, raters)
    same = judged_case(tmp_path / "same", good, good)
    with pytest.raises(DataError, match="same answer on all 12"):
        export_sheets(same.lake, same.use_case, tmp_path)
    case.lake.add_verdict(case.splits, "no_leakage", False, case.lake.verdicts(case.splits)["no_leakage"].settings_hash)
    with pytest.raises(VersionRefused, match="no_leakage"):
        export_sheets(case.lake, case.use_case, tmp_path)
    assert not list(tmp_path.glob("sheet*"))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_would_be_a_formula_is_marked_as_text(text: str) -> None:
    assert cell(text).startswith("'") and cell(f"a {text}").startswith("a")


def test_no_cell_of_a_sheet_starts_a_formula(case: JudgedCase, tmp_path: Path) -> None:
    made = export_sheets(case.lake, case.use_case, tmp_path, raters=1, file_format="csv")
    texts = [value for row in read_csv(Path(made["files"][0])) for value in row.values()]
    assert not [text for text in texts if re.match(r"\s*[=+\-@＝]", text)]
    assert [text for text in texts if text.startswith("'=")]
    assert cell("a\x00b\x0bc\r\nd") == "abc\nd" and len(cell("x" * 50_000)) < MOST_CHARACTERS + 20


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


def test_the_form_holds_texts_as_data_only_and_loads_nothing(case: JudgedCase, tmp_path: Path) -> None:
    made = export_sheets(case.lake, case.use_case, tmp_path, raters=1)
    text = Path(made["files"][0]).read_text("utf-8")
    tags = Tags(text).tags
    assert tags.count("script") == 2 and not {"img", "svg", "link", "iframe"} & set(tags)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data and not re.search(r"[<>&\u2028]", data[1])
    found = json.loads(data[1])
    assert [row[1].count(CANARY) for row in found["rows"]] == [1] * 11
    assert {*XSS} <= {
        re.sub(r"^good answer \d+ | bad answer \d+$", "", answer) for row in found["rows"] for answer in row[2:]
    }
    assert "http" not in re.sub(re.escape(data[1]), "", text).replace("http-equiv", "")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    import base64
    import hashlib

    assert script and policy and "default-src 'none'" in policy[1] and "unsafe-inline'; script" in policy[1]
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()}'" in policy[1]
    assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(|insertAdjacent|Function\(", script[1])
    assert json.loads(json_in_html({"a": XSS})) == {"a": [*XSS]}


DOM = """
class Node { constructor(tag) { this.tag = tag; this.children = []; this.listeners = {}; this.textContent = ''; }
  append(...items) { this.children.push(...items); } addEventListener(name, what) { this.listeners[name] = what; } remove() {}
  click() { globalThis.saved = { name: this.download, blob: this.href }; } }
const ids = {}; ['data', 'done', 'rows', 'save'].forEach(id => { ids[id] = new Node(id); });
globalThis.document = { getElementById: id => ids[id], createElement: tag => new Node(tag), body: new Node('body') };
globalThis.Blob = class { constructor(parts) { this.text = parts.join(''); } };
globalThis.URL = { createObjectURL: blob => blob.text, revokeObjectURL: () => {} };
ids.data.textContent = process.argv[2];
require(process.argv[3]);
const inputs = []; (function walk(node) { if (node.tag === 'input') inputs.push(node); (node.children || []).forEach(walk); })(ids.rows);
inputs.filter(one => one.value === (one.name === 'row2' ? 'tie' : '1') && one.name !== 'row3').forEach(one => one.listeners.change());
ids.save.listeners.click();
console.log(JSON.stringify({ ...saved, done: ids.done.textContent, inputs: inputs.length }));
"""  # noqa: E501


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine on this machine")
def test_the_form_saves_what_was_chosen_and_the_import_takes_it(case: JudgedCase, tmp_path: Path) -> None:
    from ft_platform.reporting.html import TEMPLATES

    made = export_sheets(case.lake, case.use_case, tmp_path, rows=4, raters=1)
    data = re.search(r'id="data">(.*?)</script>', Path(made["files"][0]).read_text("utf-8"), re.DOTALL)
    assert data
    (tmp_path / "dom.js").write_text(DOM)
    done = subprocess.run(
        ["node", str(tmp_path / "dom.js"), data[1], str(TEMPLATES / "review_form.js")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    saved = json.loads(done.stdout)
    assert (saved["done"], saved["inputs"]) == ("3 of 4 answered", 12)
    assert saved["name"] == f"answers_{made['sheet']}_rater_1.csv"
    answers = tmp_path / saved["name"]
    answers.write_text(saved["blob"], newline="")
    _, found = import_answers(case.lake, case.use_case, [answers])
    assert found["rows"] == 3 and found["answers"]["tie"] == 1


def test_answers_come_back_to_the_right_system(case: JudgedCase, tmp_path: Path) -> None:
    review, found = import_answers(case.lake, case.use_case, filled(case, tmp_path))
    assert found["answers"] == {"fine_tuned": 22, "tie": 0, "alternative": 0} and found["win_rate"]["value"] == 1.0
    said = [one.what for one in AuditLog(case.lake).entries(1)]
    assert said == ["made sheets for experts", "imported answers of experts"]
    assert found["win_rate"]["low"] < 1
    assert (found["evaluation"], found["alternative"], found["rows"]) == (case.evaluation.id, "base_few_shot", 11)
    assert found["agreement"]["kappa"] is None and found["agreement"]["observed"] == 1.0, (
        "with one kind of rating there is no agreement beyond chance"
    )
    assert problems_with(case.lake, case.use_case, review) == []
    ratings = pq.read_table(io.BytesIO(case.lake.read_file(review, "ratings.parquet"))).to_pylist()
    assert len(ratings) == 22 and {row["preferred"] for row in ratings} == {"fine_tuned"}


def test_a_worse_model_loses_and_who_follows_a_side_agrees_with_nobody(case: JudgedCase, tmp_path: Path) -> None:
    paths = filled(case, tmp_path / "a", lambda row: {"1": "2", "2": "1"}[judge(row)])
    _, found = import_answers(case.lake, case.use_case, paths)
    assert found["win_rate"]["value"] == 0.0 and found["win_rate"]["high"] < 0.5
    _, found = import_answers(case.lake, case.use_case, filled(case, tmp_path / "b", lambda row: "1"))
    assert all(rater["first_share"] == 1.0 for rater in found["raters"]) and found["agreement"]["kappa"]["low"] < 0.2


def test_raters_ties_and_empty_rows_are_counted(case: JudgedCase, tmp_path: Path) -> None:
    def choose(row: dict[str, str]) -> str:
        if row["rater"] == "rater_2":
            return {"1": "TIE", "2": "", "3": "tie "}.get(row["row"], judge(row))
        return judge(row)

    _, found = import_answers(case.lake, case.use_case, filled(case, tmp_path, choose))
    first, second = found["raters"]
    assert (first["answers"], first["empty"], first["win_rate"]["value"]) == (11, 0, 1.0)
    assert (second["answers"], second["empty"], second["tie"], second["win_rate"]["value"]) == (10, 1, 2, 0.9)
    assert found["rows"] == 11 and found["win_rate"]["value"] == pytest.approx((9 + 0.75 * 2) / 11)
    assert found["agreement"]["rows"] == 10 and found["agreement"]["observed"] == pytest.approx(0.8)


def test_the_same_answers_are_one_review_and_others_another(case: JudgedCase, tmp_path: Path) -> None:
    files = filled(case, tmp_path)
    first, _ = import_answers(case.lake, case.use_case, files)
    assert import_answers(case.lake, case.use_case, files[::-1])[0] == first
    assert import_answers(case.lake, case.use_case, files[:1])[0] != first
    other = evaluated(case.lake, case.use_case, case.splits, lambda place: f"new {place}", bad, "eval-2")
    assert reviews_of(case.lake, other) == [] and len(reviews_of(case.lake, case.evaluation)) == 2


def test_semicolons_come_back_as_well(case: JudgedCase, tmp_path: Path) -> None:
    expected = import_answers(case.lake, case.use_case, filled(case, tmp_path))[1]
    rows = [read_csv(path) for path in sorted(tmp_path.glob("*.csv"))]
    files = [write_csv(tmp_path / f"{name}.csv", sheet, ";") for name, sheet in zip("ab", rows, strict=True)]
    _, found = import_answers(case.lake, case.use_case, files)
    assert found == expected


FAULTS: list[tuple[str, Callable[[list[dict[str, str]]], Any], str]] = [
    (
        "an answer that is none",
        lambda rows: rows[0].update(better="both Jane Roe"),
        r"x\.csv:2: column better must be 1, 2 or tie, .* got a text of 13 characters",
    ),
    (
        "a row that is not there",
        lambda rows: rows[1].update(row="99"),
        r"x\.csv:3: column row must be a number from 1 to 11",
    ),
    ("a row that is no number", lambda rows: rows[1].update(row="two"), r"x\.csv:3: column row must be a number"),
    (
        "a rater of nobody",
        lambda rows: rows[2].update(rater="Jane Roe"),
        r"x\.csv:4: column rater must be one of rater_1, rater_2, got a text of 8",
    ),
    ("a row twice", lambda rows: rows.append(dict(rows[0])), r"x\.csv:13: row 1 of rater_1 is in x\.csv:2 already"),
    (
        "another export",
        lambda rows: rows[3].update(sheet="sheet-0123456789ab"),
        r"x\.csv:5: is of export sheet-0123456789ab, but x\.csv:2",
    ),
    ("no export", lambda rows: rows[0].update(sheet="Jane"), r"x\.csv:2: column sheet must name an export"),
    (
        "an unknown export",
        lambda rows: [row.update(sheet="sheet-0123456789ab") for row in rows],
        r"x\.csv:2: this use case has no export",
    ),
    ("a column lost", lambda rows: [row.pop("better") for row in rows], r"x\.csv:1: lacks the columns better"),
    (
        "one column sorted",
        lambda rows: [row.update(row=str(12 - int(row["row"]))) for row in rows],
        r"x\.csv:2: the texts of row 11 .* sorted alone",
    ),
    ("nothing filled in", lambda rows: [row.update(better="") for row in rows], r"x\.csv: no row has an answer"),
    ("no rows", lambda rows: [row.update(dict.fromkeys(row, "")) for row in rows], r"x\.csv: no rows"),
]


@pytest.mark.parametrize(
    ("fault", "message"), [(fault, message) for _, fault, message in FAULTS], ids=[name for name, _, _ in FAULTS]
)
def test_a_fault_is_named_with_file_and_row_and_nothing_is_imported(
    case: JudgedCase, tmp_path: Path, fault: Callable, message: str
) -> None:
    rows = read_csv(filled(case, tmp_path)[0])
    fault(rows)
    with pytest.raises(AnswersRefused, match=message) as refused:
        import_answers(case.lake, case.use_case, [write_csv(tmp_path / "x.csv", rows)])
    assert "Jane" not in str(refused.value), "what stands in a cell may be personal data"
    assert case.lake.artifacts("complaints", "human_review") == []


def test_files_that_are_no_sheets_are_refused(case: JudgedCase, tmp_path: Path) -> None:
    files = filled(case, tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "d.csv").write_bytes(b'sheet,rater,row,better\n"never ends')
    (tmp_path / "e.csv").write_bytes(b"")
    for name, message in {
        "a.pdf": "must be a .csv",
        "b.csv": "not UTF-8",
        "d.csv": "no CSV",
        "e.csv": "lacks",
    }.items():
        with pytest.raises(AnswersRefused, match=message):
            import_answers(case.lake, case.use_case, [files[0], tmp_path / name])
    with pytest.raises(AnswersRefused, match="no such file"):
        import_answers(case.lake, case.use_case, [tmp_path / "none.csv"])
    with pytest.raises(AnswersRefused, match=r"and 2 more problems") as refused:
        import_answers(
            case.lake,
            case.use_case,
            [files[0], files[1], write_csv(tmp_path / "again.csv", [*read_csv(files[0]), *read_csv(files[1])])],
        )
    assert len(refused.value.problems) == 21


def test_the_report_has_figures_pictures_and_no_text_of_a_record(case: JudgedCase, tmp_path: Path) -> None:
    review, found = import_answers(case.lake, case.use_case, filled(case, tmp_path))
    page = case.lake.read_file(review, "report.html").decode()
    assert "in 100 % of the 11 judged records" in page and "The two answers differ on 11 of 12 test records" in page
    assert "data:image/png;base64," in page
    for name in case.lake.manifest(review).files:
        content = case.lake.read_file(review, name)
        assert CANARY.encode() not in content and b"good answer" not in content
    assert found["ties_count_half"] is True and "script" not in Tags(page).tags


def test_the_asset_shows_the_newest_review_of_this_evaluation_or_fails(case: JudgedCase, tmp_path: Path) -> None:
    (asset,) = build(case.use_case)
    function = asset.op.compute_fn.decorated_fn

    def made() -> dg.MaterializeResult:
        return function(lake=case.lake, environment=case.environment, evaluation_report=case.evaluation)

    with pytest.raises(dg.Failure, match="no review of evaluation eval-1"):
        made()
    review, _ = import_answers(case.lake, case.use_case, filled(case, tmp_path))
    metadata = made().metadata or {}
    assert metadata["version"] == review.id and "plot/human_review" in metadata
    assert "judged records" in str(metadata["conclusion"])


def test_both_commands_print_json(
    case: JudgedCase, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in case.environment.to_variables().items():
        monkeypatch.setenv(name, value)
    assert (
        main(
            [
                "review",
                "export",
                "complaints",
                "--format",
                "csv",
                "--rows",
                "5",
                "--out",
                str(tmp_path / "out"),
                "--json",
            ]
        )
        == 0
    )
    made = json.loads(capsys.readouterr().out)
    assert made["rows"] == 5 and all(Path(path).exists() for path in made["files"])
    assert main(["review", "import", "complaints", *made["files"]]) == 1
    assert "ft review: " in (said := capsys.readouterr().err) and "no row has an answer" in said
    for path in map(Path, made["files"]):
        write_csv(path, [{**row, "better": judge(row)} for row in read_csv(path)])
    assert main(["review", "import", "complaints", *made["files"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["win_rate"]["value"] == 1.0 and found["of_newest_evaluation"] is True
    assert Path(found["report"]).exists()
    evaluated(case.lake, case.use_case, case.splits, lambda place: f"new {place}", bad, "eval-2")
    import ft_platform.evaluation.pairs as pairs

    monkeypatch.setattr(
        pairs, "newest_evaluation", lambda *_: case.lake.artifact("complaints", "evaluation_report", "eval-2")
    )
    assert main(["review", "import", "complaints", *made["files"]]) == 0
    assert "There is a newer evaluation" in capsys.readouterr().out


def test_a_label_can_be_reviewed_too(tmp_path: Path) -> None:
    case = judged_case(
        tmp_path / "home", lambda place: "card", lambda place: ("card", "loan")[place % 2], "classification"
    )
    pairs = pairs_of(case.lake, case.use_case, case.evaluation, "base_few_shot")
    assert (len(pairs.differing), pairs.test_rows, pairs.identical_rows) == (6, 12, 6)
    assert {(pair.fine_tuned, pair.alternative) for pair in pairs.differing} == {("card", "loan")}
    assert ANSWERS == ("1", "2", "tie")


def test_the_question_is_the_conversation_up_to_the_answer() -> None:
    said = [
        ("user", "Hello"),
        ("assistant", "Yes?"),
        ("user", "Why?"),
        ("assistant", "Secret reference."),
        ("rejected", "No."),
    ]
    messages = [{"role": role, "content": text} for role, text in said]
    assert question_in(messages) == "user: Hello\n\nassistant: Yes?\n\nuser: Why?"
    assert question_in(messages[2:]) == "Why?"


def test_results_name_the_review_of_the_evaluation_that_is_shown(
    case: JudgedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from ft_platform.commands.terminal import print_summary
    from ft_platform.orchestration import results

    (tmp_path / "a").mkdir()
    shown = {"funnel": [], "reused": [], "trained": True, "seconds": {}}
    assert "human_review" not in results._evaluated(case.lake, "complaints", case.evaluation.id)
    review, found = import_answers(case.lake, case.use_case, filled(case, tmp_path))
    evaluation = results._evaluated(case.lake, "complaints", case.evaluation.id)
    assert evaluation["human_review"] == {"review": review.id, **found}
    console = Console(record=True, width=200, file=io.StringIO())
    print_summary({**shown, **evaluation}, console)
    assert "Experts prefer the trained model to “Base model, few-shot” in 100 %" in console.export_text()
