"""Reports of a tiny run: nothing personal, nothing loaded from outside, nothing that acts as markup."""

import json
import re
from pathlib import Path

import pytest
import yaml

from ft_platform.evaluation.files import PREDICTIONS, read_metrics
from ft_platform.lake.draft import Draft
from ft_platform.lake.parents import version_of_parent
from ft_platform.reporting import plots
from ft_platform.reporting.evaluation_report import write_pictures, write_report
from ft_platform.reporting.fairness_report import write_fairness_report
from ft_platform.reporting.judge_report import write_judge_report
from ft_platform.reporting.model_card import plain_markdown, publish_model_card
from ft_platform.reporting.privacy_report import write_privacy_report
from ft_platform.reporting.regression_report import write_regression_report
from ft_platform.reporting.review_report import write_review_report
from ft_platform.reporting.seed_report import write_seed_report
from ft_platform.reporting.stage_pages import write_base_report
from ft_platform_tests.evaluation.tiny_case import CANARY, HOSTILE, TinyCase, tiny_case
from ft_platform_tests.reporting import report_figures
from ft_platform_tests.reporting.page_rules import Tags

pytestmark = pytest.mark.pictures


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("classification"), "classification")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("generation"), "generation")


@pytest.fixture(params=["classification", "generation"])
def case(request: pytest.FixtureRequest, classified: TinyCase, generated: TinyCase) -> TinyCase:
    return classified if request.param == "classification" else generated


def pages(case: TinyCase) -> dict[str, str]:
    card = (case.card, "model_card.html")
    files = {"evaluation": (case.report, "report.html"), "fairness": (case.fairness, "report.html"), "card": card}
    return {name: case.lake.read_file(version, file).decode() for name, (version, file) in files.items()}


@pytest.mark.smoke  # seam: report
def test_pages_load_nothing_from_outside(case: TinyCase) -> None:
    for name, text in pages(case).items():
        tags = Tags(text).tags
        assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "embed"}, name
        sources = [
            value
            for _, attributes in tags
            for key, value in attributes.items()
            if key in ("src", "href", "srcset", "action")
        ]
        assert all((source or "").startswith(("data:image/png;base64,", "#")) for source in sources), name
        assert "@import" not in text and "url(" not in text, name
        assert not re.search(r"https?://", text), name


def test_the_report_of_a_probe_calls_nothing_fine_tuned_and_compares_it_with_no_probe(classified: TinyCase) -> None:
    settings = classified.use_case.settings
    training = settings.training.model_copy(update={"method": "linear_probe"})
    use_case = classified.use_case.model_copy(update={"settings": settings.model_copy(update={"training": training})})
    lake, report = classified.lake, classified.report
    parents = [version_of_parent(lake, "complaints", parent) for parent in lake.manifest(report).parents]
    with Draft(lake, use_case, "evaluation_report", "eval-of-a-probe", "inputs", parents).folder() as folder:
        (folder / PREDICTIONS).write_bytes(lake.read_file(report, PREDICTIONS))
        figures = read_metrics(lake, report)
        write_pictures(folder, figures, use_case)
        write_report(folder, Draft(lake, use_case, "evaluation_report", "eval-of-a-probe", "inputs", parents), figures)
        text = (folder / "report.html").read_text()
    said = f"{Tags(text).words} {[attributes.get('alt') for tag, attributes in Tags(text).tags if tag == 'img']}"
    assert re.findall(r".{0,30}fine.?tun.{0,30}", said, re.IGNORECASE) == []
    assert "Linear probe of the base model" not in said
    assert "the trained linear probe gets about" in said
    assert "Trained linear probe" in said
    assert "fine-tuned model gets about" in Tags(pages(classified)["evaluation"]).words


