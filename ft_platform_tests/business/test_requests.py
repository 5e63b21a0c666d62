"""What requests take and cost comes from the newest load test of the very checkpoint, and from the evaluation where
there is none. The records are made up, in the form in which `serving.deploying` writes them; a test there deploys for
real."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import CorruptVersion
from ft_platform.lake.deployments import newest_load_test
from ft_platform.lake.gate import problems_with
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.publishing.roi import outdated
from ft_platform.reporting.roi_words import alternative_rows, requests_sentence
from ft_platform_tests.business.cases import PLAN, found, priced, published, with_business
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import TinyCase

LOAD = [
    {"concurrent": 1, "median_seconds": 0.4, "p95_seconds": 0.5, "requests_per_second": 2.5},
    {"concurrent": 16, "median_seconds": 1.0, "p95_seconds": 2.0, "requests_per_second": 10.0},
]
FASTER = [{**LOAD[0], "median_seconds": 0.2, "p95_seconds": 0.3}, LOAD[1]]


@pytest.fixture
def own(case: TinyCase, tmp_path: Path) -> TinyCase:
    """The case in a lake of its own, which a test may change."""
    shutil.copytree(case.environment.home, tmp_path / "home")
    environment = case.environment.model_copy(update={"home": tmp_path / "home"})
    return replace(case, environment=environment, lake=open_lake(environment))


def deployed(case: TinyCase, checkpoint: ArtifactVersion | None = None, **changes: Any) -> ArtifactVersion:
    """A deployment of a checkpoint, recorded."""
    checkpoint = checkpoint or case.checkpoint
    number = len(case.lake.artifacts("complaints", "deployment"))
    record = {
        "target": "local",
        "release": f"release-{number}",
        "checkpoint": {"id": checkpoint.artifact_id, "content_hash": checkpoint.content_hash},
        "load": LOAD,
        "cost_per_day": 12.0,
        "cost_per_1000_requests": 0.0139,
        "currency": "CHF",
        "deployed_at": f"2026-11-28T10:0{number}:00+00:00",
        **changes,
    }
    with case.lake.scratch("complaints", "deployment") as folder:
        folder.mkdir(parents=True)
        (folder / "deployment.json").write_text(json.dumps(record))
        return case.lake.publish(
            "complaints",
            "deployment",
            f"deployment-{number}",
            folder,
            parents=[released(case.lake, checkpoint)],
            settings_hash="s",
            input_hash=str(number),
            info={"target": record["target"]},
        )


def test_before_a_deployment_the_figures_are_those_of_the_evaluation_and_said_so(case: TinyCase) -> None:
    roi = found(case, priced(case.environment), **PLAN)
    asked = roi["requests"]
    assert asked["deployment"] is None and asked["seconds_alone"] is None
    assert asked["seconds_per_1000"] > 0 and asked["seconds_from"] == case.report.artifact_id
    assert "in batches: this checkpoint was not deployed when the report was made" in requests_sentence(roi)
    assert alternative_rows(roi)[0]["seconds"].endswith(" for 1,000")


def test_a_deployment_of_the_checkpoint_replaces_seconds_and_money_and_names_its_target(own: TinyCase) -> None:
    version = deployed(own)
    roi = found(own, priced(own.environment), **PLAN)
    asked, row = roi["requests"], roi["alternatives"]["fine_tuned"]
    assert asked["seconds_alone"] == row["seconds_alone"] == {"median": 0.4, "p95": 0.5}
    assert asked["seconds_per_1000"] is None and row["seconds_per_1000"] is None
    assert row["money_per_1000"]["value"] == 0.0139
    assert row["source"] == f"{version.artifact_id}; {own.report.artifact_id}", "the quality is of the evaluation"
    savings = roi["figures"]["cost_savings"]
    # 0.7 of 4,000 cases are requests; the evaluation had no price, so without the deployment they cost nothing known
    assert savings["after"]["value"] == pytest.approx(9600 + 4000 * 0.7 * 0.0139 / 1000)
    assert savings["parts"] == ["labour", "requests"] and version.artifact_id in savings["source"]
    said = requests_sentence(roi)
    assert "A request alone takes 0.400 seconds (95 of 100: at most 0.500), measured at the target local" in said
    assert "28 November 2026, 10:00 UTC" in said and version.artifact_id in said
    assert "1,000 requests cost 0.014 CHF while it is busy all the time; the target costs 12.0 CHF a day" in said
    assert alternative_rows(roi)[0]["seconds"] == "0.400 for one alone (95 of 100: 0.500)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cost_per_day": None, "cost_per_1000_requests": None}, "the target local names no cost_per_hour"),
        ({"currency": "USD"}, "the target local costs USD, and this report is in CHF"),
    ],
)
def test_costs_that_are_unknown_or_in_another_currency_are_not_used(own: TinyCase, changes: dict, said: str) -> None:
    version = deployed(own, **changes)
    roi = found(own, priced(own.environment), **PLAN)
    row = roi["alternatives"]["fine_tuned"]
    assert row["seconds_alone"]["median"] == 0.4 and row["money_per_1000"] is None, "the evaluation had no price"
    assert row["source"] == f"{own.report.artifact_id}; {version.artifact_id}"
    assert roi["figures"]["cost_savings"]["parts"] == ["labour"]
    assert requests_sentence(roi).endswith(f"is that of the evaluation, which asked in batches: {said}.")


def test_a_deployment_of_another_checkpoint_says_nothing(own: TinyCase) -> None:
    deployed(own, replace(own.checkpoint, artifact_id="ckpt-other", content_hash="f" * 64))
    assert found(own, **PLAN)["requests"]["deployment"] is None


def test_of_several_deployments_the_newest_that_measured_counts(own: TinyCase) -> None:
    first = deployed(own)
    newest = deployed(own, load=FASTER, target="far")
    deployed(own)  # back at the first target, with the figures that were measured there
    measured = newest_load_test(own.lake, own.checkpoint)
    assert measured and measured.version == newest != first


def test_a_report_is_out_of_date_after_a_deployment_and_stays_what_it_was(own: TinyCase) -> None:
    environment, use_case = priced(own.environment), with_business(own.use_case, **PLAN)
    before, roi = published(own, environment, **PLAN)
    assert outdated(own.lake, environment, use_case, before, roi) == []
    version = deployed(own)
    (problem,) = outdated(own.lake, environment, use_case, before, roi)
    assert f"{version.artifact_id} was measured since {before.artifact_id} was made" in problem
    assert "ft run complaints --select roi_report" in problem
    assert problems_with(own.lake, use_case, before) == [], "the decision that rests on it stands"
    after, later = published(own, environment, **PLAN)
    assert after != before and outdated(own.lake, environment, use_case, after, later) == []
    recorded = own.lake.manifest(after).info["deployment"]
    assert recorded == later["requests"]["deployment"] and recorded["content_hash"] == version.content_hash


def test_a_second_deployment_with_the_same_figures_makes_no_new_report(own: TinyCase) -> None:
    """Otherwise a report would lead to a decision, a release and a deployment, which would lead to a report again."""
    deployed(own)
    first, roi = published(own, **PLAN)
    deployed(own)
    assert published(own, **PLAN)[0] == first
    assert outdated(own.lake, own.environment, with_business(own.use_case, **PLAN), first, roi) == []


def test_an_altered_record_is_not_used(own: TinyCase) -> None:
    version = deployed(own)
    path = Path(version.uri) / "deployment.json"
    path.write_text(path.read_text().replace("0.4", "0.1"))
    with pytest.raises(CorruptVersion):
        published(own, **PLAN)


def test_the_page_says_where_the_figures_were_measured(own: TinyCase) -> None:
    deployed(own)
    report, roi = published(own, priced(own.environment), **PLAN)
    page = own.lake.read_file(report, "report.html").decode()
    assert requests_sentence(roi) in page and "0.400 for one alone (95 of 100: 0.500)" in page
