"""The published report: reused, traceable, without a row of a file, readable without a network; `ft roi` prints it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.errors import CorruptVersion, DataError
from ft_platform.lake.gate import problems_with
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.publishing.roi import outdated
from ft_platform.reporting.roi_words import amount, conclusion, figure_sentence
from ft_platform_tests.business.cases import PLAN, found, priced, published, satisfaction, with_business, write_rows
from ft_platform_tests.evaluation.tiny_case import TinyCase

PERSON = "Erika-Musterfrau-4711"
"""A fictitious person, as case id."""


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def page_of(case: TinyCase, report) -> Page:
    return Page(case.lake.read_file(report, "report.html").decode())


def measured(tmp_path: Path, name: str = "m.csv") -> list[dict]:
    rows = [
        {**row, "case": f"{PERSON}-{number}"} for number, row in enumerate(satisfaction([3.0, 3.5] * 8, [4.0, 4.5] * 8))
    ]
    return [{"uri": write_rows(tmp_path / name, rows), "period": "period", "case": "case"}]


def test_the_same_inputs_are_not_worked_out_again_and_a_changed_file_is(case: TinyCase, tmp_path: Path) -> None:
    business = {**PLAN, "measurements": measured(tmp_path)}
    first, _ = published(case, **business)
    assert published(case, **business)[0] == first
    assert published(case, priced(case.environment, currency="USD"), **business)[0].artifact_id != first.artifact_id
    Path(business["measurements"][0]["uri"]).write_text(
        "date,metric,value,period,case\n2026-01-01,accuracy,1,before,c1\n"
    )
    assert published(case, **business)[0].artifact_id != first.artifact_id


def test_a_report_of_other_measurements_or_settings_is_called_out_of_date(case: TinyCase, tmp_path: Path) -> None:
    business = {**PLAN, "measurements": measured(tmp_path)}
    report, roi = published(case, **business)
    use_case, file = with_business(case.use_case, **business), Path(business["measurements"][0]["uri"])
    assert outdated(case.lake, case.environment, use_case, report, roi) == []
    content = file.read_bytes()
    file.write_bytes(content + content.splitlines(keepends=True)[-1].replace(b"-15", b"-99"))
    assert [
        f"business.measurements have changed since {report.id}" in one
        for one in outdated(case.lake, case.environment, use_case, report, roi)
    ] == [True]
    file.unlink()
    assert "business.measurements[0]" in outdated(case.lake, case.environment, use_case, report, roi)[0]
    file.write_bytes(content)
    assert (
        "stale"
        in outdated(
            case.lake, case.environment, with_business(case.use_case, **{**business, "adoption": 0.5}), report, roi
        )[0]
    )


def test_the_report_passes_the_gate_and_a_changed_assumption_makes_it_stale(case: TinyCase) -> None:
    report, _ = published(case, **PLAN)
    assert problems_with(case.lake, with_business(case.use_case, **PLAN), report) == []
    assert any(
        "stale" in problem
        for problem in problems_with(case.lake, with_business(case.use_case, **{**PLAN, "adoption": 0.5}), report)
    )


def test_every_source_is_an_artifact_a_hash_or_a_labelled_assumption(case: TinyCase, tmp_path: Path) -> None:
    _, roi = published(case, **PLAN, accuracy_without=0.9, cost_of_error=3, measurements=measured(tmp_path))
    artifacts = {case.report.artifact_id, case.checkpoint.artifact_id, case.base.artifact_id}
    declared = {f"assumption: business.{name}" for name in roi["assumptions"]}
    hashes = {f"sha256:{one['sha256']}" for one in roi["measurements"]}
    for figure in roi["figures"].values():
        assert set(figure["source"].split("; ")) <= artifacts | declared | hashes
        assert figure["status"] != "not measured"


def test_no_file_of_the_report_holds_a_row_of_the_measurements(case: TinyCase, tmp_path: Path) -> None:
    report, _ = published(case, measurements=measured(tmp_path))
    for name in [*case.lake.manifest(report).files, "manifest.json"]:
        assert PERSON.encode() not in case.lake.read_file(report, name), name
    left = [
        path
        for path in Path(case.lake.uri("restricted", "complaints")).rglob("*")
        if path.is_file() and PERSON.encode() in path.read_bytes()
    ]
    assert left == []


def test_a_file_that_cannot_be_used_publishes_nothing(case: TinyCase, tmp_path: Path) -> None:
    before = case.lake.artifacts("complaints", "roi_report")
    rows = satisfaction([float("nan")] * 6, [4.0] * 6)
    with pytest.raises(DataError, match="not a finite number"):
        published(case, measurements=[{"uri": write_rows(tmp_path / "nan.csv", rows), "period": "period"}])
    assert case.lake.artifacts("complaints", "roi_report") == before


def test_the_page_says_everything_and_loads_nothing(case: TinyCase, tmp_path: Path) -> None:
    report, roi = published(
        case,
        priced(case.environment),
        **PLAN,
        accuracy_without=0.9,
        api_price_per_1000=4,
        measurements=measured(tmp_path),
    )
    page = page_of(case, report)
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"}
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    sources = [value for value in sources if not (value or "").startswith("#")]  # its table of contents
    assert len(sources) == 3 and all((source or "").startswith("data:image/png;base64,") for source in sources)
    alts = [attributes["alt"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(alts) == 3 and all(re.search(r"\d", alt) for alt in alts), "each says its figures"
    assert alts[0].startswith("Change of each figure: Accuracy -")
    assert not re.search(r"https?://", case.lake.read_file(report, "report.html").decode())
    words = " ".join(page.words.split())
    for part in (
        "the model saves 8,400",
        "CHF per month",
        "Payback after 3.57",
        "Break-even after 14,286",
        "Prompted model of another provider",
        "business.minutes_without",
        "Customer satisfaction: better (measured)",
        f"sha256:{roi['measurements'][0]['sha256']}",
        "The savings leave out the cost of errors: business.cost_of_error not declared or measured",
        report.artifact_id,
        case.report.artifact_id,
    ):
        assert part in words, part
    assert set(pictures(case, report)) == {"change.png", "tornado.png", "payback.png"}
    assert all(png.startswith(b"\x89PNG") for png in pictures(case, report).values())


def pictures(case: TinyCase, report: ArtifactVersion) -> dict[str, bytes]:
    names = [name for name in case.lake.manifest(report).files if name.endswith(".png")]
    return {name: case.lake.read_file(report, name) for name in names}


def test_the_page_opens_with_the_quality_and_the_release_and_not_with_what_is_saved(case: TinyCase) -> None:
    report, _ = published(case, **PLAN)
    words = " ".join(page_of(case, report).words.split())
    quality, release, saved = (
        words.index(part)
        for part in ("Is the model good enough?", "Nothing is saved until the model is released", "the model saves")
    )
    assert quality < release < saved


def test_a_use_case_without_business_figures_says_not_measured(case: TinyCase) -> None:
    report, _ = published(case)
    words = " ".join(page_of(case, report).words.split())
    assert words.count("not measured") > 4 and "so nothing was assumed" in words
    assert "Savings and payback: not measured." in words
    before_and_after = words.rpartition("Trained or prompted")[0].rpartition("Before and after")[2]
    assert "0.000" not in before_and_after.split("Efficiency")[1]
    assert set(pictures(case, report)) == {"change.png"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minutes_with": 9}, "If it is released, the model costs more than it saves: -6,300"),
        ({"minutes_with": 9}, "Payback: never at these figures."),
        ({"volume_per_month": 0}, "If it is released, the model saves nothing"),
        ({"minutes_with": 5.9}, "The interval includes 0, so this is not certain."),
        ({"investment": None}, "Payback: not measured: business.investment is not declared."),
    ],
)
def test_losses_are_said_as_plainly_as_savings(case: TinyCase, changes: dict, said: str) -> None:
    assert said in " ".join(one["text"] for one in conclusion(found(case, **{**PLAN, **changes})))


def test_a_figure_is_called_better_only_if_its_interval_is(case: TinyCase) -> None:
    roi = found(case, **PLAN)
    assert figure_sentence("efficiency", roi["figures"]["efficiency"])["text"].startswith(
        "Efficiency: better (assumed). 6.00 before, 3.20 after, a difference of -2.80"
    )
    near = found(case, **{**PLAN, "minutes_with": 5.9})["figures"]["efficiency"]
    assert "no clear change" in figure_sentence("efficiency", near)["text"]
    worse = found(case, **{**PLAN, "minutes_with": 12})["figures"]["efficiency"]
    sentence = figure_sentence("efficiency", worse)
    assert not sentence["good"] and ": worse" in sentence["text"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0123, "0.012"),
        (0.00154, "0.0015"),
        (-2e-6, "-0.0000020"),
        (0.0, "0.000"),
        (3.2, "3.20"),
        (-14.56, "-14.6"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float | None, text: str) -> None:
    assert amount(value) == text


def test_the_command_prints_the_newest_report(
    case: TinyCase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_HOME", str(case.environment.home))
    monkeypatch.setenv("FT_DEFS", str(case.environment.defs))
    monkeypatch.setenv("FT_TRACKING_URI", "none")
    report, roi = published(case, **PLAN, uncertainty=0.15)
    assert cli.main(["roi", "complaints", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["figures"] == roi["figures"] and printed["payback_months"] == roi["payback_months"]
    assert printed["roi_report"] == report.artifact_id
    assert cli.main(["roi", "complaints"]) == 0
    text = capsys.readouterr().out
    assert "Payback after 3.57" in text and "assumption: business.minutes_with" in text
    assert f"{report.artifact_id}/report.html" in text
    path = Path(report.uri) / "roi.json"
    path.write_text(path.read_text().replace('"value": 6', '"value": 7'))
    assert cli.main(["roi", "complaints", "--json"]) == 1
    assert "does not match its manifest" in capsys.readouterr().err and CorruptVersion.permanent


def test_the_command_says_what_to_do_where_there_is_no_report(
    tmp_path: Path, case: TinyCase, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("FT_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("FT_DEFS", str(case.environment.defs))
    assert cli.main(["roi", "complaints"]) == 1
    assert "complaints has no roi_report. Run: ft run complaints" in capsys.readouterr().err