@pytest.mark.parametrize("name", ["privacy", "regression", "judge", "human_review", "seeds", "base", "fairness"])
def test_reports_beside_the_evaluation_call_no_model_fine_tuned_which_may_be_a_probe(
    classified: TinyCase, tmp_path: Path, name: str
) -> None:
    draft = Draft(classified.lake, classified.use_case, "stage", "the report", "inputs", [classified.checkpoint])
    fairness = json.loads(classified.lake.read_file(classified.fairness, "fairness.json"))
    privacy, losses = report_figures.privacy(), report_figures.privacy_losses()
    {
        "privacy": lambda: write_privacy_report(tmp_path, draft, privacy, losses),
        "regression": lambda: write_regression_report(tmp_path, draft, report_figures.regression()),
        "judge": lambda: write_judge_report(tmp_path, draft, report_figures.judge()),
        "human_review": lambda: write_review_report(tmp_path, draft, report_figures.human_review()),
        "seeds": lambda: write_seed_report(tmp_path, draft, report_figures.seeds()),
        "base": lambda: write_base_report(tmp_path, draft, read_metrics(classified.lake, classified.report)),
        "fairness": lambda: write_fairness_report(tmp_path, draft, fairness),
    }[name]()
    tags = Tags((tmp_path / "report.html").read_text())
    said = f"{tags.words} {[attributes.get('alt') for tag, attributes in tags.tags if tag == 'img']}"
    others = said.replace("Fine-tuned model", "") if name == "base" else said  # figures of an evaluation stand in
    assert re.findall(r".{0,30}fine.?tun.{0,30}", others, re.IGNORECASE) == []


def test_every_picture_is_inside_the_page_and_its_alt_text_says_what_it_shows(classified: TinyCase) -> None:
    names = [attributes["alt"] or "" for tag, attributes in Tags(pages(classified)["evaluation"]).tags if tag == "img"]
    assert [name.partition(":")[0] for name in names] == [
        "Macro F1 of each system with its interval",
        "Accuracy on parts of the test split, the worst first",
        "How sure the model is against how often it is right",
        "F1 for each label, Fine-tuned model",
        "True against predicted labels",
        "Records kept at each stage",
        "Loss over the optimizer steps",
    ]
    figures = json.loads(classified.lake.read_file(classified.report, "metrics.json"))
    assert f"Fine-tuned model {figures['systems']['fine_tuned']['macro_f1']['value']:.3f} (" in names[0]
    assert "of 12 records are right" in names[4]


def test_the_evaluation_says_whether_to_fine_tune_where_it_is_worse_and_how_sure_it_is(case: TinyCase) -> None:
    words = " ".join(Tags(pages(case)["evaluation"]).words.split())
    assert words.index("In short") < words.index("What it gains") < words.index("What to do next")
    assert "1,000 requests take" in words and "corrected" in words
    assert "Where it is worse" in words and "region: north" in words and "not stated" in words
    assert ("How sure it is" in words) == (case.use_case.settings.task.kind == "classification")


def test_a_hostile_label_is_shown_as_text(classified: TinyCase) -> None:
    for name, text in pages(classified).items():
        parsed = Tags(text)
        assert "script" not in {tag for tag, _ in parsed.tags}, name
        assert HOSTILE in parsed.words, name


def test_a_hostile_label_breaks_no_table_of_the_model_card(classified: TinyCase) -> None:
    text = classified.lake.read_file(classified.card, "README.md").decode()
    assert "<script" not in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_no_file_holds_a_records_text(case: TinyCase) -> None:
    for version in (case.base, case.report, case.fairness, case.card):
        for name in [*case.lake.manifest(version).files, "manifest.json"]:
            assert CANARY.encode() not in case.lake.read_file(version, name), f"{version.id}/{name}"


def test_the_evaluation_report_names_every_version_behind_it(case: TinyCase) -> None:
    text = pages(case)["evaluation"]
    for version in (case.splits, case.base, case.checkpoint):
        assert version.id in text and version.content_hash[:12] in text
    for stage in ("raw_records", "permitted_records", "cleaned_records", "anonymized_records"):
        assert stage in text


def test_a_baseline_that_wins_is_said_to_win(classified: TinyCase) -> None:
    text = Tags(pages(classified)["evaluation"]).words
    assert "Nearest training record has the highest Macro F1, 1.000 (1.000 to 1.000), but these test records" in text
    assert "Against TF-IDF + logistic regression the fine-tuned model is worse" in text


def test_the_report_says_how_wide_the_interval_is(case: TinyCase) -> None:
    assert "The test split has 12 records. The 95 % interval" in Tags(pages(case)["evaluation"]).words


