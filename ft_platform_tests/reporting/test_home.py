"""The home page of a use case, and what the server adds to reports so that they lead there."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ft_platform.commands.ui import WORKSPACE
from ft_platform.errors import CorruptVersion
from ft_platform.evaluation.systems import NOT_FINE_TUNED, TITLES
from ft_platform.lake.store import Lake
from ft_platform.orchestration.run_settings import overrides_of
from ft_platform.release.simpler import Simpler
from ft_platform.reporting.personas import READS, Known, cards
from ft_platform.reporting.published import headline
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.home import LOCATION, home_page
from ft_platform.web.portal_pages.site import Reports
from ft_platform_tests.reporting.page_rules import Page, problems_of
from ft_platform_tests.reporting.xss import ATTACKS
from ft_platform_tests.tables import use_case as a_use_case

BODY = "<!DOCTYPE html>\n<html lang='en'><head><title>x</title></head>\n<body>\n<h1>x</h1></body></html>"


def shown(reports: Reports, path: str) -> str:
    page = reports.page(path)
    return page.content.decode() if page else ""


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "detectable": 0.1}


def metrics(tuned: float = 0.87, prompt: float = 0.67) -> dict[str, Any]:
    scores = {"base_few_shot": prompt, "fine_tuned": tuned}
    return {
        "systems": {name: {"macro_f1": figure(value), "accuracy": figure(value)} for name, value in scores.items()},
        "differences": {"base_few_shot": {name: figure(tuned - prompt) for name in ("macro_f1", "accuracy")}},
        "tests": {"base_few_shot": {"p": 0.01, "p_corrected": 0.01, "mcnemar": None}},
        "main_metric": "macro_f1",
        "test_rows": 374,
        "labels": ["praise", ATTACKS[0]],
        "confusion": {"fine_tuned": [[200, 27], [20, 127]]},
        "calibration": {},
        "per_1000_requests": {"fine_tuned": {"seconds": 38.0}},
        "slices": [
            {"by": "region", "part": "west", "rows": 82, "enough_evidence": True, "value": 0.6, "rest": 0.9}
            | {"low": 0.5, "high": 0.7, "p": 0.001, "p_corrected": 0.01}
        ],
    }


def publish(lake: Lake, stage: str, artifact_id: str, page: str = "report.html", **files: Any) -> None:
    with lake.scratch("letters", stage) as folder:
        folder.mkdir(parents=True)
        (folder / page).write_text(BODY)
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        if stage == "evaluation_report":
            rows = [
                ("r1", "fine_tuned", "praise", "praise", 0.9),
                ("r1", "base_few_shot", "praise", ATTACKS[0], 0.6),
                ("r2", "fine_tuned", "praise", ATTACKS[0], 0.8),
                ("r2", "base_few_shot", "praise", "praise", 0.6),
                ("r3", "fine_tuned", "praise", "praise", 0.51),
            ]
            names = ("record_id", "system", "label", "predicted", "confidence")
            pq.write_table(
                pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)}),
                folder / "predictions.parquet",
            )
        lake.publish("letters", stage, artifact_id, folder, parents=[], settings_hash="s", input_hash="i")


def decision(passed: bool) -> dict[str, Any]:
    rule = {
        "rule": "beats/base_few_shot",
        "passed": passed,
        "waiver": None,
        "waivable": True,
        "why": "It does not win.",
    }
    return {
        "use_case": "letters",
        "checkpoint": "ckpt-1",
        "decision": "accepted" if passed else "refused",
        "rules": [rule],
        "valid_until": None,
    }


@pytest.fixture
def published(lake: Lake) -> Lake:
    publish(lake, "evaluation_report", "eval-1", metrics=metrics(0.5))
    publish(lake, "evaluation_report", "eval-2", metrics=metrics())
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=decision(True))
    return lake


def test_it_opens_with_the_verdict_in_plain_words(published: Lake) -> None:
    settings = a_use_case().settings.model_copy(update={"description": "Sorts letters."})
    letters = NamedUseCase(name="letters", settings=settings)
    words = " ".join(Page(home_page(published, "letters", letters) or "").words.split())
    order = [
        "Letters Sorts letters.",
        "It may no longer be released: decision-1 accepts ckpt-1, which is no longer in the lake.",
        "Of 100 records, the fine-tuned model gets about 87 right (85 to 89).",
        "The same base model with the best prompt gets 67 right.",
        "it gets about 20 more of 100 records right (18 to 22) than the best prompt",
        "It does worse where region is west: 60 of 100 right there, 90 elsewhere (82 test records).",
        "decide again: ft run letters",
        "Three examples",
    ]
    places = [words.find(text) for text in order]
    assert -1 not in places and places == sorted(places), places


@pytest.mark.parametrize(("method", "name"), NOT_FINE_TUNED.items())
def test_a_simpler_model_that_the_decision_offers_is_a_button_that_opens_the_launchpad(
    published: Lake, method: str, name: str
) -> None:
    offer = Simpler(f"You may not need this model: {TITLES[method]} reaches Macro F1 0.870.", (method,))
    offering = {**decision(True), "simpler": offer.says, "simpler_methods": [*offer.methods]}
    publish(published, "adapter_checkpoint", "ckpt-1", training={})
    others = ({**decision(True), "simpler": said} for said in (offer.says, "TF-IDF reaches 0.9.", None))
    for number, shown in enumerate((offering, *others)):
        publish(published, "release_decision", f"decision-of-{number}", "decision_brief.html", decision=shown)
        page = home_page(published, "letters", in_dagster=True) or ""
        assert problems_of(page) == []
        assert (f"Train the {name}" in page) == (shown is offering), "words alone offer nothing"
        if shown is offering:
            assert offer.says in Page(page).words
            (link,) = re.findall(r'href="([^"]*playground[^"]*)"', page)
            (config,) = parse_qs(urlsplit(link).query)["config"]
            settings = yaml.safe_load(config)["resources"]["settings"]["config"]
            assert dict(overrides_of(settings)) == {"training.method": method}
            assert link.startswith("../../locations/__repository__@ft_platform/jobs/letters/")
            assert f"location_name: {LOCATION}" in WORKSPACE
            elsewhere = home_page(published, "letters") or ""
            assert f"ft run letters --set training.method={method}" in elsewhere
            assert "playground" not in elsewhere
    publish(published, "release_decision", "decision-old", "decision_brief.html", decision=offering)
    publish(published, "adapter_checkpoint", "ckpt-2", training={})
    assert f"Train the {name}" not in (home_page(published, "letters", in_dagster=True) or ""), "it has been tried"


@pytest.mark.parametrize(("method", "name"), NOT_FINE_TUNED.items())
def test_what_was_not_fine_tuned_is_not_called_so(published: Lake, method: str, name: str) -> None:
    assert "the fine-tuned model gets" in Page(home_page(published, "letters") or "").words
    publish(published, "adapter_checkpoint", "ckpt-2", training={"training": {"method": method}})
    words = Page(home_page(published, "letters") or "").words
    assert f"the trained {name} gets" in words
    assert "ine-tun" not in words


def test_a_refusal_says_what_to_do_and_people_are_named_where_they_are_known(published: Lake) -> None:
    accuracy = {"before": figure(0.93), "unit": "share of cases handled rightly"}
    returns = {"figures": {"accuracy": accuracy}, "savings_per_month": None, "confidence": 0.95}
    publish(published, "roi_report", "roi-1", roi=returns)
    publish(published, "release_decision", "decision-2", "decision_brief.html", decision=decision(False))
    words = " ".join(Page(home_page(published, "letters") or "").words.split())
    assert "It may not be released." in words and "People get 93 right." in words
    assert "Read what it gets wrong (ft errors letters --text)" in words
    assert "ft waiver grant letters --rule beats/base_few_shot" in words


def test_examples_are_labels_and_ids_and_cards_are_for_five_readers(published: Lake) -> None:
    text = home_page(published, "letters") or ""
    words = " ".join(Page(text).words.split())
    gained = f"Right answer: praise The model said: praise, 90 % sure The best prompt said: {ATTACKS[0]} Record r1"
    assert " ".join(gained.split()) in words and "Record r2" in words and "Record r3" in words
    assert all(reader in words for reader in READS)
    assert problems_of(text) == []


def test_all_reports_are_listed_with_status_and_date_older_ones_folded(published: Lake) -> None:
    text = home_page(published, "letters") or ""
    listed, _, older = text.partition("<details>")
    assert "evaluation_report/eval-2/report.html" in listed and "evaluation_report/eval-1/report.html" not in listed
    assert "evaluation_report/eval-1/report.html" in older and "1 older reports" in older
    assert "<td>release no longer accepted</td>" in listed and " UTC</td>" in listed


def test_a_damaged_report_says_nothing_and_the_page_is_there(published: Lake) -> None:
    (newest, *_) = published.artifacts("letters", "release_decision")
    published.fs.pipe_file(
        f"{published.path_of('shared', 'letters', 'release_decision', newest.id)}/decision.json", b"{"
    )
    assert "was altered or cannot be read, so it may not be released" in (home_page(published, "letters") or "")


def damage(lake: Lake, stage: str, file: str) -> None:
    """A change that JSON does not notice."""
    with open(f"{lake.artifacts('letters', stage)[0].uri}/{file}", "a") as opened:
        opened.write(" ")


def test_a_report_that_was_altered_is_called_damaged_and_not_missing(published: Lake) -> None:
    publish(published, "human_review", "review-1", review={"rows": 3})
    damage(published, "human_review", "review.json")
    damage(published, "evaluation_report", "metrics.json")
    damage(published, "release_decision", "decision.json")
    words = " ".join(Page(home_page(published, "letters") or "").words.split())
    for file, stage in (("metrics.json of eval-2", "evaluation_report"), ("review.json of review-1", "human_review")):
        assert f"{file} of letters does not match its manifest. Materialize {stage} again." in words
    assert "No expert has compared" not in words and "Train and evaluate it" not in words


def test_examples_that_were_altered_are_called_so(published: Lake) -> None:
    damage(published, "evaluation_report", "predictions.parquet")
    words = " ".join(Page(home_page(published, "letters") or "").words.split())
    assert "They cannot be read: predictions.parquet of eval-2" in words and "gets about 87 right" in words


def test_every_report_leads_home_and_an_older_one_to_the_newer(published: Lake) -> None:
    served = Reports(published)
    newest = shown(served, "/letters/evaluation_report/eval-2/report.html")
    older = shown(served, "/letters/evaluation_report/eval-1/report.html")
    assert '<a href="../../">letters: home</a>' in newest and "newer" not in newest
    assert '<a href="../../evaluation_report/eval-2/report.html">' in older
    assert older.replace(older[older.index("<header") : older.index("</header>") + len("</header>")], "") == BODY


def test_a_decision_about_an_older_checkpoint_is_said_to_be_one(published: Lake) -> None:
    publish(published, "adapter_checkpoint", "ckpt-2")
    assert "That was decided about ckpt-1; ckpt-2 is newer." in (home_page(published, "letters") or "")


def test_the_last_figure_is_that_of_the_newest_evaluation(published: Lake, environment: Environment) -> None:
    newest = published.artifacts("letters", "evaluation_report")[0]
    assert headline(published, newest) == {"metric": "macro_f1", "value": 0.87}
    assert headline(published, None) == {"metric": None, "value": None}
    damage(published, "evaluation_report", "metrics.json")
    with pytest.raises(CorruptVersion, match="eval-2"):
        headline(published, newest)


def test_what_a_model_that_scores_labels_forgot_is_told_as_the_report_tells_it() -> None:
    why = "This checkpoint scores labels and writes nothing: 3 suites that ask it to write do not apply."
    card = next(
        one
        for one in cards(Known("x", regression={"suites": {}, "not_applicable": why}), {}, {})
        if one["reader"] == "ML engineer"
    )
    assert card["sentences"] == [why]