def test_the_fairness_report_says_not_enough_evidence_of_small_groups(classified: TinyCase) -> None:
    found = json.loads(classified.lake.read_file(classified.fairness, "fairness.json"))
    small = [group for group, row in found["features"]["region"]["groups"].items() if not row["enough_evidence"]]
    assert small == ["not stated"]
    assert "not enough evidence" in Tags(pages(classified)["fairness"]).words


def test_the_model_card_is_what_the_hub_reads(case: TinyCase, tmp_path) -> None:
    from huggingface_hub import ModelCard

    path = tmp_path / "README.md"
    path.write_bytes(case.lake.read_file(case.card, "README.md"))
    card = ModelCard.load(path)
    assert card.data.base_model == case.use_case.settings.base_model.uri
    assert card.data.license == "other"
    scores = {result.metric_type: result.metric_value for result in card.data.eval_results}
    figures = json.loads(case.lake.read_file(case.report, "metrics.json"))["systems"]["fine_tuned"]
    expected = (
        {"f1": "macro_f1", "accuracy": "accuracy"}
        if case.use_case.settings.task.kind == "classification"
        else {"rouge": "rouge_l", "chrf": "chrf"}
    )
    for hub, ours in expected.items():
        assert scores[hub] == pytest.approx(figures[ours]["value"], abs=1e-6)


def test_the_model_card_shows_the_system_message_that_the_model_gets(case: TinyCase) -> None:
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer, labels_of

    settings = case.use_case.settings
    _, tokenizer = base_model.load(
        base_model.resolve(settings.base_model, case.environment.cache_path), settings.base_model.dtype
    )
    system = Renderer(tokenizer, settings.task, labels_of(case.lake.read_table(case.splits))).system
    assert "{labels}" not in system
    assert f"System message of every prompt: {system}" in Tags(pages(case)["card"]).words
    expected = f"System message of every prompt: {plain_markdown(system)}"
    assert expected in case.lake.read_file(case.card, "README.md").decode()


@pytest.mark.parametrize(
    ("systems", "last"), [(["majority", "base_few_shot"], "base_few_shot"), (["majority", "fine_tuned"], "fine_tuned")]
)
def test_the_confusion_matrix_is_of_the_last_system_and_says_so(
    systems: list[str], last: str, tmp_path, monkeypatch, classified: TinyCase
) -> None:
    drawn = []
    monkeypatch.setattr(plots, "confusion_matrix_plot", lambda *arguments: drawn.append(arguments) or b"")
    counts = {system: [[place]] for place, system in enumerate(systems)}
    row = {"a": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}}
    score = {"macro_f1": {"value": 1.0, "low": 1.0, "high": 1.0}}
    figures = {
        "systems": dict.fromkeys(systems, score),
        "main_metric": "macro_f1",
        "labels": ["a"],
        "confusion": counts,
        "per_class": dict.fromkeys(systems, row),
        "calibration": {},
    }
    write_pictures(tmp_path, figures, classified.use_case)
    assert drawn == [(["a"], [[1]], last)]


def test_the_model_card_says_use_owners_and_lineage(case: TinyCase) -> None:
    text = case.lake.read_file(case.card, "README.md").decode()
    assert yaml.safe_load(text.split("---")[1])["library_name"] == "peft"
    for part in (
        "Tests of the platform.",
        "team:complaints",
        case.checkpoint.id,
        case.report.id,
        case.fairness.id,
        "## Not intended for",
    ):
        assert part in text


def test_the_same_card_is_not_written_again_and_another_use_is_another_card(classified: TinyCase) -> None:
    case = classified
    assert publish_model_card(case.lake, case.use_case, case.checkpoint, case.report, case.fairness) == case.card
    release = case.use_case.settings.release.model_copy(update={"not_intended_for": "Decisions about persons."})
    settings = case.use_case.settings.model_copy(update={"release": release})
    other = case.use_case.model_copy(update={"settings": settings})
    card = publish_model_card(case.lake, other, case.checkpoint, case.report, case.fairness)
    assert card.artifact_id != case.card.artifact_id
    assert "Decisions about persons." in case.lake.read_file(card, "README.md").decode()
